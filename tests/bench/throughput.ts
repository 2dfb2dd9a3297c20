/**
 * How fast output goes: 1 GB of lines through a pipe from a container and from its log, beside the same by cat. Wall
 * clock and processor time; a machine that does other things as well makes the first one worth little.
 * Part of `npm run bench -- --throughput`; alone: bun tests/bench/throughput.ts [MEGABYTES]
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeWorld, tspodFile } from "../support/world.ts";

const megabytes = Number(process.argv.slice(2).find((word) => /^\d+$/.test(word)) ?? 1000);
const line =
  "The quick brown fox jumps over the lazy dog, and again, and once more up to here 0123456789\n";

const world = await makeWorld({ images: ["tiny"] });
const big = join(world.home, "big");
writeLines();
const run = (...flags: string[]): string =>
  `"$TSPOD" run --name it ${flags.join(" ")} -v ${big}:/big:ro tiny cat /big`;
const rows: [string, string, string][] = [
  ["cat file | cat", `busybox cat ${big} | cat`, ""],
  ["cat file | tee log | cat", `busybox cat ${big} | tee ${big}.log | cat`, `rm ${big}.log`],
  ["run --log-driver=none | cat", `${run("--log-driver=none")} | cat`, '"$TSPOD" rm it'],
  ["run | cat, with its log", `${run()} | cat`, ""],
  ["logs | cat", '"$TSPOD" logs it | cat', ""],
  ["logs --tail 10", '"$TSPOD" logs --tail 10 it | cat', '"$TSPOD" rm it'],
  ["run -d, into its log", `${run("-d")}; "$TSPOD" wait it`, '"$TSPOD" rm -f it'],
];
for (const [name, script, after] of rows) {
  const { real, user, system } = time(script);
  if (after !== "") time(after);
  const speed = Math.round(megabytes / real);
  console.log(
    `${name.padEnd(30)} ${String(speed).padStart(6)} MB/s  ${real.toFixed(2)} s, processor ${(user + system).toFixed(2)} s`,
  );
}
rmSync(big);
await world[Symbol.asyncDispose]();
process.exit(); // what still holds the event loop is a registry that has been killed

function time(script: string): { real: number; user: number; system: number } {
  const timed = `TIMEFORMAT="%R %U %S"; time { ${script}; } >/dev/null`;
  const child = Bun.spawnSync(["bash", "-c", timed], {
    env: { ...world.environment, TSPOD: tspodFile },
    stderr: "pipe",
  });
  const last = child.stderr.toString().trim().split("\n").at(-1) ?? "";
  const [real = NaN, user = NaN, system = NaN] = last.split(" ").map(Number);
  return { real, user, system };
}

function writeLines(): void {
  const block = Buffer.from(line.repeat(Math.ceil(1e6 / line.length))).subarray(0, 1e6);
  const descriptor = openSync(big, "w");
  for (let written = 0; written < megabytes; written++) writeSync(descriptor, block);
  closeSync(descriptor);
}
