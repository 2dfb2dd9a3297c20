/** The text of a registries.conf, which two readers look into: short-names.ts and registries-conf.ts. Pure. */
import { parse } from "smol-toml";
import { TspodError } from "../errors.ts";

export interface ConfText {
  readonly value: Record<string, unknown>;
  /** What is wrong with it, of which file. */
  bad(reason: string, cause?: unknown): TspodError;
}

/** Each reader is given the same text; more of them than this is a process that has seen them change. */
const keptCountMax = 64;
const kept = new Map<string, Record<string, unknown>>();

/** Throws registries_conf.invalid, naming `path`. */
export function parseConfText(text: string, path: string): ConfText {
  const bad = (reason: string, cause?: unknown): TspodError =>
    new TspodError("registries_conf.invalid", `Cannot read "${path}": ${reason}`, {
      next: "see containers-registries.conf(5)",
      cause,
    });
  try {
    const value = kept.get(text) ?? parse(text);
    if (kept.size === keptCountMax) kept.clear();
    kept.set(text, value);
    return { value, bad };
  } catch (cause) {
    throw bad(String((cause as Error).message).split("\n")[0] ?? "", cause);
  }
}
