/** system check: what was damaged behind the store's back is found, told, and mended where something else still has it. */
import { describe, expect } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);

const data = (world: World, ...path: string[]): string => join(world.root, "data", ...path);
const hexOf = async (world: World, template: string): Promise<string> =>
  (await world.ok("image", "inspect", "--format", template, "tiny")).replace("sha256:", "");

async function largestBlob(world: World): Promise<string> {
  const names = readdirSync(data(world, "blobs/sha256"));
  const sizes = names.map((name) => Bun.file(data(world, "blobs/sha256", name)).size);
  return names[sizes.indexOf(Math.max(...sizes))] ?? "";
}

function damage(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

describe("system check", () => {
  test("finds nothing where nothing is wrong", async () => {
    await using world = await makeWorld();
    expect(await world.ok("system", "check")).toBe("0 images, 0 blobs (0B), 0 layers: all is well");
    await world.ok("pull", "-q", "tiny");
    const told = await world.ok("system", "check");
    expect(told).toMatch(/^1 images, 3 blobs \([\d.]+[kM]B\), 1 layers: all is well$/);
  });

  test("finds and mends", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const layer = await largestBlob(world);
    const config = await hexOf(world, "{{.Id}}");
    damage(data(world, "blobs/sha256", layer));
    rmSync(data(world, "blobs/sha256", config));
    writeFileSync(data(world, "blobs/sha256", "0".repeat(64)), "left over");
    mkdirSync(data(world, "layers", "1".repeat(64), "diff"), { recursive: true });
    const [chain = ""] = readdirSync(data(world, "layers")).filter((name) => !/^1+$/.test(name));
    rmSync(data(world, "layers", chain), { recursive: true });
    writeFileSync(data(world, "index.json"), "{}");
    const found = await world.tspod(["system", "check"]);
    expect(found.exitCode).toBe(1);
    expect(found.stdout.trim().split("\n").sort()).toEqual(
      [
        expect.stringMatching(/^1 images, 3 blobs \(\S+\), 1 layers: 6 found wrong$/),
        `Blob sha256:${config} of docker.io/library/tiny:latest is missing; --repair writes it again`,
        `Blob sha256:${layer} of docker.io/library/tiny:latest is damaged; --repair fetches it again`,
        `Layer ${chain} of docker.io/library/tiny:latest is missing; --repair unpacks it again`,
        `Blob ${"0".repeat(64)} belongs to no image; --repair removes it`,
        `Layer ${"1".repeat(64)} belongs to no image; --repair removes it`,
        "index.json is not what the images are; --repair writes it again",
      ].sort(byText),
    );
    const quick = await world.tspod(["system", "check", "-q"]);
    expect(quick.stdout).not.toContain("damaged");
    const mended = await world.tspod(["system", "check", "--repair"]);
    expect(mended).toMatchObject({ exitCode: 0, stderr: "" });
    expect(mended.stdout.match(/: mended$/gm)).toHaveLength(6);
    expect(await world.ok("system", "check")).toContain("all is well");
    expect(await world.ok("run", "--rm", "tiny", "echo", "x")).toBe("x");
    await world.ok("save", "-o", join(world.home, "x.tar"), "tiny");
  });

  test("says what nobody else has", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    await world.ok("tag", "tiny", "mine");
    await world.ok("rmi", "docker.io/library/tiny:latest");
    const layer = await largestBlob(world);
    damage(data(world, "blobs/sha256", layer));
    const { exitCode, stdout, stderr } = await world.tspod(["system", "check", "--repair"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`Blob sha256:${layer} of localhost/mine:latest is damaged`);
    expect(stderr).toMatch(/nobody else has blob/);
    expect(await world.ok("run", "--rm", "mine", "echo", "x")).toBe("x");
  });
});

/** Matchers have no order: the summary begins with a digit, and digits come first. */
function byText(a: unknown, b: unknown): number {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0;
}
