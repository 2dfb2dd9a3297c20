/**
 * config.json as text. OCI's unlimited resource limit is 2^64 - 1, which no number of ours can be: in memory it is
 * Infinity, and what has been read as 2^64 is meant to be it.
 */
import type { RuntimeSpec } from "./runtime-spec.ts";

type Limits = RuntimeSpec["process"]["rlimits"];

export function formatRuntimeSpec(spec: RuntimeSpec): string {
  return JSON.stringify({ ...spec, process: wireProcess(spec.process) });
}

/** A process whose limits can be written as JSON. */
export function wireProcess<T extends { rlimits?: Limits }>(process: T): T {
  const { rlimits } = process;
  if (rlimits === undefined) return process;
  return {
    ...process,
    rlimits: rlimits.map((limit) => ({
      ...limit,
      soft: wireLimit(limit.soft),
      hard: wireLimit(limit.hard),
    })),
  };
}

const unlimited = "18446744073709551615";

function wireLimit(limit: number): number {
  // JSON.rawJSON (ES2026) is not in TypeScript's library yet; what it gives is only ever written
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  return limit >= 2 ** 64 ? (rawJSON(unlimited) as number) : limit;
}
