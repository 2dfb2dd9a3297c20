/** What the container functions work with. The engine builds it; every costly part is made on first use. */
import type { RootfsChoice } from "../host/index.ts";
import type { ImageContext } from "../image/index.ts";
import type { SpecHost } from "../spec/index.ts";

export interface ContainerContext extends ImageContext {
  /** This host, as far as a container's configuration depends on it. */
  readonly host: SpecHost;
  readonly rootfs: RootfsChoice;
  /** A layer's files may have their content in another one (findDataLayers). */
  readonly hasDataLayers: boolean;
  /** RFC 3339, UTC. */
  now(): string;
}
