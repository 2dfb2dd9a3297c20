/**
 * Many commands of all kinds at once on one store. None fails for a lock, none sees a half-made container, none says
 * what is not a sentence, and when all is over the store is whole. The seed of a failure is told: TSPOD_TEST_SEED repeats it.
 */
import { expect } from "bun:test";
import { type Random, random } from "../support/random.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld, type Result, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const atOnce = 100;
const rounds = 2;
const timeoutMs = 300_000;
const names = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"];

interface Kind {
  words(pick: Pick): string[];
  /** What else than success may come of it while others are at work. */
  mayFail?: RegExp;
}

type Pick = Random["pick"];

/** Somebody was faster: each of these is a sentence about the container that was named. */
const faster =
  /Cannot find (container|a container, image, volume or network) "|is in use|is not running|is running|is paused|is not paused|has that name already|begins more than one|removed when it ends|has been removed|Cannot (start|execute|limit|kill|stop)|has no cgroup|needs a container|does not run/;

const name = (pick: Pick): string => pick(names);
const kinds: Kind[] = [
  { words: (pick) => ["run", "-d", "--name", name(pick), "tiny", "sleep", "100"], mayFail: faster },
  { words: (pick) => ["run", "--rm", "--name", name(pick), "tiny", "true"], mayFail: faster },
  { words: () => ["run", "--rm", "tiny", "echo", "hello"] },
  { words: (pick) => ["create", "--name", name(pick), "tiny", "true"], mayFail: faster },
  { words: (pick) => ["start", name(pick)], mayFail: faster },
  { words: (pick) => ["stop", "-t", "0", name(pick)], mayFail: faster },
  { words: (pick) => ["restart", "-t", "0", name(pick)], mayFail: faster },
  { words: (pick) => ["kill", name(pick)], mayFail: faster },
  { words: (pick) => ["pause", name(pick)], mayFail: faster },
  { words: (pick) => ["unpause", name(pick)], mayFail: faster },
  { words: (pick) => ["rename", name(pick), name(pick)], mayFail: faster },
  { words: (pick) => ["update", "--cpu-shares", "512", name(pick)], mayFail: faster },
  { words: (pick) => ["rm", "-f", name(pick)], mayFail: faster },
  { words: (pick) => ["rm", name(pick)], mayFail: faster },
  { words: (pick) => ["exec", name(pick), "true"], mayFail: faster },
  { words: (pick) => ["logs", name(pick)], mayFail: faster },
  { words: (pick) => ["top", name(pick)], mayFail: faster },
  { words: (pick) => ["inspect", name(pick)], mayFail: faster },
  {
    words: (pick) => ["wait", "--condition", "created,running,exited,paused", name(pick)],
    mayFail: faster,
  },
  { words: () => ["ps", "-a", "--format", "json"] },
  { words: () => ["ps", "-a", "-s"] },
  { words: () => ["stats", "--no-stream", "-a"] },
  { words: () => ["container", "prune", "-f"] },
  { words: () => ["system", "df"] },
  { words: () => ["events", "--stream=false"] },
  { words: () => ["images"] },
  { words: () => ["info"] },
];

test(
  `${atOnce} commands at once, ${rounds} times`,
  async () => {
    const source = random();
    await using world = await makeWorld({ images: ["tiny"] });
    for (let round = 0; round < rounds; round++) {
      expect({ seed: source.seed, wrong: await storm(world, source) }).toEqual({
        seed: source.seed,
        wrong: [],
      });
    }
    await expectWhole(world);
  },
  timeoutMs,
);

/** What went wrong, a line each. */
async function storm(world: World, source: Random): Promise<string[]> {
  const running = Array.from({ length: atOnce }, (_, at) => {
    const kind = kinds[at % kinds.length] ?? source.pick(kinds);
    const words = kind.words(source.pick);
    return { mayWait: words[0] === "exec", told: outcome(world, kind, words) };
  });
  const tell = (mayWait: boolean) =>
    Promise.all(running.filter((one) => one.mayWait === mayWait).map(({ told }) => told));
  const lines = await tell(false);
  await world.tspod(["unpause", "--all"]); // an exec that was on its way in when its container was paused stands still with it
  return [...lines, ...(await tell(true))].filter((line) => line !== null);
}

async function outcome(world: World, kind: Kind, words: string[]): Promise<string | null> {
  try {
    return complaint(kind, words, await world.tspod(words, { timeoutMs: 120_000 }));
  } catch (error) {
    return String(error); // it did not end
  }
}

function complaint(
  kind: Kind,
  words: string[],
  { exitCode, stderr, stdout }: Result,
): string | null {
  const told = `tspod ${words.join(" ")}: status ${exitCode}\n${stderr}`;
  if (/SQLITE|locked|busy|\n\s+at |TypeError|undefined|\[object|fault of tspod/.test(stderr))
    return told;
  if (exitCode !== 0 && kind.mayFail?.test(stderr) !== true) return told;
  if (words[0] === "ps" && words.includes("json")) {
    for (const line of stdout.split("\n").filter(Boolean)) {
      const { ID, Names, State } = JSON.parse(line) as Record<string, string>;
      if (
        !/^[0-9a-f]{12}$/.test(ID ?? "") ||
        (!names.includes(Names ?? "") && !/_/.test(Names ?? ""))
      ) {
        return `${told}a container that is none: ${line}`;
      }
      if (!/^(created|running|paused|restarting|exited)$/.test(State ?? ""))
        return `${told}${line}`;
    }
  }
  return null;
}

/** Every container that is listed can be looked at and removed; afterwards there is none. */
async function expectWhole(world: World): Promise<void> {
  const ids = (await world.ok("ps", "-aq")).split("\n").filter(Boolean);
  for (const id of ids) await world.ok("inspect", id);
  if (ids.length > 0) await world.ok("rm", "-f", ...ids);
  expect(await world.ok("ps", "-aq")).toBe("");
}
