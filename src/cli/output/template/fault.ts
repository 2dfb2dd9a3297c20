/** The errors of templates: all are the user's, all name `--format` and the column. */
import { TspodError } from "../../../errors.ts";

/** `at` is an offset in UTF-16 units; people count from 1. */
export function fault(at: number, problem: string, next?: string): TspodError {
  return new TspodError("usage", `Invalid --format at column ${at + 1}: ${problem}`, {
    next: next ?? "write it as a Go template, such as '{{.ID}} {{.Status}}'",
  });
}
