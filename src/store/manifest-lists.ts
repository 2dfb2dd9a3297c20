/**
 * Manifest lists that are made here: one file each, `manifests/<hash of its name>.json`, replaced by rename. Few people have
 * one, so they are no table. Decides nothing.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { type Descriptor, digestHex, digestOf } from "../oci/index.ts";
import { transact } from "./database.ts";
import type { Paths } from "./paths.ts";

export interface ListEntry {
  readonly descriptor: Descriptor;
  /** An image of this store, by id; or a manifest of a registry, "host/name@sha256:...". */
  readonly source: { readonly image: string } | { readonly registry: string };
  /** As image-index.md names them. */
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  readonly features?: readonly string[];
}

export interface ManifestList {
  /** Canonical: "localhost/app:1". */
  readonly name: string;
  readonly entries: readonly ListEntry[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Undefined: there is none of that name. Throws store.corrupt. */
export function findManifestList(paths: Paths, name: string): ManifestList | undefined {
  const path = pathOf(paths, name);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as ManifestList; // written below, and by nobody else
  } catch (cause) {
    throw new TspodError(
      "store.corrupt",
      `Cannot read the manifest list "${name}": "${path}" is damaged`,
      {
        next: "remove it with tspod manifest rm, and make it again",
        cause,
      },
    );
  }
}

/** Every one that can be read, and the files of those that cannot. */
export function listManifestLists(paths: Paths): { lists: ManifestList[]; damaged: string[] } {
  const lists: ManifestList[] = [];
  const damaged: string[] = [];
  for (const name of list(directoryOf(paths)).filter((one) => /^[0-9a-f]{64}\.json$/.test(one))) {
    const path = join(directoryOf(paths), name);
    const read = readList(path);
    // a list is found by its name: under another file's name it is nobody's
    if (read !== undefined && pathOf(paths, read.name) === path) lists.push(read);
    else damaged.push(path);
  }
  return { lists: lists.sort((a, b) => (a.name < b.name ? -1 : 1)), damaged: damaged.sort() };
}

function readList(path: string): ManifestList | undefined {
  try {
    const list = JSON.parse(readFileSync(path, "utf8")) as Partial<ManifestList>;
    const isList = typeof list.name === "string" && Array.isArray(list.entries);
    return isList ? (list as ManifestList) : undefined; // written below, and by nobody else
  } catch {
    return undefined; // told by who asks
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // nobody has made one
  }
}

/** Images of this store that a list holds, by id. */
export function listedImages(paths: Paths): Set<string> {
  const entries = listManifestLists(paths).lists.flatMap((one) => one.entries);
  return new Set(entries.flatMap(({ source }) => ("image" in source ? [source.image] : [])));
}

/** What `change` makes of it; of two who change it at a time each sees the other's. */
export function changeManifestList(
  { database, paths }: { database: Database; paths: Paths },
  name: string,
  change: (list: ManifestList | undefined) => ManifestList,
): ManifestList {
  const work = (): ManifestList => {
    const changed = change(findManifestList(paths, name));
    mkdirSync(directoryOf(paths), { recursive: true, mode: 0o700 });
    writeFileAtomic(pathOf(paths, name), `${JSON.stringify(changed)}\n`, { durable: true });
    return changed;
  };
  return transact(database, work, { durable: false });
}

/** False: there was none. */
export function deleteManifestList(paths: Paths, name: string): boolean {
  try {
    rmSync(pathOf(paths, name));
    return true;
  } catch {
    return false;
  }
}

function directoryOf(paths: Paths): string {
  return join(paths.data, "manifests");
}

/** A name may hold what a file's name may not. */
function pathOf(paths: Paths, name: string): string {
  return join(directoryOf(paths), `${digestHex(digestOf(name))}.json`);
}
