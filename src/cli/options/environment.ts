/** -e and --env-file -> "KEY=value" (docker run, "Set environment variables"). */
import { readFileSync } from "node:fs";
import { TspodError } from "../../errors.ts";

/** Files first, then the flags, so that a flag wins. A bare KEY is taken from `caller` and left out if unset there. */
export function resolveEnvironment(
  files: readonly string[],
  flags: readonly string[],
  caller: Record<string, string | undefined>,
): string[] {
  const entries = [...files.flatMap(readEnvFile), ...flags];
  return entries.flatMap((entry) => resolveEntry(entry, caller));
}

function resolveEntry(entry: string, caller: Record<string, string | undefined>): string[] {
  if (entry.startsWith("=") || entry === "") {
    throw new TspodError("usage", `Invalid environment variable "${entry}": it has no name`, {
      next: "use -e KEY=VALUE",
    });
  }
  if (entry.includes("=")) return [entry];
  if (entry.endsWith("*")) {
    // podman: every variable of the caller that begins so
    const prefix = entry.slice(0, -1);
    const names = Object.keys(caller).filter((name) => name.startsWith(prefix));
    return names.map((name) => `${name}=${caller[name] ?? ""}`);
  }
  const inherited = caller[entry];
  return inherited === undefined ? [] : [`${entry}=${inherited}`];
}

/** Larger files are not lists of variables. */
const fileBytesMax = 1024 * 1024;

function readEnvFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("usage", `Cannot read the --env-file "${path}" (${code})`, {
      next: "check the path",
      cause,
    });
  }
  if (text.length > fileBytesMax) {
    throw new TspodError("usage", `The --env-file "${path}" is larger than 1 MiB`, {
      next: "give a file of KEY=VALUE lines",
    });
  }
  return parseEnvFile(text, path);
}

/** Lines of KEY=VALUE or KEY; empty lines and those that start with # are skipped. Values are taken literally. */
export function parseEnvFile(text: string, path: string): string[] {
  const entries: string[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const line = raw.replace(/\r$/, "").trimStart();
    if (line === "" || line.startsWith("#")) continue;
    const name = line.split("=", 1)[0] ?? "";
    if (name === "" || /\s/.test(name)) {
      throw new TspodError("usage", `Invalid variable name "${name}" in ${path}:${index + 1}`, {
        next: "a name has no spaces: KEY=VALUE",
      });
    }
    entries.push(line);
  }
  return entries;
}
