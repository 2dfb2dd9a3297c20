/** What the smaller flags of run and create make of config.json: variables, names, accounts, systemd. Pure. */
import { posix } from "node:path";
import type { Mount } from "../oci/runtime-spec.ts";
import { mergeEnvironment, withoutVariables } from "./environment.ts";

export interface DetailOptions {
  /** "KEY=value" of the caller's, which go before the image's and after those that were asked for. */
  hostEnvironment: string[];
  /** Variable -> text in which ${NAME} is a variable of the image. */
  mergedEnvironment: Record<string, string>;
  /** Of the image and our own. */
  unset: string[];
  unsetsAll: boolean;
  annotations: Record<string, string>;
  /** "80/tcp": written down, nothing more. */
  exposed: string[];
  domainname: string | null;
  /** Lines of /etc/hosts; the address "host-gateway" is where the host is. */
  addedHosts: { name: string; address: string }[];
  /** "own": localhost alone, or the host's; "image": the image's text before it; "none": no file of ours. */
  hosts: "own" | "image" | "none" | { text: string };
  hasHostnameFile: boolean;
  /** "image": its own file. */
  resolver: "image" | { servers: string[]; searches: string[]; options: string[] };
  /** A file of the host's zoneinfo. */
  timezone: string | null;
  hasReadOnlyTmpfs: boolean;
  systemd: "auto" | "always" | "never";
  /** Of each of its directories in memory; 0: no limit; null: the kernel's, half of what there is. */
  systemdSizeBytes: number | null;
  /** personality(2). */
  personality: "LINUX" | "LINUX32" | null;
  accounts: AccountOptions | null;
  pidFile: string | null;
  monitorPidFile: string | null;
}

export interface AccountOptions {
  /** False: the image's files stay as they are. */
  areWritten: boolean;
  /** With $USERNAME, $UID, $GID, $NAME and $HOME; $GROUPNAME, $GID and $USERLIST. */
  passwdEntry: string | null;
  groupEntry: string | null;
  /** Users of the host, as /etc/passwd has them. */
  hostUsers: string[];
}

/** `usual`: our own and the image's, which can be unset; `asked` is what -e says. */
export function detailedEnvironment(
  { hostEnvironment, mergedEnvironment, unset, unsetsAll }: DetailOptions,
  usual: readonly string[],
  asked: readonly string[],
): string[] {
  const values = new Map(usual.map(pair));
  const merged = Object.entries(mergedEnvironment).map(([name, text]) => {
    const expanded = text.replace(
      /\$(?:\{([^}]*)\}|([A-Za-z_]\w*))/g,
      (_, braced?: string, plain?: string) => values.get(braced ?? plain ?? "") ?? "",
    );
    return `${name}=${expanded}`;
  });
  const kept = unsetsAll ? [] : withoutVariables(usual, unset);
  return mergeEnvironment(kept, hostEnvironment, asked, merged);
}

function pair(entry: string): [string, string] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

/** Of the host: never written to, and nobody's inside. */
export function timezoneMounts({ timezone }: DetailOptions): Mount[] {
  if (timezone === null) return [];
  const options = ["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"];
  return [{ destination: "/etc/localtime", type: "bind", source: timezone, options }];
}

const initPrograms = new Set(["/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init"]);

/** podman's rule: by the name of the program, unless somebody says more. */
export function runsSystemd(
  { systemd }: DetailOptions,
  [program = ""]: readonly string[],
): boolean {
  if (systemd !== "auto") return systemd === "always";
  return initPrograms.has(program) || posix.basename(program) === "systemd";
}

/** https://systemd.io/CONTAINER_INTERFACE: directories in memory, and a cgroup of its own that it may write to. */
export function withSystemd(
  { systemdSizeBytes: size }: DetailOptions,
  mounts: readonly Mount[],
): Mount[] {
  const sizes = size === null ? [] : [`size=${size}`];
  const memory = ["/run", "/run/lock", "/tmp", "/var/log/journal"].map((destination) => ({
    ...{ destination, type: "tmpfs", source: "tmpfs" },
    options: [
      "nosuid",
      "nodev",
      destination === "/tmp" ? "mode=1777" : "mode=755",
      "tmpcopyup",
      ...sizes,
    ],
  }));
  const known = new Set(mounts.map(({ destination }) => destination));
  const own = mounts.map((mount) =>
    mount.type === "cgroup"
      ? { ...mount, options: (mount.options ?? []).map((word) => (word === "ro" ? "rw" : word)) }
      : mount,
  );
  return [...own, ...memory.filter(({ destination }) => !known.has(destination))];
}

/** SIGRTMIN+3: systemd's word for "halt". */
export const systemdStopSignal = 37;
