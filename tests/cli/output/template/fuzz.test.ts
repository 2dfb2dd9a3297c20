/** Hostile templates: every text is printed or refused with a usage error, soon, and within limits. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { TspodError } from "../../../../src/errors.ts";
import { renderRows } from "../../../../src/cli/output/template/render.ts";
import { random, type Random } from "../../../support/random.ts";

const corpus = (await Bun.file(join(import.meta.dir, "corpus.jsonl")).text()).trim().split("\n");
const [head, ...cases] = corpus.map((line) => JSON.parse(line) as unknown);
const { data } = head as { data: unknown };
const templates = (cases as { template: string }[]).map(({ template }) => template);

const pieces = [
  ..."{{|}}|{{-|-}}|(|)|||:=|=|,|.|$|$x|.ID|.Names|.State.Status|\"|`|'|\\|\\t|\n| |%s|%9.9d".split(
    "|",
  ),
  ..."if else end range with define template block break continue and or not eq len index".split(
    " ",
  ),
  ..."printf json nil true 0 -1 1e9 0x /* */ é 🐳 \ud800 \0".split(" "),
];

/** "printed", or the error's code when it is one of ours; anything else is a bug and is thrown. */
function outcome(source: string): string {
  try {
    renderRows(source, [data], { isTerminal: false });
    return "printed";
  } catch (error) {
    if (error instanceof TspodError) return error.code;
    throw new Error(`on ${JSON.stringify(source)}`, { cause: error });
  }
}

function mutate(source: string, dice: Random): string {
  let text = source;
  for (let count = dice.below(4) + 1; count > 0; count--) {
    const at = dice.below(text.length + 1);
    const length = dice.below(4);
    text = text.slice(0, at) + dice.pick([...pieces, ""]) + text.slice(at + length);
  }
  return text;
}

test("mutated templates are printed or refused", () => {
  const dice = random(20261123);
  const seen = new Set<string>();
  for (let round = 0; round < 20_000; round++) {
    seen.add(outcome(mutate(dice.pick(templates), dice)));
  }
  expect([...seen].sort()).toEqual(["printed", "usage"]);
});

test("soups of pieces are printed or refused", () => {
  const dice = random(42);
  const seen = new Set<string>();
  for (let round = 0; round < 20_000; round++) {
    const soup = Array.from({ length: dice.below(12) }, () => dice.pick(pieces));
    seen.add(outcome(`{{${soup.join(dice.pick(["", " "]))}}}`));
  }
  expect([...seen].sort()).toEqual(["printed", "usage"]);
});

describe("limits", () => {
  test.each<[string, string, string]>([
    ["text", "x".repeat(70_000), "longer than 64 KiB"],
    ["parentheses", `{{${"(".repeat(200)}1${")".repeat(200)}}}`, "inside one another"],
    ["blocks", "{{if 1}}".repeat(200) + "{{end}}".repeat(200), "inside one another"],
    ["else if", `{{if 0}}${"{{else if 0}}".repeat(200)}{{end}}`, "inside one another"],
    ["steps", "{{range 999999999}}{{end}}{{range 999999999}}x{{end}}", "steps"],
    ["nested ranges", `${"{{range 1000}}".repeat(9)}x${"{{end}}".repeat(9)}`, "steps"],
    ["output", '{{range 70}}{{printf "%1000000d" 1}}{{end}}', "writes more than 64 MiB"],
    ["one value", `{{$x := "0123456789"}}${"{{$x = print $x $x}}".repeat(40)}`, "of text"],
    [
      "recursion",
      '{{define "t"}}{{template "t"}}{{end}}{{template "t"}}',
      "calls itself without end",
    ],
    ["pad", '{{pad "x" 1000000000 0}}', "0 to 10000 spaces"],
  ])("%s", (_, source, message) => {
    expect(() => renderRows(source, [data], { isTerminal: false })).toThrow(message);
  });

  test("printf's width is Go's", () => {
    expect(renderRows('{{printf "%1000001d" 1}}', [data], { isTerminal: false })).toStartWith(
      "%!(BADWIDTH)",
    );
  });

  test("long runs of one character take no quadratic time", () => {
    for (const piece of [
      " ",
      "{{",
      "{",
      "}}",
      "\\t",
      "{{/*",
      "{{- ",
      "(",
      ".",
      "1",
      '"',
      "{{1 -",
    ]) {
      const source = piece.repeat(60_000 / piece.length);
      expect(["printed", "usage"]).toContain(outcome(source));
      expect(["printed", "usage"]).toContain(outcome(`{{${source}`));
    }
  });
});
