/** --label-file: lines of KEY=VALUE or KEY; empty lines and those that start with # are skipped (docker run). */
import { readFileSync } from "node:fs";
import { TspodError } from "../../errors.ts";

/** Larger files are not lists of labels. */
const fileBytesMax = 1024 * 1024;

/** Throws usage. */
export function readLabelFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("usage", `Cannot read the --label-file "${path}" (${code})`, {
      next: "check the path",
      cause,
    });
  }
  if (text.length > fileBytesMax) {
    throw new TspodError("usage", `The --label-file "${path}" is larger than 1 MiB`, {
      next: "give a file of KEY=VALUE lines",
    });
  }
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}
