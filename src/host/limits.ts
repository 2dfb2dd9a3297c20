/** Resource limits of a process of the caller's (getrlimit(2), proc(5)). */
import { readFileSync } from "node:fs";

/** Infinity: unlimited. */
export interface Limit {
  soft: number;
  hard: number;
}

/** The kernel's words in /proc/PID/limits, and docker's names. */
const names: Record<string, string> = {
  "Max cpu time": "cpu",
  "Max file size": "fsize",
  "Max data size": "data",
  "Max stack size": "stack",
  "Max core file size": "core",
  "Max resident set": "rss",
  "Max processes": "nproc",
  "Max open files": "nofile",
  "Max locked memory": "memlock",
  "Max address space": "as",
  "Max file locks": "locks",
  "Max pending signals": "sigpending",
  "Max msgqueue size": "msgqueue",
  "Max nice priority": "nice",
  "Max realtime priority": "rtprio",
  "Max realtime timeout": "rttime",
};

export const limitNames: readonly string[] = Object.values(names);

/** Ours; hard ones only matter where the soft one may have been raised for this program alone. */
export function ownLimits(): Record<string, Limit> {
  return parseLimits(readFileSync("/proc/self/limits", "latin1"));
}

/** Those of whoever started us: this program's runtime raises its own soft ones. */
export function callerLimits(): Record<string, Limit> {
  try {
    return parseLimits(readFileSync(`/proc/${process.ppid}/limits`, "latin1"));
  } catch {
    return ownLimits(); // it has ended meanwhile, or is somebody else's
  }
}

export function parseLimits(text: string): Record<string, Limit> {
  const limits: Record<string, Limit> = {};
  for (const line of text.split("\n")) {
    const [, words = "", soft = "", hard = ""] = /^(.*?) {2,}(\S+) +(\S+)/.exec(line) ?? [];
    const name = names[words.trim()];
    if (name !== undefined) limits[name] = { soft: numberOf(soft), hard: numberOf(hard) };
  }
  return limits;
}

function numberOf(word: string): number {
  return word === "unlimited" ? Infinity : Number(word);
}
