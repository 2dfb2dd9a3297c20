/** A container as `stats` shows it: docker's words and fields, and podman's besides. Pure. */
import { cpuPercent, type Sample } from "../../container/stats.ts";
import { formatSize } from "../../lib/size.ts";
import type { Column } from "./table.ts";

export interface StatsRow {
  ID: string;
  ContainerID: string;
  Container: string;
  Name: string;
  CPUPerc: string;
  AVGCPU: string;
  MemUsage: string;
  MemUsageBytes: string;
  MemPerc: string;
  NetIO: string;
  BlockIO: string;
  PIDs: string;
  /** Podman's names of the same. */
  CPU: string;
  Mem: string;
  MemLimit: string;
  UpTime: string;
}

const columns = [
  ["CONTAINER ID", "ID"],
  ["NAME", "Name"],
  ["CPU %", "CPUPerc"],
  ["MEM USAGE / LIMIT", "MemUsage"],
  ["MEM %", "MemPerc"],
  ["NET I/O", "NetIO"],
  ["BLOCK I/O", "BlockIO"],
  ["PIDS", "PIDs"],
] as const;

export const statsColumns: Column<StatsRow>[] = columns.map(([header, field]) => ({
  ...{ header, field },
  cell: (row) => row[field],
  ...(field === "Name" ? { mayShrink: true } : {}),
}));

/** Where nothing is known. */
export const nothing = "--";

export interface StatsOptions {
  id: string;
  name: string;
  /** As the user wrote it. */
  asked: string;
  isTruncated: boolean;
}

/** Without a sample it does not run. */
export function statsRow(
  sample: Sample | null,
  before: Sample | null,
  { id, name, asked, isTruncated }: StatsOptions,
): StatsRow {
  const shown = isTruncated ? id.slice(0, 12) : id;
  const cpu = sample === null ? nothing : percent(cpuPercent(sample, before));
  const average = sample === null ? nothing : percent(cpuPercent(sample, null));
  const memory = sample?.memoryBytes ?? null;
  const limit = sample === null ? nothing : binary(sample.memoryLimitBytes);
  const memoryPercent =
    sample === null || memory === null
      ? nothing
      : percent((100 * memory) / sample.memoryLimitBytes);
  const usage = `${memory === null ? nothing : binary(memory)} / ${limit}`;
  return {
    ...{ ID: shown, ContainerID: shown, Container: asked, Name: name },
    ...{ CPUPerc: cpu, CPU: cpu, AVGCPU: average },
    ...{ MemUsage: usage, MemUsageBytes: usage, MemPerc: memoryPercent, Mem: memoryPercent },
    MemLimit: limit,
    NetIO: pair(sample?.netInBytes, sample?.netOutBytes),
    BlockIO: pair(sample?.blockInBytes, sample?.blockOutBytes),
    PIDs: sample === null ? nothing : String(sample.pids),
    UpTime: sample === null ? nothing : `${Math.round((sample.atMs - sample.startedMs) / 1000)}s`,
  };
}

const percent = (value: number): string => `${value.toFixed(2)}%`;
const binary = (bytes: number): string => formatSize(bytes, { digits: 4, isBinary: true });

function pair(first: number | null | undefined, second: number | null | undefined): string {
  const [a, b] = [first, second].map((bytes) =>
    bytes === null || bytes === undefined ? nothing : formatSize(bytes, { digits: 3 }),
  );
  return `${a} / ${b}`;
}
