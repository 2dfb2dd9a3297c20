/** Mounts in the caller's own mount namespace, which it must have a right to. Zig's side is zig/src/mount.zig. */
import type { Rootfs } from "./contract.ts";
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

/** A container's root at a directory, for writing too. */
export async function mountRoot(
  verb: MountVerb,
  directory: string,
  { lower, upper, work, data = [] }: Extract<Rootfs, { kind: "overlay" }>,
): Promise<void> {
  const content = data.flatMap((one) => ["--data", one]);
  const options = ["--upper", upper, "--work", work, ...content];
  await runVerb(verb, ["mount", ...options, directory, ...lower], "mount the container's root");
}

export async function unmountLayers(verb: MountVerb, directory: string): Promise<void> {
  await runVerb(verb, ["unmount", directory], "unmount a root");
}
