/**
 * The entries of a tar archive of images, in their order, as a stream: v7, ustar, pax and GNU names. An entry's name is
 * a word to look it up by and never a path of ours. Layers inside are read by zig/src/layer/, which knows much more.
 */
import { TspodError } from "../../errors.ts";
import { ByteReader } from "./byte-reader.ts";

export interface ArchiveEntry {
  /** Without "./" before it. */
  readonly name: string;
  readonly kind: "file" | "link" | "directory" | "other";
  /** Of a link: what it names, as it is written. */
  readonly linkName: string;
  /** Of a symbolic link: relative to its own directory; of a hard one to the archive. */
  readonly isSymbolic: boolean;
  readonly sizeBytes: number;
  /** Its bytes, once; what is not read is passed over. */
  chunks(): AsyncIterable<Uint8Array>;
}

const blockBytes = 512;
/** More is no archive of images: docker's have five for each layer. */
const entryCountMax = 50_000;
/** A long name or a pax header; real ones are below a kilobyte. */
const extensionBytesMax = 256 * 1024;

/** `what` names the archive in errors: image.invalid. The whole source is read. */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  using reader = new ByteReader(source);
  let extension: Extension = {};
  for (let count = 0; ;) {
    const block = await reader.take(blockBytes);
    if (block === undefined) return; // some leave the end out
    if (block.length < blockBytes) throw truncated(what, "an entry's header");
    if (isZero(block)) break;
    const header = parseHeader(block, what);
    const sizeBytes = extension.sizeBytes ?? header.sizeBytes;
    const padding = (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
    if (header.type in extensions) {
      const text = await readExtension(reader, header.sizeBytes, what);
      extension = { ...extension, ...extensions[header.type]?.(text) };
      continue;
    }
    if (++count > entryCountMax) {
      throw invalid(what, `it has more than ${entryCountMax} entries`);
    }
    const name = (extension.name ?? header.name).replace(/^(?:\.\/+)+/, "");
    const kind = kindOf(header.type, name);
    // links and the like have no content whatever their size says, as GNU tar and Go read them
    const contentBytes = kind === "file" || kind === "other" ? sizeBytes : 0;
    let left = contentBytes;
    const chunks = async function* (): AsyncIterable<Uint8Array> {
      while (left > 0) {
        const chunk = await reader.next(left);
        if (chunk === undefined) throw truncated(what, `"${name}"`);
        left -= chunk.length;
        yield chunk;
      }
    };
    const linkName = extension.linkName ?? header.linkName;
    yield {
      ...{ name, kind, linkName, isSymbolic: header.type === "2", sizeBytes: contentBytes, chunks },
    };
    const isWhole =
      (await reader.skip(left)) && (await reader.skip(contentBytes > 0 ? padding : 0));
    if (!isWhole) throw truncated(what, `"${name}"`);
    extension = {};
  }
  if (!(await reader.isZeroToEnd())) {
    throw invalid(what, "something follows after its end", "load archives one by one");
  }
}

interface Extension {
  name?: string;
  linkName?: string;
  sizeBytes?: number;
}

/** By type: what comes before an entry and says something of it. */
const extensions: Readonly<Record<string, (text: string) => Extension>> = {
  x: parsePax,
  g: () => ({}), // for all that follow: nothing that we ask about
  L: (text) => ({ name: withoutNul(text) }),
  K: (text) => ({ linkName: withoutNul(text) }),
};

async function readExtension(reader: ByteReader, sizeBytes: number, what: string): Promise<string> {
  if (sizeBytes > extensionBytesMax) throw invalid(what, "a name in it is too long");
  const padded = Math.ceil(sizeBytes / blockBytes) * blockBytes;
  const bytes = await reader.take(padded);
  if ((bytes?.length ?? 0) < padded) throw truncated(what, "a long name");
  return Buffer.from(bytes ?? []).toString("utf8", 0, sizeBytes);
}

/** "30 path=some/name\n", again and again (pax(1), "pax Extended Header"); lengths are in bytes. */
function parsePax(text: string): Extension {
  const found: Extension = {};
  let rest = Buffer.from(text);
  for (;;) {
    const length = Number(/^(\d{1,6}) /.exec(rest.toString("latin1", 0, 8))?.[1] ?? 0);
    if (length < 5 || length > rest.length) return found;
    const record = rest.toString("utf8", 0, length - 1);
    const [, key = "", value = ""] = /^\d+ ([^=]*)=([^]*)$/.exec(record) ?? [];
    if (key === "path") found.name = value;
    if (key === "linkpath") found.linkName = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) found.sizeBytes = Number(value);
    rest = rest.subarray(length);
  }
}

interface Header {
  name: string;
  type: string;
  linkName: string;
  sizeBytes: number;
}

function parseHeader(block: Uint8Array, what: string): Header {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
  const text = (from: number, length: number): string =>
    withoutNul(bytes.toString("utf8", from, from + length));
  let sum = 8 * 0x20; // the checksum's own place counts as blanks
  for (let i = 0; i < blockBytes; i++) if (i < 148 || i >= 156) sum += bytes[i] ?? 0;
  if (sum !== octal(text(148, 8))) throw invalid(what, "it is no tar archive, or damaged");
  const sizeBytes = sizeOf(bytes);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw invalid(what, `an impossible size is given for "${text(0, 100)}"`);
  }
  const isPosix = bytes.toString("latin1", 257, 263) === "ustar\0";
  const prefix = isPosix ? text(345, 155) : "";
  return {
    name: prefix === "" ? text(0, 100) : `${prefix}/${text(0, 100)}`,
    type: bytes.toString("latin1", 156, 157),
    linkName: text(157, 100),
    sizeBytes,
  };
}

/** Octal, or with the first bit set base 256 (star, GNU). */
function sizeOf(bytes: Buffer): number {
  const [at, length] = [124, 12];
  const first = bytes[at] ?? 0;
  if ((first & 0x80) === 0) return octal(withoutNul(bytes.toString("latin1", at, at + length)));
  if (first !== 0x80) return -1; // negative, or beyond all disks
  let size = 0;
  for (let i = at + 1; i < at + length; i++) size = size * 256 + (bytes[i] ?? 0);
  return size;
}

function octal(text: string): number {
  const digits = text.trim();
  return /^[0-7]*$/.test(digits) ? parseInt(digits || "0", 8) : -1;
}

function kindOf(type: string, name: string): ArchiveEntry["kind"] {
  if (type === "1" || type === "2") return "link";
  if (type === "5") return "directory";
  if (type === "0" || type === "\0" || type === "7") {
    return name.endsWith("/") ? "directory" : "file";
  }
  return "other";
}

const withoutNul = (text: string): string => text.split("\0", 1).join();

const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

function truncated(what: string, where: string): TspodError {
  return invalid(what, `it ends in the middle of ${where}`, "fetch or save it again");
}

function invalid(what: string, why: string, next?: string): TspodError {
  const options = next === undefined ? {} : { next };
  return new TspodError("image.invalid", `Cannot load ${what}: ${why}`, options);
}
