/** The text of a registries.conf, which two readers look into: short-names.ts and registries-conf.ts. Pure. */
import { parse } from "smol-toml";
import { TspodError } from "../errors.ts";

export interface ConfText {
  readonly value: Record<string, unknown>;
  /** What is wrong with it, of which file. */
  bad(reason: string, cause?: unknown): TspodError;
}

/** Throws registries_conf.invalid, naming `path`. */
export function parseConfText(text: string, path: string): ConfText {
  const bad = (reason: string, cause?: unknown): TspodError =>
    new TspodError("registries_conf.invalid", `Cannot read "${path}": ${reason}`, {
      next: "see containers-registries.conf(5)",
      cause,
    });
  try {
    return { value: parse(text), bad };
  } catch (cause) {
    throw bad(String((cause as Error).message).split("\n")[0] ?? "", cause);
  }
}
