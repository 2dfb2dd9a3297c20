/** The cells of `top`, from what the kernel says of a process. */
import { existsSync, readFileSync } from "node:fs";
import { allCapabilities } from "../spec/index.ts";
import { type IdLine, insideId, parseNames } from "./accounts.ts";
import { type ContainerProcess, ticksPerSecond } from "./processes.ts";

/** Ids and names of a container, as it has them. */
export interface Accounts {
  map: readonly IdLine[];
  names: ReadonlyMap<number, string>;
}

/** What is true of the whole container while it is looked at. */
export interface World {
  all: readonly ContainerProcess[];
  users: Accounts;
  groups: Accounts;
  uptimeSeconds: number;
}

type Cell = (process: ContainerProcess, world: World) => string;

export const commandLine: Cell = ({ args, command }) =>
  args.length > 0 ? args.join(" ") : `[${command}]`; // a kernel thread or a zombie, as ps shows it

/** The container's name for an id, or the number. */
export function inside(hostId: number, { map, names }: Accounts): string {
  const id = insideId(map, hostId);
  return id === null ? "?" : (names.get(id) ?? String(id));
}

export function hostName(id: number, file: "passwd" | "group"): string {
  return parseNames(readText(`/etc/${file}`)).get(id) ?? String(id);
}

/** Of somebody outside of the container there is no number: 0, as the kernel says there. */
export function pidInside(hostPid: number, { all }: World): string {
  return String(all.find((process) => process.hostPid === hostPid)?.pid ?? 0);
}

export function realId(status: ReadonlyMap<string, string>, name: "Uid" | "Gid"): number {
  return Number(status.get(name)?.split("\t")[0] ?? 0);
}

export const supplementary: Cell = ({ status }, { groups }) =>
  (status.get("Groups") ?? "")
    .split(" ")
    .filter(Boolean)
    .map((id) => inside(Number(id), groups))
    .join(",");

export const startedSeconds: (process: ContainerProcess) => number = ({ startTicks }) =>
  startTicks / ticksPerSecond;

export const elapsed = (process: ContainerProcess, { uptimeSeconds }: World): number =>
  Math.max(0, uptimeSeconds - startedSeconds(process));

export const cpuPercent = (process: ContainerProcess, world: World): number => {
  const used = (process.userTicks + process.kernelTicks) / ticksPerSecond;
  const seconds = elapsed(process, world);
  return seconds === 0 ? 0 : (100 * used) / seconds;
};

export const memoryPercent: Cell = ({ residentKib }) => {
  const total = Number(/^MemTotal:\s+(\d+)/m.exec(readText("/proc/meminfo"))?.[1] ?? Infinity);
  return ((100 * residentKib) / total).toFixed(1);
};

/** 15:04 today, and a day otherwise, in UTC. */
export const startTime: Cell = (process, world) => {
  const started = new Date(Date.now() - elapsed(process, world) * 1000).toISOString();
  const isToday = started.slice(0, 10) === new Date().toISOString().slice(0, 10);
  return isToday ? started.slice(11, 16) : started.slice(5, 10);
};

/** As podman has it, which prints Go's durations: "1h2m3.456s". */
export const elapsedText: Cell = (process, world) => goDuration(elapsed(process, world));

/** As podman has it: "1m2s", and "0s". */
export const processorTime: Cell = ({ userTicks, kernelTicks }) =>
  goDuration((userTicks + kernelTicks) / ticksPerSecond);

export function goDuration(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = Number((seconds % 60).toFixed(3));
  const large = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : "";
  return `${large}${rest}s`;
}

/** tty_nr of proc_pid_stat(5): 136..143 are pseudoterminals. */
export const terminalName: Cell = ({ tty }) => {
  if (tty === 0) return "?";
  const major = (tty >> 8) & 0xfff;
  const minor = (tty & 0xff) | ((tty >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  return major === 4 ? `tty${minor}` : `${major}:${minor}`;
};

export const seccompWord: Cell = ({ status }) =>
  ({ "0": "disabled", "1": "strict", "2": "filter" })[status.get("Seccomp") ?? ""] ?? "?";

/** SELinux and AppArmor write a line there; without either it cannot be read. */
export const securityLabel: Cell = ({ hostPid }) => {
  const path = `/proc/${hostPid}/attr/current`;
  return (existsSync(path) ? readText(path).replaceAll("\0", "").trim() : "") || "?";
};

/** capabilities(7), by their bits: "full", "none", or their names. */
export function capabilitySet(field: string): Cell {
  return ({ status }) => {
    const bits = BigInt(`0x${status.get(field) ?? "0"}`);
    const names = allCapabilities.filter((_, bit) => (bits & (1n << BigInt(bit))) !== 0n);
    if (names.length === 0) return "none";
    if (names.length === allCapabilities.length) return "full";
    return names.map((name) => name.replace(/^CAP_/, "")).join(",");
  };
}

/** "" where there is no such file, or it is not for us. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
}
