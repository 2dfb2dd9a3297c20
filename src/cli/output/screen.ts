/** Text that takes the place of what was there before, on a terminal; one after the other elsewhere. Without flicker. */
import { print } from "./print.ts";
import { isTerminal } from "./terminal.ts";

/** Cells in a line of standard output, when it is a terminal. */
export async function terminalCells(): Promise<number | undefined> {
  if (!isTerminal(1)) return undefined;
  const { WriteStream } = await import("node:tty");
  const [columns] = new WriteStream(1).getWindowSize();
  return columns > 0 ? columns : undefined;
}

/** Control Sequences (ECMA-48): home; to the line's end; to the screen's end. */
const home = "\x1b[H";
const clear = "\x1b[2J";
const eraseLine = "\x1b[K";
const eraseBelow = "\x1b[J";

export interface Screen {
  /** False: nobody looks any more. */
  draw(text: string): Promise<boolean>;
}

/** Without `isReset` each text comes below the one before. */
export function openScreen({ isReset }: { isReset: boolean }): Screen {
  let isFirst = true;
  return {
    async draw(text) {
      if (!isReset || !isTerminal(1)) return print(text);
      const before = isFirst ? clear + home : home;
      isFirst = false;
      // over what is there, line by line: an emptied screen would be seen to flicker
      return print(`${before}${text.replaceAll("\n", `${eraseLine}\n`)}${eraseBelow}`);
    },
  };
}
