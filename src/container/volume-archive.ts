/** What is in a volume as an archive, and the other way round. Loaded only for that. */
import { existsSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { type Place, receiveChunks, sendTo } from "../helper/index.ts";
import { decompress } from "../image/index.ts";
import { recordEvent } from "../store/events.ts";
import type { VolumeRecord } from "../store/volumes.ts";
import { mountpoint } from "../volume/index.ts";
import type { ContainerContext } from "./context.ts";
import { tellingWhy, verbOf } from "./copy.ts";

/** The same files give the same bytes. Errors: usage (a volume in memory), files.*, host.*. */
export async function exportVolume(
  context: ContainerContext,
  volume: VolumeRecord,
  descriptor: number,
): Promise<void> {
  const place = placeOf(context, volume);
  await tellingWhy({ from: volume.name, to: "the archive" }, () =>
    sendTo(verbOf(context), { place, path: "/", name: "" }, descriptor),
  );
  record(context, volume, "export");
}

/**
 * Plain, gzip or zstd, over what is there. An archive that turns out to be damaged leaves what came before the damage.
 * Errors: usage, files.*, layer.invalid, store.full, host.*.
 */
export async function importVolume(
  context: ContainerContext,
  volume: VolumeRecord,
  archive: AsyncIterable<Uint8Array>,
): Promise<void> {
  const place = placeOf(context, volume);
  const verb = verbOf(context);
  await tellingWhy({ from: "the archive", to: volume.name }, () =>
    receiveChunks(verb, decompress(archive, "the archive", verb), {
      ...{ place, path: "/", owners: "archive", overwrites: true },
    }),
  );
  record(context, volume, "import");
}

function placeOf({ paths, mapping }: ContainerContext, volume: VolumeRecord): Place {
  const directory = mountpoint(paths, volume);
  if (directory !== "" && existsSync(directory)) return { kind: "tree", directory, mapping };
  const why = directory === "" ? "it is in memory" : `"${directory}" is not there`;
  throw new TspodError(
    "usage",
    `Volume "${volume.name}" has no files outside of containers: ${why}`,
    {
      next: "copy them from a container that has it: tspod cp",
    },
  );
}

function record(context: ContainerContext, { name }: VolumeRecord, status: string): void {
  recordEvent(context, { type: "volume", status, id: name, name });
}
