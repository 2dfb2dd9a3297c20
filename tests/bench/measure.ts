/** Timing of commands: interleaved, so that the machine's moods hit every candidate alike. Prints nothing. */

export interface Candidate {
  name: string;
  /** Run once, to its end; throws when it fails. */
  run(): Promise<void>;
}

export interface Measured {
  name: string;
  medianMs: number;
  fastestMs: number;
}

/** One round first that does not count (caches), then `rounds` of one run each, the order turning. */
export async function interleave(candidates: Candidate[], rounds: number): Promise<Measured[]> {
  const times = candidates.map((): number[] => []);
  for (let round = -1; round < rounds; round += 1) {
    for (let index = 0; index < candidates.length; index += 1) {
      const turn = (index + Math.max(round, 0)) % candidates.length;
      const started = performance.now();
      await candidates[turn]?.run();
      if (round >= 0) times[turn]?.push(performance.now() - started);
    }
  }
  return candidates.map(({ name }, index) => ({
    name,
    medianMs: median(times[index] ?? []),
    fastestMs: Math.min(...(times[index] ?? [])),
  }));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Run to the end with nothing on the standard streams; the output is returned. */
export async function command(
  words: string[],
  environment: Record<string, string>,
): Promise<string> {
  const child = Bun.spawn(words, {
    env: environment,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  return stdout.trim();
}
