/**
 * A real shell at a real terminal, with one of tspod's completion scripts and a tspod that only notes what it is asked
 * and answers what it is told. A line is typed, the tab key pressed, and the shell itself says what the line is now.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completionScripts, type Shell } from "../../src/cli/completion/scripts.ts";
import { until } from "./wait.ts";

export interface Completed {
  /** The words handed to `tspod __complete --`; null when it was not asked. */
  asked: string[] | null;
  /** The command line after the tab key. */
  line: string;
}

export interface CompletingShell extends AsyncDisposable {
  /** `keys` are typed before the tab key; `answer` is what tspod then prints. */
  complete(keys: string, answer: string): Promise<Completed>;
}

const tab = "\t";
/** Bound in each shell to writing down its line. */
const noteLine = "\x07";
const clearLine = "\x01\x0b";

/** How each shell is started, and told to write its line to a file. */
const shells: Record<Shell, { command: string[]; setup: string }> = {
  bash: {
    command: ["bash", "--norc", "--noprofile", "-i"],
    setup: `note() { printf %s "$READLINE_LINE" >line.new; mv line.new line; }
bind -x '"\\C-g": note'
set -u`,
  },
  zsh: {
    command: ["zsh", "-f", "-i"],
    setup: `autoload -U compinit; compinit -u -D
note() { print -rn -- "$BUFFER" >line.new; mv line.new line; }
zle -N note; bindkey -e; bindkey '^G' note; setopt no_list_beep`,
  },
  fish: {
    command: ["fish", "--no-config", "-i"],
    setup: `function note; printf %s (commandline) >line.new; mv line.new line; end
bind \\cg note`,
  },
};

const fakeTspod = `#!/bin/sh
cd "$FAKE_DIRECTORY" || exit 1
for word; do printf '%s\\0' "$word"; done >asked.new
mv asked.new asked
cat answer
`;

export async function openCompletingShell(shell: Shell): Promise<CompletingShell> {
  const directory = mkdtempSync(join(tmpdir(), "tspod-complete-"));
  const path = (name: string): string => join(directory, name);
  writeFileSync(path("tspod"), fakeTspod);
  chmodSync(path("tspod"), 0o755);
  mkdirSync(path("source"));
  writeFileSync(path("sofa.env"), "");
  writeFileSync(path("two words"), "");
  writeFileSync(path("script"), completionScripts[shell]);
  const { command, setup } = shells[shell];
  writeFileSync(path("setup"), `${setup}\n. ./script\n`);
  const child = Bun.spawn(command, {
    terminal: { data: () => undefined },
    cwd: directory,
    env: {
      HOME: directory,
      PATH: `${directory}:${process.env.PATH}`,
      TERM: "xterm",
      FAKE_DIRECTORY: directory,
    },
  });
  const type = (keys: string): void => void child.terminal?.write(keys);
  const taken = async (name: string): Promise<string> => {
    await until(`the shell writes "${name}"`, () => Bun.file(path(name)).exists());
    const text = await Bun.file(path(name)).text();
    rmSync(path(name));
    return text;
  };
  type(". ./setup; echo >ready\r");
  await taken("ready");
  return {
    complete: async (keys, answer) => {
      writeFileSync(path("answer"), answer);
      type(`${keys}${tab}${noteLine}`);
      const line = await taken("line");
      type(clearLine);
      const asked = (await Bun.file(path("asked")).exists()) ? await taken("asked") : null;
      return { line, asked: asked === null ? null : asked.split("\0").slice(0, -1) };
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      child.terminal?.close();
      rmSync(directory, { recursive: true });
    },
  };
}
