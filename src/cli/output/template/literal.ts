/** Go literals in templates: "text", `raw`, 'c' and numbers -> values. Pure. */
import { fault } from "./fault.ts";

const simple: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};
const escape = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|([^]))/g;

/** A quoted token -> its text (`'c'` too: see parseCharacter). */
export function parseText(token: string, at: number): string {
  const inner = token.slice(1, -1);
  if (token.startsWith("`")) return inner.replaceAll("\r", "");
  return inner.replace(escape, (whole, ...groups: (string | undefined)[]) => {
    const [x, u, U, octal, other] = groups;
    const code = parseInt(x ?? u ?? U ?? octal ?? "", octal === undefined ? 16 : 8);
    if (Number.isNaN(code)) {
      const character = simple[other ?? ""];
      // Go allows \" only between double quotes and \' only between single ones.
      const isOther = (other === "'" || other === '"') && !token.startsWith(other);
      if (character !== undefined && !isOther) return character;
    } else if (code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)) {
      return String.fromCodePoint(code);
    }
    throw fault(at, `unknown escape ${JSON.stringify(whole)} in text`);
  });
}

/** `'c'` is a number in Go: its code point. */
export function parseCharacter(token: string, at: number): number {
  const [character, ...more] = parseText(token, at);
  if (character === undefined || more.length > 0) {
    throw fault(at, `${token} is not one character`, 'put text between " and "');
  }
  return character.codePointAt(0) ?? 0;
}

/** 42, 0x2a, 0o52, 052, 0b101010, 1_000, 4.2e1. */
export function parseNumber(token: string, at: number): number {
  const isNegative = token.startsWith("-");
  const digits = token.replace(/^[+-]/, "");
  const plain = digits.replaceAll("_", "");
  // "08" is neither octal nor decimal in Go.
  const isMisplaced = /^0\d*[89]\d*$/.test(plain) || /^_|_$|__|_[.eExXoObB]|[.eE]_/.test(digits);
  const isOctal = /^0[0-7]+$/.test(plain);
  const value = isOctal ? parseInt(plain, 8) : Number(plain);
  if (isMisplaced || !Number.isFinite(value)) throw fault(at, `"${token}" is not a number`);
  return isNegative ? -value : value;
}
