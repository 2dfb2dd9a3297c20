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
  /** Podman's names, of the same and of its halves. */
  CPU: string;
  AvgCPU: string;
  CPUNano: number;
  CPUSystemNano: number;
  SystemNano: number;
  Mem: string;
  MemLimit: string;
  NetInput: string;
  NetOutput: string;
  BlockInput: string;
  BlockOutput: string;
  PIDS: string;
  Up: string;
  UpTime: string;
  Duration: number;
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
  const [net, block] = [
    [sample?.netInBytes, sample?.netOutBytes].map(decimal),
    [sample?.blockInBytes, sample?.blockOutBytes].map(decimal),
  ];
  const pids = sample === null ? nothing : String(sample.pids);
  const elapsedMs = sample === null ? 0 : sample.atMs - sample.startedMs;
  const up = sample === null ? nothing : `${Math.round(elapsedMs / 1000)}s`;
  return {
    ...{ ID: shown, ContainerID: shown, Container: asked, Name: name },
    ...{ CPUPerc: cpu, CPU: cpu, AVGCPU: average, AvgCPU: average },
    CPUNano: (sample?.cpuUs ?? 0) * nanosecondsPerUs,
    CPUSystemNano: (sample?.systemUs ?? 0) * nanosecondsPerUs,
    SystemNano: (sample?.atMs ?? 0) * nanosecondsPerMs,
    ...{ MemUsage: usage, MemUsageBytes: usage, MemPerc: memoryPercent, Mem: memoryPercent },
    MemLimit: limit,
    NetIO: net.join(" / "),
    BlockIO: block.join(" / "),
    ...{ NetInput: net[0] ?? nothing, NetOutput: net[1] ?? nothing },
    ...{ BlockInput: block[0] ?? nothing, BlockOutput: block[1] ?? nothing },
    ...{ PIDs: pids, PIDS: pids },
    ...{ UpTime: up, Up: up, Duration: elapsedMs * nanosecondsPerMs },
  };
}

const percent = (value: number): string => `${value.toFixed(2)}%`;
const binary = (bytes: number): string => formatSize(bytes, { digits: 4, isBinary: true });

const decimal = (bytes: number | null | undefined): string =>
  bytes === null || bytes === undefined ? nothing : formatSize(bytes, { digits: 3 });

const nanosecondsPerUs = 1000;
const nanosecondsPerMs = 1_000_000;
