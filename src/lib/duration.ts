/** Spans of time as people read them ("2 hours") and as the field writes them ("1h30m"). No clock here. */
import { TspodError } from "../errors.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** "3 weeks", "About an hour": rounded as docker rounds it, so that columns of both tools agree. Negative is 0. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / second);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(durationMs / minute);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(durationMs / hour + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.trunc(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.trunc(days / 7)} weeks`;
  if (days < 730) return `${Math.trunc(days / 30)} months`;
  return `${Math.trunc(durationMs / day / 365)} years`;
}

const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: second,
  m: minute,
  h: hour,
};
const partPattern = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/** Go's time.Duration holds 2^63 ns, about 292 years: whatever is longer is a mistake here too. */
const durationMsMax = 2 ** 63 / 1e6;

/** "1h30m", "10s", "-1.5h", "0" -> milliseconds, the grammar of Go's time.ParseDuration. `what` names the option. */
export function parseDuration(text: string, what = "duration"): number {
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text;
  const sign = text.startsWith("-") ? -1 : 1;
  if (unsigned === "0") return 0;
  let totalMs = 0;
  let end = 0;
  partPattern.lastIndex = 0;
  for (let part; (part = partPattern.exec(unsigned)) !== null; end = partPattern.lastIndex) {
    totalMs += Number(part[1]) * (unitMs[part[2] ?? ""] ?? NaN);
  }
  if (end > 0 && end === unsigned.length && totalMs < durationMsMax) return sign * totalMs;
  throw new TspodError("usage", `Invalid ${what} "${text}"`, {
    next: "write numbers with h, m, s or ms, such as 10s or 1h30m",
  });
}
