/** -a/--attach of run: which of the caller's streams are the container's. */
import { TspodError } from "../../errors.ts";

export const streamNames = ["stdin", "stdout", "stderr"] as const;

type Stream = (typeof streamNames)[number];

/** Throws usage. */
export function requireStreams({ attach, detach }: { attach: string[]; detach: boolean }): void {
  const odd = attach.find((name) => !streamNames.some((stream) => stream === name));
  if (odd !== undefined) {
    throw new TspodError("usage", `Invalid --attach "${odd}"`, {
      next: `use one of: ${streamNames.join(", ")}`,
    });
  }
  if (attach.length === 0 || !detach) return;
  throw new TspodError("usage", "Cannot combine --attach with --detach", {
    next: "leave one of them away",
  });
}

/** None asked for is all of them. */
export function mutedStreams(attach: readonly string[]): Stream[] {
  return attach.length === 0 ? [] : streamNames.filter((name) => !attach.includes(name));
}
