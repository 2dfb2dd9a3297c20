/** Every rule of the runtime specification, one test each, on every runtime. See rule.ts and deviations.ts. */
import { describe, expect, test } from "bun:test";
import { testWith } from "../support/requirements.ts";
import { deviationOf, deviations } from "./deviations.ts";
import { matches, nameOf, observe, type Rule, wantedOf } from "./rule.ts";
import { rules } from "./rules/index.ts";
import { type Column, columns } from "./runtimes.ts";

/** Containers that are made at the same time. */
const concurrency = 4;

const waiting: (() => void)[] = [];
let running = 0;

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= concurrency) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

async function judge(rule: Rule, column: Column): Promise<void> {
  const observed = await inTurn(() => observe(rule, column));
  const known = deviationOf(column.runtime, nameOf(rule));
  if (known === undefined) return expectMatch(observed, wantedOf(rule));
  if (matches(wantedOf(rule), observed) && known.isRace) return;
  expect(matches(wantedOf(rule), observed)).toBe(false); // else it conforms, and the row must go
  expectMatch(observed, known.instead);
}

function expectMatch(observed: string, wanted: string | RegExp): void {
  if (typeof wanted === "string") expect(observed).toBe(wanted);
  else expect(observed).toMatch(wanted);
}

for (const column of columns) {
  describe(column.title, () => {
    for (const rule of rules) {
      if (rule.unless?.(column) !== undefined) continue;
      const needs = [...column.needs, ...(rule.needs === undefined ? [] : [rule.needs])];
      testWith(...needs).concurrent(nameOf(rule), async () => await judge(rule, column));
    }
  });
}

describe("the table of deviations", () => {
  test("names rules that exist, once a runtime", () => {
    const names = rules.map(nameOf);
    expect(new Set(names).size).toBe(names.length);
    const named = deviations.flatMap(({ runtime, rules: all }) => all.map((one) => [runtime, one]));
    expect(new Set(named.map((pair) => pair.join(" "))).size).toBe(named.length);
    expect(named.filter(([, rule = ""]) => !names.includes(rule))).toEqual([]);
  });
});
