/** The database under short commands, which end without closing it. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../src/store/database.ts";
import { storePaths } from "../../src/store/paths.ts";

test("the write-ahead log begins anew, however short the commands are", async () => {
  const root = mkdtempSync(join(tmpdir(), "tspod-database-"));
  const paths = storePaths({ TSPOD_ROOT: root }, 0);
  const sizes: number[] = [];
  for (let command = 0; command < 50; command += 1) {
    const worker = Bun.spawn([process.execPath, join(import.meta.dir, "database-worker.ts")], {
      env: { ...process.env, TSPOD_ROOT: root },
      stderr: "inherit",
    });
    await worker.exited;
    expect(worker.signalCode).toBe("SIGKILL");
    sizes.push(statSync(`${paths.database}-wal`).size);
  }
  expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
  expect(sizes.filter((size, index) => size < (sizes[index - 1] ?? 0)).length).toBeGreaterThan(0);
  using database = openDatabase(paths);
  expect(database.query("SELECT length(value) AS length FROM host_fact").get()).toEqual({
    length: 16 * 1024,
  });
  rmSync(root, { recursive: true });
}, 60_000);
