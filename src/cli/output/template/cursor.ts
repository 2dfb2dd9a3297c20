/** Where the parser stands in its tokens, and the few moves both halves of it make. */
import { fault } from "./fault.ts";
import type { Token, TokenKind } from "./scan.ts";

/** Blocks and parentheses inside one another: bounds the stack of the parser and of the executor. */
const nestingDepthMax = 100;

export interface Cursor {
  readonly tokens: Token[];
  next: number;
  depth: number;
  /** The ranges around: break and continue need one. */
  loops: number;
  /** What may be called. */
  readonly functions: ReadonlySet<string>;
  /** In scope, "$" included. */
  variables: string[];
}

export function peek(cursor: Cursor): Token {
  return cursor.tokens[cursor.next] as Token; // the last one is "end", which take() never passes
}

export function take(cursor: Cursor): Token {
  const token = peek(cursor);
  if (token.kind !== "end") cursor.next++;
  return token;
}

export function expect(cursor: Cursor, kind: TokenKind): Token {
  const token = take(cursor);
  if (token.kind !== kind) throw unexpected(token);
  return token;
}

export function isMark(token: Token, ...marks: string[]): boolean {
  return token.kind === "mark" && marks.includes(token.text);
}

export function enter(cursor: Cursor, token: Token): void {
  if (++cursor.depth > nestingDepthMax) {
    throw fault(token.at, `more than ${nestingDepthMax} blocks or parentheses inside one another`);
  }
}

export function unexpected(token: Token): Error {
  const what = token.kind === "end" ? "the end of the text" : `"${token.text}"`;
  return fault(token.at, `unexpected ${what}`);
}
