/** Memory of processes, as proc(5) tells it. */
import { readdirSync, readFileSync } from "node:fs";

/** Processes whose command line matches; never our own. */
export function processesLike(matches: (commandLine: string) => boolean): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => matches(read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()))
    .map(Number);
}

/**
 * Proportional set size in KiB. A process that is not dumpable shows it to nobody but root: of such a one the resident
 * size, which is at least as large. Undefined when the process is gone.
 */
export function memoryKib(pid: number): number | undefined {
  const pss = /^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1];
  const resident = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1];
  const kib = pss ?? resident;
  return kib === undefined ? undefined : Number(kib);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // ended meanwhile, or not ours to read
  }
}
