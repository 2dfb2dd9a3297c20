/** A person at a real terminal: a pseudo-terminal that is the program's controlling one, keys in, what is shown out. */
import { constants } from "node:os";
import { type World, tspodFile } from "./world.ts";
import { until } from "./wait.ts";

export interface Session extends AsyncDisposable {
  terminal: Bun.Terminal;
  /** What has been shown since the last `sees`. */
  shown(): string;
  type(keys: string): void;
  /** Wait until this is shown; forgets everything up to and with it. */
  sees(text: string | RegExp): Promise<string>;
  /** The exit status as a shell shows it. */
  exit(): Promise<number>;
  /** ICANON, ECHO and ISIG are all off: keys go through as they are. */
  isRaw(): boolean;
  pid: number;
}

export interface SessionOptions {
  columns?: number;
  rows?: number;
  environment?: Record<string, string>;
}

/** termios(3) on Linux: ISIG, ICANON, ECHO. */
const cooked = 0o1 | 0o2 | 0o10;

/** `tspod ...words` at a terminal. */
export function atTerminal(world: World, words: string[], options: SessionOptions = {}): Session {
  return openSession([tspodFile, ...words], world, options);
}

/** An interactive shell at a terminal, with its own job control; `$TSPOD` is the file under test. */
export function atShell(world: World, command = plainBash): Session {
  return openSession(command, world, {
    environment: { PS1: "ready> ", PROMPT: "ready> ", TSPOD: tspodFile },
  });
}

const plainBash = ["bash", "--norc", "--noprofile", "-i"];

/** Any program at a terminal. */
export function openSession(
  command: string[],
  world: Pick<World, "home" | "environment">,
  options: SessionOptions,
): Session {
  let text = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn(command, {
    // given as options, not as a Bun.Terminal: only then is it the controlling terminal of the program
    terminal: {
      cols: options.columns ?? 80,
      rows: options.rows ?? 24,
      data: (_, bytes) => {
        text += decoder.decode(bytes, { stream: true });
      },
    },
    cwd: world.home,
    env: { ...world.environment, ...options.environment },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("Bun gave no terminal");
  const take = (wanted: string | RegExp): string | undefined => {
    const match = typeof wanted === "string" ? indexOf(text, wanted) : wanted.exec(text);
    if (match === null) return undefined;
    text = text.slice(match.index + match[0].length);
    return match[0];
  };
  return {
    terminal,
    pid: child.pid,
    shown: () => text,
    type: (keys) => void terminal.write(keys),
    sees: async (wanted) => {
      try {
        return await until(`the terminal shows ${wanted}`, () => take(wanted));
      } catch (error) {
        throw new Error(`Not shown: ${wanted}\nbut: ${JSON.stringify(text)}`, { cause: error });
      }
    },
    exit: async () => {
      await until("the program ends", () => child.exitCode !== null || child.signalCode !== null);
      const signal = child.signalCode as NodeJS.Signals; // by its name (spawn's documentation)
      return child.exitCode ?? 128 + constants.signals[signal];
    },
    isRaw: () => (terminal.localFlags & cooked) === 0,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      terminal.close();
    },
  };
}

function indexOf(text: string, wanted: string): { index: number; 0: string } | null {
  const index = text.indexOf(wanted);
  return index < 0 ? null : { index, 0: wanted };
}
