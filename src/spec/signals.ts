/** Signal names and numbers of Linux on x86-64 and arm64 (signal(7)). Pure. */
import { TspodError } from "../errors.ts";

const names = [
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT",
  "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS",
]
  .join(" ")
  .split(" ");

const signalMax = 64;
const realtimeMin = 34;
const realtimeMax = 64;

/** "SIGTERM", "term", "15", "RTMIN+3" -> number. Throws usage. */
export function parseSignal(text: string): number {
  const upper = text.toUpperCase().replace(/^SIG/, "");
  const number = /^\d+$/.test(text) ? Number(text) : named(upper);
  if (number !== null && number >= 1 && number <= signalMax) return number;
  throw new TspodError("usage", `Invalid signal "${text}"`, {
    next: "use a name such as TERM or SIGKILL, or a number from 1 to 64",
  });
}

function named(upper: string): number | null {
  const index = names.indexOf(upper);
  if (index >= 0) return index + 1;
  const realtime = /^RTM(IN|AX)(?:([+-])(\d{1,2}))?$/.exec(upper);
  if (realtime === null) return null;
  const base = realtime[1] === "IN" ? realtimeMin : realtimeMax;
  return base + (realtime[2] === "-" ? -1 : 1) * Number(realtime[3] ?? 0);
}

/** 15 -> "SIGTERM"; a real-time signal -> "SIGRTMIN+n". */
export function formatSignal(signal: number): string {
  const name = names[signal - 1];
  return name === undefined ? `SIGRTMIN+${signal - realtimeMin}` : `SIG${name}`;
}

/** For completion: every named signal. */
export const signalNames: readonly string[] = names.map((name) => `SIG${name}`);
