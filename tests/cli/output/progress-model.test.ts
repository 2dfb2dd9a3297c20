/** A pull as lines: what a terminal of some size shows at some moment, and what a log gets. */
import { expect, test } from "bun:test";
import {
  advance,
  emptyProgress,
  plainLine,
  type PullProgress,
  pullLines,
} from "../../../src/cli/output/progress-model.ts";
import { jsonLines, type Told } from "../../../src/cli/output/progress-json.ts";
import type { PullEvent } from "../../../src/image/index.ts";
import type { Digest } from "../../../src/oci/index.ts";

const digest = (i: number): Digest =>
  `sha256:${String(i).padStart(64, "0").split("").reverse().join("")}` as Digest;

function after(events: [atMs: number, event: PullEvent][]): PullProgress {
  const progress = emptyProgress();
  for (const [atMs, event] of events) advance(progress, event, atMs);
  return progress;
}

const layers = (count: number): PullEvent => ({
  kind: "layers",
  layers: Array.from({ length: count }, (_, i) => ({
    ...{ digest: digest(i + 1), sizeBytes: 10_000_000, isPresent: i === 0 },
  })),
});
const phase = (i: number, name: "downloading" | "unpacking" | "done" | "waiting"): PullEvent => ({
  ...{ kind: "phase", digest: digest(i), phase: name },
});
const downloaded = (i: number, bytes: number): PullEvent => ({
  ...{ kind: "downloaded", digest: digest(i), bytes },
});

test("pullLines() shows a bar, sizes and the speed of each layer", () => {
  const progress = after([
    [0, layers(5)],
    [0, phase(2, "downloading")],
    [0, downloaded(2, 0)],
    [1000, downloaded(2, 2_500_000)],
    [0, phase(3, "unpacking")],
    [0, downloaded(3, 10_000_000)],
    [0, phase(4, "waiting")],
  ]);
  expect(pullLines(progress, { nowMs: 1000, columns: 80, rows: 24 }).join("\n"))
    .toMatchInlineSnapshot(`
    "100000000000 already here
    200000000000 [=====>                    ]     2.5MB/10MB  2.5MB/s  3s left
    300000000000 [==========================]      10MB/10MB  extracting
    400000000000 another tspod is fetching it
    500000000000 waiting its turn
    1 of 5 layers done  12.5MB/40MB  2.5MB/s  11s left"
  `);
});

test.each([20, 40, 60, 200])("no line is wider than %d columns", (columns) => {
  const progress = after([
    [0, layers(3)],
    [0, phase(2, "downloading")],
    [0, downloaded(2, 5_000_000)],
  ]);
  const lines = pullLines(progress, { nowMs: 1000, columns, rows: 24 });
  expect(lines.length).toBe(4);
  expect(lines.every((line) => line.length < columns)).toBe(true);
});

test("pullLines() of many layers fits the screen: a count and those in work", () => {
  const progress = after([
    [0, layers(100)],
    [0, phase(7, "downloading")],
    [0, phase(8, "done")],
  ]);
  const lines = pullLines(progress, { nowMs: 0, columns: 80, rows: 10 });
  expect(lines.length).toBeLessThanOrEqual(8);
  expect(lines.at(-1)).toMatch(/^2 of 100 layers done /);
});

test("a layer that is all here is being verified until it is known to be right", () => {
  const events: [number, PullEvent][] = [
    [0, layers(2)],
    [0, phase(2, "downloading")],
    [0, downloaded(2, 10_000_000)],
  ];
  expect(pullLines(after(events), { nowMs: 50, columns: 80, rows: 24 })[1]).toContain("verifying");
  const next = after([...events, [1, phase(2, "unpacking")]]);
  expect(pullLines(next, { nowMs: 50, columns: 80, rows: 24 })[1]).toContain("extracting");
});

test("what is left of a long download is told in minutes", () => {
  const progress = after([
    [0, { kind: "layers", layers: [{ digest: digest(1), sizeBytes: 1e9, isPresent: false }] }],
    [0, phase(1, "downloading")],
    [0, downloaded(1, 0)],
    [1000, downloaded(1, 10_000_000)],
  ]);
  const [line] = pullLines(progress, { nowMs: 1000, columns: 100, rows: 24 });
  expect(line).toEndWith("10MB/1GB  10MB/s  1m39s left");
});

test("the picture is the layers alone once all are done", () => {
  const progress = after([
    [0, layers(2)],
    [0, phase(2, "done")],
  ]);
  expect(pullLines(progress, { nowMs: 0, columns: 80, rows: 24 })).toHaveLength(2);
});

test("jsonLines() tells each change of a layer, and its bytes now and then", () => {
  const progress = emptyProgress();
  const told: Told = new Map();
  const events: [number, PullEvent][] = [
    [0, { kind: "resolving", reference: "docker.io/library/alpine:latest" }],
    [0, layers(2)],
    [1, phase(2, "downloading")],
    [2, downloaded(2, 1_000)],
    [3, downloaded(2, 2_000)],
    [600, downloaded(2, 5_000_000)],
    [601, downloaded(2, 10_000_000)],
    [602, { kind: "retry", message: "r.io answered \u001b[2J503" }],
    [603, phase(2, "unpacking")],
    [604, phase(2, "done")],
    [605, { kind: "end" }],
  ];
  const lines = events.flatMap(([atMs, event]) => {
    advance(progress, event, atMs);
    return jsonLines(progress, event, told, atMs);
  });
  expect(lines.join("\n").replaceAll(/[0-9]0{63}/g, (hex) => `<${hex[0]}>`)).toMatchInlineSnapshot(`
    "{"status":"pulling","reference":"docker.io/library/alpine:latest"}
    {"id":"sha256:<1>","status":"present","current":10000000,"total":10000000}
    {"id":"sha256:<2>","status":"queued","current":0,"total":10000000}
    {"id":"sha256:<2>","status":"downloading","current":0,"total":10000000}
    {"id":"sha256:<2>","status":"downloading","current":5000000,"total":10000000}
    {"id":"sha256:<2>","status":"verifying","current":10000000,"total":10000000}
    {"status":"retrying","message":"r.io answered \\u001b[2J503"}
    {"id":"sha256:<2>","status":"extracting","current":10000000,"total":10000000}
    {"id":"sha256:<2>","status":"done","current":10000000,"total":10000000}"
  `);
});

test("plainLine() says what is worth a line, once", () => {
  const progress = after([[0, layers(2)]]);
  const events: PullEvent[] = [
    { kind: "resolving", reference: "docker.io/library/alpine:latest" },
    ...[phase(1, "done"), phase(2, "downloading"), downloaded(2, 5), phase(2, "waiting")],
    ...[phase(2, "done"), { kind: "retry", message: "r.io answered 503" } as const],
    { kind: "end" },
  ];
  expect(events.flatMap((event) => plainLine(progress, event) ?? [])).toMatchInlineSnapshot(`
    [
      "Pulling docker.io/library/alpine:latest",
      "200000000000 another tspod is fetching it",
      "200000000000 done (10MB)",
      "r.io answered 503",
    ]
  `);
});
