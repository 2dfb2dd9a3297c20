/** Sizes as people write and read them. Decimal units out (kB, MB), binary units in ("64m" = 64 MiB), as docker does. */
import { TspodError } from "../errors.ts";

const decimalUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const suffixes = " kmgtp";

export interface FormatSizeOptions {
  /** Significant digits; docker prints layers with 4 and images with 3. */
  digits?: number;
  /** 1024 and KiB (memory) instead of 1000 and kB (disk). */
  isBinary?: boolean;
}

/** 7_800_000 -> "7.8MB". Negative and non-finite sizes are programmer errors. */
export function formatSize(sizeBytes: number, options: FormatSizeOptions = {}): string {
  if (!(sizeBytes >= 0 && Number.isFinite(sizeBytes))) throw new RangeError(`size ${sizeBytes}`);
  const { digits = 4, isBinary = false } = options;
  const units = isBinary ? binaryUnits : decimalUnits;
  const base = isBinary ? 1024 : 1000;
  let value = sizeBytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${Number(value.toPrecision(digits))}${units[unit]}`;
}

/** Number, an optional space, an optional unit letter with an optional "b" or "ib": 512, 64m, 1.5g, "10 MiB". */
const sizePattern = /^(\d+(?:\.\d*)?|\.\d+) ?(?:(b)|([kmgtp])(?:i?b)?)?$/i;

/**
 * "1.5g" -> 1610612736 bytes: binary units whatever the spelling (k, kb, kib), as docker and podman read `-m` and
 * `--shm-size`. `what` names the option in the error.
 */
export function parseSize(text: string, what = "size"): number {
  const match = sizePattern.exec(text);
  const scale = 1024 ** suffixes.indexOf((match?.[3] ?? " ").toLowerCase());
  const sizeBytes = Math.floor(Number(match?.[1] ?? NaN) * scale);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  const problem = match === null ? "is not a size" : "is more bytes than any machine has";
  throw new TspodError("usage", `Invalid ${what} "${text}": it ${problem}`, {
    next: "write a number with b, k, m, g or t, such as 64m or 1.5g",
  });
}
