/**
 * A file that is still being written, read from its beginning by somebody else in this process: a layer is unpacked
 * while it is downloaded, each at its own speed, with the disk between them.
 */
import { closeSync, openSync, readSync } from "node:fs";

/** What was read was taken back: a registry could not resume. Read again from the beginning. */
export class Restarted extends Error {}

const chunkSizeBytes = 256 * 1024;

export class Feed {
  #path: string | undefined;
  #sizeBytes = 0;
  #isWhole = false;
  #failure: unknown;
  #hasFailed = false;
  #generation = 0;
  #change = Promise.withResolvers<void>();

  /** How often what was there has been taken back. */
  get generation(): number {
    return this.#generation;
  }

  /** So many bytes of `path` are good to read; fewer than before means a restart. */
  advance(path: string, sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) this.#generation++;
    this.#path = path;
    this.#sizeBytes = sizeBytes;
    this.#wake();
  }

  /** All of it is there, under this name from now on. */
  finish(path: string, sizeBytes: number): void {
    this.#isWhole = true;
    this.advance(path, sizeBytes);
  }

  fail(error: unknown): void {
    this.#hasFailed = true;
    this.#failure = error;
    this.#wake();
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** From the beginning to the end, waiting for what is not there yet. Throws Restarted, or what `fail` was given. */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    // a file nothing is in yet may be one that is being thrown away
    while (this.#path === undefined || (this.#sizeBytes === 0 && !this.#isWhole))
      await this.#more();
    const generation = this.#generation;
    const fd = this.#open(this.#path);
    try {
      for (let position = 0; ;) {
        if (this.#hasFailed) throw this.#failure;
        if (this.#generation !== generation) throw new Restarted();
        const length = Math.min(this.#sizeBytes - position, chunkSizeBytes);
        if (length === 0 && this.#isWhole) return;
        if (length === 0) await this.#more();
        if (length === 0) continue;
        const buffer = Buffer.allocUnsafeSlow(length);
        const read = readSync(fd, buffer, 0, length, position);
        if (read === 0) throw new Restarted();
        position += read;
        yield buffer.subarray(0, read);
      }
    } finally {
      closeSync(fd);
    }
  }

  /** The descriptor stays good when the file is renamed. */
  #open(path: string): number {
    if (this.#hasFailed) throw this.#failure;
    try {
      return openSync(path, "r");
    } catch (error) {
      throw (error as { code?: string }).code === "ENOENT" ? new Restarted() : error;
    }
  }

  async #more(): Promise<void> {
    if (this.#hasFailed) throw this.#failure;
    await this.#change.promise;
  }
}
