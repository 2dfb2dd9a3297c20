/** `diff`: a line for each path that was added, changed or deleted, or podman's lists of them. */
import { TspodError } from "../../errors.ts";
import type { FileChange } from "../../helper/index.ts";
import { safe, safeJson } from "./safe.ts";

const kinds = { A: "added", C: "changed", D: "deleted" } as const;

/** Throws usage. */
export function checkChangesFormat(format: string | null): void {
  if (format === null || format === "json") return;
  throw new TspodError("usage", `Invalid --format "${format}"`, {
    next: "use json, or leave it away",
  });
}

export function formatChanges(changes: readonly FileChange[], format: string | null): string {
  if (format === null) return changes.map(({ kind, path }) => `${kind} ${safe(path)}\n`).join("");
  // as podman has it: a list for each kind that there is
  const lists = Object.entries(kinds).flatMap(([kind, word]) => {
    const paths = changes.filter((change) => change.kind === kind).map(({ path }) => path);
    return paths.length === 0 ? [] : [[word, paths]];
  });
  return `${safeJson(JSON.stringify(Object.fromEntries(lists), null, 2))}\n`;
}
