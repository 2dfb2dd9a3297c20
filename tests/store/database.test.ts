/** The database under short commands, which end without closing it. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
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

test("a new store that somebody else makes just now is waited for", async () => {
  const root = mkdtempSync(join(tmpdir(), "tspod-database-"));
  const paths = storePaths({ TSPOD_ROOT: root }, 0);
  mkdirSync(paths.data, { recursive: true });
  const other = new Database(paths.database, { create: true, readwrite: true });
  other.run("BEGIN IMMEDIATE");
  const opener = startOpener();
  opener.open(root);
  await opener.says(/^tried PRAGMA journal_mode/);
  other.run("COMMIT");
  other.close();
  expect(await opener.says(/opened|Cannot/)).toBe("opened");
  await opener.end();
  rmSync(root, { recursive: true });
});

test("a new store opened by many at once is opened by each of them", async () => {
  const base = mkdtempSync(join(tmpdir(), "tspod-database-"));
  const openers = Array.from({ length: 8 }, startOpener);
  const answers = (pattern: RegExp) => Promise.all(openers.map(({ says }) => says(pattern)));
  await answers(/^ready/);
  for (let store = 0; store < 8; store += 1) {
    for (const { open } of openers) open(join(base, String(store)));
    expect(new Set(await answers(/opened|Cannot/))).toEqual(new Set(["opened"]));
  }
  await Promise.all(openers.map(({ end }) => end()));
  rmSync(base, { recursive: true });
}, 60_000);

function startOpener() {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "database-opener.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = linesOf(child.stdout);
  return {
    open(root: string): void {
      child.stdin.write(`${root}\n`);
      child.stdin.flush();
    },
    /** The next line that is so; "" when it ends before. */
    async says(pattern: RegExp): Promise<string> {
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        if (pattern.test(next.value)) return next.value;
      }
      return "";
    },
    async end(): Promise<void> {
      child.stdin.end();
      await child.exited;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of stream) {
    const lines = `${rest}${decoder.decode(piece, { stream: true })}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
