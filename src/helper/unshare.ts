/** The user namespace that containers live in, for a program of the host. Zig's side is zig/src/unshare.zig. */
import { type LayerMapping, mapOptions } from "./layer.ts";

/** Become `words`, as root of a user namespace with this map and with mounts of its own. Returns only by throwing. */
export function becomeRootInside(
  command: readonly string[],
  mapping: LayerMapping,
  words: readonly string[],
  environment: Record<string, string | undefined>,
): void {
  const [program = "", ...verb] = command;
  const argv = [program, ...verb, "unshare", ...mapOptions(mapping), ...words];
  process.execve?.(program, argv, environment as NodeJS.ProcessEnv);
}
