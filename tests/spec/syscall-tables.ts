/** The names of every system call of the architectures we filter, as our helper knows them: those of Zig's library. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { zig } from "../driver/steps.ts";

const tables = { "x86-64": "X64", x86: "X86", x32: "X32", arm64: "Arm64", arm: "Arm" } as const;

export type Table = keyof typeof tables;

export function readSyscallTables(): Record<Table, string[]> {
  const path = join(dirname(zig), "../../lib/std/os/linux/syscalls.zig");
  const text = readFileSync(path, "utf8");
  const entries = Object.entries(tables).map(([table, name]) => [table, callsOf(text, name)]);
  return Object.fromEntries(entries) as Record<Table, string[]>; // its keys are those of `tables`
}

function callsOf(text: string, name: string): string[] {
  const start = text.indexOf(`pub const ${name} = enum(usize) {`);
  const body = text.slice(start, text.indexOf("\n};", start));
  return [...body.matchAll(/^ {4}(?:@"(\w+)"|(\w+)) = /gm)].map(([, quoted, plain]) => {
    const call = quoted ?? plain ?? "";
    return kernelNames[name]?.[call] ?? kernelNames.all?.[call] ?? call;
  });
}

/** Where the kernel's name, which profiles use, is another one (zig/src/process/seccomp.zig knows them too). */
const kernelNames: Record<string, Record<string, string>> = {
  all: { llseek: "_llseek", newselect: "_newselect", sysctl: "_sysctl" },
  X64: { fstatat64: "newfstatat" },
  X32: { fstatat64: "newfstatat" },
  Arm64: { fstatat64: "newfstatat" },
  Arm: { fadvise64_64: "arm_fadvise64_64", sync_file_range: "sync_file_range2" },
};
