/** `tspod volume import`: an archive into a volume that is there. */
import { accessSync, constants, statSync } from "node:fs";
import { loadVolumeArchive } from "../../container/index.ts";
import { TspodError } from "../../errors.ts";
import { getVolume } from "../../volume/index.ts";
import { defineCommand } from "../command.ts";

export default defineCommand({
  path: ["volume", "import"],
  usage: "VOLUME FILE|-",
  summary: "Unpack a tar archive (plain, gzip or zstd) into a volume",
  flags: {},
  args: { min: 2, max: 2, completes: "volume" },
  async run(context, _, [name = "", source = ""]) {
    const volume = getVolume(context, name);
    const archive = source === "-" ? Bun.stdin.stream() : open(source);
    const { importVolume } = await loadVolumeArchive();
    await importVolume(context, volume, archive);
    return 0;
  },
});

function open(path: string): AsyncIterable<Uint8Array> {
  try {
    accessSync(path, constants.R_OK);
    if (!statSync(path).isDirectory()) return Bun.file(path).stream();
  } catch (cause) {
    throw unreadable(path, (cause as NodeJS.ErrnoException).code, cause);
  }
  throw unreadable(path, "EISDIR");
}

function unreadable(path: string, code: string | undefined, cause?: unknown): TspodError {
  return new TspodError("usage", `Cannot read the archive "${path}" (${code})`, {
    next: "check the path",
    cause,
  });
}
