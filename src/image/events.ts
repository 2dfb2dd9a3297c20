/** What a pull or a push says while it works. Data for a progress display, which may ignore any of it. */
import type { Digest } from "../oci/index.ts";

export type LayerPhase =
  | ("waiting" | "downloading" | "unpacking" | "done")
  /** Of a push. There: the registry has it. Mounted: it had it in another repository. */
  | ("compressing" | "uploading" | "there" | "mounted");

export type PullEvent =
  | { kind: "resolving"; reference: string }
  | { kind: "pushing"; reference: string }
  /** Layers that are here are unpacked once more, with other owners. */
  | { kind: "remapping"; reference: string }
  /** Known once the manifest is read. Base first; one that is unpacked already is present. */
  | { kind: "layers"; layers: readonly { digest: Digest; sizeBytes: number; isPresent: boolean }[] }
  | { kind: "phase"; digest: Digest; phase: LayerPhase }
  /** `bytes` of the compressed layer are here (or, of a push, there), resumed ones included; never more than its size. */
  | { kind: "downloaded"; digest: Digest; bytes: number }
  /** Something failed that is tried again: "docker.io answered 503; again in 2 s". */
  | { kind: "retry"; message: string }
  /** The pull is over, well or not: the display leaves the terminal as it found it. */
  | { kind: "end" };
