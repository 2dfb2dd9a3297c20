/** Moments as docker and podman take them for --since and --until: a date, seconds since 1970, or a span before now. */
import { TspodError } from "../errors.ts";
import { parseDuration } from "./duration.ts";

/** A day, or a day and a time; without an offset the time of here. */
const datePattern = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?)?$/i;

/** Milliseconds since 1970. `what` names the option. A span is before now, or after it. Throws usage. */
export function parseInstant(
  text: string,
  what: string,
  nowMs: number,
  span: "before" | "after" = "before",
): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (datePattern.test(text)) {
    // a bare day would be read as UTC's
    const whole = text.length === "2026-01-01".length ? `${text}T00:00:00` : text.replace(" ", "T");
    const instant = Date.parse(whole.replace(" ", ""));
    if (!Number.isNaN(instant)) return instant;
  }
  try {
    const durationMs = parseDuration(text, what);
    return span === "before" ? nowMs - durationMs : nowMs + durationMs;
  } catch (cause) {
    throw new TspodError("usage", `Invalid ${what} "${text}"`, {
      next: "give a date such as 2026-01-31T12:00:00Z, seconds since 1970, or a time ago such as 10m",
      cause,
    });
  }
}
