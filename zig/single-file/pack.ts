/** Packs the fused program into the launcher: a segment of its own, which payload.zig describes and unpacks. */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { assemble, type Elf, loadedPieces, segmentFlag } from "./elf.ts";

/** These are in payload.zig, too. */
const payloadAddress = 0x4000_0000;
const magic = "TSPDPK01";
const headerSize = 48;
const tableEntrySize = 16;
/** So many bytes behind each frame must be readable (bits.zig); other frames are behind all but the last. */
const slackSize = 8;

/** Large enough to pack well, small enough that two to four processes share the work. */
const chunkSize = 16 << 20;
const compressionLevel = 18;
const windowLog = 24;

/** The shipped file. `cache` keeps compressed chunks, most of which are the same from one build to the next. */
export async function pack(launcher: Elf, program: Uint8Array, cache: string): Promise<Uint8Array> {
  const bytes = await makePayload(program, cache);
  const payload = {
    address: payloadAddress,
    flags: segmentFlag.read,
    bytes,
    memorySize: bytes.length,
  };
  return assemble(launcher.machine, launcher.entry, [...loadedPieces(launcher), payload]);
}

async function makePayload(program: Uint8Array, cache: string): Promise<Uint8Array> {
  const chunkCount = Math.ceil(program.length / chunkSize);
  const chunks = Array.from({ length: chunkCount }, (_, i) =>
    program.subarray(i * chunkSize, (i + 1) * chunkSize),
  );
  const frames = await compressAll(chunks, cache);
  const head = Buffer.alloc(headerSize + tableEntrySize * chunkCount);
  head.write(magic, 0, "latin1");
  head.writeBigUInt64LE(BigInt(program.length), 8);
  head.writeBigUInt64LE(BigInt(chunkSize), 16);
  head.writeBigUInt64LE(BigInt(chunkCount), 24);
  new Bun.CryptoHasher("sha256").update(program).digest().copy(head, 32, 0, 16);
  chunks.forEach((chunk, i) => {
    head.writeBigUInt64LE(BigInt(frames[i]?.length ?? 0), headerSize + tableEntrySize * i);
    head.writeBigUInt64LE(Bun.hash.xxHash64(chunk), headerSize + tableEntrySize * i + 8);
  });
  return Buffer.concat([head, ...frames, Buffer.alloc(slackSize)]);
}

/** Two at a time: this level takes ten seconds and 100 MB for each. */
async function compressAll(chunks: Uint8Array[], cache: string): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  let next = 0;
  const work = async () => {
    for (let i = next++; i < chunks.length; i = next++)
      frames[i] = await compress(chunks[i] ?? new Uint8Array(), cache);
  };
  await Promise.all([work(), work()]);
  return frames;
}

async function compress(chunk: Uint8Array, cache: string): Promise<Uint8Array> {
  const hash = new Bun.CryptoHasher("sha256").update(chunk).digest("hex");
  const path = `${cache}/zstd-${compressionLevel}-${windowLog}/${hash}`;
  if (existsSync(path)) return Bun.file(path).bytes();
  const frame = await promisify(zstdCompress)(chunk, {
    params: {
      [constants.ZSTD_c_compressionLevel]: compressionLevel,
      [constants.ZSTD_c_windowLog]: windowLog,
    },
  });
  mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Bun.write(`${path}.${process.pid}.tmp`, frame);
  renameSync(`${path}.${process.pid}.tmp`, path);
  return frame;
}
