/** A tar archive whose bytes depend on nothing but names and contents: ustar, and a pax record for what is huge. */

/** Where bytes go, in order. */
export interface Sink {
  write(chunk: Uint8Array): Promise<void>;
}

const blockBytes = 512;
/** Eleven octal digits. */
const ustarSizeMax = 8 ** 11 - 1;

/** `name` is at most 100 ASCII characters. Throws what `chunks` or the sink throw; RangeError when the size is not right. */
export async function writeEntry(
  sink: Sink,
  { name, sizeBytes }: { name: string; sizeBytes: number },
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  if (sizeBytes > ustarSizeMax) {
    const record = paxRecord("size", String(sizeBytes));
    await sink.write(header("pax", record.length, "x"));
    await sink.write(padded(Buffer.from(record)));
  }
  await sink.write(header(name, sizeBytes, "0"));
  let written = 0;
  for await (const chunk of chunks) {
    written += chunk.length;
    if (written > sizeBytes) break;
    await sink.write(chunk);
  }
  if (written !== sizeBytes) throw new RangeError(`${name}: ${written} bytes, not ${sizeBytes}`);
  const padding = (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
  if (padding > 0) await sink.write(new Uint8Array(padding));
}

export async function writeText(sink: Sink, name: string, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  await writeEntry(sink, { name, sizeBytes: bytes.length }, once(bytes));
}

/** `name` ends in "/". */
export async function writeDirectory(sink: Sink, name: string): Promise<void> {
  await sink.write(header(name, 0, "5"));
}

/** Two blocks of nothing. */
export async function endArchive(sink: Sink): Promise<void> {
  await sink.write(new Uint8Array(2 * blockBytes));
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function header(name: string, sizeBytes: number, type: "0" | "5" | "x"): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, digits: number): string =>
    `${value.toString(8).padStart(digits, "0")}\0`;
  if (name.length > 100) throw new RangeError(`${name} is too long for an entry`);
  block.write(name, 0, "latin1");
  block.write(octal(type === "5" ? 0o755 : 0o644, 7), 100, "latin1");
  block.write(octal(0, 7), 108, "latin1"); // uid
  block.write(octal(0, 7), 116, "latin1"); // gid
  block.write(octal(sizeBytes > ustarSizeMax ? 0 : sizeBytes, 11), 124, "latin1");
  block.write(octal(0, 11), 136, "latin1"); // 1970: the same bytes whenever it is saved
  block.write(" ".repeat(8), 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** "23 size=9000000000\n": the length counts itself (pax(1)). */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 2;
  while (`${length}`.length + rest.length !== length) length++;
  return `${length}${rest}`;
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes);
  whole.set(bytes);
  return whole;
}
