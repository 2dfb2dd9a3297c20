/** What every file of the project looks like. A rule that would make a file worse is changed here, in the open. */
import { describe, expect, test } from "bun:test";
import { basename } from "node:path";
import { codeOf, projectFiles, readProjectFile } from "./support/tree.ts";

const typescriptLinesMax = 400;
const testLinesMax = 500; // tables of cases are long without being hard to read
const zigLinesMax = 1500;
const columnsMax = 130; // the formatters wrap code at 100; a comment may run over, a sentence in quotes is not cut

const typescript = [...projectFiles("{src,tests,zig}/**/*.ts"), "build.ts"];
const zig = projectFiles("zig/**/*.zig");
const prose = projectFiles("*.md");
const scripts = projectFiles(".ci/*");
const tests = typescript.filter((path) => path.endsWith(".test.ts"));

/** Every offending line as "path:line: what", so that one failure names them all. */
function offences(
  paths: string[],
  find: (line: string) => string | undefined,
  read: (path: string) => string = readProjectFile,
): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, index) => {
        const what = find(line);
        return what === undefined ? [] : [`${path}:${index + 1}: ${what}`];
      }),
  );
}

const matching = (pattern: RegExp) => (line: string) => pattern.exec(line)?.[0];
const codeOfFile = (path: string): string => codeOf(readProjectFile(path));

describe("layout", () => {
  test("the top level holds what DESIGN names and nothing else", () => {
    const visible = projectFiles("**").map((path) => path.split("/")[0] ?? "");
    const names = [...new Set(visible)].filter((name) => !name.startsWith("."));
    const allowed = ["LICENSE", "README.md", "build.ts", "completions", "package-lock.json"];
    allowed.push("package.json", "src", "tests", "tsconfig.json", "zig");
    expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
  });

  test("TypeScript files have kebab-case names, Zig files snake_case", () => {
    const wrong = [
      ...typescript.filter((path) => !/^[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(basename(path))),
      ...zig.filter((path) => !/^[a-z0-9]+(_[a-z0-9]+)*\.zig$/.test(basename(path))),
    ];
    expect(wrong).toEqual([]);
  });
});

describe("every file", () => {
  test("opens by saying what it is for", () => {
    const start = (path: string): string => readProjectFile(path).replace(/^#!.*\n/, "");
    const silent = [
      ...typescript.filter((path) => !/^(\/\*\*|\/\/)/.test(start(path))),
      ...zig.filter((path) => !start(path).startsWith("//!")),
      ...scripts.filter((path) => !start(path).startsWith("#")),
    ];
    expect(silent).toEqual([]);
  });

  test("has one subject's worth of lines", () => {
    const lines = (path: string): number => readProjectFile(path).split("\n").length - 1;
    const long = [
      ...typescript.filter(
        (path) => lines(path) > (tests.includes(path) ? testLinesMax : typescriptLinesMax),
      ),
      ...zig.filter((path) => lines(path) > zigLinesMax),
    ];
    expect(long.map((path) => `${path}: ${lines(path)} lines`)).toEqual([]);
  });

  test("has no line that is too wide, no tab, no blank at a line's end", () => {
    const wide = (line: string) =>
      [...line].length > columnsMax && !/["'`\\]/.test(line) ? `${line.length} columns` : undefined;
    expect(offences([...typescript, ...zig], wide)).toEqual([]);
    expect(offences([...typescript, ...zig], matching(/\t|\s$/))).toEqual([]);
  });

  test("leaves nothing for later without an issue", () => {
    const marks = new RegExp(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|"));
    const bounded = new RegExp(`\\b(${marks.source})\\b`);
    expect(offences([...typescript, ...zig, ...prose, ...scripts], matching(bounded))).toEqual([]);
  });

  test("names no path of somebody's machine", () => {
    const places = ["/wo" + "rk/", "/home/dev\\d", "/ro" + "ot/"];
    const machine = new RegExp(`(?<![\\w}])(${places.join("|")})`);
    const all = [...typescript, ...zig, ...prose, ...scripts, "package.json", "tsconfig.json"];
    expect(offences(all, matching(machine))).toEqual([]);
  });
});

describe("TypeScript", () => {
  test("says unknown where it does not know, never any", () => {
    const any = /(:|<|\bas|=|\|)\s*any\b(?!\()|\bany\[\]/;
    expect(offences(typescript, matching(any), codeOfFile)).toEqual([]);
  });

  test("silences no check", () => {
    expect(offences(typescript, matching(/@ts-(ignore|nocheck)\b/))).toEqual([]);
  });

  test("prints only where printing is the job", () => {
    const printers = /^(src\/main\.ts|src\/cli\/|build\.ts|zig\/single-file\/|tests\/)/;
    const silent = typescript.filter((path) => !printers.test(path));
    const print = /\bconsole\.\w+|process\.(stdout|stderr)\b|\bBun\.(stdout|stderr)\b/;
    expect(offences(silent, matching(print), codeOfFile)).toEqual([]);
  });

  test("ends the process only in main and the commands", () => {
    const enders = /^(src\/main\.ts|src\/cli\/|build\.ts|zig\/single-file\/|tests\/)/;
    const others = typescript.filter((path) => !enders.test(path));
    const end = /\bprocess\.(exit|exitCode|abort)\b/;
    expect(offences(others, matching(end), codeOfFile)).toEqual([]);
  });
});

describe("tests", () => {
  test("assert something", () => {
    expect(tests.filter((path) => !codeOfFile(path).includes("expect("))).toEqual([]);
  });

  test("are neither left out in silence nor run alone", () => {
    const quietly = /\b(test|it|describe)\.(only|todo|skip)\(/;
    expect(offences(tests, matching(quietly), codeOfFile)).toEqual([]);
  });

  test("wait for a condition, never for time", () => {
    const sleep = /\bBun\.sleep(Sync)?\(|\bsetTimeout\(/;
    const waiters = tests.filter((path) => path !== "tests/tidy.test.ts");
    expect(offences(waiters, matching(sleep), codeOfFile)).toEqual([]);
  });
});

describe("Zig", () => {
  test("functions fit on a screen", () => {
    const longest = 70;
    const long = zig.flatMap((path) => functionLengths(readProjectFile(path)));
    expect(long.filter(({ lines }) => lines > longest)).toEqual([]);
  });
});

/** `zig fmt` puts a function's closing brace at the indentation of its `fn`. */
function functionLengths(text: string): { name: string; lines: number }[] {
  const lines = text.split("\n");
  return lines.flatMap((line, start) => {
    const head = /^(\s*)(?:(?:pub|inline|export|noinline) )*fn (\w+)\(.*\{$/.exec(line);
    if (head === null) return [];
    const end = lines.findIndex((other, index) => index > start && other === `${head[1]}}`);
    return [{ name: head[2] ?? "", lines: end - start + 1 }];
  });
}
