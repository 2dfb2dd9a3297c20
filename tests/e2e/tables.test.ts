/** Tables at a terminal: they fit its width, and one that is drawn again does not flicker. */
import { expect } from "bun:test";
import { runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { atTerminal } from "../support/terminal.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const longName = "a-name-that-is-longer-than-anybody-would-like-to-type";

test("ps loses the ends of long cells rather than wrapping; to a pipe it loses nothing", async () => {
  const { world } = shared;
  await using box = await runBox(world, "sleep 1000", "--name", longName);
  await using session = atTerminal(world, ["ps"], { columns: 120 });
  expect(await session.exit()).toBe(0);
  const lines = session.shown().split("\r\n").filter(Boolean);
  expect(lines.map((line) => Bun.stringWidth(line) <= 120)).toEqual([true, true]);
  expect(lines[1]).toContain("…");
  expect(lines[1]).toContain(box.id.slice(0, 12));
  expect(await world.ok("ps")).toContain(longName);
  await using whole = atTerminal(world, ["ps", "--no-trunc"], { columns: 120 });
  expect(await whole.exit()).toBe(0);
  expect(whole.shown()).toContain(longName);
});

test("stats clears the screen once, then writes over what is there; ^C ends it", async () => {
  const { world } = shared;
  await using box = await runBox(world, "sleep 1000");
  await using session = atTerminal(world, ["stats", "-i", "0.01", box.id], { columns: 120 });
  const count = (what: string): number => session.shown().split(what).length - 1;
  await until("it has been drawn five times", () => count("\x1b[J") > 5);
  const text = session.shown();
  expect(text.split("\x1b[2J")).toHaveLength(2);
  expect(text.split("\x1b[H").length).toBeGreaterThan(4);
  session.type("\x03");
  expect(await session.exit()).not.toBe(0);
});

test("ps --watch shows what changes", async () => {
  const { world } = shared;
  await using session = atTerminal(world, ["ps", "--watch", "1"], { columns: 120 });
  await session.sees("CONTAINER ID");
  await using box = await runBox(world, "sleep 1000", "--name", "appears");
  await session.sees("appears");
  session.type("\x03");
  expect(await session.exit()).not.toBe(0);
  expect(box.id).toHaveLength(64);
});
