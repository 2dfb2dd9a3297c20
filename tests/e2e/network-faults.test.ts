/**
 * kill -9 at chosen system calls of the commands that make, use, leave and remove networks: afterwards the same command
 * ends what was begun, no address is held by nobody, what helper.json says is what inspect says, and nothing is left.
 */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FaultCommand, killAtAnyCall } from "../support/faults.ts";
import { leftovers } from "../support/leaks.ts";
import type { World } from "../support/world.ts";

interface Command extends FaultCommand {
  /** What it says when it was through, or has been ended by another one. */
  isDone: RegExp;
}

const user = ["create", "--name=user", "--network=kept", "tiny", "true"];

const running = ["run", "-d", "--name=user", "--network=kept", "tiny", "sleep", "1000"];

const commands: Command[] = [
  { words: ["network", "connect", "other", "user"], before: [running], isDone: /is on network/ },
  { words: ["network", "disconnect", "kept", "user"], before: [running], isDone: /is not on netw/ },
  { words: ["network", "create", "--label=x", "it"], isDone: /There is a network "it" already/ },
  { words: ["network", "rm", "it"], before: [["network", "create", "it"]], isDone: /Cannot find/ },
  { words: user, isDone: /name "user" is in use|"user" already/ },
  { words: ["network", "connect", "other", "user"], before: [user], isDone: /is on network/ },
  { words: ["rename", "user", "me"], before: [user], isDone: /Cannot find container "user"/ },
];

describe("kill -9 at any system call of", () => {
  killAtAnyCall<Command>({
    ...{ images: ["tiny"], commands, trialsEach: 2 },
    ...{ prepare, clear, titleOf },
    async expectSound(world, what, command) {
      await expectEnded(world, command, what);
      await expectSound(world, what);
    },
  });
});

function titleOf({ words, before = [] }: Command): string {
  return `${words.join(" ")} (${before.includes(running) ? "while it runs" : "at rest"})`;
}

/** Two networks, one of which has somebody on it, and what the command needs. */
async function prepare(world: World, { before = [] }: Command): Promise<void> {
  await clear(world);
  for (const name of ["kept", "other"]) await world.ok("network", "create", name);
  await world.ok("create", "--name=holder", "--network=kept", "tiny", "true");
  for (const words of before) await world.ok(...words);
}

async function clear(world: World): Promise<void> {
  const names = (await world.ok("ps", "-a", "--format", "{{.Names}}")).split("\n").filter(Boolean);
  if (names.length > 0) await world.ok("rm", "-f", ...names);
  await world.ok("network", "prune", "-f");
}

async function expectEnded(world: World, { words, isDone }: Command, what: string): Promise<void> {
  const { exitCode, stderr } = await world.tspod(words);
  expect({ what, stderr, isEnded: exitCode === 0 || isDone.test(stderr) }).toMatchObject({
    isEnded: true,
  });
}

interface Inspected {
  Id: string;
  Name: string;
  State: { Running: boolean };
  NetworkSettings: { Networks: object };
}

async function expectSound(world: World, what: string): Promise<void> {
  const ids = (await world.ok("ps", "-aq")).split("\n").filter(Boolean);
  const all = JSON.parse(await world.ok("inspect", ...ids)) as Inspected[];
  for (const { Id, Name, State, NetworkSettings } of all) {
    const file = join(world.root, "data/containers", Id, "helper.json");
    const { name, networks } = JSON.parse(readFileSync(file, "utf8"));
    const entries = networks as { network: string; interface: string }[];
    const said = entries.map((one) => one.network);
    expect({ what, name, said }).toEqual({
      ...{ what, name: Name, said: Object.keys(NetworkSettings.Networks) },
    });
    if (!State.Running) continue;
    const links = await world.ok("exec", Id, "ls", "/sys/class/net");
    const there = ["lo", ...entries.map((one) => one.interface)].sort();
    expect({ what, links: links.split("\n").sort() }).toEqual({ what, links: there });
  }
  await world.ok("rm", "-f", "holder");
  await clear(world);
  await world.ok("ps"); // what the killed has left is the next command's
  expect({ what, networks: await world.ok("network", "ls", "-q") }).toEqual({ what, networks: "" });
  expect({ what, left: leftovers(world.root) }).toEqual({ what, left: [] });
}
