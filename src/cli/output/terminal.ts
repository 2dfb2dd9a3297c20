/** Whether a descriptor of ours is a terminal, without node:tty, which costs 3 ms to load. */
import { fstatSync } from "node:fs";

/** /dev/null, zero, full, random: what else a standard stream may be among character devices (devices.txt). */
const memoryDevices = 1;

/** For looks alone: what must be right asks isatty(3). */
export function isTerminal(descriptor: 0 | 1 | 2): boolean {
  try {
    const stat = fstatSync(descriptor);
    return stat.isCharacterDevice() && ((stat.rdev >> 8) & 0xfff) !== memoryDevices;
  } catch {
    return false; // closed
  }
}
