/**
 * Who a process is, beyond its reusable pid: pid + start time + boot id.
 * Source: proc_pid_stat(5) field 22, /proc/sys/kernel/random/boot_id.
 */
import { readFileSync } from "node:fs";

/** "pid:start:boot id". */
export type ProcessIdentity = string;

/** Of those after the command name, counted from 0. */
const startField = 19;

/** Start time in clock ticks after boot, or null when there is no such process (or it is a zombie). */
export function processStart(pid: number | "self"): number | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null; // gone: that is the answer
  }
  // the command name may hold spaces and parentheses: count from the last one
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ", startField + 1);
  if (fields[0] === "Z" || fields[0] === "X") return null;
  return Number(fields[startField]);
}

let cachedBootId: string | undefined;

export function bootId(): string {
  cachedBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return cachedBootId;
}

export function ownIdentity(): ProcessIdentity {
  return processIdentity(process.pid);
}

/** Of a process that is there. */
export function processIdentity(pid: number): ProcessIdentity {
  return `${pid}:${processStart(pid === process.pid ? "self" : pid) ?? 0}:${bootId()}`;
}

/** Whether exactly that process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const [pid, start, boot] = identity.split(":");
  return boot === bootId() && isSameProcess(Number(pid), Number(start));
}

export function isSameProcess(pid: number, start: number): boolean {
  return pid > 0 && processStart(pid) === start;
}
