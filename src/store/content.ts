/**
 * Blobs on disk: `blobs/sha256/<hex>` of an OCI image layout, and `ingest/<hex>` while they come in.
 * A file under blobs/ is whole and was hashed; it got there by fsync and rename.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { TspodError } from "../errors.ts";
import { syncDirectory, writeFileAtomic } from "../lib/atomic-file.ts";
import { formatSize } from "../lib/size.ts";
import { type Digest, digestHex, digestOf } from "../oci/index.ts";
import type { Paths } from "./paths.ts";

export function blobPath(paths: Paths, digest: Digest): string {
  return join(paths.blobs, digestHex(digest));
}

/** Where a blob is while it comes in. */
export function ingestPath(paths: Paths, digest: Digest): string {
  return join(paths.ingest, digestHex(digest));
}

export function hasBlob(paths: Paths, digest: Digest, sizeBytes: number): boolean {
  return statSync(blobPath(paths, digest), { throwIfNoEntry: false })?.size === sizeBytes;
}

/** Make the directories content lives in (image-layout.md: oci-layout beside blobs). Idempotent. */
export function prepareContent(paths: Paths): void {
  for (const directory of [paths.blobs, paths.ingest, paths.trash, paths.layers]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  const layout = join(paths.data, "oci-layout");
  if (statSync(layout, { throwIfNoEntry: false }) === undefined) {
    writeFileAtomic(layout, '{"imageLayoutVersion":"1.0.0"}\n');
  }
}

/** Keep bytes that are here already (a manifest, a config). Idempotent. */
export function putBlob(paths: Paths, bytes: string | Uint8Array): Digest {
  const digest = digestOf(bytes);
  if (hasBlob(paths, digest, Buffer.byteLength(bytes))) return digest;
  const temporary = join(paths.ingest, `${digestHex(digest)}.${process.pid}`);
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } catch (error) {
    throw explainWrite(error, paths, Buffer.byteLength(bytes));
  } finally {
    closeSync(fd);
  }
  publish(temporary, blobPath(paths, digest));
  return digest;
}

/**
 * A blob that is made here, or whose name is not known to be wanted before its end. What a killed process leaves, recovery
 * removes.
 */
export class NewBlob implements Disposable {
  sizeBytes = 0;
  readonly #paths: Paths;
  readonly #hash = new Bun.CryptoHasher("sha256");
  /** Where its bytes are now. */
  #path: string;
  #fd: number | null;

  constructor(paths: Paths) {
    this.#paths = paths;
    const name = crypto.randomUUID().replaceAll("-", "");
    this.#path = join(paths.ingest, `${name}.${process.pid}`);
    this.#fd = openSync(this.#path, "wx", 0o600);
  }

  /** Where its bytes are until it ends: for who reads what is not to stay. */
  get path(): string {
    return this.#path;
  }

  write(chunk: Uint8Array): void {
    const fd = this.#fd;
    if (fd === null) throw new RangeError("the blob is finished");
    try {
      for (let done = 0; done < chunk.length;) done += writeSync(fd, chunk, done);
    } catch (error) {
      throw explainWrite(error, this.#paths);
    }
    this.#hash.update(chunk);
    this.sizeBytes += chunk.length;
  }

  digest(): Digest {
    return `sha256:${this.#hash.copy().digest("hex")}` as Digest; // a sha256 in hex by construction
  }

  /** All of it is here: no descriptor is held from now on. */
  finish(): void {
    if (this.#fd === null) return;
    try {
      fsyncSync(this.#fd);
    } catch (error) {
      throw explainWrite(error, this.#paths);
    } finally {
      closeSync(this.#fd);
      this.#fd = null;
    }
  }

  /** Of something small. */
  text(): Promise<string> {
    return Bun.file(this.#path).text();
  }

  /** Its first bytes. */
  head(): Promise<Uint8Array> {
    return Bun.file(this.#path).slice(0, 16).bytes();
  }

  /** The caller holds the lease "make:blob:<hex>". Idempotent. */
  commit(): void {
    const path = blobPath(this.#paths, this.digest());
    if (hasBlob(this.#paths, this.digest(), this.sizeBytes)) return;
    this.finish();
    publish(this.#path, path);
    this.#path = path;
  }

  [Symbol.dispose](): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
    if (dirname(this.#path) === this.#paths.ingest) rmSync(this.#path, { force: true });
  }
}

/** Rename, and make the rename itself durable. */
export function publish(temporary: string, path: string): void {
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

export function explainFull(cause: unknown, paths: Paths, missingBytes: number): TspodError {
  const needed = missingBytes > 0 ? `, ${formatSize(missingBytes)} more are needed` : "";
  return new TspodError("store.full", `Cannot write to "${paths.data}": no space left${needed}`, {
    next: "free some space there, or set TSPOD_ROOT to a directory with room; what is here is kept",
    cause,
  });
}

/** ENOSPC and the like in words. */
export function explainWrite(error: unknown, paths: Paths, missingBytes = 0): unknown {
  const { code } = error as { code?: string };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "SQLITE_FULL") {
    return explainFull(error, paths, missingBytes);
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return new TspodError("store.unwritable", `Cannot write to "${paths.data}" (${code})`, {
      next: "make it writable, or set TSPOD_ROOT to a directory that is",
      cause: error,
    });
  }
  return error;
}
