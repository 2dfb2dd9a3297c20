/** Template text -> tokens, as Go's text/template/parse defines them, and `\t`, `\n` in the text. Pure; every character is looked at once. */
import { fault } from "./fault.ts";

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "field"
  | "variable"
  | "word"
  | "number"
  | "string"
  | "dot"
  | "mark"
  | "end";

export interface Token {
  kind: TokenKind;
  /** As written: quotes, the field's dot and the variable's dollar included. */
  text: string;
  at: number;
  /** White space in front separates arguments: `.A .B` is two, `.A.B` one. */
  isSpaced: boolean;
}

const trimmedOpen = /\{\{-(?=[ \t\r\n])/y;
const close = /([ \t\r\n]+-)?\}\}/y;
const comment = /[ \t\r\n]?\/\*/y;
const space = /[ \t\r\n]+/y;
const number =
  /[+-]?(?:0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?)(?![\p{L}\p{Nd}_.])/uy;
const lexemes: [TokenKind, RegExp][] = [
  ["number", number],
  ["string", /"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`|'(?:[^'\\\n]|\\[^\n])+'/y],
  ["field", /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["variable", /\$[\p{L}\p{Nd}_]*/uy],
  ["word", /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ["mark", /:=|[=|(),]/y],
  ["dot", /\./y],
];

/** The tokens, always ended by one of kind "end". */
export function scan(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let isTrimmed = false;
  while (at < source.length) {
    const open = source.indexOf("{{", at);
    const end = open < 0 ? source.length : open;
    const opener = open < 0 ? undefined : (match(trimmedOpen, source, open)?.[0] ?? "{{");
    let text = unescapeLayout(source.slice(at, end));
    if (isTrimmed) text = text.replace(/^[ \t\r\n]+/, "");
    if (opener !== undefined && opener !== "{{") text = trimEnd(text);
    if (text !== "") tokens.push({ kind: "text", text, at, isSpaced: false });
    if (opener === undefined) break;
    const inside = open + opener.length;
    const action = scanComment(source, open, inside) ?? scanAction(source, open, inside, tokens);
    at = action.end;
    isTrimmed = action.isTrimmed;
  }
  tokens.push({ kind: "end", text: "", at: source.length, isSpaced: false });
  return tokens;
}

/** Shells hand over `\t` as two characters: docker and podman take it, and `\n`, for what was meant. */
function unescapeLayout(text: string): string {
  return text.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
}

interface Action {
  end: number;
  isTrimmed: boolean;
}

function scanComment(source: string, open: number, inside: number): Action | undefined {
  if (match(comment, source, inside) === null) return undefined;
  const end = source.indexOf("*/", inside);
  if (end < 0) throw fault(open, "the comment has no end");
  const closer = match(close, source, end + 2);
  if (closer === null) throw fault(end, 'a comment must be ended by "*/}}"');
  return { end: end + 2 + closer[0].length, isTrimmed: closer[1] !== undefined };
}

function scanAction(source: string, open: number, inside: number, tokens: Token[]): Action {
  tokens.push({ kind: "open", text: "{{", at: open, isSpaced: false });
  let at = inside;
  let isSpaced = false;
  while (at < source.length) {
    const closer = match(close, source, at);
    if (closer !== null) {
      tokens.push({ kind: "close", text: "}}", at, isSpaced });
      return { end: at + closer[0].length, isTrimmed: closer[1] !== undefined };
    }
    const blank = match(space, source, at);
    if (blank !== null) {
      isSpaced = true;
      at += blank[0].length;
      continue;
    }
    const token = scanToken(source, at, isSpaced);
    tokens.push(token);
    at += token.text.length;
    isSpaced = false;
  }
  throw fault(open, 'the "{{" has no "}}"');
}

function scanToken(source: string, at: number, isSpaced: boolean): Token {
  for (const [kind, pattern] of lexemes) {
    const text = match(pattern, source, at)?.[0];
    if (text !== undefined) return { kind, text, at, isSpaced };
  }
  const character = String.fromCodePoint(source.codePointAt(at) ?? 0);
  if (/["'`]/.test(character)) throw fault(at, `the text in ${character} has no end`);
  throw fault(at, `unexpected ${JSON.stringify(character)}`);
}

function match(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(source);
}

/** Not a pattern: on a long run of spaces in the middle of the text that one would take quadratic time. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && " \t\r\n".includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
