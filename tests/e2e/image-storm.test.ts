/**
 * Many commands about images at once on one store, each in the way of others: none fails for a lock, none sees a half of
 * anything, and what fails says in a sentence what another has done. Afterwards the store is whole, and empty when all is
 * removed. The seed of a failure is told: TSPOD_TEST_SEED repeats it.
 */
import { expect } from "bun:test";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { type Random, random } from "../support/random.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { makeWorld, type Result, tspodFile, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const atOnce = 100;
const timeoutMs = 300_000;
/** What the registry has, and what is only a name here. */
const images = ["tiny", "few", "layered", "configured"];
const names = [...images, "one", "two", "three"];
/** A repository that no other run pushes to. */
const target = `target.example/storm-${process.pid}`;

interface Kind {
  words(pick: Pick): string[];
  /** What else than success may come of it while others are at work. */
  mayFail?: RegExp;
}

type Pick = Random["pick"];

/** Nobody's fault: it was not there, or is there no longer. */
const gone =
  /Cannot find (image|artifact|container) "|it was just removed|has just been removed|There is no manifest list "/;
const inUse = new RegExp(`${gone.source}|stands? on it|it has several names`);
/** Of a list's entries: images go although lists name them. */
const listed = /^[^\n]* found wrong\n(?:Manifest list [^\n]*, which is not here[^\n]*\n)+$/;

const name = (pick: Pick): string => pick(names);
const remote = (pick: Pick): string => pick(images);
const kinds: Kind[] = [
  ...Array.from({ length: 3 }, () => ({
    words: (pick: Pick) => ["pull", "-q", remote(pick)],
    mayFail: gone,
  })),
  { words: (pick) => ["pull", "-q", "--policy", "missing", remote(pick)], mayFail: gone },
  ...Array.from({ length: 3 }, () => ({
    words: (pick: Pick) => ["rmi", name(pick)],
    mayFail: inUse,
  })),
  { words: (pick) => ["rmi", "-f", name(pick)] },
  { words: (pick) => ["tag", remote(pick), name(pick)], mayFail: gone },
  { words: (pick) => ["tag", name(pick), "one", "two", "three"], mayFail: gone },
  { words: (pick) => ["untag", name(pick)], mayFail: gone },
  { words: () => ["images"] },
  { words: () => ["images", "-a", "--digests", "--format", "json"] },
  { words: (pick) => ["inspect", "--type", "image", name(pick)], mayFail: gone },
  { words: (pick) => ["image", "tree", name(pick)], mayFail: gone },
  { words: (pick) => ["history", name(pick)], mayFail: gone },
  { words: (pick) => ["image", "exists", name(pick)], mayFail: /^$/ },
  { words: (pick) => ["image", "diff", name(pick)], mayFail: gone },
  { words: (pick) => ["unshare", tspodFile, "image", "mount", name(pick)], mayFail: gone },
  { words: (pick) => ["save", "-o", `${pick(names)}.out`, name(pick)], mayFail: gone },
  {
    words: (pick) => ["save", "--format", "oci-archive", "-o", "oci.out", name(pick)],
    mayFail: gone,
  },
  { words: () => ["load", "-q", "-i", "docker.tar"] },
  { words: () => ["load", "-q", "-i", "oci.tar"] },
  { words: (pick) => ["import", "-q", "root.tar", pick(["one", "two"])] },
  { words: (pick) => ["push", "-q", name(pick), `${target}:${pick(["1", "2"])}`], mayFail: gone },
  { words: () => ["image", "prune", "-f"] },
  { words: () => ["image", "prune", "-f", "-a"] },
  { words: () => ["system", "df"] },
  { words: () => ["system", "df", "-v"] },
  { words: () => ["system", "check"], mayFail: listed },
  ...["tiny", "few", "layered"].map((plain) => ({
    words: () => ["run", "--rm", plain, "/bin/busybox", "echo", "hello"],
    mayFail: gone,
  })),
  {
    words: (pick) => [
      "run",
      "--rm",
      "--userns=keep-id:uid=5,gid=5",
      remote(pick),
      "/bin/busybox",
      "true",
    ],
    mayFail: gone,
  },
  { words: (pick) => ["create", "-q", remote(pick), "true"], mayFail: gone },
  { words: () => ["container", "prune", "-f"] },
  { words: () => ["artifact", "add", "--replace", "it", "docker.tar"] },
  { words: () => ["artifact", "ls"] },
  { words: () => ["artifact", "rm", "it"], mayFail: gone },
  { words: () => ["manifest", "create", "--amend", "list"] },
  { words: (pick) => ["manifest", "add", "list", remote(pick)], mayFail: gone },
  { words: () => ["manifest", "rm", "list"], mayFail: gone },
  { words: () => ["events", "--stream=false"] },
];

test(
  `${atOnce} commands about images at once`,
  async () => {
    const source = random();
    await using world = await prepared();
    const wrong = await storm(world, source);
    expect({ seed: source.seed, wrong }).toEqual({ seed: source.seed, wrong: [] });
    await expectWhole(world);
  },
  timeoutMs,
);

async function prepared(): Promise<World> {
  const world = await makeWorld({ images: ["tiny", "few"] });
  const { address } = await sharedRegistry();
  const entry = `[[registry]]\nprefix = "target.example"\nlocation = "${address}"\ninsecure = true\n`;
  appendFileSync(join(world.home, ".config/containers/registries.conf"), entry);
  await world.ok("save", "-o", "docker.tar", "few", "tiny");
  await world.ok("save", "--format", "oci-archive", "-o", "oci.tar", "few");
  await world.ok("create", "--name", "once", "few", "true");
  await world.ok("export", "-o", "root.tar", "once");
  await world.ok("rm", "once");
  return world;
}

/** What went wrong, a line each. */
async function storm(world: World, source: Random): Promise<string[]> {
  const results = await Promise.all(
    Array.from({ length: atOnce }, async (_, at) => {
      const kind = kinds[at] ?? source.pick(kinds);
      const words = kind.words(source.pick);
      return complaint(kind, words, await world.tspod(words, { timeoutMs: 120_000 }));
    }),
  );
  return results.filter((line) => line !== null);
}

function complaint({ mayFail }: Kind, words: string[], result: Result): string | null {
  const { exitCode, stderr, stdout } = result;
  const told = `tspod ${words.join(" ")}: status ${exitCode}\n${stderr}${exitCode === 0 ? "" : stdout}`;
  const nonsense =
    /SQLITE|locked|busy|ENOENT|EEXIST|\n\s+at |TypeError|undefined|\[object|fault of tspod/;
  if (nonsense.test(stderr)) return told;
  if (exitCode !== 0 && mayFail?.test(stderr + stdout) !== true) return told;
  if (exitCode === 0 && words.includes("hello") && stdout !== "hello\n") return told;
  return null;
}

/** What is there is whole; without its images the store has nothing. */
async function expectWhole(world: World): Promise<void> {
  await world.tspod(["manifest", "rm", "list"]); // what it has may have been removed
  await world.ok("system", "check");
  for (const line of (await world.ok("images", "--format", "{{.ID}}")).split("\n").filter(Boolean))
    await world.ok("run", "--rm", line, "/bin/busybox", "true");
  const data = join(world.root, "data");
  const left = (directory: string): string[] => readdirSync(join(data, directory));
  await world.ok("rm", "-f", "-a");
  await world.ok("artifact", "rm", "-a");
  await world.ok("image", "prune", "-f", "-a");
  expect(await world.ok("images", "-q")).toBe("");
  await until("the trash is empty", () => left("trash").length === 0);
  const [blobs, layers, ingest] = ["blobs/sha256", "layers", "ingest"].map(left);
  expect({ blobs, layers, ingest }).toEqual({ blobs: [], layers: [], ingest: [] });
}
