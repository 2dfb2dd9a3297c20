/** What somebody asks of a new container, as plain data: cli, api, compose and kube all end here. Types only. */

import type { LimitOptions } from "./resources.ts";

export type NetworkMode = "private" | "host" | "none";

export type VolumeMount =
  /** `source` is an absolute path on the host. */
  | { kind: "bind"; source: string; destination: string; options: string[] }
  /** `source` is a volume's name, made when missing. */
  | { kind: "volume"; source: string; destination: string; options: string[] }
  | { kind: "tmpfs"; destination: string; options: string[] };

export type SeccompChoice =
  | { kind: "default" }
  | { kind: "unconfined" }
  /** A profile in OCI's or Docker's form: `name` is what the user called it, `text` is JSON. */
  | { kind: "profile"; name: string; text: string };

/** How much a container may do. */
export interface SecurityOptions {
  isPrivileged: boolean;
  /** "CAP_X" or "ALL"; no name is in both. */
  capAdd: string[];
  capDrop: string[];
  /** As the user wrote each --security-opt. */
  securityOpt: string[];
  noNewPrivileges: boolean;
  /** Null: the default, or with `isPrivileged` none. */
  seccomp: SeccompChoice | null;
  /** A profile that the host has loaded; null: none. */
  apparmor: string | null;
  /** SELinux: "disable", "user:U", "role:R", "type:T", "level:L", "filetype:T". */
  labels: string[];
  /** Absolute paths that are hidden too. */
  mask: string[];
  /** Absolute paths, perhaps with * and ?, that are neither hidden nor read-only; "ALL": none is. */
  unmask: string[];
  /** Of the mount of /proc: "hidepid=2". */
  procOptions: string[];
}

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
  /** Another OCI runtime than our own. */
  runtime: { path: string; name: string } | null;
  autoRemove: boolean;
  /** Signal number, or null for the image's StopSignal or SIGTERM. */
  stopSignal: number | null;
  stopTimeoutMs: number;
  /** Absent: the defaults of all of it. */
  security?: SecurityOptions;
  /** Absent: nothing is limited. */
  limits?: LimitOptions;
}
