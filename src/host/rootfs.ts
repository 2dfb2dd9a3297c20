/**
 * How root file systems are put together on this host: the kernel's overlay, fuse-overlayfs, or a copy.
 * Tried once for each file system and kernel, and remembered in the store.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, statSync } from "node:fs";
import { TspodError } from "../errors.ts";
import { kernelRelease } from "./facts.ts";
import { findProgram } from "./mapping.ts";

export type RootfsChoice = "overlay" | "copy" | { fuseOverlayfs: string };

export interface RootfsHost {
  database: Database;
  /** Where layers and containers lie. */
  dataDirectory: string;
  /** Argv prefix of native verbs. */
  helper: readonly string[];
  path: string | undefined;
}

/** The remembered choice, or one trial. Throws host.no_userns. `TSPOD_ROOTFS=copy|overlay|fuse-overlayfs` decides instead. */
export function chooseRootfs(host: RootfsHost, forced: string | undefined): RootfsChoice {
  if (forced !== undefined && forced !== "") return fromName(forced, host.path);
  const name = remembered(host, "rootfs", () => {
    const probe = probeHost(host, "--overlay");
    if (!probe.userNamespaces) throw noUserNamespaces(probe.forbiddenBy); // may be mended any time: not remembered
    return probe.overlay ? "overlay" : fuseOverlayfs(host.path) ? "fuse-overlayfs" : "copy";
  });
  return fromName(name, host.path);
}

/**
 * True: files of a layer can have their content in another one, which shows nothing itself (overlayfs.rst, "Data-only
 * lower layers"). In a user namespace since Linux 6.16; tried once, and remembered.
 */
export function findDataLayers(host: RootfsHost): boolean {
  const attempt = (): string => (probeHost(host, "--data").overlayData ? "yes" : "no");
  return remembered(host, "data", attempt) === "yes";
}

/** What `attempt` found on this kernel and file system; nothing is kept when it throws. */
function remembered(
  { database, dataDirectory }: RootfsHost,
  what: string,
  attempt: () => string,
): string {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  const key = `${what} ${kernelRelease()} ${statSync(dataDirectory).dev}`;
  const known = database
    .query<{ value: string }, [string]>("SELECT value FROM host_fact WHERE key = ?")
    .get(key);
  if (known !== null) return known.value;
  const found = attempt();
  database.query("INSERT OR REPLACE INTO host_fact VALUES (?, ?)").run(key, found);
  return found;
}

/** fuse-overlayfs may have been removed since: then a copy still works. */
function fromName(name: string, path: string | undefined): RootfsChoice {
  if (name === "overlay" || name === "copy") return name;
  const program = findProgram("fuse-overlayfs", path);
  return program === null ? "copy" : { fuseOverlayfs: program };
}

function fuseOverlayfs(path: string | undefined): boolean {
  try {
    return (
      findProgram("fuse-overlayfs", path) !== null && statSync("/dev/fuse").isCharacterDevice()
    );
  } catch {
    return false; // no /dev/fuse
  }
}

/** What `native probe` answers (zig/src/probe.zig). */
interface HostProbe {
  userNamespaces: boolean;
  /** The sysctl that forbids them, when it is known. */
  forbiddenBy: string | null;
  overlay: boolean;
  overlayData: boolean;
}

/** Ask the helper to try, in a directory of the store. */
function probeHost(host: RootfsHost, what: "--overlay" | "--data"): HostProbe {
  const probe = Bun.spawnSync([...host.helper, "probe", what, host.dataDirectory], {
    stdio: ["ignore", "pipe", "ignore"],
    env: process.env,
  });
  const nothing = { overlay: false, overlayData: false };
  if (!probe.success) return { userNamespaces: true, forbiddenBy: null, ...nothing };
  return JSON.parse(probe.stdout.toString()) as HostProbe; // our own helper's answer
}

const allowing: Record<string, string> = {
  "kernel.unprivileged_userns_clone": "sudo sysctl kernel.unprivileged_userns_clone=1",
  "user.max_user_namespaces": "sudo sysctl user.max_user_namespaces=15000",
  "kernel.apparmor_restrict_unprivileged_userns":
    "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for tspod",
};

function noUserNamespaces(forbiddenBy: string | null): TspodError {
  const by = forbiddenBy === null ? "" : `: ${forbiddenBy} forbids it`;
  return new TspodError(
    "host.no_userns",
    `This host does not let you create a user namespace${by}`,
    {
      next:
        (forbiddenBy === null ? undefined : allowing[forbiddenBy]) ??
        "a kernel with CONFIG_USER_NS is needed, and nothing around us (a container, a sandbox) that forbids it",
    },
  );
}
