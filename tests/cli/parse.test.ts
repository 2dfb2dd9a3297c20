/** The command line as docker and podman read it. */
import { describe, expect, test } from "bun:test";
import { boolean, list, value } from "../../src/cli/flags.ts";
import { parseArguments } from "../../src/cli/parse.ts";
import { TspodError } from "../../src/errors.ts";

const table = {
  interactive: boolean("-i,--interactive", ""),
  tty: boolean("-t,--tty", ""),
  rm: boolean("--rm", ""),
  name: value("--name", "NAME", ""),
  workdir: value("-w,--workdir", "DIR", ""),
  volume: list("-v,--volume", "SPEC", ""),
  env: list("-e,--env", "KEY", ""),
} as const;

const parse = (argv: string[], stopsAtArgument = true) =>
  parseArguments(argv, table, { command: "tspod run", stopsAtArgument });

describe("parseArguments()", () => {
  test.each<[string, Record<string, unknown>]>([
    ["-it", { interactive: true, tty: true }],
    ["-itv /a:/b", { interactive: true, tty: true, volume: ["/a:/b"] }],
    ["-itv/a:/b", { volume: ["/a:/b"] }],
    ["-v=/a:/b -v /c:/d", { volume: ["/a:/b", "/c:/d"] }],
    ["-w/src", { workdir: "/src" }],
    ["-w=/src", { workdir: "/src" }],
    ["--env=A=B -e C", { env: ["A=B", "C"] }],
    ["-e -x", { env: ["-x"] }],
    ["--rm=false", { rm: false }],
    ["--rm --rm=0", { rm: false }],
    ["-i=false -t=true", { interactive: false, tty: true }],
    ["--name a --name b", { name: "b" }],
    ["--name=", { name: "" }],
  ])("%s", (line, wanted) => {
    const { flags, args } = parse([...line.split(" "), "alpine", "-x", "--name"]);
    expect(flags).toMatchObject(wanted);
    expect(args).toEqual(["alpine", "-x", "--name"]);
  });

  test("goes on after an argument where the command has no words of its own", () => {
    expect(parse(["a", "--rm", "b"], false)).toMatchObject({
      args: ["a", "b"],
      flags: { rm: true },
    });
  });

  test("ends at --", () => {
    expect(parse(["--rm", "--", "--name", "x"]).args).toEqual(["--name", "x"]);
  });

  test("a flag that is on by default is turned off by name", () => {
    const on = { proxy: { ...boolean("--sig-proxy", ""), isOnByDefault: true } } as const;
    const proxy = (argv: string[]): boolean =>
      parseArguments(argv, on, { command: "tspod run", stopsAtArgument: true }).flags.proxy;
    expect([proxy([]), proxy(["--sig-proxy"]), proxy(["--sig-proxy=false"])]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("takes a lone - as an argument", () => {
    expect(parse(["-"]).args).toEqual(["-"]);
  });

  test.each<[string, string, string]>([
    ["--nam x", 'Unknown flag "--nam" for "tspod run"', 'did you mean "--name"?'],
    ["-itq", 'Unknown flag "-q" for "tspod run"', "tspod run --help"],
    ["--name", 'Flag "--name" needs a value: NAME', "tspod run --help"],
    ["--rm=maybe", 'Flag "--rm" is true or false, not "maybe"', "tspod run --help"],
  ])("refuses %s", (line, message, next) => {
    const error = thrown(() => parse(line.split(" ")));
    expect(error).toBeInstanceOf(TspodError);
    expect(error).toMatchObject({ message, exitCode: 125 });
    expect((error as TspodError).next).toContain(next);
  });

  test("sees --help, and -h where the command has no such flag", () => {
    expect(parse(["--help"]).wantsHelp).toBe(true);
    expect(parse(["-h"]).wantsHelp).toBe(true);
    expect(parse(["alpine", "--help"]).wantsHelp).toBe(false);
  });
});

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
