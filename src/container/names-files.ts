/**
 * /etc/hosts and /etc/resolv.conf of a container whose networks, or whose name, have changed. They are mounted inside, so
 * they are written where they are; what somebody in the container has made of them stays, but for our own lines.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { NetworkConfig, NetworkEntry } from "../helper/index.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import { networkHosts } from "../spec/index.ts";
import { containerDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";

/** What a container has made larger is left to it. */
const fileBytesMax = 1024 * 1024;

interface Named {
  name: string;
  entries: readonly NetworkEntry[];
  /** A network that nobody else is on, which it has besides. */
  own: NetworkConfig | null;
}

/** `before` and `after`: what its networks were and are. */
export function rewriteNames(
  context: ContainerContext,
  id: string,
  before: Named,
  after: Named,
): void {
  const directory = containerDirectory(context.paths, id);
  const hostname = hostnameOf(context, id, directory);
  const linesOf = ({ name, entries, own: alone }: Named): string[] => {
    // who it is on a network of its own, and where the host is, stays as it is
    if (alone !== null && entries.length === 0) return [];
    const { own, outside } = networkHosts(entries, { hostname, name });
    return alone === null ? [...own, ...outside] : own;
  };
  replaceLines(join(directory, "hosts"), linesOf(before), linesOf(after));
  const server = ({ entries, own }: Named): string[] =>
    serverOf(entries, own).map((address) => `nameserver ${address}`);
  replaceLines(join(directory, "resolv.conf"), server(before), server(after));
}

/** Only what leads out may be asked for all names. */
function serverOf(entries: readonly NetworkEntry[], own: NetworkConfig | null): string[] {
  const [first] = own === null ? entries : entries.filter(({ internal }) => !internal);
  return [first ?? own ?? []].flat().map(({ dns4 }) => dns4);
}

/** The one that its files were made with: of the file that says so, if it has one. */
function hostnameOf(context: ContainerContext, id: string, directory: string): string {
  const [line = ""] = beginningOf(`${directory}/hostname`).split("\n", 1);
  if (/^[\w.-]{1,255}$/.test(line)) return line; // somebody inside may have written there
  const { hostname } = readContainerFile<RuntimeSpec>(context, id, "config.json");
  return hostname ?? context.host.hostname;
}

const hostnameBytesMax = 256;

/** "": it is not there (--no-hostname). */
function beginningOf(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return "";
  }
  try {
    const bytes = Buffer.alloc(hostnameBytesMax);
    return bytes.toString("latin1", 0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}

/** Where the first of the old ones stood, the new ones stand; a file that is not ours any more is left as it is. */
function replaceLines(path: string, old: readonly string[], now: readonly string[]): void {
  if (Bun.deepEquals(old, now)) return;
  let descriptor: number;
  try {
    // a container may have given its file to another id of its own
    descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch {
    return; // the image's own is used
  }
  try {
    const text = readText(descriptor);
    if (text === null) return;
    const lines = text.split("\n");
    const found = lines.findIndex((line) => old.includes(line) || now.includes(line));
    const at = found < 0 ? lines.length - (lines.at(-1) === "" ? 1 : 0) : found;
    // those that are there already are a killed command's
    const ours = new Set([...old, ...now]);
    const kept = (part: string[]): string[] => part.filter((line) => !ours.has(line));
    const next = [...kept(lines.slice(0, at)), ...now, ...kept(lines.slice(at))].join("\n");
    writeOver(descriptor, Buffer.from(next, "latin1"));
  } finally {
    closeSync(descriptor);
  }
}

/** The file stays the one that is mounted, and whoever reads it meanwhile finds no empty one. */
function writeOver(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, done);
  }
  ftruncateSync(descriptor, bytes.length);
}

function readText(descriptor: number): string | null {
  const { size } = fstatSync(descriptor);
  if (size > fileBytesMax) return null;
  const bytes = Buffer.alloc(size);
  let have = 0;
  while (have < size) {
    const count = readSync(descriptor, bytes, have, size - have, have);
    if (count === 0) break;
    have += count;
  }
  return bytes.toString("latin1", 0, have); // whatever it is, it stays
}
