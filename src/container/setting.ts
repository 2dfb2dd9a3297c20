/** What a container is made from, besides its image's config: settled before anything of it is on the disk. */
import type { StoredImage } from "../image/index.ts";
import type { CreateOptions, JoinedContainer, SpecHost } from "../spec/index.ts";
import { layerTree } from "../store/layers.ts";
import type { ContainerContext } from "./context.ts";

export interface Setting {
  /** As they are recorded: names of others are ids by now. */
  options: CreateOptions;
  /** With this container's own map. */
  host: SpecHost;
  /** Unpacked layers, topmost first, absolute. */
  layers: string[];
  /** Where files of theirs that only say where their content is have it, topmost first. */
  data?: string[];
  /** Container root among the caller's ids, where it is not the caller. */
  root?: { uid: number; gid: number; isCallerMapped: boolean };
  user?: string;
  files?: Record<string, string>;
  joined?: JoinedContainer;
}

/** Namespaces of its own, the caller being root inside. */
export function usualSetting(
  context: ContainerContext,
  options: CreateOptions,
  image: StoredImage,
): Setting {
  const layers = image.layers.map((chain) => layerTree(context.paths, chain));
  return { options, host: context.host, layers };
}
