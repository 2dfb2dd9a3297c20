/** What the network adds to `run`: the same container with and without it, interleaved. */
import { existsSync } from "node:fs";
import { makeWorld, tspodFile } from "../../support/world.ts";
import { interleave } from "../measure.ts";

const goalMs = 5;

export async function measureStartUp(rounds: number): Promise<string> {
  if (!existsSync(tspodFile)) return `run --rm: no ${tspodFile} (npm run build:release)`;
  const world = await makeWorld({ images: ["tiny"] });
  try {
    const run = async (...flags: string[]): Promise<void> =>
      void (await world.ok("run", "--rm", ...flags, "tiny", "true"));
    const [none, own] = await interleave(
      [
        { name: "none", run: () => run("--network", "none") },
        { name: "own", run: () => run() },
      ],
      rounds,
    );
    const [without, within] = [none?.medianMs ?? Number.NaN, own?.medianMs ?? Number.NaN];
    const added = within - without;
    const numbers = `${without.toFixed(1)} ms without, ${within.toFixed(1)} ms with a network`;
    return `run --rm: ${numbers}: ${added.toFixed(1)} ms more, goal ${goalMs}${added > goalMs ? " MISSED" : ""}`;
  } finally {
    await world[Symbol.asyncDispose]();
  }
}
