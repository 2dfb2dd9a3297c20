/** Questions to a person at the terminal, whose answers may be secrets: those are not shown while they are typed. */
import { readSync, writeSync } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import { TspodError } from "../../errors.ts";

const answerLengthMax = 4096;

/** The line that is typed. Throws usage where nobody can be asked. */
export function askLine(question: string): string {
  requireTerminal();
  writeSync(2, question);
  return readLine((byte) => byte);
}

/** Same, without showing it; the terminal is as before afterwards, also after Ctrl-C. */
export async function askSecret(question: string): Promise<string> {
  requireTerminal();
  const terminal = new ReadStream(0);
  terminal.setRawMode(true);
  writeSync(2, question);
  try {
    return readLine(asKey);
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    writeSync(2, "\n");
  }
}

function requireTerminal(): void {
  if (isatty(0)) return;
  throw new TspodError("usage", "Cannot ask for a user name or password: there is no terminal", {
    next: "use --username with --password-stdin",
  });
}

/** What keys do where the terminal does nothing with them itself. */
function asKey(byte: number): number | "abort" | "end" | "erase" | "clear" {
  if (byte === 3 || byte === 28) return "abort"; // ^C, ^\\
  if (byte === 13 || byte === 4) return "end"; // Enter, ^D
  if (byte === 8 || byte === 127) return "erase";
  return byte === 21 ? "clear" : byte; // ^U
}

function readLine(key: (byte: number) => ReturnType<typeof asKey>): string {
  const one = new Uint8Array(1);
  const bytes: number[] = [];
  while (bytes.length < answerLengthMax && readSync(0, one) > 0) {
    const meant = key(one[0] ?? 0);
    if (meant === "end" || meant === 10) break;
    if (meant === "abort") throw new TspodError("usage", "Given up");
    if (meant === "clear") bytes.length = 0;
    else if (meant === "erase") eraseCharacter(bytes);
    else bytes.push(meant);
  }
  return Buffer.from(bytes).toString("utf8");
}

/** A character of UTF-8 is a byte and those that go on with it. */
function eraseCharacter(bytes: number[]): void {
  for (let last = bytes.pop(); last !== undefined && (last & 0xc0) === 0x80;) last = bytes.pop();
}
