/** Tar archives block by block, for tests that want headers no honest program writes. */

/** One entry as it will stand in the header; what is absent is zero. */
export interface RawEntry {
  name: string | Uint8Array;
  /** The type byte: "0" file, "1" hard link, "2" symbolic link, "3" and "4" devices, "5" directory, "6" fifo. */
  type?: string;
  link?: string | Uint8Array;
  content?: string | Uint8Array;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  /** What the header claims, whatever `content` is. */
  size?: number;
  device?: [major: number, minor: number];
  /** Records of a pax header put in front. */
  pax?: Record<string, string | Uint8Array>;
}

const blockBytes = 512;

/** The archive with its two zero blocks. */
export function rawTar(...entries: RawEntry[]): Uint8Array<ArrayBuffer> {
  return join([...entries.flatMap(blocksOf), new Uint8Array(2 * blockBytes)]);
}

/** One entry's blocks, its pax header before it. */
export function blocksOf(entry: RawEntry): Uint8Array[] {
  const content = bytesOf(entry.content ?? "");
  const own = [header(entry, entry.size ?? content.length), padded(content)];
  if (entry.pax === undefined) return own;
  const records = join(Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value)));
  return [header({ name: "PaxHeader", type: "x" }, records.length), padded(records), ...own];
}

/** The name or link of the next entry, GNU's way. */
export function gnuLong(type: "L" | "K", text: string | Uint8Array): RawEntry {
  return { name: "././@LongLink", type, content: join([bytesOf(text), new Uint8Array(1)]) };
}

function header(entry: RawEntry, size: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (offset: number, length: number, value: string | Uint8Array): void =>
    block.set(bytesOf(value).subarray(0, length), offset);
  put(0, 100, entry.name);
  put(100, 8, octal(entry.mode ?? (entry.type === "5" ? 0o755 : 0o644), 8));
  put(108, 8, octal(entry.uid ?? 0, 8));
  put(116, 8, octal(entry.gid ?? 0, 8));
  put(124, 12, octal(size, 12));
  put(136, 12, octal(entry.mtime ?? 0, 12));
  put(148, 8, "        ");
  put(156, 1, entry.type ?? "0");
  put(157, 100, entry.link ?? "");
  put(257, 8, "ustar\x0000");
  put(329, 8, octal(entry.device?.[0] ?? 0, 8));
  put(337, 8, octal(entry.device?.[1] ?? 0, 8));
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Octal, or GNU base-256 where that does not fit. */
function octal(value: number, length: number): Uint8Array {
  const text = value.toString(8);
  if (value >= 0 && text.length < length) return bytesOf(text.padStart(length - 1, "0"));
  const bytes = new Uint8Array(length);
  let rest = BigInt(value);
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

function paxRecord(key: string, value: string | Uint8Array): Uint8Array {
  const body = join([bytesOf(` ${key}=`), bytesOf(value), bytesOf("\n")]);
  let length = body.length;
  while (length !== body.length + String(length).length) {
    length = body.length + String(length).length;
  }
  return join([bytesOf(String(length)), body]);
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / blockBytes) * blockBytes);
  whole.set(bytes);
  return whole;
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}

export function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}
