/** What every command begins with is loaded as few modules: a start is paid for by each of them. */
import { expect, test } from "bun:test";
import { basename } from "node:path";
import { layers } from "../../zig/single-file/layers.ts";
import { type Random, random } from "../support/random.ts";

const entry = new URL("../../src/main.ts", import.meta.url).pathname;

async function chunks(plugins: Bun.BunPlugin[]): Promise<Map<string, string>> {
  const result = await Bun.build({
    ...{ entrypoints: [entry], target: "bun", format: "esm", minify: true, splitting: true },
    define: { TSPOD_BUILD: "{}" },
    plugins,
  });
  const texts = result.outputs.map(
    async (output) => [basename(output.path), await output.text()] as const,
  );
  return new Map(await Promise.all(texts));
}

/** All that is loaded before main.ts runs. */
function loadedAtStart(files: Map<string, string>): Set<string> {
  const loaded = new Set<string>();
  const load = (name: string): void => {
    const text = files.get(name);
    if (text === undefined || loaded.has(name)) return;
    loaded.add(name);
    for (const [, next = ""] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) load(next);
  };
  load("main.js");
  return loaded;
}

test("a start loads few modules, which hold no more than they did in many", async () => {
  const many = await chunks([]);
  const few = await chunks([layers(entry)]);
  const bytes = (files: Map<string, string>): number =>
    [...loadedAtStart(files)].reduce((sum, name) => sum + (files.get(name)?.length ?? 0), 0);
  expect(loadedAtStart(many).size).toBeGreaterThan(20);
  expect(loadedAtStart(few).size).toBeLessThanOrEqual(8);
  expect(bytes(few)).toBeLessThanOrEqual(bytes(many));
});

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Files come late, each after other turns of the event loop, before the next plugin reads them. */
function slow(chance: Random): Bun.BunPlugin {
  return {
    name: "slow",
    setup(build) {
      build.onLoad({ filter: /\/src\/.*\.ts$/ }, async () => {
        for (let turns = chance.below(200); turns > 0; turns--) await nextTurn();
        return undefined;
      });
    },
  };
}

test("the modules are the same in whichever order the files were read", async () => {
  const chance = random();
  const first = await chunks([layers(entry)]);
  for (let i = 0; i < 3; i++) {
    const again = await chunks([slow(chance), layers(entry)]);
    expect([...again.keys()].toSorted(), `seed ${chance.seed}`).toEqual(
      [...first.keys()].toSorted(),
    );
  }
}, 60_000);
