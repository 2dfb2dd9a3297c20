/** When the user started this process: not when Bun did, where it goes on from a snapshot (src/cli/snapshot.ts). */
let startedMs: number | undefined;

export function noteStart(): void {
  startedMs = Date.now();
}

/** Milliseconds since 1970. */
export function processStartedMs(): number {
  return startedMs ?? performance.timeOrigin;
}
