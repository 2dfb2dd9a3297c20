/**
 * Manifest lists that are made here: one file each, `manifests/<hash of its name>.json`, replaced by rename. Few people have
 * one, so they are no table. Decides nothing.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
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
