/** --preserve-fds and --preserve-fd: descriptors of ours that the program gets under the same numbers. */
import { readlinkSync } from "node:fs";
import { TspodError } from "../../errors.ts";
import { type FlagValues, list, value } from "../flags.ts";

export const preservedFlags = {
  preserveFds: value("--preserve-fds", "N", "Pass on N descriptors besides the streams, from 3 on"),
  preserveFd: list("--preserve-fd", "FD[,FD...]", "Pass on these descriptors"),
} as const;

const firstAfterStreams = 3;
const descriptorMax = 1023; // what the helper has room for

/** Ascending. Throws usage. */
export function preservedDescriptors(flags: FlagValues<typeof preservedFlags>): number[] {
  const count = flags.preserveFds === null ? 0 : parseCount(flags.preserveFds);
  const numbers = new Set(Array.from({ length: count }, (_, index) => index + firstAfterStreams));
  for (const text of flags.preserveFd) {
    for (const word of text.split(",")) numbers.add(parseDescriptor(word));
  }
  return [...numbers].sort((a, b) => a - b);
}

/** To be called before anything is opened here, which might take their numbers. Throws usage. */
export function requirePreserved(flags: FlagValues<typeof preservedFlags>): void {
  for (const descriptor of preservedDescriptors(flags)) requireOpen(descriptor);
}

function parseCount(text: string): number {
  const countMax = descriptorMax - firstAfterStreams + 1;
  if (/^\d+$/.test(text) && Number(text) <= countMax) return Number(text);
  throw new TspodError("usage", `Invalid --preserve-fds "${text}"`, {
    next: `give how many descriptors follow the standard streams, 0 to ${countMax}`,
  });
}

function parseDescriptor(word: string): number {
  const number = Number(word);
  if (/^\d+$/.test(word) && number >= firstAfterStreams && number <= descriptorMax) return number;
  throw new TspodError("usage", `Invalid --preserve-fd "${word}"`, {
    next: `give descriptors from ${firstAfterStreams} to ${descriptorMax}, e.g. --preserve-fd=4,5`,
  });
}

/** What our own runtime opens as it starts takes the first numbers that are free. */
const ownKinds = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"];

function requireOpen(descriptor: number): void {
  const file = fileOf(descriptor);
  if (file !== undefined && !ownKinds.includes(file)) return;
  throw new TspodError("usage", `Cannot pass on descriptor ${descriptor}: it is not open`, {
    next: `open it for tspod, as a shell does with ${descriptor}<FILE, or pass on fewer`,
  });
}

function fileOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined; // no such descriptor
  }
}
