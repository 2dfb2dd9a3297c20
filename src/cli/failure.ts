/** What a command threw, for the user: the first of several errors, and disks in words. */
import { explainStoreError } from "../store/database.ts";
import type { CliContext } from "./command.ts";
import { printError } from "./output/error.ts";

/** The exit code. */
export function printFailure(
  error: unknown,
  { paths, environment }: Pick<CliContext, "paths" | "environment">,
): number {
  return printError(explainStoreError(firstError(error), paths), environment);
}

/** Of several, what went wrong first: a full disk also spoils the tidying up after it (ECMAScript, SuppressedError). */
function firstError(error: unknown): unknown {
  const isLater = error instanceof Error && "suppressed" in error;
  return isLater ? firstError(error.suppressed) : error;
}
