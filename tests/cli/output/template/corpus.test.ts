/**
 * The engine against Go's own: corpus.jsonl holds templates with what text/template of Go 1.26 printed for them (docker's
 * functions added, missing fields an error, keys that a map does not have no value), null where Go refused. The first line is
 * the data most of them work on.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { TspodError } from "../../../../src/errors.ts";
import { execute } from "../../../../src/cli/output/template/execute.ts";
import { functionNames } from "../../../../src/cli/output/template/functions.ts";
import { parseTemplate } from "../../../../src/cli/output/template/parse.ts";

interface Case {
  template: string;
  expected: string | null;
  data?: unknown;
}

const lines = (await Bun.file(join(import.meta.dir, "corpus.jsonl")).text()).trim().split("\n");
const [head, ...cases] = lines.map((line) => JSON.parse(line) as unknown);
const { data: usual } = head as { data: unknown };

const named = (cases as Case[]).map((each) => [JSON.stringify(each.template), each] as const);

test.each(named)("%s", (_, { template, expected, ...rest }) => {
  const data = "data" in rest ? rest.data : usual;
  const run = () => execute(parseTemplate(template, functionNames), data);
  if (expected === null) expect(run).toThrow(TspodError);
  else expect(run()).toBe(expected);
});

test("the corpus is there", () => {
  expect(cases.length).toBeGreaterThan(600);
});
