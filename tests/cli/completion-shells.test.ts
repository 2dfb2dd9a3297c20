/** The completion scripts in the shells themselves: what tspod is asked, and what becomes of the line. */
import { afterAll, describe, expect } from "bun:test";
import type { Shell } from "../../src/cli/completion/scripts.ts";
import { type CompletingShell, openCompletingShell } from "../support/completing-shell.ts";
import { program, testWith } from "../support/requirements.ts";

interface Case {
  what: string;
  keys: string;
  answer: string;
  /** Behind `__complete --`. */
  asked: string[];
  line: string;
}

const left = "\x1b[D";
const words = (...all: string[]): string =>
  `words\n${all.map((word) => `${word}\twhat`).join("\n")}\n`;

const cases: Case[] = [
  {
    what: "a command",
    keys: "tspod lo",
    answer: words("logs"),
    asked: ["lo"],
    line: "tspod logs ",
  },
  {
    what: "an empty word",
    keys: "tspod logs ",
    answer: words("web"),
    asked: ["logs", ""],
    line: "tspod logs web ",
  },
  {
    what: "the common start of several",
    keys: "tspod logs w",
    answer: words("web-a", "web-b"),
    asked: ["logs", "w"],
    line: "tspod logs web-",
  },
  {
    what: "behind quoted words",
    keys: "tspod run -e 'A=b c' -l \"x y\" al",
    answer: words("alpine"),
    asked: ["run", "-e", "A=b c", "-l", "x y", "al"],
    line: "tspod run -e 'A=b c' -l \"x y\" alpine ",
  },
  {
    what: "behind an escaped space",
    keys: "tspod run -e A=b\\ c al",
    answer: words("alpine"),
    asked: ["run", "-e", "A=b c", "al"],
    line: "tspod run -e A=b\\ c alpine ",
  },
  {
    what: "a flag",
    keys: "tspod run --entry",
    answer: words("--entrypoint"),
    asked: ["run", "--entry"],
    line: "tspod run --entrypoint ",
  },
  {
    what: "a flag's value behind =",
    keys: "tspod run --pull=ne",
    answer: words("--pull=newer"),
    asked: ["run", "--pull=ne"],
    line: "tspod run --pull=newer ",
  },
  {
    what: "an empty value behind =",
    keys: "tspod run --pull=",
    answer: words("--pull=newer"),
    asked: ["run", "--pull="],
    line: "tspod run --pull=newer ",
  },
  {
    what: "a name with colons",
    keys: "tspod run host:5000/al",
    answer: words("host:5000/alpine:3.20"),
    asked: ["run", "host:5000/al"],
    line: "tspod run host:5000/alpine:3.20 ",
  },
  {
    what: "behind words with = and :",
    keys: "tspod run --env=A=b -v /a:/b al",
    answer: words("alpine"),
    asked: ["run", "--env=A=b", "-v", "/a:/b", "al"],
    line: "tspod run --env=A=b -v /a:/b alpine ",
  },
  {
    what: "a file",
    keys: "tspod run --env-file sof",
    answer: "files\n",
    asked: ["run", "--env-file", "sof"],
    line: "tspod run --env-file sofa.env ",
  },
  {
    what: "a file behind =",
    keys: "tspod run --env-file=sof",
    answer: "files\n",
    asked: ["run", "--env-file=sof"],
    line: "tspod run --env-file=sofa.env ",
  },
  {
    what: "a file in the home directory",
    keys: "tspod run --env-file ~/sof",
    answer: "files\n",
    asked: ["run", "--env-file", "~/sof"],
    line: "tspod run --env-file ~/sofa.env ",
  },
  {
    what: "a file whose name has a space",
    keys: "tspod run --env-file two",
    answer: "files\n",
    asked: ["run", "--env-file", "two"],
    line: "tspod run --env-file two\\ words ",
  },
  {
    what: "a directory, and no file",
    keys: "tspod run -v so",
    answer: "directories\n",
    asked: ["run", "-v", "so"],
    line: "tspod run -v source/",
  },
  {
    what: "up to the cursor",
    keys: `tspod lo web${left.repeat(4)}`,
    answer: words("logs"),
    asked: ["lo"],
    line: "tspod logs web",
  },
  {
    what: "nothing when nothing fits",
    keys: "tspod run --name x",
    answer: "words\n",
    asked: ["run", "--name", "x"],
    line: "tspod run --name x",
  },
  {
    what: "nothing when tspod fails",
    keys: "tspod lo",
    answer: "",
    asked: ["lo"],
    line: "tspod lo",
  },
  {
    what: "the tspod that is typed: a path",
    keys: "./tspod lo",
    answer: words("logs"),
    asked: ["lo"],
    line: "./tspod logs ",
  },
  {
    what: "the tspod that is typed: in the home directory",
    keys: "~/tspod lo",
    answer: words("logs"),
    asked: ["lo"],
    line: "~/tspod logs ",
  },
  {
    what: "behind another command",
    keys: "true && A=1 tspod lo",
    answer: words("logs"),
    asked: ["lo"],
    line: "true && A=1 tspod logs ",
  },
];

for (const shell of ["bash", "zsh", "fish"] satisfies Shell[]) {
  describe(`${shell} completes`, () => {
    let opened: Promise<CompletingShell> | undefined;
    afterAll(async () => {
      await (await opened)?.[Symbol.asyncDispose]();
    });

    testWith(program(shell)).each(cases)("$what", async ({ keys, answer, asked, line }) => {
      const session = await (opened ??= openCompletingShell(shell));
      const completed = await session.complete(keys, answer);
      expect(completed.asked).toEqual(["__complete", "--", ...asked]);
      // before another word zsh puts a space of its own
      expect(completed.line.replace(/ +/g, " ")).toBe(line);
    });
  });
}
