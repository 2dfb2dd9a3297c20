/** -v and --tmpfs (docker run, "Mount volume" and "Mount tmpfs"). */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { TspodError } from "../../errors.ts";
import type { VolumeMount } from "../../spec/index.ts";
import { parseVolumeName } from "../../store/volumes.ts";

const bindOptions = new Set(
  "ro rw z Z rbind bind private rprivate shared rshared slave rslave nosuid suid nodev dev noexec exec".split(
    " ",
  ),
);

/** SOURCE:DESTINATION[:OPTIONS]. A source with a slash (or ".") is a path, made absolute here; otherwise a volume. */
export function parseVolume(text: string): VolumeMount {
  const [source = "", destination, rest, ...more] = text.split(":");
  if (destination === undefined) throw invalid(text, "anonymous volumes are not supported yet");
  if (source === "" || more.length > 0) throw invalid(text, "");
  if (!destination.startsWith("/")) {
    throw invalid(text, `"${destination}" is not an absolute path in the container`);
  }
  const options = parseOptions(text, rest);
  if (!/^[./~]/.test(source)) {
    return { kind: "volume", source: parseVolumeName(source), destination, options };
  }
  const path = resolve(source);
  requireSource(path);
  return { kind: "bind", source: path, destination, options };
}

function requireSource(path: string): void {
  try {
    statSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it does not exist" : `${code}`;
    throw new TspodError("volume.source_missing", `Cannot mount "${path}": ${why}`, {
      next: `create it: mkdir -p "${path}"`,
      cause,
    });
  }
}

function parseOptions(text: string, rest: string | undefined): string[] {
  if (rest === undefined || rest === "") return [];
  const options = rest.split(",");
  const wrong = options.find((option) => !bindOptions.has(option));
  if (wrong !== undefined) throw invalid(text, `"${wrong}" is no mount option`);
  // z and Z relabel for SELinux, which a user namespace of one's own makes needless where it is off
  return options.filter((option) => option !== "z" && option !== "Z");
}

/** DESTINATION[:OPTIONS], the options being those of mount(8) for tmpfs. */
export function parseTmpfs(text: string): VolumeMount {
  const colon = text.indexOf(":");
  const destination = colon < 0 ? text : text.slice(0, colon);
  if (!destination.startsWith("/")) {
    throw new TspodError("usage", `Invalid --tmpfs "${text}": not an absolute path`, {
      next: "use --tmpfs /run or --tmpfs /run:size=64m",
    });
  }
  const options =
    colon < 0
      ? []
      : text
          .slice(colon + 1)
          .split(",")
          .filter(Boolean);
  const sized = options.some((option) => option.startsWith("mode="));
  return { kind: "tmpfs", destination, options: sized ? options : ["mode=1777", ...options] };
}

function invalid(text: string, why: string): TspodError {
  const reason = why === "" ? "" : `: ${why}`;
  return new TspodError("volume.invalid", `Invalid volume "${text}"${reason}`, {
    next: "use -v /host/path:/container/path[:ro] or -v NAME:/container/path",
  });
}
