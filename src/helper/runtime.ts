/**
 * The OCI runtime's command line, `tspod oci ...` or a file called tspod-oci, is native from beginning to end. The
 * release's launcher never gets this far with it; a development build, which is Bun, hands it on to the helper.
 */
import { basename } from "node:path";
import { helperCommand } from "./executable.ts";

/** The words for the runtime; undefined when the command line is for somebody else. */
export function runtimeWords(name: string, argv: readonly string[]): string[] | undefined {
  if (basename(name) === "tspod-oci") return [...argv];
  return argv[0] === "oci" ? argv.slice(1) : undefined;
}

/** Become the runtime. Returns only by throwing. */
export function becomeRuntime(
  words: readonly string[],
  environment: Record<string, string | undefined>,
): void {
  const [program = ""] = helperCommand();
  process.execve?.(program, [program, "oci", ...words], environment as NodeJS.ProcessEnv);
}
