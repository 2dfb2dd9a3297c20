/** Patience in seconds, as --time and --stop-timeout take it. */
import { TspodError } from "../../errors.ts";

const millisecondsPerSecond = 1000;
/** What the helper's contract holds (u32): seven weeks. */
const patienceMsMax = 0xffff_ffff;

/** In milliseconds; -1 is docker's word for as long as it takes. */
export function parseSeconds(flag: string, text: string | null, missing: number): number {
  if (text === null) return missing * millisecondsPerSecond;
  if (text === "-1") return patienceMsMax;
  const seconds = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(seconds * millisecondsPerSecond)) {
    return Math.min(seconds * millisecondsPerSecond, patienceMsMax);
  }
  throw new TspodError("usage", `Invalid ${flag} "${text}"`, { next: "give whole seconds" });
}
