/** Opens the store at TSPOD_ROOT, commits one row and ends as commands do: without closing. */
import { openDatabase, transact } from "../../src/store/database.ts";
import { storePaths } from "../../src/store/paths.ts";

const database = openDatabase(storePaths(process.env, 0));
const text = "x".repeat(16 * 1024);
transact(
  database,
  () => database.query("INSERT OR REPLACE INTO host_fact VALUES ('test', ?)").run(text),
  { durable: false },
);
process.kill(process.pid, "SIGKILL");
