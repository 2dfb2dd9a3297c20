/** The development build carries its helper as a file and copies it out before it can be started. */
import { afterEach, beforeEach, describe, expect } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Requirement, testWith } from "../support/requirements.ts";
import { treeRoot } from "../support/tree.ts";

const file = join(treeRoot, "dist/tspod");
const isBuilt: Requirement = () => (existsSync(file) ? undefined : "no dist/tspod (npm run build)");
const test = testWith(isBuilt);

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tspod-dev-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A command that opens the store, and so ends by way of the helper. */
async function images(): Promise<{ exitCode: number; stderr: string }> {
  const child = Bun.spawn([file, "images"], {
    env: {
      HOME: directory,
      TSPOD_ROOT: join(directory, "root"),
      XDG_CACHE_HOME: join(directory, "cache"),
    },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const stderr = await child.stderr.text();
  return { exitCode: await child.exited, stderr };
}

describe("the helper", () => {
  test("is copied out once, private, by whoever is first", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, images));
    expect(all).toEqual(all.map(() => ({ exitCode: 0, stderr: "" })));
    const found = readdirSync(join(directory, "cache"), {
      recursive: true,
      encoding: "utf8",
    }).sort();
    expect(found).toEqual([
      "tspod",
      expect.stringMatching(/^tspod\/[0-9a-f]{64}$/),
      expect.stringMatching(/^tspod\/[0-9a-f]{64}\/tspod-helper$/),
    ]);
    const modes = found.map((path) => statSync(join(directory, "cache", path)).mode & 0o777);
    expect(modes).toEqual([0o700, 0o700, 0o755]);
  });

  test("is not put where others may write", async () => {
    await images();
    const [hash = ""] = readdirSync(join(directory, "cache/tspod"));
    const place = join(directory, "cache/tspod", hash);
    rmSync(place, { recursive: true });
    mkdirSync(place);
    chmodSync(place, 0o777);
    await images();
    expect(readdirSync(place)).toEqual([]);
  });
});
