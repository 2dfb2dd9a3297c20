/** A native verb at a real terminal: keys in, what is shown out, how the terminal is set. */
import { until } from "../support/wait.ts";
import type { Started } from "./runtime-fixture.ts";

export interface Screen {
  /** What the verb is started with. */
  options: { terminal: Bun.TerminalOptions };
  shown(): string;
  /** Wait until this is shown; what was shown up to there is forgotten. */
  sees(wanted: string): Promise<void>;
}

export function screen(size: { columns?: number; rows?: number } = {}): Screen {
  let text = "";
  const decoder = new TextDecoder();
  const data = (_: Bun.Terminal, bytes: Uint8Array): void => {
    text += decoder.decode(bytes, { stream: true });
  };
  return {
    options: { terminal: { cols: size.columns ?? 80, rows: size.rows ?? 24, data } },
    shown: () => text,
    sees: async (wanted) => {
      await until(`"${wanted}" is shown`, () => text.includes(wanted)).catch((error: unknown) => {
        throw new Error(`Not shown: ${wanted}\nbut: ${JSON.stringify(text)}`, { cause: error });
      });
      text = text.slice(text.indexOf(wanted) + wanted.length);
    },
  };
}

export function terminalOf(started: Started): Bun.Terminal {
  const { terminal } = started.process;
  if (terminal === undefined) throw new Error("Bun gave no terminal");
  return terminal;
}

export function type(started: Started, keys: string): void {
  terminalOf(started).write(keys);
}

/** termios(3) on Linux: ISIG, ICANON, ECHO. */
const cooked = 0o1 | 0o2 | 0o10;

/** Keys go through as they are. */
export function isRaw(started: Started): boolean {
  return (terminalOf(started).localFlags & cooked) === 0;
}
