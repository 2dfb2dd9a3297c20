/**
 * The contract between TypeScript and the Zig helper: what is in the files it reads, what comes back.
 * Types only. Zig's side of it is zig/src/contract.zig; a changed meaning bumps `contractVersion` in both.
 *
 * Two files in (`config.json`, the OCI runtime-spec file and nothing else, and `helper.json` beside it), one stream
 * of newline-delimited JSON events out on descriptor 3, no questions back. Unknown fields are ignored by both sides.
 * Descriptors that the program is to have are those that a last word of run and exec lists ("3,4,7"), under the same
 * numbers; events then go out on the one after them.
 */

import type { HealthConfig, HealthStatus } from "./health-contract.ts";
import type { NetworkSettings } from "./network.ts";

export type {
  EgressConfig,
  NetworkConfig,
  NetworkEntry,
  NetworkTool,
  PortForward,
  PortReply,
  PortRequest,
} from "./network.ts";

export const contractVersion = 1;

/** One line of a user namespace map: `sizeIds` ids from `containerId` inside are `hostId`.. outside. OCI's names. */
export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

/**
 * How the root file system is put together. It appears at config.json's `root.path` (absolute).
 * `lower` is ordered as overlayfs wants it: topmost layer first. All paths are absolute.
 */
export type Rootfs =
  | {
      kind: "overlay";
      lower: string[];
      upper: string;
      work: string;
      /** Where files of `lower` that only say where their content is have it (`native remap --light`), topmost first. */
      data?: string[];
      /** The one lower directory cannot be had as a whole: what is written is in memory, each time anew. */
      inMemory?: boolean;
    }
  | { kind: "fuse-overlayfs"; program: string; lower: string[]; upper: string; work: string }
  /** `root.path` is filled once from `lower` (reflinks where the file system has them), then used as it is. */
  | { kind: "copy"; lower: string[] }
  /** `root.path` is complete already. */
  | { kind: "directory" };

/** The client that stays with the container (or exec) until it ends. Absent: detached. */
export interface Attach {
  /** Forward our standard input (`-i`). */
  stdin: boolean;
  /** Bytes that detach when typed in a row on a terminal, e.g. [16, 17] for ctrl-p,ctrl-q. Empty: cannot detach. */
  detachKeys: number[];
  /** Signals we get go to the container's first process. */
  sigProxy: boolean;
  /**
   * Nobody can observe the difference (`run --rm`, no terminal, no name to ask for logs by): standard streams that are pipes or /dev/null may be
   * handed to the container as they are, and no separate monitor and no log are needed. Terminals, regular files,
   * directories and sockets never are.
   */
  passthrough: boolean;
}

/**
 * A file that reaches `maxBytes` becomes `<path>.1`, what was that becomes `.2`, until there are `maxFiles` with the one
 * that is written.
 */
export interface FileLog {
  /**
   * k8s-file: CRI lines, `<RFC3339Nano> stdout|stderr F|P <text>\n`. json-file: docker's,
   * `{"log":"text\n","stream":"stdout","time":"<RFC3339Nano>"}`.
   */
  driver: "k8s-file" | "json-file";
  path: string;
  /** Absent: no limit. */
  maxBytes?: number;
  maxFiles?: number;
}

export type LogTarget =
  | FileLog
  | { driver: "journald"; tag?: string }
  /** passthrough: the container has the streams of whoever starts it. */
  | { driver: "none" | "passthrough" };

export type {
  HealthAction,
  HealthConfig,
  HealthRecord,
  HealthStatus,
  StartupConfig,
} from "./health-contract.ts";

export type RestartPolicy = "no" | "on-failure" | "always" | "unless-stopped";

export interface RestartRule {
  policy: RestartPolicy;
  /** Of on-failure; 0: as often as it fails. */
  retriesMax: number;
}

/** `helper.json`: what OCI has no word for. */
export interface HelperConfig extends NetworkSettings {
  contract: number;
  id: string;
  name: string;
  /** `$XDG_RUNTIME_DIR/tspod/<id>`, created 0700 by the helper: state.json, control.sock, attach.sock. */
  runtimeDir: string;
  /** `containers/<id>`: config.json, helper.json, exit.json, the log. */
  containerDir: string;
  /** Where `autoRemove` renames the container directory to before it deletes it: `<trashDir>/<id>`. */
  trashDir: string;
  /** Where lists find how it is while it does not run (src/store/at-rest.ts). Absent: its end is its removal. */
  atRestDir?: string;
  rootfs: Rootfs;
  /** Programs that write maps of more than the caller's own id; null when the map is the single-id fallback. */
  idMapTools: { newuidmap: string; newgidmap: string } | null;
  /**
   * The user as the caller or the image wrote it ("", "1000", "nobody", "app:staff"), looked up in the container's
   * own /etc/passwd and /etc/group: sets uid, gid, supplementary groups and, when the environment has none, HOME.
   * Absent: config.json's process.user is taken as it stands.
   */
  user?: string;
  /** Further groups of the program's, by their names in the container's own /etc/group. */
  groups?: string[];
  /** Supplementary groups stay those of whoever starts us. */
  keepGroups?: boolean;
  /** Create process.cwd if the image lacks it. */
  createCwd: boolean;
  /** A tiny init is process 1: it forwards signals and reaps. */
  init: boolean;
  /** The OCI runtime that makes the container, by absolute path. Absent: our own. */
  runtime?: { path: string; name: string };
  /** The container's standard input: a pipe that stays open for attach (`-i`), or /dev/null. */
  stdinOpen: boolean;
  log: LogTarget;
  attach?: Attach;
  /** Delete the container directory when it ends, whoever is watching (`--rm`). */
  autoRemove: boolean;
  /** With `autoRemove`, what the monitor becomes when all is over: what is left is for who knows the database. */
  afterEnd?: { args: readonly string[]; env: readonly string[] };
  /**
   * Destination of a mount -> the path, relative to its source or the file system, of what is really mounted: found
   * without following a link out of there.
   */
  mountSubpaths?: Record<string, string>;
  /** More variables for the program, each ended by a NUL: what may lie nowhere else. */
  environmentFile?: string;
  stopSignal: number;
  stopTimeoutMs: number;
  /** Where compiled seccomp filters are kept, by their profile; made when missing. Absent: every start compiles. */
  seccompCache?: string;
  /** Absent: it ends when it ends. */
  restart?: RestartRule;
  /** It is killed after that; absent: it may run for ever. */
  lifetimeMs?: number;
  health?: HealthConfig;
  /** Where what happens is written down (src/store/events.ts). */
  events?: string;
  imageName?: string;
  /** The first process of the container whose namespaces it shares: when that is over, this one is not started again. */
  joined?: { pid: number; pidStart: number };
  /**
   * When the service manager that $NOTIFY_SOCKET names is told that it is ready: sd_notify(3). container: by the
   * container itself; only which process to watch is told.
   */
  notify?: "ignore" | "container" | "started" | "healthy";
  cgroup: {
    /** systemd: a transient scope of the user's (of the system's for root). cgroupfs: a directory. */
    manager: "systemd" | "cgroupfs" | "none";
    /** Where the group is made: a path for cgroupfs (from the top when absolute), "NAME.slice" for systemd. */
    parent: string | null;
    /** Below the group that the caller is in, which the processes in it leave to a leaf of it. */
    isSplit?: boolean;
  };
}

/** `exec.json`, in the runtime directory; the helper unlinks it once read. */
export interface ExecConfig {
  contract: number;
  runtimeDir: string;
  containerDir: string;
  /** OCI `process`: args, env, cwd, terminal, consoleSize, user, capabilities, rlimits, noNewPrivileges... */
  process: unknown;
  user?: string;
  groups?: string[];
  keepGroups?: boolean;
  /** As in helper.json. */
  environmentFile?: string;
  stdinOpen: boolean;
  seccompCache?: string;
  attach?: Attach;
  /** Where it is written down that it ran (src/store/events.ts), and of which container. */
  events?: string;
  id?: string;
  name?: string;
  imageName?: string;
}

/** What the helper says on descriptor 3, one JSON object a line. */
export type HelperEvent =
  /** The container's program has been executed. `pid` as the caller's pid namespace sees it. */
  | { event: "started"; pid: number }
  /**
   * `code` 0-255; when a signal ended it, `signal` is its number and `code` is 128 + signal. With `autoRemove` the
   * container is out of the store by now; its files are gone when the helper ends.
   */
  | { event: "exited"; code: number; signal?: number; oomKilled?: boolean }
  /** The user typed the detach keys: the container lives on. */
  | { event: "detached" }
  /**
   * Nothing was started, nothing is left. `call` is the system call or the step ("execve", "lookup" of the program in
   * PATH, "user" lookup, "chdir", "mount", "newuidmap", "clone3"...), `detail` what it was about, `errno` as C spells
   * it ("ENOENT") or "" when a sentence in `detail` says it all.
   */
  | { event: "failed"; call: string; detail: string; errno: string }
  | { event: "warning"; code: string; detail: string };

/** `state.json` in the runtime directory, written by the monitor alone, by rename. A reboot forgets it. */
export interface RuntimeState {
  contract: number;
  id: string;
  /** restarting: it has ended, `pid` is 0, and the same monitor starts it again after a pause. */
  status: "running" | "restarting";
  /** The container's first process, with its start time (field 22 of /proc/PID/stat) so a reused pid is noticed. */
  pid: number;
  pidStart: number;
  monitorPid: number;
  monitorStart: number;
  /** Of a container that another runtime has made: the process whose namespaces that runtime works in. */
  keeper?: { pid: number; pidStart: number };
  /** RFC 3339, UTC, nanoseconds. */
  startedAt: string;
  /** The directory of its cgroup; "" when it has none. */
  cgroup: string;
  /** How often its monitor has started it again; absent: never. */
  restartCount?: number;
  health?: HealthStatus;
  /** The kernel has killed something in it for want of memory, since it was last started. */
  oomKilled?: boolean;
  /** Of its last end, while it is restarting. */
  exitCode?: number;
  finishedAt?: string;
}

/** `run.json` in the container directory: that it was started, which a reboot does not forget. */
export interface RunRecord {
  startedAt: string;
}

/** `exit.json` in the container directory, written by the monitor by rename before it removes the runtime directory. */
export interface ExitRecord {
  exitCode: number;
  signal?: number;
  oomKilled: boolean;
  startedAt: string;
  finishedAt: string;
  /** Somebody asked for its end (stop, or kill with the signal that stops it). */
  stoppedByUser?: boolean;
  restartCount?: number;
  /** Why it could not be started again. */
  failure?: Extract<HelperEvent, { event: "failed" }>;
}

/**
 * `control.sock`: a stream socket in the runtime directory. One JSON line in, one JSON line out, closed by the monitor.
 * That it accepts is what "alive" means.
 */
export type ControlRequest =
  | { op: "ping" }
  | { op: "signal"; signal: number }
  /** `signal`, then after `timeoutMs` SIGKILL; answers when the container has ended. */
  | { op: "stop"; signal: number; timeoutMs: number }
  /** The same, but it is started again, and answered when it runs. EOPNOTSUPP: it has its caller's streams. */
  | { op: "restart"; signal: number; timeoutMs: number }
  /** Answers when the container has ended, or (with a condition) when its health check has found that. */
  | { op: "wait"; condition?: "ended" | "healthy" | "unhealthy" }
  /**
   * What is written down from now on has that name. On `networks` the names are those that helper.json has now: whoever
   * asks has written it before.
   */
  | { op: "rename"; name: string }
  /**
   * The entry of that id in `networks` of helper.json, which is there before this is asked: a line here is short. EEXIST: it
   * is on that network already.
   */
  | { op: "connect"; network: string }
  /**
   * The id of a network that is in helper.json no more; what was the default route, with its ports, may be another one's
   * there. ENOENT: it is not on that network.
   */
  | { op: "disconnect"; network: string }
  /** The name servers of `networks` are those that helper.json has now. */
  | { op: "refresh" }
  | { op: "policy"; policy: RestartPolicy; retriesMax: number }
  /** Another check, as the files have it now, or none. `isNew`: of another command. EOPNOTSUPP, of both: as of `restart`. */
  | { op: "check"; check: HealthConfig | null; isNew: boolean }
  /**
   * One health check now: exitCode 0 well, 1 not, 2 its startup check has failed, 125 it could not be asked. ENOENT: it has
   * no check.
   */
  | { op: "health" }
  | { op: "resize"; rows: number; columns: number };
export type ControlReply =
  | { ok: true; pid?: number; exitCode?: number }
  /** `detail`: a sentence, of `connect` and `disconnect`; with it, errno may be "". */
  | { ok: false; errno: string; detail?: string };

/**
 * `attach.sock`: a stream socket in the runtime directory, frames in both directions:
 * one byte of type, three zero bytes, length in bytes (u32 little endian), then that many bytes (at most 64 KiB).
 * To the monitor: 0 stdin bytes · 1 end of stdin · 2 resize (rows u16, columns u16).
 * 6 nobody reads our stdout (u32 1) or stderr (2) any more: the monitor closes that stream, as a pipe would be; only
 * the client that came with the container may say so.
 * To the client: 3 stdout bytes · 4 stderr bytes · 5 ended (u32: exit code, in its second byte the
 * signal or 0, in its third 1 when memory ran out, in its fourth 1 when it is to be started again).
 */
export const attachFrame = {
  stdin: 0,
  endOfStdin: 1,
  resize: 2,
  stdout: 3,
  stderr: 4,
  ended: 5,
  outputClosed: 6,
} as const;

/**
 * The layer verbs. Each answers with one JSON line on descriptor 1 and exits 0, or 125 when it was refused.
 * - `native apply [map options] --dir DIR [--sync]`: a plain tar on descriptor 0 becomes the tree under DIR (which
 *   exists, belongs to the caller and is empty); whiteouts become overlay whiteouts (char 0:0, user.overlay.opaque).
 *   After a refusal DIR is half-made: remove it. `--sync`: it is on the disk when the answer comes.
 * - `native remap [map options] OWNERS --to DIR [--light] [--sync] LAYER...`: an unpacked layer again, in an empty
 *   directory. OWNERS (`--owner-uid C:H:N --owner-gid C:H:N`, repeated) say what the layer's ids are called in the map:
 *   for containers that map them otherwise. `--light`: any number of them (topmost first), merged; most files have no
 *   content and say by their path where it is in the layers, which the overlay gets as `data` in the same order.
 * - `native spread DIR...`: tells the file system that what will be made in them need not lie together. A hint.
 * - `native own [map options] UID:GID DIR...`: gives directories, and nothing in them, to an id inside the map.
 * - `native give [map options] UID:GID PATH...`: the same for all that is in them, and for single files; no link is
 *   followed, no mount entered.
 * - `native seed [map options] [--sync] [--data DIR]... HOME PATH LOWER...`: fills HOME/_data, if it is empty, with what the
 *   layers (topmost first; `--data`: as of an overlay) have at PATH. A copy that was whole when its maker was killed is taken over first, even without
 *   layers.
 * - `native remove [map options] DIR...`: deletes trees whose owners are only expressible inside the map. A missing
 *   DIR is fine, so it can be killed and run again; one that somebody else is removing is left to them.
 * Map options come first: `--uid-map C:H:N --gid-map C:H:N` (repeated), `--newuidmap PATH --newgidmap PATH`. With none
 * the work is done in the caller's own user namespace.
 */
export type LayerReply = LayerDone | LayerRefused;

export interface LayerDone {
  ok: true;
  /** Entries of the archive applied, files and directories removed or copied. */
  entries: number;
  /** Bytes of file content written. */
  bytes: number;
  /** Device nodes that only real root could have made. */
  skippedDevices: number;
  /** Files whose owner the map cannot express: now the caller's, the wish kept in the xattr user.tspod.owner. */
  lostOwners: number;
  /** Extended attributes of the image that were not set: overlayfs' and our own, and those of another host's policy. */
  droppedXattrs: number;
  /** Directories the archive implies but does not contain: made root's, 0755. */
  inventedDirectories: number;
  /** The layer hides everything below it, root included: overlayfs cannot say that, so leave the lower layers out. */
  opaqueRoot: boolean;
}

export interface LayerRefused {
  ok: false;
  /** The archive's entry or the directory, printable: control characters and bytes that are not UTF-8 as \xNN. */
  entry: string;
  /** The system call and its errno as C spells it, or "" where the archive itself is to blame. */
  call: string;
  errno: string;
  /** The reason as half a sentence: "its name leads out of the layer". */
  message: string;
}
