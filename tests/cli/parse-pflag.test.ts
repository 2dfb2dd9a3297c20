/**
 * The parser against pflag's: pflag-corpus.jsonl holds command lines with what pflag 1.1.0, the library of docker's and
 * podman's command lines, made of them; null where it refused.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { boolean, list, value } from "../../src/cli/flags.ts";
import { parseArguments } from "../../src/cli/parse.ts";
import { TspodError } from "../../src/errors.ts";
import { random } from "../support/random.ts";

const table = {
  interactive: boolean("-i,--interactive", ""),
  tty: boolean("-t,--tty", ""),
  rm: boolean("--rm", ""),
  name: value("--name", "NAME", ""),
  workdir: value("-w,--workdir", "DIR", ""),
  volume: list("-v,--volume", "SPEC", ""),
  env: list("-e,--env", "KEY", ""),
};

interface Case {
  argv: string[];
  /** At the first argument. */
  stops: boolean;
  expected: Pick<ReturnType<typeof parse>, "flags" | "args"> | null;
}

const parse = ({ argv, stops }: Pick<Case, "argv" | "stops">) =>
  parseArguments(argv, table, { command: "tspod run", stopsAtArgument: stops });

const corpus = (await Bun.file(join(import.meta.dir, "pflag-corpus.jsonl")).text()).trim();
const cases = corpus.split("\n").map((line) => JSON.parse(line) as Case);

describe("parseArguments() agrees with pflag", () => {
  test.each(cases.map((each) => [JSON.stringify(each.argv), each] as const))("%s", (_, each) => {
    if (each.expected === null) {
      expect(() => parse(each)).toThrow(TspodError);
    } else {
      const { flags, args } = parse(each);
      expect({ flags, args }).toEqual(each.expected);
    }
  });

  test("but -e= has no value where pflag takes the = for one", () => {
    expect(parse({ argv: ["-e="], stops: true }).flags.env).toEqual([""]);
  });
});

test("parseArguments() reads or refuses whatever is typed, and loses no word", () => {
  const dice = random(7);
  const letters = [
    "-",
    "-",
    "=",
    "i",
    "t",
    "e",
    "v",
    "w",
    "x",
    "env",
    "name",
    "rm",
    "é",
    "🐳",
    " ",
  ];
  const seen = new Set<string>();
  for (let round = 0; round < 20_000; round++) {
    const argv = Array.from({ length: dice.below(5) }, () =>
      Array.from({ length: dice.below(5) }, () => dice.pick(letters)).join(""),
    );
    const after = ["image", "-i", "--", "--rm=x"];
    try {
      const parsed = parse({ argv: [...argv, "--", ...after], stops: true });
      expect(parsed.args.slice(-after.length + 1)).toEqual(after.slice(1));
      seen.add("read");
    } catch (error) {
      if (!(error instanceof TspodError)) throw new Error(JSON.stringify(argv), { cause: error });
      seen.add(error.code);
    }
  }
  expect([...seen].sort()).toEqual(["read", "usage"]);
});
