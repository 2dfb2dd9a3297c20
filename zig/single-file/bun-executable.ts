/** Reads what Bun's musl executable wants from a dynamic linker: imports, relocations, thread-local block, hooks. */

import {
  type Elf,
  fileOffset,
  machineNumber,
  readString,
  roundUp,
  segmentType,
  type Segment,
  u64,
} from "./elf.ts";

/** Numbers of dynamic section entries (System V ABI, figure 5-10). */
const tag = {
  pltRelocationsSize: 2,
  hash: 4,
  strings: 5,
  symbols: 6,
  relocations: 7,
  relocationsSize: 8,
  pltRelocations: 23,
  constructors: 25,
  destructors: 26,
  constructorsSize: 27,
  destructorsSize: 28,
} as const;

export interface DynamicSymbol {
  name: string;
  /** Whether Bun has it itself. An import may still have an address: that of Bun's jump to it. */
  isDefined: boolean;
  isWeak: boolean;
  address: number;
  size: number;
}

export interface Relocation {
  /** Where the result goes: an address in memory. */
  address: number;
  type: number;
  symbol: DynamicSymbol | undefined;
  addend: number;
}

export interface BunExecutable {
  elf: Elf;
  symbols: DynamicSymbol[];
  relocations: Relocation[];
  constructors: { address: number; count: number };
  destructors: { address: number; count: number };
  /** The thread-local block with 16 bytes added, where std::__once_callable and std::__once_call find their places. */
  tls: Segment;
  onceOffsets: { callable: number; call: number };
}

export function inspectBun(elf: Elf): BunExecutable {
  const dynamic = readDynamicSection(elf);
  const get = (key: keyof typeof tag): number => {
    const value = dynamic.get(tag[key]);
    if (value === undefined) throw new Error(`${elf.name} has no ${key} in its dynamic section`);
    return value;
  };
  const symbols = readSymbols(elf, get("symbols"), get("strings"), get("hash"));
  return {
    elf,
    symbols,
    relocations: [
      ...readRelocations(elf, symbols, get("relocations"), get("relocationsSize")),
      ...readRelocations(elf, symbols, get("pltRelocations"), get("pltRelocationsSize")),
    ],
    constructors: { address: get("constructors"), count: get("constructorsSize") / 8 },
    destructors: { address: get("destructors"), count: get("destructorsSize") / 8 },
    ...growThreadLocalBlock(elf),
  };
}

function readDynamicSection(elf: Elf): Map<number, number> {
  const segment = elf.segments.find((s) => s.type === segmentType.dynamic);
  if (!segment) throw new Error(`${elf.name} is not dynamically linked`);
  const entries = new Map<number, number>();
  for (let at = segment.offset; u64(elf.view, at) !== 0; at += 16) {
    entries.set(u64(elf.view, at), u64(elf.view, at + 8));
  }
  return entries;
}

function readSymbols(elf: Elf, symbols: number, strings: number, hash: number): DynamicSymbol[] {
  const count = elf.view.getUint32(fileOffset(elf, hash) + 4, true); // nchain: as many as there are symbols
  const [table, names] = [fileOffset(elf, symbols), fileOffset(elf, strings)];
  return Array.from({ length: count }, (_, i) => {
    const at = table + i * 24;
    return {
      name: readString(elf, names + elf.view.getUint32(at, true)),
      isDefined: elf.view.getUint16(at + 6, true) !== 0,
      isWeak: elf.view.getUint8(at + 4) >> 4 === 2,
      address: u64(elf.view, at + 8),
      size: u64(elf.view, at + 16),
    };
  });
}

function readRelocations(
  elf: Elf,
  symbols: DynamicSymbol[],
  address: number,
  size: number,
): Relocation[] {
  const start = fileOffset(elf, address);
  return Array.from({ length: size / 24 }, (_, i) => {
    const at = start + i * 24;
    return {
      address: u64(elf.view, at),
      type: elf.view.getUint32(at + 8, true),
      symbol: symbols[elf.view.getUint32(at + 12, true) || -1],
      addend: Number(elf.view.getBigInt64(at + 16, true)),
    };
  });
}

/**
 * ELF Handling for Thread-Local Storage, section 3.4.6: on x86-64 the block ends at the thread pointer, so it grows
 * at its front; on aarch64 it starts 16 bytes behind it, so it grows at its end. Either way Bun's own offsets stay.
 */
function growThreadLocalBlock(elf: Elf): Pick<BunExecutable, "tls" | "onceOffsets"> {
  const old = elf.segments.find((s) => s.type === segmentType.tls);
  if (!old || old.address % old.alignment !== 0 || old.alignment > 16) {
    throw new Error(`${elf.name} has no thread-local block of the kind we know`);
  }
  const extra = 16;
  if (elf.machine === machineNumber.x64) {
    const tls = {
      ...old,
      address: old.address - extra,
      offset: old.offset - extra,
      fileSize: old.fileSize + extra,
      memorySize: old.memorySize + extra,
    };
    if (old.address % 0x1000 < extra)
      throw new Error(`${elf.name} leaves no room before its thread-local block`);
    const start = -roundUp(tls.memorySize, old.alignment);
    return { tls, onceOffsets: { callable: start, call: start + 8 } };
  }
  const start = 16 + roundUp(old.memorySize, 8);
  const tls = { ...old, memorySize: roundUp(old.memorySize, 8) + extra };
  return { tls, onceOffsets: { callable: start, call: start + 8 } };
}
