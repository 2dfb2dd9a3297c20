/**
 * What templates may call: text/template's own functions (but `call`) and those docker and podman add. Pure.
 * `and` and `or` are the executor's: they do not evaluate everything.
 */
import { isEqual, isLess } from "./compare.ts";
import { escapeHtml, escapeQuery, escapeScript } from "./escape.ts";
import { plain, printed, sprint } from "./print.ts";
import { sprintf } from "./printf.ts";
import { describe, isTrue, itemOf, kindOf, mapEntries, ValueError } from "./value.ts";

export interface TemplateFunction {
  argumentsMin: number;
  argumentsMax: number;
  call: (...values: unknown[]) => unknown;
  /** Headers of tables go through: others leave them as they are. */
  changesHeaders?: boolean;
}

/** `pad` with more is a mistake, and a way to fill the memory. */
const padCellsMax = 10_000;

export const templateFunctions: ReadonlyMap<string, TemplateFunction> = new Map(
  Object.entries<TemplateFunction>({
    and: { argumentsMin: 1, argumentsMax: Infinity, call: unused, changesHeaders: true },
    or: { argumentsMin: 1, argumentsMax: Infinity, call: unused, changesHeaders: true },
    not: exactly(1, (value) => !isTrue(value), true),
    eq: atLeast(2, (first, ...others) => isEqual(first, others)),
    ne: exactly(2, (a, b) => !isEqual(a, [b]), true),
    lt: exactly(2, (a, b) => isLess(a, b), true),
    le: exactly(2, (a, b) => isLess(a, b) || isEqual(a, [b]), true),
    gt: exactly(2, (a, b) => isLess(b, a), true),
    ge: exactly(2, (a, b) => isLess(b, a) || isEqual(a, [b]), true),
    len: exactly(1, lengthOf),
    index: atLeast(1, (value, ...keys) => keys.reduce(itemOf, value), false),
    slice: { argumentsMin: 1, argumentsMax: 4, call: sliceOf },
    print: atLeast(0, (...values) => sprint(values)),
    printf: atLeast(1, (format, ...values) => sprintf(text(format), values)),
    println: atLeast(0, (...values) => `${values.map(plain).join(" ")}\n`),
    html: atLeast(0, (...values) => escapeHtml(shown(values))),
    js: atLeast(0, (...values) => escapeScript(shown(values))),
    urlquery: atLeast(0, (...values) => escapeQuery(shown(values))),
    json: exactly(1, (value) => json(value)),
    prettyJson: exactly(1, (value) => json(value, 4)),
    split: exactly(2, (value, separator) => text(value).split(text(separator))),
    join: exactly(2, (values, separator) => list(values).map(plain).join(text(separator))),
    title: exactly(1, (value) => text(value).replace(wordStart, upper)),
    lower: exactly(1, (value) => eachCharacter(text(value), lower)),
    upper: exactly(1, (value) => eachCharacter(text(value), upper)),
    pad: exactly(3, pad, true),
    truncate: exactly(2, (value, count) => [...text(value)].slice(0, integer(count)).join("")),
  }),
);

export const functionNames: ReadonlySet<string> = new Set(templateFunctions.keys());

type Call = TemplateFunction["call"];

function exactly(count: number, call: Call, changesHeaders = false): TemplateFunction {
  return { argumentsMin: count, argumentsMax: count, call, changesHeaders };
}

function atLeast(count: number, call: Call, changesHeaders = true): TemplateFunction {
  return { argumentsMin: count, argumentsMax: Infinity, call, changesHeaders };
}

function unused(): never {
  throw new Error("the executor evaluates and, or");
}

/** One value as an action prints it, several as print does. */
function shown(values: unknown[]): string {
  return values.length === 1 ? printed(values[0]) : sprint(values);
}

/** Bytes of text, as Go counts. */
function lengthOf(value: unknown): number {
  const kind = kindOf(value);
  if (kind === "string") return Buffer.byteLength(String(value));
  if (kind === "list") return list(value).length;
  if (kind === "map") return mapEntries(value).length;
  throw new ValueError(`${describe(kind)} has no length`);
}

function sliceOf(value: unknown, ...bounds: unknown[]): unknown {
  const isText = kindOf(value) === "string";
  const items = isText ? Buffer.from(text(value)) : list(value);
  const [from = 0, to = items.length, capacity] = bounds.map(integer);
  if (isText && capacity !== undefined) throw new ValueError("text has no third bound");
  const isOrdered = 0 <= from && from <= to && to <= (capacity ?? to);
  if (isOrdered && Math.max(to, capacity ?? 0) <= items.length) {
    const part = items.slice(from, to);
    return isText ? part.toString() : part;
  }
  throw new ValueError(`${bounds.join(":")} is out of range, there are ${items.length} items`);
}

function json(value: unknown, indent?: number): string {
  const asRecord = (_: string, item: unknown): unknown =>
    item instanceof Map ? Object.fromEntries(item) : typeof item === "bigint" ? Number(item) : item;
  return JSON.stringify(value, asRecord, indent) ?? "null";
}

function eachCharacter(text: string, change: (character: string) => string): string {
  return Array.from(text, change).join("");
}

/** One character stays one, as in Go: "ß" is its own capital. */
function upper(character: string): string {
  const changed = character.toUpperCase();
  return [...changed].length === 1 ? changed : character;
}

function lower(character: string): string {
  const changed = character.toLowerCase();
  return [...changed].length === 1 ? changed : character;
}

/** A letter that no letter, digit or _ precedes. */
const wordStart = /(?<![\p{L}\p{Nd}_])\p{L}/gu;

function pad(value: unknown, before: unknown, after: unknown): string {
  const counts = [integer(before), integer(after)] as const;
  if (counts.some((count) => count < 0 || count > padCellsMax)) {
    throw new ValueError(`it takes 0 to ${padCellsMax} spaces`);
  }
  const written = text(value);
  return written === "" ? "" : " ".repeat(counts[0]) + written + " ".repeat(counts[1]);
}

function text(value: unknown): string {
  if (kindOf(value) === "string") return plain(value);
  throw new ValueError(`it wants text, not ${describe(kindOf(value))}`);
}

function integer(value: unknown): number {
  if (kindOf(value) === "int") return Number(value);
  throw new ValueError(`it wants a whole number, not ${describe(kindOf(value))}`);
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new ValueError(`it wants a list, not ${describe(kindOf(value))}`);
}
