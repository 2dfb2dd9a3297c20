/**
 * kill -9 at chosen system calls of a pull that fetches a large blob in pieces over several connections: the next pull goes
 * on with what is here, nothing of another piece is taken for it, and the image is whole.
 */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { killAtAnyCall } from "../support/faults.ts";
import { tarOf } from "../support/oci-image.ts";
import { scriptedImage } from "../support/scripted-registry.ts";
import { type SlowRegistry, startSlowRegistry } from "../support/slow-registry.ts";
import { until } from "../support/wait.ts";
import type { World } from "../support/world.ts";

/** Three pieces of the usual size. */
const layerBytes = 50_000_000;
const name = "pieces.example/large:1";
let registry: SlowRegistry;

beforeAll(async () => {
  const layer = await tarOf([{ path: "large", content: randomBytes(layerBytes) }]);
  // what does not compress is not compressed
  registry = startSlowRegistry(await scriptedImage({ layers: [layer], compress: (tar) => tar }));
});
afterAll(() => registry[Symbol.asyncDispose]());

describe("kill -9 at any system call of a pull in pieces:", () => {
  killAtAnyCall({
    ...{ images: ["tiny"], commands: [{ words: ["pull", "-q", name] }], trialsEach: 1 },
    ...{ setUp, prepare: clear, clear, expectSound },
  });
});

async function setUp(world: World): Promise<void> {
  const entry = `[[registry]]\nprefix = "pieces.example"\nlocation = "${registry.address}"\ninsecure = true\n`;
  appendFileSync(join(world.home, ".config/containers/registries.conf"), entry);
}

async function clear(world: World): Promise<void> {
  await world.tspod(["rmi", "-f", name]);
  await world.ok("image", "prune", "-f");
}

async function expectSound(world: World, what: string): Promise<void> {
  const data = join(world.root, "data");
  expect(registry.mostAtOnce).toBeGreaterThan(1);
  const next = await world.tspod(["run", "--rm", "tiny", "echo", "sound"]);
  expect({ what, ...next }).toEqual({ what, exitCode: 0, stdout: "sound\n", stderr: "" });
  await world.ok("pull", "-q", name);
  const checked = await world.tspod(["system", "check"]);
  expect({ what, ...checked }).toMatchObject({ what, exitCode: 0, stderr: "" });
  const left = (): object =>
    Object.fromEntries(
      ["ingest", "layers", "blobs/sha256"].map((one) => [one, readdirSync(join(data, one)).length]),
    );
  const pulled = { what, left: left() };
  expect(pulled).toEqual({ what, left: { ingest: 0, layers: 2, "blobs/sha256": 6 } });
  await clear(world);
  await until("the trash is empty", () => readdirSync(join(data, "trash")).length === 0);
  const removed = { what, left: left() };
  expect(removed).toEqual({ what, left: { ingest: 0, layers: 1, "blobs/sha256": 3 } });
}
