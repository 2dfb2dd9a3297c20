/** Mounts in the caller's own mount namespace, which it must have a right to. Zig's side is zig/src/mount.zig. */
import { runVerb } from "./layer.ts";

interface MountVerb {
  /** Argv prefix of native verbs. */
  readonly command: readonly string[];
  readonly signal: AbortSignal;
}

/** The layers (topmost first) at a directory, for reading. */
export async function mountLayers(
  verb: MountVerb,
  directory: string,
  layers: readonly string[],
): Promise<void> {
  await runVerb(verb, ["mount", directory, ...layers], "mount the image");
}

export async function unmountLayers(verb: MountVerb, directory: string): Promise<void> {
  await runVerb(verb, ["unmount", directory], "unmount the image");
}
