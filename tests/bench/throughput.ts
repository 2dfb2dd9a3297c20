/**
 * How fast bytes go through a container and its log, beside the same by cat: medians of interleaved runs of one shell
 * line each, and the speed as a part of cat's, which the goals are about.
 * Part of `npm run bench -- --throughput`; alone: bun tests/bench/throughput.ts [MEGABYTES] [--rounds N]
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeWorld, tspodFile } from "../support/world.ts";
import { median } from "./measure.ts";

interface Row {
  name: string;
  script: string;
  /** Not measured. */
  before?: string;
  after?: string;
  /** Of which of the others, and how much of its speed at least. */
  beside?: string;
  goal?: number;
}

const numbers = process.argv.slice(2).filter((word) => /^\d+$/.test(word));
const roundsAt = process.argv.indexOf("--rounds");
const rounds = roundsAt < 0 ? 5 : Number(process.argv[roundsAt + 1]);
const megabytes = Number(
  (roundsAt < 0 ? numbers : numbers.filter((n) => +n !== rounds))[0] ?? 1000,
);
const line =
  "The quick brown fox jumps over the lazy dog, and again, and once more up to here 0123456789\n";

const world = await makeWorld({ images: ["tiny"] });
const big = join(world.home, "big");
const copy = join(world.home, "copy");
writeLines();
const through = (...flags: string[]): string =>
  `busybox cat ${big} | "$TSPOD" run -i ${flags.join(" ")} tiny cat | cat`;
const out = (...flags: string[]): string =>
  `"$TSPOD" run --name it ${flags.join(" ")} -v ${big}:/big:ro tiny cat /big`;
const removed = '"$TSPOD" rm -f it';
const [plain, teed] = ["cat file | cat | cat", "cat file | tee log | cat"];
const rows: Row[] = [
  { name: plain, script: `busybox cat ${big} | busybox cat | cat` },
  // with nothing but pipes and /dev/null the container has them as they are
  {
    name: "run --rm -i, no name",
    script: `{ ${through("--rm")}; } 2>/dev/null`,
    beside: plain,
    goal: 0.5,
  },
  {
    name: "run -i --log-driver=none",
    script: through("--name it", "--log-driver=none"),
    after: removed,
    beside: plain,
    goal: 0.5,
  },
  { name: teed, script: `busybox cat ${big} | tee ${copy} | cat`, after: `rm ${copy}` },
  {
    name: "run -i, with its log",
    script: through("--name it"),
    after: removed,
    beside: teed,
    goal: 0.5,
  },
  { name: "run, with its log", script: `${out()} | cat`, after: removed, beside: teed, goal: 0.5 },
  {
    name: "run --log-driver=json-file",
    script: `${out("--log-driver=json-file")} | cat`,
    after: removed,
    beside: teed,
  },
  {
    name: "run -d, into its log",
    script: `${out("-d")}; "$TSPOD" wait it`,
    after: removed,
    beside: teed,
  },
  {
    name: "exec -i",
    before: '"$TSPOD" run -d --name it tiny sleep 1000',
    script: `busybox cat ${big} | "$TSPOD" exec -i it cat | cat`,
    after: removed,
    beside: plain,
    goal: 0.5,
  },
  {
    name: "logs",
    before: out("-d") + '; "$TSPOD" wait it',
    script: '"$TSPOD" logs it | cat',
    after: removed,
  },
];
await main();

async function main(): Promise<void> {
  const speeds = new Map<string, number[]>(rows.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const row of rows) {
      if (row.before !== undefined) seconds(row.before);
      const taken = seconds(row.script);
      if (row.after !== undefined) seconds(row.after);
      if (round >= 0) speeds.get(row.name)?.push(megabytes / taken);
    }
  }
  const speedOf = (name: string): number => median(speeds.get(name) ?? []);
  console.log(`${tspodFile}, ${megabytes} MB of lines, medians of ${rounds} interleaved runs\n`);
  for (const { name, beside, goal } of rows) {
    const ratio = beside === undefined ? undefined : speedOf(name) / speedOf(beside);
    const held = goal === undefined || ratio === undefined ? "" : ratio >= goal ? "held" : "MISSED";
    console.log(
      `${name.padEnd(28)}${String(Math.round(speedOf(name))).padStart(6)} MB/s` +
        (ratio === undefined ? "" : `  ${ratio.toFixed(2)} of ${beside}`) +
        (goal === undefined ? "" : `  goal: ${goal} ${held}`),
    );
  }
  rmSync(big);
  await world[Symbol.asyncDispose]();
  process.exit(); // what still holds the event loop is a registry that has been killed
}

/** Wall clock of a shell line whose output nobody wants. */
function seconds(script: string): number {
  const started = performance.now();
  const child = Bun.spawnSync(["bash", "-c", `set -o pipefail; { ${script}; } >/dev/null`], {
    env: { ...world.environment, TSPOD: tspodFile },
    stderr: "pipe",
  });
  if (child.exitCode !== 0) throw new Error(`${script}: ${child.stderr.toString()}`);
  return (performance.now() - started) / 1000;
}

function writeLines(): void {
  const block = Buffer.from(line.repeat(Math.ceil(1e6 / line.length))).subarray(0, 1e6);
  const descriptor = openSync(big, "w");
  for (let written = 0; written < megabytes; written++) writeSync(descriptor, block);
  closeSync(descriptor);
}
