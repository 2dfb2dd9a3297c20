/** events.jsonl: whole lines whoever writes, and no more of it than is wanted. */
import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordEvent, rotateEvents } from "../../src/store/events.ts";

function place(): Disposable & { paths: { events: string } } {
  const directory = mkdtempSync(join(tmpdir(), "tspod-events-"));
  return {
    paths: { events: join(directory, "events.jsonl") },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}

test("recordEvent() appends a line that only the owner may read", () => {
  using here = place();
  recordEvent(here, { type: "volume", status: "create", name: "a\nb", time: "T" });
  recordEvent(here, { type: "container", status: "died", attributes: { exitCode: "1" } });
  const lines = readFileSync(here.paths.events, "utf8").split("\n");
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    ...{ time: "T", type: "volume", status: "create", id: "", name: "a\nb", image: "" },
    attributes: {},
  });
  expect(JSON.parse(lines[1] ?? "")).toMatchObject({ attributes: { exitCode: "1" } });
  expect(statSync(here.paths.events).mode & 0o777).toBe(0o600);
});

test("recordEvent() is silent where nothing can be written", () => {
  recordEvent({ paths: { events: "/proc/events.jsonl" } }, { type: "system", status: "prune" });
  expect(existsSync("/proc/events.jsonl")).toBe(false);
});

test("rotateEvents() keeps the older half of what has grown large, once", () => {
  using here = place();
  using database = new Database(":memory:");
  recordEvent(here, { type: "system", status: "prune" });
  rotateEvents(database, here.paths);
  expect(existsSync(`${here.paths.events}.1`)).toBe(false);
  truncateSync(here.paths.events, 8 * 1024 * 1024 + 1);
  rotateEvents(database, here.paths);
  rotateEvents(database, here.paths);
  expect(statSync(`${here.paths.events}.1`).size).toBe(8 * 1024 * 1024 + 1);
  expect(existsSync(here.paths.events)).toBe(false);
});
