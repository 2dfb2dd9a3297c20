/**
 * Fuses Bun's musl executable and our stub (which has libc in it) into one executable that needs no dynamic linker:
 * every relocation is resolved here. Strict: an import nobody defines, or a relocation of an unknown kind, is an
 * error, and nothing is guessed.
 */

import { type BunExecutable, type DynamicSymbol, type Relocation } from "./bun-executable.ts";
import {
  assemble,
  type Elf,
  fileOffset,
  loadedPieces,
  machineNumber,
  readImports,
  readSymbolTable,
  segmentType,
  writeSegment,
} from "./elf.ts";

interface RelocationTypes {
  absolute: number;
  copy: number;
  pointer: number;
  jump: number;
  threadOffset: number;
}

/** Relocation types: System V ABI, AMD64 supplement, table 4.9; ELF for the Arm 64-bit Architecture, section 5.7. */
const relocationTypes: Record<number, RelocationTypes> = {
  [machineNumber.x64]: { absolute: 1, copy: 5, pointer: 6, jump: 7, threadOffset: 18 },
  [machineNumber.aarch64]: {
    absolute: 257,
    copy: 1024,
    pointer: 1025,
    jump: 1026,
    threadOffset: 1030,
  },
};

/** Variables that the stub places in Bun's memory itself, so that there is nothing to copy. See stub.zig. */
const sharedVariables = ["environ", "__stack_chk_guard"];

/** What the stub has to know: steps.zig reads it. */
export function stubFacts(bun: BunExecutable) {
  const copied = (name: string) =>
    bun.relocations.find((r) => isCopy(bun, r) && r.symbol?.name === name)?.address ?? 0;
  const header = bun.elf.segments.find((s) => s.offset === 0 && s.type === segmentType.load);
  if (!header || copied("environ") === 0)
    throw new Error(`${bun.elf.name} is not laid out as expected`);
  return {
    imports: importsOf(bun),
    entry_address: bun.elf.entry,
    program_headers_address: header.address + bun.elf.programHeadersOffset,
    program_headers_count: bun.elf.segments.length,
    constructors_address: bun.constructors.address,
    constructors_count: bun.constructors.count,
    destructors_address: bun.destructors.address,
    destructors_count: bun.destructors.count,
    environ_address: copied("environ"),
    stack_guard_address: copied("__stack_chk_guard"),
    once_call_offset: bun.onceOffsets.call,
  };
}

/** Functions that need nothing but their arguments: of the C library, and of the compiler's own runtime. */
const pureFunction =
  /^(mem(cpy|move|set|cmp)|strlen|bcmp|(round|floor|ceil|trunc|fma)[flq]?|__[a-z]+(si|di|ti|sf|df|tf)\d?)$/;

/**
 * The native verbs run before libc and thread-local storage are there, so nothing in them may need those.
 * Errors: `native`, an object, imports more than pure functions.
 */
export function checkNative(native: Elf): void {
  const others = readImports(native).filter((name) => !pureFunction.test(name));
  if (others.length > 0) {
    throw new Error(`${native.name} cannot have ${others.join(", ")}: libc is not running yet`);
  }
}

/** What the stub has to define. */
function importsOf(bun: BunExecutable): string[] {
  return bun.symbols
    .filter((s) => !s.isDefined && !s.isWeak && s.name !== "" && !(s.name in threadLocals(bun)))
    .map((s) => s.name)
    .concat(bun.relocations.filter((r) => isCopy(bun, r)).flatMap((r) => r.symbol?.name ?? []))
    .toSorted();
}

/** Changes `bun.elf.bytes` in place and returns the fused file. */
export function fuse(bun: BunExecutable, stub: Elf): Uint8Array {
  if (stub.machine !== bun.elf.machine) throw new Error(`${stub.name} is for another machine`);
  if (stub.segments.some((s) => s.type === segmentType.tls)) {
    throw new Error(`${stub.name} has thread-local variables, which native verbs cannot have`);
  }
  const defined = readSymbolTable(stub);
  for (const relocation of bun.relocations) apply(bun, stub, defined, relocation);
  writeThreadLocalBlock(bun);
  const pieces = [...loadedPieces(bun.elf), ...loadedPieces(stub)];
  return assemble(bun.elf.machine, stub.entry, pieces, { withLargePages: true });
}

function apply(
  bun: BunExecutable,
  stub: Elf,
  defined: Map<string, number>,
  relocation: Relocation,
): void {
  const { elf } = bun;
  const types = typesOf(bun);
  const { symbol, type, addend, address } = relocation;
  if (!symbol) throw new Error(`${elf.name} has a relocation of type ${type} without a symbol`);
  const put = (value: number) =>
    elf.view.setBigInt64(fileOffset(elf, address), BigInt(value), true);
  switch (type) {
    case types.absolute:
      return put(resolve(bun, defined, symbol, { preferOwnJump: true }) + addend);
    case types.pointer:
      return put(resolve(bun, defined, symbol, { preferOwnJump: true }));
    case types.jump:
      return put(resolve(bun, defined, symbol, { preferOwnJump: false }));
    case types.threadOffset: {
      const offset = threadLocals(bun)[symbol.name];
      if (offset === undefined)
        throw new Error(`${elf.name} imports the thread-local "${symbol.name}"`);
      return put(offset + addend);
    }
    case types.copy: {
      if (sharedVariables.includes(symbol.name)) return;
      const source = fileOffset(stub, definition(elf, defined, symbol));
      return elf.bytes.set(
        stub.bytes.subarray(source, source + symbol.size),
        fileOffset(elf, address),
      );
    }
    default:
      throw new Error(`${elf.name} has a relocation of unknown type ${type} for "${symbol.name}"`);
  }
}

interface ResolveOptions {
  /** A function pointer must be the same wherever it is made, and Bun's code takes the address of its own jump. */
  preferOwnJump: boolean;
}

function resolve(
  bun: BunExecutable,
  defined: Map<string, number>,
  symbol: DynamicSymbol,
  options: ResolveOptions,
): number {
  if (symbol.isDefined || (options.preferOwnJump && symbol.address !== 0)) return symbol.address;
  if (symbol.isWeak && !defined.has(symbol.name)) return 0;
  return definition(bun.elf, defined, symbol);
}

function definition(elf: Elf, defined: Map<string, number>, symbol: DynamicSymbol): number {
  const address = defined.get(symbol.name);
  if (address === undefined)
    throw new Error(`${elf.name} imports "${symbol.name}", which nothing defines`);
  return address;
}

function threadLocals(bun: BunExecutable): Record<string, number> {
  return {
    _ZSt15__once_callable: bun.onceOffsets.callable,
    _ZSt11__once_call: bun.onceOffsets.call,
  };
}

function typesOf(bun: BunExecutable) {
  const types = relocationTypes[bun.elf.machine];
  if (!types) throw new Error(`${bun.elf.name} is for an unknown machine`);
  return types;
}

function isCopy(bun: BunExecutable, relocation: Relocation): boolean {
  return relocation.type === typesOf(bun).copy;
}

function writeThreadLocalBlock({ elf, tls }: BunExecutable): void {
  const index = elf.segments.findIndex((s) => s.type === segmentType.tls);
  writeSegment(elf.view, elf.programHeadersOffset + index * 56, tls);
}
