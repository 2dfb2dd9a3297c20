/** What the processes of a container are and do, in podman's descriptors and ps's words for them. */
import { TspodError } from "../errors.ts";
import { nearest } from "../lib/nearest.ts";
import { type IdLine, insideId, parseIdMap, readNames } from "./accounts.ts";
import { type Container, notRunning } from "./find.ts";
import { type ContainerProcess, listProcesses } from "./processes.ts";
import {
  capabilitySet,
  commandLine,
  cpuPercent,
  elapsedText,
  hostName,
  inside,
  memoryPercent,
  pidInside,
  processorTime,
  readText,
  realId,
  seccompWord,
  securityLabel,
  startTime,
  supplementary,
  terminalName,
  type World,
} from "./top-cells.ts";

export interface TopTable {
  titles: string[];
  rows: string[][];
}

interface Descriptor {
  title: string;
  of(process: ContainerProcess, world: World): string;
}

const descriptors: Readonly<Record<string, Descriptor>> = {
  args: { title: "COMMAND", of: commandLine },
  capamb: { title: "AMBIENT CAPS", of: capabilitySet("CapAmb") },
  capbnd: { title: "BOUNDING CAPS", of: capabilitySet("CapBnd") },
  capeff: { title: "EFFECTIVE CAPS", of: capabilitySet("CapEff") },
  capinh: { title: "INHERITED CAPS", of: capabilitySet("CapInh") },
  capprm: { title: "PERMITTED CAPS", of: capabilitySet("CapPrm") },
  comm: { title: "COMMAND", of: ({ command }) => command },
  etime: { title: "ELAPSED", of: elapsedText },
  group: { title: "GROUP", of: ({ hostGid }, { groups }) => inside(hostGid, groups) },
  groups: { title: "GROUPS", of: supplementary },
  hgroup: { title: "HGROUP", of: ({ hostGid }) => hostName(hostGid, "group") },
  hpid: { title: "HPID", of: ({ hostPid }) => String(hostPid) },
  huser: { title: "HUSER", of: ({ hostUid }) => hostName(hostUid, "passwd") },
  label: { title: "LABEL", of: securityLabel },
  nice: { title: "NI", of: ({ nice }) => String(nice) },
  pcpu: { title: "%CPU", of: (process, world) => cpuPercent(process, world).toFixed(3) },
  pgid: { title: "PGID", of: ({ pgid }, world) => pidInside(pgid, world) },
  pid: { title: "PID", of: ({ pid }) => String(pid) },
  pmem: { title: "%MEM", of: memoryPercent },
  ppid: { title: "PPID", of: ({ hostPpid }, world) => pidInside(hostPpid, world) },
  rgroup: {
    title: "RGROUP",
    of: ({ status }, { groups }) => inside(realId(status, "Gid"), groups),
  },
  rss: { title: "RSS", of: ({ residentKib }) => String(residentKib) },
  ruser: { title: "RUSER", of: ({ status }, { users }) => inside(realId(status, "Uid"), users) },
  seccomp: { title: "SECCOMP", of: seccompWord },
  start: { title: "START", of: startTime },
  state: { title: "STATE", of: ({ state }) => state },
  stime: { title: "STIME", of: startTime },
  time: { title: "TIME", of: processorTime },
  tty: { title: "TTY", of: terminalName },
  uid: {
    title: "UID",
    of: ({ hostUid }, { users }) => String(insideId(users.map, hostUid) ?? "?"),
  },
  user: { title: "USER", of: ({ hostUid }, { users }) => inside(hostUid, users) },
  vsz: { title: "VSZ", of: ({ virtualBytes }) => String(Math.round(virtualBytes / 1024)) },
};

/** The AIX formats of ps(1), as podman has them, and the other names that ps has for ours. */
const aliases: Readonly<Record<string, string>> = {
  ...{ "%C": "pcpu", "%G": "group", "%P": "ppid", "%U": "user", "%a": "args", "%c": "comm" },
  ...{ "%g": "rgroup", "%n": "nice", "%p": "pid", "%r": "pgid", "%t": "etime", "%u": "ruser" },
  ...{ "%x": "time", "%y": "tty", "%z": "vsz" },
  ...{ cmd: "args", command: "args", ucmd: "comm", "%cpu": "pcpu", "%mem": "pmem", c: "pcpu" },
  ...{ ni: "nice", rssize: "rss", rsz: "rss", vsize: "vsz", tt: "tty", tname: "tty", s: "state" },
  ...{ stat: "state", cputime: "time", start_time: "stime", euser: "user", euid: "uid" },
  ...{ egroup: "group", pgrp: "pgid", uname: "user" },
};

export const topDescriptors: readonly string[] = Object.keys(descriptors);

const usual = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];

/** What `ps` shows for its usual sets of options. */
const sets: Readonly<Record<"full" | "bsd" | "plain", readonly string[]>> = {
  full: ["uid", "pid", "ppid", "c", "stime", "tty", "time", "cmd"],
  bsd: ["user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start", "time", "command"],
  plain: ["pid", "tty", "time", "cmd"],
};

/** Columns -> their descriptors. Podman's words one by one or by commas, or options of ps. Throws usage. */
export function parseTopColumns(words: readonly string[]): string[] {
  if (words.length === 0) return usual;
  const [first = ""] = words;
  if (words.length === 1 && topDescriptors.includes(first)) return [first];
  if (first.startsWith("-") || bsdOptions.test(first)) return parsePsOptions(words);
  return words.flatMap((word) => word.split(",")).map(knownDescriptor);
}

/** Without a dash: "aux", and "axo" with its columns after it. */
const bsdOptions = /^[auxwef]+o?$|^o$/;

/** Some of ps(1): everything that is there is shown anyway, so only what chooses columns matters. */
function parsePsOptions(words: readonly string[]): string[] {
  const asked: string[] = [];
  let set: keyof typeof sets = "plain";
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const [, letters = "", list] = /^-?([A-Za-z]*?)(?:o(.*))?$/.exec(word) ?? [];
    if (!/^[aAdeflNuxwT]*$/.test(letters)) throw unknownOption(word);
    if (letters.includes("f")) set = "full";
    if (letters.includes("u")) set = "bsd";
    if (list === undefined) continue;
    const text = list === "" ? (words[++at] ?? "") : list;
    asked.push(...text.split(/[ ,]/).filter(Boolean).map(knownDescriptor));
  }
  return asked.length > 0 ? asked : [...sets[set]];
}

function unknownOption(word: string): TspodError {
  return new TspodError("usage", `Cannot read "${word}" as an option of ps`, {
    next: "use -ef, aux, -o pid,args or descriptors such as: pid user args pcpu",
  });
}

function knownDescriptor(word: string): string {
  const name = word.startsWith("%") && word.length === 2 ? word : word.toLowerCase();
  if (Object.hasOwn(descriptors, name) || Object.hasOwn(aliases, name)) return name;
  const near = nearest(name, topDescriptors);
  throw new TspodError("usage", `Unknown descriptor "${word}"`, {
    next:
      near === undefined ? `use some of: ${topDescriptors.join(", ")}` : `did you mean "${near}"?`,
  });
}

/** Errors: container.not_running. */
export function topContainer(container: Container, columns: readonly string[]): TopTable {
  const { state } = container;
  if (state.status !== "running") throw notRunning(container.name);
  const all = listProcesses(state);
  const world = lookAround(state.pid, all);
  const chosen = columns.map((name) => {
    const descriptor = descriptors[aliases[name] ?? name];
    if (descriptor === undefined) throw new RangeError(`no descriptor ${name}`);
    return { title: titleOf(name, descriptor), of: descriptor.of };
  });
  return {
    titles: chosen.map(({ title }) => title),
    rows: all.map((process) => chosen.map(({ of }) => of(process, world))),
  };
}

/** ps calls some of them otherwise. */
function titleOf(name: string, { title }: Descriptor): string {
  const names: Record<string, string> = { cmd: "CMD", c: "C", stat: "STAT" };
  return names[name] ?? title;
}

function lookAround(pid: number, all: readonly ContainerProcess[]): World {
  const map = (file: string): IdLine[] => parseIdMap(readText(`/proc/${pid}/${file}`));
  return {
    all,
    users: { map: map("uid_map"), names: readNames(pid, "passwd") },
    groups: { map: map("gid_map"), names: readNames(pid, "group") },
    uptimeSeconds: Number(readText("/proc/uptime").split(" ")[0]),
  };
}
