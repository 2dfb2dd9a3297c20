/** What the image has where an empty volume is mounted becomes the volume's first content. */
import { existsSync, readdirSync } from "node:fs";
import { seedVolume } from "../helper/index.ts";
import { volumeDirectory, volumeHome } from "../store/volumes.ts";
import type { VolumeContext } from "./context.ts";

/** The copy that was whole when its maker was killed (zig/src/layer/seed.zig). */
const wholeCopy = "seed";

export interface Seeding {
  /** The volume's name. */
  name: string;
  /** Where it is mounted in the container. */
  destination: string;
  /** Unpacked layers, topmost first; none: only what was begun is finished. */
  layers: readonly string[];
  /** Where their files have their content that have none themselves, topmost first. */
  data: readonly string[];
  /** It must survive a power cut. */
  isDurable: boolean;
}

/** Nothing to do for a volume that has content of its own. Errors: store.full, store.unwritable, layer.invalid. */
export async function seedIfEmpty(context: VolumeContext, seeding: Seeding): Promise<void> {
  const { name, destination, layers, data, isDurable } = seeding;
  const home = volumeHome(context.paths, name);
  const isBegun = existsSync(`${home}/${wholeCopy}`);
  if (!isBegun && (layers.length === 0 || !looksEmpty(volumeDirectory(context.paths, name))))
    return;
  const { helper: command, mapping, signal } = context;
  const what = { home, path: destination, layers, data, isDurable };
  await seedVolume({ command, mapping, signal }, what);
}

/** What we may not read the helper may. */
function looksEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch {
    return true;
  }
}
