/** Device nodes of this host, and whether the caller may use them. */
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";

/** A directory with more devices is not meant to be passed on as a whole. */
const devicesMax = 1024;
const depthMax = 8;

/** What the kernel knows a node by. */
export interface DeviceNumber {
  type: "b" | "c";
  major: number;
  minor: number;
}

/** Null: `path` is no device. */
export function deviceNumber(path: string): DeviceNumber | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !(found.isBlockDevice() || found.isCharacterDevice())) return null;
  return { type: found.isBlockDevice() ? "b" : "c", ...splitNumber(found.rdev) };
}

/** makedev(3), as glibc and the kernel lay it out. */
function splitNumber(rdev: number): { major: number; minor: number } {
  const value = BigInt(rdev);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xffff_f000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffff_ff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** The nodes below a directory, sorted; links are not followed. */
export function devicesBelow(directory: string, depth = 0): string[] {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // gone, or not for us
  }
  const found = entries.flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return depth < depthMax ? devicesBelow(path, depth + 1) : [];
    return entry.isCharacterDevice() || entry.isBlockDevice() ? [path] : [];
  });
  return found.sort().slice(0, devicesMax);
}

/** What every container has of its own: terminals, and the devices that every program may rely on. */
const ownDevices =
  /^\/dev\/(pts\/|shm\/|mqueue\/|(null|zero|full|random|urandom|console|ptmx|tty\d*|port|mem|kmem)$)/;

/** What of /dev the caller may read or write. */
export function usableDevices(): string[] {
  return devicesBelow("/dev").filter(
    (path) => !ownDevices.test(path) && (mayUse(path, "r") || mayUse(path, "w")),
  );
}

export function mayUse(path: string, access: "r" | "w"): boolean {
  try {
    accessSync(path, access === "r" ? constants.R_OK : constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The group that alone lets the caller use a device (its name, or its number); null: there is another reason. An access
 * list may be one, too, which is out of sight here.
 */
export function decidingGroup(path: string): string | null {
  const { uid, gid, mode } = statSync(path);
  const me = process.getuid?.() ?? 0;
  const isForOthers = (mode & 0o006) !== 0;
  const isMember = process.getgroups?.().includes(gid) === true;
  if (me === 0 || me === uid || isForOthers || !isMember) return null;
  return gid === process.getgid?.() ? null : groupName(gid);
}

/** Of /etc/group, else the number. */
export function groupName(gid: number): string {
  let text = "";
  try {
    text = readFileSync("/etc/group", "utf8");
  } catch {
    // a host without it: the number will do
  }
  const line = text.split("\n").find((each) => Number(each.split(":")[2] ?? NaN) === gid);
  return line?.split(":")[0] ?? String(gid);
}
