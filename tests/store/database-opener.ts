/**
 * A process that opens the store it is named on a line of standard input, says how it went, and waits for the next.
 * It tells of each statement that it has tried to run.
 */
import { Database } from "bun:sqlite";
import { openDatabase } from "../../src/store/database.ts";
import { storePaths } from "../../src/store/paths.ts";

const { run } = Database.prototype;
Database.prototype.run = function (this: Database, ...words: Parameters<typeof run>) {
  try {
    return run.apply(this, words);
  } finally {
    process.stdout.write(`tried ${words[0].trim().split("\n")[0]}\n`);
  }
};

process.stdout.write("ready\n");
for await (const root of console) {
  try {
    openDatabase(storePaths({ TSPOD_ROOT: root }, 0)).close();
    process.stdout.write("opened\n");
  } catch (error) {
    const { message, cause } = error as Error;
    process.stdout.write(`${message}: ${(cause as { code?: string } | undefined)?.code}\n`);
  }
}
