/** Which containers a command is about: names, --all, --latest, --filter, --cidfile, --ignore; rm's order and codes. */
import { expect } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

test("rm: 1 for what is not there, 2 for what runs; --ignore and -f pass over the first", async () => {
  const { world } = shared;
  await using box = await runBox(world, "sleep 1000", "--name", "busy");
  const codes = async (...words: string[]) => (await world.tspod(["rm", ...words])).exitCode;
  expect(await codes("nobody")).toBe(1);
  expect(await codes("busy")).toBe(2);
  expect(await codes("nobody", "busy")).toBe(2);
  expect(await codes("--ignore", "nobody")).toBe(0);
  expect(await codes("-f", "nobody")).toBe(0);
  expect(await codes("--time", "1", "busy")).toBe(125);
  expect(await codes("-f", "-t", "1", "busy")).toBe(0);
  expect(await world.ok("ps", "-aq")).toBe("");
  expect(box.id).toHaveLength(64);
});

test("--cidfile, --latest and --filter name a container", async () => {
  const { world } = shared;
  const cidfile = join(world.home, "the.cid");
  await using first = await runBox(world, "sleep 1000", "--cidfile", cidfile);
  await using second = await runBox(world, "sleep 1000", "-l", "keep=no");
  expect(await world.ok("exec", "--cidfile", cidfile, "hostname")).toBe(first.id.slice(0, 12));
  expect(await world.ok("exec", "-l", "hostname")).toBe(second.id.slice(0, 12));
  expect(await world.ok("kill", "--cidfile", cidfile)).toBe(first.id);
  expect(await world.ok("wait", "--cidfile", cidfile)).toBe("137");
  expect(await world.ok("stop", "-t", "0", "--filter", "label=keep=no")).toBe(second.id);
  expect(await world.ok("rm", "--filter", "label=keep")).toBe(second.id);
  expect(await world.ok("rm", "--latest")).toBe(first.id);
  const missing = join(world.home, "missing.cid");
  expect((await world.tspod(["rm", "--cidfile", missing])).stderr).toContain(missing);
  expect((await world.tspod(["rm", "--ignore", "--cidfile", missing, "x"])).exitCode).toBe(0);
  writeFileSync(missing, "not an id\n");
  expect((await world.tspod(["stop", "--cidfile", missing])).exitCode).toBe(125);
});

test("what lives in another's namespaces goes first, or both stay", async () => {
  const { world } = shared;
  await using base = await runBox(world, "sleep 1000", "--name", "base");
  await using guest = await runBox(
    world,
    "sleep 1000",
    "--name",
    "guest",
    "--pid",
    "container:base",
  );
  await using third = await createBox(world, "--name", "third", "--ipc", "container:guest", "tiny");
  await world.ok("kill", "guest");
  await world.ok("kill", "base");
  await world.ok("wait", "base", "guest");
  const refused = await world.tspod(["rm", "base"]);
  expect(refused.exitCode).toBe(125);
  expect(refused.stderr).toMatch(/"guest".*\n.*--depend/);
  expect(await world.ok("ps", "-aq").then((text) => text.split("\n").length)).toBe(3);
  expect(await world.ok("rm", "--depend", "base")).toBe("base");
  expect(await world.ok("ps", "-aq")).toBe("");
  for (const { id } of [base, guest, third]) {
    expect(existsSync(`${world.root}/data/containers/${id}`)).toBe(false);
  }
});

/** Words, then what the message must name. */
const contradictions: [string, RegExp][] = [
  ["rm", /needs a container/],
  ["stop", /needs a container/],
  ["kill", /needs a container/],
  ["pause", /needs a container/],
  ["unpause", /needs a container/],
  ["restart", /needs a container/],
  ["wait", /needs a container/],
  ["attach", /needs a container/],
  ["top", /needs a container/],
  ["update -m 1g", /needs a container/],
  ["update x", /limit/],
  ["update --cpus 0.001 x", /--cpus/],
  ["update --no-such x", /--no-such/],
  ["rm --all x", /--all/],
  ["stop --latest x", /--latest/],
  ["kill --all --latest", /--latest.*--all|--all.*--latest/],
  ["exec --latest", /command/],
  ["exec x", /command/],
  ["attach --latest x", /x/],
  ["wait --condition asleep x", /asleep/],
  ["wait -i soon x", /soon/],
  ["ps --last two", /two/],
  ["ps --sort colour", /colour/],
  ["ps --watch never", /never/],
  ["ps -l -n 3", /--latest.*--last/],
  ["ps -f status=asleep", /asleep/],
  ["ps -f name=[", /name=\[/],
  ["ps -f exited=soon", /soon/],
  ["ps -f publish=http", /http/],
  ["ps -f before=nobody", /nobody/],
  ["ps -f until=tomorrow", /tomorrow/],
  ["ps -f nmae=x", /nmae[\s\S]*"name"/],
  ["ps -f name", /name/],
  ["top nobody", /nobody/],
  ["top nobody colour", /colour/],
  ["top nobody -Q", /-Q/],
  ["stats nobody", /nobody/],
  ["stats -i 0", /--interval/],
  ["events --since yesterday", /yesterday/],
  ["events --stream=false -f colour=x", /colour/],
  ["events --stream=false -f type=thing", /thing/],
  ["events --format {{", /column/],
  ["rename nobody x", /nobody/],
  ["rename x", /exactly 2/],
  ["port nobody", /nobody/],
  ["inspect --type thing x", /thing/],
  ["inspect -l x", /--latest/],
  ["inspect", /name/],
  ["container inspect nobody", /nobody/],
  ["container prune -f --filter name=x", /name/],
  ["system df --format {{.Nope}}", /Nope/],
  ["container lss", /lss[\s\S]*ls/],
];

test.each(contradictions)("tspod %s: a sentence", async (words, names) => {
  const { exitCode, stdout, stderr } = await shared.world.tspod(words.split(" "));
  expect(stderr).toMatch(names);
  expect(stderr).not.toMatch(/\n\s+at |TypeError|undefined|\[object|internal|fault of tspod/);
  expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(3);
  expect(stdout.replace("[]\n", "")).toBe("");
  expect(exitCode).toBe(125);
});
