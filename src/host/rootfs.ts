/**
 * How root file systems are put together on this host: the kernel's overlay, fuse-overlayfs, or a copy.
 * Tried once for each file system and kernel, and remembered in the store.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, statSync } from "node:fs";
import { release } from "node:os";
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

/** The remembered choice, or one trial. `TSPOD_ROOTFS=copy|overlay|fuse-overlayfs` decides instead. */
export function chooseRootfs(host: RootfsHost, forced: string | undefined): RootfsChoice {
  if (forced !== undefined && forced !== "") return fromName(forced, host.path);
  const key = factKey(host.dataDirectory);
  const row = host.database.query("SELECT value FROM host_fact WHERE key = ?").get(key) as {
    value: string;
  } | null;
  if (row !== null) return fromName(row.value, host.path);
  const found = tryOverlay(host) ? "overlay" : fuseOverlayfs(host.path) ? "fuse-overlayfs" : "copy";
  host.database.query("INSERT OR REPLACE INTO host_fact VALUES (?, ?)").run(key, found);
  return fromName(found, host.path);
}

function factKey(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return `rootfs ${release()} ${statSync(directory).dev}`;
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

export interface HostProbe {
  userNamespaces: boolean;
  overlay: boolean;
}

/** Ask the helper to try, in a directory of the store. */
function tryOverlay(host: RootfsHost): boolean {
  const probe = Bun.spawnSync([...host.helper, "probe", "--overlay", host.dataDirectory], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  if (!probe.success) return false;
  return (JSON.parse(probe.stdout.toString()) as HostProbe).overlay; // our own helper's answer
}
