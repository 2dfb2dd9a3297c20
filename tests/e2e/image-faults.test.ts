/**
 * kill -9 at chosen system calls of the commands that pull, push, name, save, load, import, remap, list and remove images
 * and artifacts: afterwards each is there as a whole or not at all, the layout that others read names nothing that is
 * missing, and the next command clears the rest.
 */
import { describe, expect } from "bun:test";
import { Database } from "bun:sqlite";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { type FaultCommand, killAtAnyCall } from "../support/faults.ts";
import { until } from "../support/wait.ts";
import type { World } from "../support/world.ts";

/** Whoever maps ids so has trees of the image's layers of their own. */
const mapped = "--userns=keep-id:uid=5,gid=5";

/** Another name of the registry's, which has no mirror. */
const target = "target.example/it:1";

const commands: FaultCommand[] = [
  { words: ["pull", "-q", "few"] },
  { words: ["push", "-q", "few", target], before: [["load", "-q", "-i", "oci.tar"]] },
  { words: ["tag", "tiny", "it", "it:2"] },
  { words: ["untag", "tiny", "it"], before: [["tag", "tiny", "it"]] },
  { words: ["load", "-q", "-i", "docker.tar"] },
  { words: ["load", "-q", "-i", "oci.tar"] },
  { words: ["save", "-o", "it.tar", "tiny"] },
  { words: ["import", "-q", "root.tar", "it"] },
  { words: ["manifest", "add", "list", "tiny"], before: [["manifest", "create", "list"]] },
  {
    words: ["manifest", "push", "--all", "list", target],
    before: [
      ["manifest", "create", "list"],
      ["manifest", "add", "list", "tiny"],
    ],
  },
  {
    words: ["create", "--name", "mapped", mapped, "few", "true"],
    before: [["load", "-q", "-i", "oci.tar"]],
  },
  { words: ["rmi", "few"], before: [["load", "-q", "-i", "oci.tar"]] },
  { words: ["artifact", "add", "--replace", "it", "docker.tar"] },
  { words: ["artifact", "rm", "it"], before: [["artifact", "add", "it", "docker.tar"]] },
  { words: ["image", "prune", "-f", "-a"], before: [["load", "-q", "-i", "docker.tar"]] },
];

describe("kill -9 at any system call of", () => {
  killAtAnyCall({
    ...{ images: ["tiny", "few"], commands, trialsEach: 2 },
    ...{ setUp: saveOnce, prepare, clear, expectSound },
  });
});

async function saveOnce(world: World): Promise<void> {
  if (existsSync(join(world.home, "oci.tar"))) return;
  const { address } = await sharedRegistry();
  const entry = `[[registry]]\nprefix = "target.example"\nlocation = "${address}"\ninsecure = true\n`;
  appendFileSync(join(world.home, ".config/containers/registries.conf"), entry);
  await world.ok("save", "-o", "docker.tar", "few");
  await world.ok("save", "--format", "oci-archive", "-o", "oci.tar", "few");
  await world.ok("create", "--name", "user", "tiny", "true"); // prune leaves it alone
  await world.ok("create", "--name", "root", "few", "true");
  await world.ok("export", "-o", "root.tar", "root");
  await world.ok("rm", "root");
}

async function prepare(world: World, { before = [] }: FaultCommand): Promise<void> {
  await clear(world);
  for (const words of before) await world.ok(...words);
}

async function clear(world: World): Promise<void> {
  await world.tspod(["rm", "-f", "mapped"]);
  for (const name of ["it", "it:2", "few"]) await world.tspod(["rmi", "-f", name]);
  await world.ok("artifact", "rm", "-a");
  await world.tspod(["manifest", "rm", "list"]);
  await world.ok("image", "prune", "-f"); // what a killed load has got as far as a layer or a blob
}

async function expectSound(
  world: World,
  what: string,
  { words: killed }: FaultCommand,
): Promise<void> {
  const data = join(world.root, "data");
  // before anything of ours has run: whoever reads the layout finds what it names
  const index = JSON.parse(readFileSync(join(data, "index.json"), "utf8")) as {
    manifests: { digest: string }[];
  };
  const blob = (digest: string): string => join(data, "blobs", digest.replace(":", "/"));
  const missing = index.manifests.filter(({ digest }) => !existsSync(blob(digest)));
  expect({ what, missing }).toEqual({ what, missing: [] });
  // what a killed one has fetched is kept for the next, which takes it up
  const isGoneOnWith = killed[0] === "pull" || killed.includes("push") || killed.includes("add");
  if (isGoneOnWith) await world.ok(...killed);
  const next = await world.tspod(["run", "--rm", "tiny", "echo", "sound"]);
  expect({ what, ...next }).toEqual({ what, exitCode: 0, stdout: "sound\n", stderr: "" });
  if ((await world.tspod(["image", "exists", "few"])).exitCode === 0) {
    for (const flags of [[], [mapped, "-u", "0"]]) {
      const words = ["run", "--rm", ...flags, "few", "cat", "/data/kept"];
      const { exitCode, stdout } = await world.tspod(words);
      expect({ what, exitCode, stdout }).toEqual({ what, exitCode: 0, stdout: "two" });
    }
  }
  const names = (await world.ok("images", "--format", "{{.Names}}")).split("\n");
  const listed = indexNames(data);
  expect({ what, listed }).toEqual({
    what,
    listed: [...new Set(names.flatMap((line) => line.split(",")))].filter(Boolean).sort(),
  });
  expect({ what, left: readdirSync(join(data, "ingest")) }).toEqual({ what, left: [] });
  await clear(world);
  await until("the trash is empty", () => content(data).trash === 0);
  const kept = { layers: 1, rows: 1, blobs: 3, trash: 0 };
  expect({ what, kept: content(data) }).toEqual({ what, kept });
}

function indexNames(data: string): string[] {
  const { manifests } = JSON.parse(readFileSync(join(data, "index.json"), "utf8")) as {
    manifests: { annotations?: Record<string, string> }[];
  };
  return manifests
    .flatMap(({ annotations = {} }) => annotations["org.opencontainers.image.ref.name"] ?? [])
    .sort();
}

/** What tiny needs, and nothing more. */
function content(data: string): Record<string, number> {
  using database = new Database(join(data, "tspod.db"), { readonly: true });
  const count = (directory: string): number => readdirSync(join(data, directory)).length;
  const { rows } = database.query("SELECT count(*) AS rows FROM layer").get() as { rows: number };
  return { layers: count("layers"), rows, blobs: count("blobs/sha256"), trash: count("trash") };
}
