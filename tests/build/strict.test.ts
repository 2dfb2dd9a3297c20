/** The build refuses what it does not know, rather than making a file that fails later. */
import { describe, expect, test } from "bun:test";
import type { BunExecutable, Relocation } from "../../zig/single-file/bun-executable.ts";
import {
  assemble,
  elfType,
  machineNumber,
  type Piece,
  readElf,
} from "../../zig/single-file/elf.ts";
import { checkNative, fuse } from "../../zig/single-file/fuse.ts";

const data: Piece = { address: 0x20_0000, flags: 6, bytes: new Uint8Array(64), memorySize: 64 };

describe("assemble()", () => {
  test("refuses pieces that share a page", () => {
    const close = { ...data, address: data.address + 0x800 };
    expect(() => assemble(machineNumber.x64, 0, [data, close])).toThrow("overlaps");
  });

  test("makes what readElf() reads", () => {
    const far = { ...data, address: 0x30_0010, memorySize: 5000 };
    const elf = readElf("it", assemble(machineNumber.aarch64, 0x20_0004, [far, data]));
    expect(elf.entry).toBe(0x20_0004);
    const loads = elf.segments.filter(({ type }) => type === 1);
    expect(loads.map(({ address }) => address)).toEqual([0x1f_0000, 0x20_0000, 0x30_0010]);
    expect(loads.every(({ address, offset }) => address % 0x1_0000 === offset % 0x1_0000)).toBe(
      true,
    );
    expect(loads.at(-1)?.memorySize).toBe(5000);
  });
});

describe("readElf()", () => {
  test.each([
    ["a script", "#!/bin/sh\n".padEnd(64)],
    ["a shared object", "\x7fELF\x02\x01\x01".padEnd(16, "\0") + "\x03\0".padEnd(48, "\0")],
  ])("refuses %s", (name, text) => {
    expect(() => readElf(name, Buffer.from(text, "latin1"))).toThrow(`${name} is not`);
  });
});

describe("fuse()", () => {
  const fuseWith = (relocation: Partial<Relocation>): Uint8Array => {
    const elf = readElf("Bun", assemble(machineNumber.x64, 0, [data]));
    const symbol = { name: "new_function", isDefined: false, isWeak: false, address: 0, size: 0 };
    const bun: BunExecutable = {
      ...{ elf, symbols: [symbol], constructors: { address: 0, count: 0 } },
      ...{ destructors: { address: 0, count: 0 }, onceOffsets: { callable: -16, call: -8 } },
      tls: { ...elf.segments[0]!, type: 7 }, // it has a header segment: assemble() made it
      relocations: [{ address: data.address, type: 7, symbol, addend: 0, ...relocation }],
    };
    return fuse(bun, readElf("the stub", stubWithoutSymbols()));
  };

  test("refuses an import that nothing defines", () => {
    expect(() => fuseWith({})).toThrow('Bun imports "new_function", which nothing defines');
  });

  test("refuses a thread-local import it has no place for", () => {
    expect(() => fuseWith({ type: 18 })).toThrow('thread-local "new_function"');
  });

  test("refuses a relocation of a kind it does not know", () => {
    expect(() => fuseWith({ type: 16 })).toThrow("unknown type 16");
    expect(() => fuseWith({ symbol: undefined })).toThrow("without a symbol");
  });
});

describe("checkNative()", () => {
  const object = (...names: string[]) => readElf("it", objectThatImports(names), elfType.object);

  test("takes functions that need nothing but their arguments", () => {
    expect(() =>
      checkNative(object("memcpy", "strlen", "__udivti3", "__floatuntitf", "roundl")),
    ).not.toThrow();
  });

  test.each(["getauxval", "__errno_location", "__tls_get_addr", "malloc", "environ", "write"])(
    "refuses %s, because libc is not running yet",
    (name) => {
      expect(() => checkNative(object("memcpy", name))).toThrow(`it cannot have ${name}:`);
    },
  );
});

/** An object with nothing but undefined symbols. */
function objectThatImports(names: string[]): Uint8Array {
  const text = Buffer.from(`\0${names.join("\0")}\0`);
  const [symbols, strings, sections] = [64, 64 + 24 * names.length, 1024];
  const bytes = new Uint8Array(sections + 2 * 64);
  bytes.set(Buffer.from("\x7fELF\x02\x01\x01", "latin1"));
  bytes.set(text, strings);
  const view = new DataView(bytes.buffer);
  view.setUint16(16, elfType.object, true);
  view.setBigUint64(40, BigInt(sections), true); // e_shoff
  view.setUint16(60, 2, true); // e_shnum
  view.setUint32(sections + 4, 2, true); // SHT_SYMTAB
  view.setBigUint64(sections + 24, BigInt(symbols), true);
  view.setBigUint64(sections + 32, BigInt(24 * names.length), true);
  view.setUint32(sections + 40, 1, true); // sh_link: the section of names
  view.setBigUint64(sections + 64 + 24, BigInt(strings), true);
  names.forEach((name, i) => {
    view.setUint32(symbols + 24 * i, text.indexOf(`\0${name}\0`) + 1, true);
    view.setUint8(symbols + 24 * i + 4, 1 << 4); // STB_GLOBAL
  });
  return bytes;
}

/** A program with an empty symbol table: a section of type SHT_SYMTAB and one for its names. */
function stubWithoutSymbols(): Uint8Array {
  const program = assemble(machineNumber.x64, 0, [{ ...data, address: 0x1000_0000 }]);
  const bytes = new Uint8Array(program.length + 128);
  bytes.set(program);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(40, BigInt(program.length), true); // e_shoff
  view.setUint16(60, 2, true); // e_shnum
  view.setUint32(program.length + 4, 2, true); // SHT_SYMTAB
  return bytes;
}
