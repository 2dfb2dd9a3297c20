/**
 * The release starts Bun and loads the program once in a boot, and keeps that process in a file from which each later
 * short command goes on (zig/single-file/snapshot). This is what that first process does: load what such commands load,
 * do some of what they do, and then look at whose process it has become. Nothing that is kept may depend on that before.
 */
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { noteStart } from "../lib/started.ts";
import type { CliContext } from "./command.ts";
import { shortLoaders } from "./commands.ts";

/** In zig/single-file/snapshot/format.zig, too. */
const argument = "__snapshot";
const variable = "TSPOD_SNAPSHOT_TAKE"; // which the launcher takes from users
const question = "/proc/self/snapshot";

type Environment = Record<string, string | undefined>;
interface Tried extends CliContext {
  close(): void;
}

/** Run some words of a command line with an engine of one's own. */
export type Try = (words: readonly string[], engine: Tried) => Promise<unknown>;

/**
 * The words of the command line. From then on `process.env` and `process.pid` are those of the process that asked. Null: this
 * is the first one still, and of no further use.
 */
export async function ownWords(
  makeEngine: (environment: Environment) => Tried,
  tryOut: Try,
): Promise<string[] | null> {
  const words = process.argv.slice(2);
  if (words[0] !== argument || process.env[variable] === undefined) return words;
  await Promise.all(shortLoaders.map((load) => load()));
  await rehearse(makeEngine, tryOut);
  if (!existsSync(question)) return null;
  becomeOwn();
  return readWords("/proc/self/cmdline").slice(1);
}

/** What has been done once is done sooner. On an empty store, which is removed; all output goes to /dev/null. */
async function rehearse(
  makeEngine: (environment: Environment) => Tried,
  tryOut: Try,
): Promise<void> {
  const directory = `${dirname(readlinkSync("/proc/self/exe"))}/rehearsal`;
  try {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(`${directory}/run`, { recursive: true, mode: 0o700 });
    const engine = makeEngine({ HOME: directory, XDG_RUNTIME_DIR: `${directory}/run` });
    for (const words of rehearsed) await tryOut(words, engine);
    engine.close();
  } catch {
    // a full disk: it will be a little slower
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const rehearsed = ["version", "ps -a", "inspect x", "logs x", "exec x x", "stop x", "rm -f x"].map(
  (line) => line.split(" "),
);

function becomeOwn(): void {
  noteStart();
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const word of readWords("/proc/self/environ")) {
    const at = word.indexOf("=");
    if (at > 0) process.env[word.slice(0, at)] = word.slice(at + 1);
  }
  delete process.env.TSPOD_SNAPSHOT; // what the launcher has passed on to zig/single-file/snapshot/resume.zig
  Object.defineProperty(process, "pid", { value: Number(readlinkSync("/proc/self")) });
  process.chdir("."); // Bun keeps the name of the directory
}

/** Each ends with a byte 0: Linux, proc(5). */
function readWords(path: string): string[] {
  return readFileSync(path, "utf8").split("\0").slice(0, -1);
}
