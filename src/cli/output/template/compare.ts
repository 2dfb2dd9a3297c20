/** eq, ne, lt, le, gt, ge of Go's text/template. Pure. */
import { describe, Header, kindOf, ValueError } from "./value.ts";

/** `eq a b c`: a is b or c. Numbers compare with numbers, whole or not; unlike kinds are an error as in Go. */
export function isEqual(first: unknown, others: unknown[]): boolean {
  return others.reduce<boolean>((isFound, other) => isFound || isSame(first, other), false);
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Header || b instanceof Header) return false;
  if (kindOf(a) === "nil" || kindOf(b) === "nil") return kindOf(a) === kindOf(b);
  const [left, right] = [comparable(a), comparable(b)];
  if (left !== right) throw unlike(left, right);
  return left === "number" ? Number(a) === Number(b) : a === b;
}

export function isLess(a: unknown, b: unknown): boolean {
  if (a instanceof Header || b instanceof Header) return false;
  const [left, right] = [comparable(a), comparable(b)];
  if (left !== right) throw unlike(left, right);
  if (left === "number") return Number(a) < Number(b);
  if (left === "string") return Buffer.compare(Buffer.from(`${a}`), Buffer.from(`${b}`)) < 0;
  throw new ValueError(`cannot order ${describe(left === "nil" ? "nil" : "bool")}`);
}

type Comparable = "nil" | "bool" | "number" | "string";

function comparable(value: unknown): Comparable {
  const kind = kindOf(value);
  if (kind === "int" || kind === "float64") return "number";
  if (kind === "nil" || kind === "bool" || kind === "string") return kind;
  throw new ValueError(`cannot compare ${describe(kind)}`);
}

function unlike(left: Comparable, right: Comparable): ValueError {
  const word = (kind: Comparable): string => describe(kind === "number" ? "int" : kind);
  return new ValueError(`cannot compare ${word(left)} with ${word(right)}`);
}
