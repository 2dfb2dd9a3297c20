/** argv -> exit code. The only file that builds the engine or ends the process. */
import { ownWords, printWarning, runCli } from "./cli/index.ts";
import { Engine } from "./engine.ts";
import { becomeRuntime, runtimeWords, userEnvironment } from "./helper/index.ts";

const words = await ownWords((environment) => new Engine({ environment, warn: () => {} }), runCli);
if (words === null) process.exit(1); // nobody's command: nobody waits for it
const environment = userEnvironment(process.env);
const forRuntime = runtimeWords(process.argv0, words);
if (forRuntime !== undefined) becomeRuntime(forRuntime, environment);
const engine = new Engine({
  environment,
  warn: (message) => printWarning(message, process.env),
});
leave(await runCli(words, engine));

/**
 * End the process. With an open database not by exit(): closing the last connection of a moment copies the
 * write-ahead log into the database and waits for the disk, 5 to 30 ms that no command's user need wait for.
 * What is committed is committed; every so many commits one of them does that copying (see store/database.ts).
 */
function leave(code: number): never {
  if (engine.isStoreOpen) {
    try {
      const [program = "", ...verb] = engine.helper;
      process.execve?.(program, [program, ...verb, "exit", String(code)], {});
    } catch {
      // no helper to become: the slow way is right too
    }
  }
  process.exit(code);
}
