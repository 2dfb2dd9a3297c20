/** How containers are that do not run, told by one listing of at-rest/ and, without it, by what lies in their own directories. */
import { describe, expect } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { reboot } from "../support/reboot.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);

const directory = (): string => join(shared.world.root, "data/at-rest");
const marks = (): string[] => readdirSync(directory()).sort();
const list = () => ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}} {{.ExitCode}}");

async function removeAll(): Promise<void> {
  await ok("rm", "-fa", "-t", "0");
  expect(marks()).toEqual([]);
}

describe("at-rest/", () => {
  test("says of each how it is, and its own directory says the same", async () => {
    const fresh = await ok("create", "tiny", "true");
    const ended = await ok("create", "tiny", "sh", "-c", "exit 3");
    expect(marks()).toEqual([`${fresh}.new`, `${ended}.new`].sort());
    const running = await ok("run", "-d", "tiny", "sleep", "1000");
    await ok("start", ended);
    expect(await ok("wait", ended)).toBe("3");
    expect(marks()).toEqual([`${fresh}.new`, ended].sort());
    const lines = [`${running} running 0`, `${ended} exited 3`, `${fresh} created 0`];
    expect(await list()).toBe(lines.join("\n"));
    rmSync(directory(), { recursive: true });
    expect(await list()).toBe(lines.join("\n"));
    await ok("stop", "-t", "0", running); // makes the directory anew
    expect(marks()).toEqual([running]);
    await removeAll();
  });

  test("a start takes its mark away, so that a reboot leaves none that is not true", async () => {
    const id = await ok("create", "tiny", "sleep", "1000");
    await ok("start", id);
    expect(marks()).toEqual([]);
    await ok("stop", "-t", "0", id);
    expect(marks()).toEqual([id]);
    await ok("start", id);
    expect(marks()).toEqual([]);
    await reboot(shared.world);
    expect(await list()).toBe(`${id} exited 137`);
    await removeAll();
  });

  test("of one that goes with its end nothing is told", async () => {
    await ok("create", "--rm", "--name", "brief", "tiny", "true");
    await ok("run", "--rm", "tiny", "true");
    expect(marks()).toEqual([]);
    await removeAll();
  });

  test("a mark that cannot be made is missed by nobody", async () => {
    rmSync(directory(), { recursive: true });
    writeFileSync(directory(), ""); // no directory: neither the command nor the monitor can write there
    const id = await ok("create", "tiny", "sh", "-c", "exit 4");
    expect(await list()).toBe(`${id} created 0`);
    await ok("start", "-a", id).catch(() => undefined);
    expect(await list()).toBe(`${id} exited 4`);
    expect(readFileSync(directory(), "utf8")).toBe("");
    rmSync(directory());
    mkdirSync(directory());
    await removeAll();
  });

  test("what a killed command left there goes with what else it left", async () => {
    const gone = "0".repeat(64);
    mkdirSync(join(shared.world.root, `data/containers/.tmp.1:1:none.${gone.slice(0, 12)}`));
    writeFileSync(join(directory(), `${gone}.new`), "");
    await ok("ps");
    expect(marks()).toEqual([]);
  });
});
