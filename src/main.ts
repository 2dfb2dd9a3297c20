/** argv -> exit code. The only file that builds the engine. */
import { printWarning, runCli } from "./cli/index.ts";
import { Engine } from "./engine.ts";
import { userEnvironment } from "./helper/index.ts";

const engine = new Engine({
  environment: userEnvironment(process.env),
  warn: (message) => printWarning(message, process.env),
});
engine.leave(await runCli(process.argv.slice(2), engine));
