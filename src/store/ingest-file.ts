/**
 * A blob on its way in, from a registry: `ingest/<hex>`. It goes on where an earlier process stopped, whose bytes are
 * hashed again here.
 *
 * Alone, the file is the blob's beginning. When pieces farther on came in too, it has holes, and `ingest/<hex>.ranges`
 * says what is there: lines "START END", each appended after its bytes were written, so that whatever a kill leaves is
 * true. What a power cut makes of it the blob's digest finds out.
 */
import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { type ByteRange, holesBetween, mergeRanges } from "../lib/ranges.ts";
import type { Digest } from "../oci/index.ts";
import { blobPath, explainWrite, ingestPath, publish } from "./content.ts";
import type { Paths } from "./paths.ts";

const chunkSizeBytes = 1024 * 1024;
/** Of a piece farther on a kill may lose as much as this. */
const noteEveryBytes = 1024 * 1024;

/** Told how far the blob is here without a hole, and how much of it is here at all. */
export type OnWrite = (sizeBytes: number, hereBytes: number) => void;

/** The caller holds the lease "make:blob:<hex>". */
export class IngestFile implements Disposable {
  /** From the beginning, without a hole. */
  sizeBytes = 0;
  readonly #path: string;
  readonly #paths: Paths;
  readonly #fd: number;
  readonly #onWrite: OnWrite;
  readonly #total: number;
  /** What is here beyond the first hole: in order, apart from each other. */
  #islands: ByteRange[] = [];
  /** Whether there are notes: from then on the file's size says nothing. */
  #isNoted = false;
  #unnoted: ByteRange[] = [];
  #hash = new Bun.CryptoHasher("sha256");
  #isOpen = true;

  constructor(
    paths: Paths,
    { digest, sizeBytes }: { digest: Digest; sizeBytes: number },
    onWrite: OnWrite,
  ) {
    this.#paths = paths;
    this.#path = ingestPath(paths, digest);
    this.#total = sizeBytes;
    this.#onWrite = onWrite;
    this.#fd = openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const { size } = fstatSync(this.#fd);
    if (size > sizeBytes) this.restart();
    else this.#takeUp(size);
    if (this.hereBytes > 0) this.#tell();
  }

  get hereBytes(): number {
    return this.#islands.reduce((sum, { start, end }) => sum + end - start, this.sizeBytes);
  }

  get hasIslands(): boolean {
    return this.#islands.length > 0;
  }

  /** What is missing, in order. */
  holes(): ByteRange[] {
    return holesBetween([{ start: 0, end: this.sizeBytes }, ...this.#islands], this.#total);
  }

  #takeUp(size: number): void {
    const noted = readNotes(this.#notesPath);
    // what is noted beyond the file's end was taken back by somebody who was killed before the notes were
    const here = noted.filter(({ end }) => end <= size);
    const isPlain = noted.length === 0;
    const [first, ...rest] = isPlain ? [{ start: 0, end: size }] : mergeRanges(here);
    const beginning = first?.start === 0 ? first : undefined;
    this.#islands = beginning === undefined && first !== undefined ? [first, ...rest] : rest;
    this.#readBack(beginning?.end ?? 0);
    if (isPlain) return;
    if (this.hasIslands) this.#renote(this.sizeBytes);
    else this.forgetIslands();
  }

  #readBack(end: number): void {
    const buffer = Buffer.allocUnsafe(Math.min(chunkSizeBytes, end - this.sizeBytes));
    while (this.sizeBytes < end) {
      const length = Math.min(buffer.length, end - this.sizeBytes);
      const read = readSync(this.#fd, buffer, 0, length, this.sizeBytes);
      if (read === 0) return;
      this.#hash.update(buffer.subarray(0, read));
      this.sizeBytes += read;
    }
  }

  /** The next bytes. */
  write(chunk: Uint8Array): void {
    this.#put(chunk, this.sizeBytes);
    this.#hash.update(chunk);
    if (this.#isNoted) this.#note({ start: this.sizeBytes, end: this.sizeBytes + chunk.length });
    this.sizeBytes += chunk.length;
    this.#joinIslands();
    this.#tell();
  }

  /** Bytes of a hole, wherever it is. */
  writeAt(start: number, chunk: Uint8Array): void {
    if (start === this.sizeBytes) return this.write(chunk);
    if (start < this.sizeBytes) throw new RangeError(`byte ${start} is here already`);
    if (!this.#isNoted) this.#renote(this.sizeBytes);
    const range = { start, end: start + chunk.length };
    this.#put(chunk, start);
    this.#islands = mergeRanges([...this.#islands, range]);
    this.#note(range);
    this.#tell();
  }

  #put(chunk: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < chunk.length;)
        done += writeSync(this.#fd, chunk, done, chunk.length - done, position + done);
    } catch (error) {
      throw explainWrite(error, this.#paths, this.#total - this.hereBytes);
    }
  }

  /** What the beginning has reached is hashed, and is beginning from now on. */
  #joinIslands(): void {
    for (let next = this.#islands[0]; next?.start === this.sizeBytes; next = this.#islands[0]) {
      this.#readBack(next.end);
      if (this.sizeBytes < next.end) return; // it was cut short by somebody: the digest will tell
      this.#islands.shift();
    }
  }

  #note(range: ByteRange): void {
    this.#unnoted = mergeRanges([...this.#unnoted, range]);
    const due = this.#unnoted.filter(({ start, end }) => end - start >= noteEveryBytes);
    if (due.length === 0) return;
    this.#unnoted = this.#unnoted.filter((each) => !due.includes(each));
    this.#append(due);
  }

  #append(ranges: readonly ByteRange[]): void {
    try {
      appendFileSync(this.#notesPath, formatNotes(ranges), { mode: 0o600 });
    } catch (error) {
      throw explainWrite(error, this.#paths, this.#total - this.hereBytes);
    }
  }

  /** Write them anew: before a first hole is made, or when some are not true any more. */
  #renote(beginning: number): void {
    this.#unnoted = [];
    this.#isNoted = true;
    const ranges = [{ start: 0, end: beginning }, ...this.#islands];
    try {
      writeFileAtomic(this.#notesPath, formatNotes(ranges));
    } catch (error) {
      throw explainWrite(error, this.#paths, this.#total - this.hereBytes);
    }
  }

  get #notesPath(): string {
    return `${this.#path}.ranges`;
  }

  #tell(): void {
    this.#onWrite(this.sizeBytes, this.hereBytes);
  }

  /** Forget everything. */
  restart(): void {
    this.#hash = new Bun.CryptoHasher("sha256");
    this.sizeBytes = 0;
    this.forgetIslands();
    this.#tell();
  }

  /** Forget all but the beginning. The file first: notes of what is not there are not believed. */
  forgetIslands(): void {
    this.#islands = [];
    this.#unnoted = [];
    this.#isNoted = false;
    ftruncateSync(this.#fd, this.sizeBytes);
    rmSync(this.#notesPath, { force: true });
  }

  digest(): Digest {
    return `sha256:${this.#hash.copy().digest("hex")}` as Digest; // a sha256 in hex by construction
  }

  /** The bytes are the right ones: make them a blob. */
  commit(digest: Digest): void {
    try {
      fsyncSync(this.#fd);
    } catch (error) {
      throw explainWrite(error, this.#paths, this.#total);
    }
    this.#unnoted = [];
    rmSync(this.#notesPath, { force: true });
    publish(this.#path, blobPath(this.#paths, digest));
  }

  /** Without `commit`, what came in stays for the next attempt; when nothing did, nothing stays. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#unnoted.length > 0) this.#append(this.#unnoted);
    closeSync(this.#fd);
    if (this.hereBytes === 0) rmSync(this.#path, { force: true });
  }
}

function formatNotes(ranges: readonly ByteRange[]): string {
  return ranges.map(({ start, end }) => `${start} ${end}\n`).join("");
}

/** A line that was being written when its writer was killed has no end, and is not believed. */
function readNotes(path: string): ByteRange[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return []; // none: the file is a beginning
  }
  const ranges = [...text.matchAll(/^(\d{1,15}) (\d{1,15})\n/gm)].map(([, start, end]) => ({
    start: Number(start),
    end: Number(end),
  }));
  const sane = ranges.filter(({ start, end }) => start <= end);
  return sane.length === 0 ? [{ start: 0, end: 0 }] : sane;
}
