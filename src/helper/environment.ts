/**
 * The user's environment, as it was before the release's launcher renamed what would change how Bun runs
 * (zig/single-file/environment.zig: BUN_*, NODE_* and the like). A development build has no launcher.
 */

const hiddenPrefix = "TSPOD_HIDDEN_";
/** How the launcher has Bun run short commands: nothing that the user has said. */
const launchersOwn: ReadonlySet<string> = new Set(["BUN_JSC_useJIT", "TSPOD_SNAPSHOT"]);

type Environment = Record<string, string | undefined>;

/** A copy with the renamed variables under their own names. `process.env` must keep them hidden: Bun reads it. */
export function userEnvironment(environment: Environment): Environment {
  const entries = Object.entries(environment)
    .filter(([name]) => !launchersOwn.has(name))
    .map(([name, value]) => [
      name.startsWith(hiddenPrefix) ? name.slice(hiddenPrefix.length) : name,
      value,
    ]);
  return Object.fromEntries(entries) as Environment; // fromEntries() forgets the type of its values
}
