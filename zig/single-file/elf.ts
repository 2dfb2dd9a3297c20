/**
 * Reads and writes the little of ELF that the single file needs: 64-bit little-endian executables at fixed addresses
 * (System V ABI, chapters 4 and 5; symbol and relocation numbers are in fuse.ts). It knows nothing of Bun.
 */

export const segmentType = { load: 1, dynamic: 2, tls: 7, stack: 0x6474e551 } as const;
export const segmentFlag = { execute: 1, write: 2, read: 4 } as const;
/** ET_REL and ET_EXEC. */
export const elfType = { object: 1, executable: 2 } as const;
const headerSize = 64;
const programHeaderSize = 56;

export interface Segment {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
  alignment: number;
}

export interface Elf {
  name: string;
  bytes: Uint8Array;
  view: DataView;
  machine: number;
  entry: number;
  programHeadersOffset: number;
  segments: Segment[];
}

/** Errors: anything but an executable at fixed addresses, or an object. `name` is for messages. */
export function readElf(name: string, bytes: Uint8Array, type: number = elfType.executable): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isElf64LittleEndian = view.getUint32(0) === 0x7f454c46 && view.getUint16(4) === 0x0201;
  if (!isElf64LittleEndian || view.getUint16(16, true) !== type) {
    throw new Error(`${name} is not a 64-bit ELF file of type ${type}`);
  }
  const programHeadersOffset = u64(view, 32);
  const segments = Array.from({ length: view.getUint16(56, true) }, (_, i) =>
    readSegment(view, programHeadersOffset + i * programHeaderSize),
  );
  const machine = view.getUint16(18, true);
  return { name, bytes, view, machine, entry: u64(view, 24), programHeadersOffset, segments };
}

function readSegment(view: DataView, at: number): Segment {
  return {
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    offset: u64(view, at + 8),
    address: u64(view, at + 16),
    fileSize: u64(view, at + 32),
    memorySize: u64(view, at + 40),
    alignment: u64(view, at + 48),
  };
}

export function writeSegment(view: DataView, at: number, segment: Segment): void {
  view.setUint32(at, segment.type, true);
  view.setUint32(at + 4, segment.flags, true);
  const { offset, address, fileSize, memorySize, alignment } = segment;
  [offset, address, address, fileSize, memorySize, alignment].forEach((value, i) =>
    view.setBigUint64(at + 8 + i * 8, BigInt(value), true),
  );
}

export function u64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

/** Where the byte at this address is in the file. Errors: the file has no such byte. */
export function fileOffset(elf: Elf, address: number): number {
  const segment = elf.segments.find(
    (s) => s.type === segmentType.load && address >= s.address && address < s.address + s.fileSize,
  );
  if (!segment) throw new Error(`${elf.name} has nothing at address 0x${address.toString(16)}`);
  return address - segment.address + segment.offset;
}

/** A zero-terminated string in the file. */
export function readString(elf: Elf, offset: number): string {
  return new TextDecoder("latin1").decode(elf.bytes.subarray(offset, elf.bytes.indexOf(0, offset)));
}

/**
 * The addresses of a linked program's functions and variables, from its .symtab section: those that could be linked
 * against. Ones with hidden visibility are among them, although the linker has made them local in the end.
 */
export function readSymbolTable(elf: Elf): Map<string, number> {
  const usable = readSymbols(elf).filter((s) => s.isDefined && (s.isGlobal || s.isHidden));
  return new Map(usable.map(({ name, address }) => [name, address]));
}

/** The names of what an object needs from elsewhere. */
export function readImports(elf: Elf): string[] {
  return readSymbols(elf).flatMap((s) => (s.isDefined || s.name === "" ? [] : [s.name]));
}

interface LinkSymbol {
  name: string;
  address: number;
  isDefined: boolean;
  isGlobal: boolean;
  isHidden: boolean;
}

function readSymbols(elf: Elf): LinkSymbol[] {
  const { view } = elf;
  const [sectionsOffset, sectionSize, sectionCount] = [u64(view, 40), 64, view.getUint16(60, true)];
  const sections = Array.from({ length: sectionCount }, (_, i) => sectionsOffset + i * sectionSize);
  const table = sections.find((at) => view.getUint32(at + 4, true) === 2); // SHT_SYMTAB
  if (table === undefined) throw new Error(`${elf.name} has no symbol table`);
  const strings = sections[view.getUint32(table + 40, true)];
  if (strings === undefined) throw new Error(`${elf.name} has a symbol table without names`);
  const [start, count] = [u64(view, table + 24), u64(view, table + 32) / 24];
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * 24;
    return {
      name: readString(elf, u64(view, strings + 24) + view.getUint32(at, true)),
      address: u64(view, at + 8),
      isDefined: view.getUint16(at + 6, true) !== 0,
      isGlobal: view.getUint8(at + 4) >> 4 !== 0,
      isHidden: (view.getUint8(at + 5) & 3) === 2,
    };
  });
}

/** What is to be mapped where. */
export interface Piece {
  address: number;
  flags: number;
  bytes: Uint8Array;
  /** More than `bytes.length`: the rest is zeroes. */
  memorySize: number;
}

/** A program's own segments, as pieces. */
export function loadedPieces(elf: Elf): Piece[] {
  return elf.segments
    .filter((s) => s.type === segmentType.load)
    .map((s) => ({
      address: s.address,
      flags: s.flags,
      bytes: withoutSections(elf.bytes.slice(s.offset, s.offset + s.fileSize), s.offset),
      memorySize: s.memorySize,
    }));
}

/** The header is loaded, too. Where the sections were tells how long the names of files were when it was built. */
function withoutSections(bytes: Uint8Array, offset: number): Uint8Array {
  if (offset > 0 || bytes.length < headerSize) return bytes;
  bytes.fill(0, 40, 48); // e_shoff
  bytes.fill(0, 58, 64); // e_shentsize, e_shnum, e_shstrndx
  return bytes;
}

/**
 * An executable made of these pieces, with nothing else in it: no interpreter, sections or symbols. Each is laid out
 * in the file as its place in memory demands, and the header is mapped below them. Errors: pieces that share a page.
 * `withLargePages`: what is large is laid out so that 2 MiB of the file can be one page in memory, at the price of a hole.
 */
export function assemble(
  machine: number,
  entry: number,
  pieces: Piece[],
  { withLargePages = false } = {},
): Uint8Array {
  const pageSize = machine === machineNumber.aarch64 ? 0x10000 : 0x1000; // the largest page Linux may use
  const sorted = pieces.toSorted((a, b) => a.address - b.address);
  const lowest = sorted[0]?.address ?? 0;
  const header: Piece = {
    address: lowest - (lowest % pageSize) - pageSize,
    flags: segmentFlag.read,
    bytes: new Uint8Array(headerSize + (pieces.length + 2) * programHeaderSize),
    memorySize: headerSize + (pieces.length + 2) * programHeaderSize,
  };
  const segments = layOut([header, ...sorted], pageSize, withLargePages ? largePageSize : pageSize);
  const bytes = new Uint8Array(Math.max(...segments.map((s) => s.offset + s.fileSize)));
  sorted.forEach((piece, i) => bytes.set(piece.bytes, segments[i + 1]?.offset));
  writeHeader(new DataView(bytes.buffer), machine, entry, [...segments, stackSegment]);
  return bytes;
}

/** What a processor can map at once, of both machines with 4 KiB pages. */
const largePageSize = 2 << 20;

function layOut(sorted: Piece[], pageSize: number, largeSize: number): Segment[] {
  let end = 0;
  return sorted.map((piece, i) => {
    const { address, flags, memorySize, bytes } = piece;
    const next = sorted[i + 1]?.address ?? Infinity;
    if (roundUp(address + memorySize, pageSize) > next - (next % pageSize)) {
      throw new Error(`The segment at 0x${address.toString(16)} overlaps the next one`);
    }
    const size = bytes.length < largeSize ? pageSize : largeSize;
    const start = roundUp(end, pageSize);
    const offset = start + ((((address - start) % size) + size) % size);
    end = offset + bytes.length;
    const fileSize = bytes.length;
    return {
      type: segmentType.load,
      flags,
      offset,
      address,
      fileSize,
      memorySize,
      alignment: pageSize,
    };
  });
}

/** Only says that the stack is not executable. */
const stackSegment: Segment = {
  type: segmentType.stack,
  flags: segmentFlag.read | segmentFlag.write,
  offset: 0,
  address: 0,
  fileSize: 0,
  memorySize: 0,
  alignment: 16,
};

export const machineNumber = { x64: 62, aarch64: 183 } as const;

function writeHeader(view: DataView, machine: number, entry: number, segments: Segment[]): void {
  view.setUint32(0, 0x7f454c46);
  view.setUint32(4, 0x02010100); // 64 bits, little endian, version 1, System V
  view.setUint16(16, elfType.executable, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(headerSize), true);
  view.setUint16(52, headerSize, true);
  view.setUint16(54, programHeaderSize, true);
  view.setUint16(56, segments.length, true);
  segments.forEach((segment, i) => writeSegment(view, headerSize + i * programHeaderSize, segment));
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
