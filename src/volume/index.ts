/** The door of volume: make, find, fill, remove. */
export { createVolume, type NewVolume } from "./create.ts";
export {
  getVolume,
  inspectVolume,
  listVolumes,
  mountpoint,
  requireMountpoint,
  type Volume,
} from "./find.ts";
export { parseDriverOptions, type VolumeKind } from "./options.ts";
export { discardTrees, pruneVolumes, removeVolume, type Unwanted } from "./remove.ts";
export { type Claimed, claimVolumes, type WantedVolume } from "./claim.ts";
export { seedIfEmpty } from "./seed.ts";
export { volumeUsage } from "./usage.ts";
