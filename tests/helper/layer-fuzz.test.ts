/**
 * Archives of entries that were thrown together by a seed: names that climb, links that lead out, whiteouts, and headers
 * of every dialect, some of them damaged. Each is applied or refused in a sentence; nothing around the tree is touched,
 * and no device or attribute of overlayfs' gets in by another way than a whiteout.
 */
import { expect } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import { type Random, random } from "../support/random.ts";
import { testWith } from "../support/requirements.ts";
import { type LayerFixture, makeLayerFixture, subordinateIds } from "./layer-fixture.ts";
import { gnuLong, type RawEntry, rawTar } from "./raw-tar.ts";

const test = testWith(subordinateIds);

const archives = 24;
const entriesMax = 24;

/** So few that they meet each other: these are directories or links, and what is below them. */
const directories = ["a", "up", "out", "a/d", "up/a", "out/etc", "loop", "./b", "/b//d"];
const leaves = directories.flatMap((name) => [`${name}/f`, `${name}/g`]);
/** They are in every archive from its beginning on. */
const kept = ["kept/f", "kept/g"];
const targets = ["..", ".", "/", "a", "../sentinel", "/etc", "loop", "up/up", "../../..", "b/d"];
const whiteouts = [".wh.a", "a/.wh.f", "out/.wh.g", ".wh..wh..opq", "up/.wh..wh..opq", ".wh..wh.x"];
const attributes = [
  ...["user.x", "user.overlay.opaque", "user.overlay.redirect", "trusted.overlay.opaque"],
  ...["user.tspod.owner", "security.selinux"],
];
/** What is refused, mostly. */
const refusedNames = [
  "",
  "..",
  "../sentinel/new",
  "a/../../sentinel/etc/passwd",
  ".wh.",
  ".wh.a/b",
];
const refusedTypes = ["7", "S", "Z", "x", "K"];

function entryOf(chance: Random): RawEntry {
  const common = {
    mode: chance.below(0o10000),
    ...{ uid: chance.pick([0, 1, 1000, 70_000, 2 ** 31]), gid: chance.pick([0, 50, 2 ** 31]) },
    ...(chance.below(4) > 0 ? {} : { pax: { [`SCHILY.xattr.${chance.pick(attributes)}`]: "y" } }),
  };
  switch (chance.below(8)) {
    case 0:
    case 1:
      return { ...common, type: "5", name: `${chance.pick(directories)}/` };
    case 2:
      return { ...common, type: "2", name: chance.pick(directories), link: chance.pick(targets) };
    case 3:
      // what is not there any more is refused, and with it all that would come after it
      return {
        ...{ ...common, type: "1", name: chance.pick(leaves) },
        link: chance.below(9) > 0 ? chance.pick(kept) : chance.pick(leaves),
      };
    case 4:
      return { name: chance.pick(whiteouts) };
    case 5: {
      const device: [number, number] = [chance.below(3), chance.below(3)];
      return { ...common, type: chance.pick(["3", "4", "6"]), name: chance.pick(leaves), device };
    }
    default:
      return { ...common, name: chance.pick(leaves), content: "x".repeat(chance.below(1100)) };
  }
}

function wildEntries(chance: Random): RawEntry[] {
  const entry = entryOf(chance);
  switch (chance.below(8)) {
    case 0:
      return [{ ...entry, name: chance.pick(refusedNames) }];
    case 1:
      return [{ ...entry, type: chance.pick(refusedTypes) }];
    case 2:
      return [{ ...entry, pax: { path: chance.pick(refusedNames), linkpath: "../sentinel" } }];
    case 3:
      return [{ ...entry, pax: { size: chance.pick(["0", "7", "-1", "1e3", "99999999999999"]) } }];
    case 4:
      return [gnuLong(chance.pick(["L", "K"]), `${"d/".repeat(chance.below(2100))}x`), entry];
    case 5:
      return [{ ...entry, size: chance.below(4000) - 512 }];
    default:
      return [entry];
  }
}

function archiveOf(chance: Random): Uint8Array {
  const count = 1 + chance.below(entriesMax);
  const isWild = chance.below(3) === 0;
  const entries = Array.from({ length: count }, () =>
    isWild ? wildEntries(chance) : [entryOf(chance)],
  );
  const tar = rawTar(...kept.map((name) => ({ name })), ...entries.flat());
  if (!isWild || chance.below(2) > 0) return tar;
  for (let changes = chance.below(4); changes > 0; changes--) {
    tar[chance.below(tar.length)] = chance.below(256);
  }
  return tar.subarray(0, chance.below(3) > 0 ? tar.length : chance.below(tar.length));
}

test("applyLayer() applies or refuses whatever comes, and touches nothing outside", async () => {
  const chance = random();
  let applied = 0;
  for (let round = 0; round < archives; round++) {
    const tar = archiveOf(chance);
    try {
      await using layer = makeLayerFixture();
      if (!(await isApplied(layer, tar))) continue;
      applied += 1;
      await expectHarmless(layer);
    } catch (cause) {
      throw new Error(`seed ${chance.seed}, archive ${round}`, { cause });
    }
  }
  // or it is the refusals alone that are tried
  expect(applied).toBeGreaterThan(archives / 6);
});

async function isApplied(layer: LayerFixture, tar: Uint8Array): Promise<boolean> {
  try {
    await layer.apply(tar);
    return true;
  } catch (error) {
    if (!(error instanceof TspodError)) throw error;
    expect({ code: error.code, message: error.message }).toEqual({
      code: "layer.invalid",
      message: expect.stringMatching(/^Cannot unpack the layer(:| at ")/),
    });
    return false;
  }
}

async function expectHarmless(layer: LayerFixture): Promise<void> {
  for (const { path, type, xattrs = {} } of await layer.list()) {
    if (type.includes("device")) expect({ path, type }).toEqual({ path, type: expect.stringMatching(/^character-device 0:0/) }); // prettier-ignore
    for (const [name, value] of Object.entries(xattrs)) {
      const isMark = name === "user.overlay.opaque" && value === "y";
      const isOurs = name === "user.tspod.owner" && /^\d+:\d+/.test(value);
      const isImages = name === "user.x" || name === "security.capability";
      expect({ path, name, value, isKnown: isMark || isOurs || isImages }).toMatchObject({
        isKnown: true,
      });
    }
  }
}
