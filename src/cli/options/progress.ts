/** How a pull or a push shows what it is doing: a flag of every command that is about one. */
import { TspodError } from "../../errors.ts";
import { value } from "../flags.ts";

const kinds = ["auto", "plain", "json", "none"] as const;
export type ProgressKind = (typeof kinds)[number];

export const progressFlags = {
  progress: value(
    "--progress",
    "TYPE",
    "On standard error: auto (bars on a terminal), plain lines, json lines or none",
    kinds,
  ),
} as const;

/** Throws usage. */
export function parseProgress(text: string | null): ProgressKind {
  const kind = kinds.find((word) => word === (text ?? "auto"));
  if (kind !== undefined) return kind;
  throw new TspodError("usage", `Invalid --progress "${text}"`, {
    next: `use one of: ${kinds.join(", ")}`,
  });
}
