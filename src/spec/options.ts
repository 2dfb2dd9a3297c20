/** What somebody asks of a new container, as plain data: cli, api, compose and kube all end here. Types only. */

export type NetworkMode = "private" | "host" | "none";

export type VolumeMount =
  /** `source` is an absolute path on the host. */
  | { kind: "bind"; source: string; destination: string; options: string[] }
  /** `source` is a volume's name, made when missing. */
  | { kind: "volume"; source: string; destination: string; options: string[] }
  | { kind: "tmpfs"; destination: string; options: string[] };

export interface CreateOptions {
  /** As the user wrote it. */
  image: string;
  /** Replaces the image's Cmd; empty: keep it. */
  command: string[];
  /** Replaces the image's Entrypoint; [] removes it; null keeps it. */
  entrypoint: string[] | null;
  name: string | null;
  /** "KEY=value", after --env-file and the caller's own variables have been resolved. */
  environment: string[];
  labels: Record<string, string>;
  workdir: string | null;
  /** "name|uid[:group|gid]", or null for the image's. */
  user: string | null;
  hostname: string | null;
  network: NetworkMode;
  mounts: VolumeMount[];
  isReadOnly: boolean;
  interactive: boolean;
  tty: boolean;
  init: boolean;
  autoRemove: boolean;
  /** Signal number, or null for the image's StopSignal or SIGTERM. */
  stopSignal: number | null;
  stopTimeoutMs: number;
}
