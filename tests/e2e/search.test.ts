/** search: a registry with docker's search, one with a catalog, one with neither, and several at once. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { startUploadRegistry } from "../support/upload-registry.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const canRun = registryPrograms.every((requirement) => requirement() === undefined);

let world: World;
let address = "";

beforeAll(async () => {
  if (!canRun) return;
  ({ address } = await sharedRegistry());
  world = await makeWorld({ registriesConf: "" });
}, 60_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

const results = [
  {
    name: "team/nginx",
    description: "A\u001b[31mserver\nof pages",
    star_count: 7,
    is_official: true,
  },
  { name: "other/nginx", description: "x".repeat(100), star_count: 1 },
  { name: 5 },
];
const searching = ({ path }: { path: string }) =>
  path.startsWith("/v1/search?q=nginx&n=")
    ? { body: JSON.stringify({ results }) }
    : { status: 404 };

describe("search", () => {
  test("docker's API: names, descriptions made fit to print, filters, formats", async () => {
    await using registry = await startUploadRegistry({ script: searching });
    const term = `${registry.address}/nginx`;
    const table = (await world.ok("search", term)).split("\n");
    expect(table[0]).toMatch(/^NAME\s+DESCRIPTION\s+STARS\s+OFFICIAL$/);
    expect(table[1]).toStartWith(`${registry.address}/team/nginx`);
    expect(table[1]).toMatch(/7\s+\[OK\]$/);
    expect(table[2]).toContain("xxx...");
    expect(table.join()).not.toContain("\u001b");
    const official = ["search", "--format", "{{.Name}} {{.Stars}}", "-f", "is-official=true", term];
    expect(await world.ok(...official)).toBe(`${registry.address}/team/nginx 7`);
    expect(await world.ok("search", "--format", "{{.Stars}}", "--limit", "1", term)).toBe("7");
    expect(await world.ok("search", "-f", "stars=8", "--format", "{{.Name}}", term)).toBe("");
  });

  test("a catalog is looked through; tags are listed", async () => {
    const found = await world.ok("search", "--format", "{{.Name}}", `${address}/configur`);
    expect(found).toBe(`${address}/library/configured`);
    const tags = await world.ok("search", "--list-tags", `${address}/library/tiny`);
    expect(tags).toMatch(/library\/tiny\s+latest$/);
  });

  test("each of the search list; one that fails spoils nothing", async () => {
    await using registry = await startUploadRegistry({ script: searching });
    const directory = join(world.home, ".config/containers/registries.conf.d");
    mkdirSync(directory, { recursive: true });
    const list = JSON.stringify(["127.0.0.1:9", registry.address]);
    writeFileSync(join(directory, "list.conf"), `unqualified-search-registries = ${list}\n`);
    try {
      const { exitCode, stdout, stderr } = await world.tspod(["search", "nginx"]);
      expect(exitCode).toBe(0);
      expect(stdout).toContain("team/nginx");
      expect(stderr).toContain("127.0.0.1:9");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("a registry without a search says what helps", async () => {
    await using registry = await startUploadRegistry({ script: () => ({ status: 404 }) });
    const { exitCode, stderr } = await world.tspod(["search", `${registry.address}/x`]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain("--list-tags");
  });

  test.each([
    [["--limit", "0", "x"], "--limit"],
    [["-f", "stars=many", "x"], "stars=N"],
    [["--list-tags", "Bad"], "lower case"],
  ])("%j is refused", async (words, why) => {
    const { exitCode, stderr } = await world.tspod(["search", ...words]);
    expect([exitCode, stderr.includes(why)]).toEqual([125, true]);
  });
});
