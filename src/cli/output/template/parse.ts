/**
 * Tokens -> template: the statements (text, if, range, with, define...). Pipelines are in parse-pipe.ts.
 * Everything a template can be refused for without data is refused here, except types.
 */
import { type Cursor, enter, expect, peek, take, unexpected } from "./cursor.ts";
import { fault } from "./fault.ts";
import { parseText } from "./literal.ts";
import type { Node, Template } from "./node.ts";
import { parsePipe } from "./parse-pipe.ts";
import { scan, type Token } from "./scan.ts";

/** A format is typed by hand or by a script: longer ones are mistakes. */
const sourceLengthMax = 64 * 1024;

/** `functions` are the names that may be called. */
export function parseTemplate(source: string, functions: ReadonlySet<string>): Template {
  if (source.length > sourceLengthMax) {
    throw fault(sourceLengthMax, `it is longer than ${sourceLengthMax / 1024} KiB`);
  }
  const cursor: Cursor = {
    tokens: scan(source),
    next: 0,
    depth: 0,
    loops: 0,
    functions,
    variables: ["$"],
  };
  const defined = new Map<string, Node[]>();
  const { body, ended } = parseList(cursor, defined, []);
  if (ended.kind !== "end") throw unexpected(ended);
  return { body, defined };
}

type Defined = Map<string, Node[]>;

interface List {
  body: Node[];
  /** What ended it: the end of the text or the word after "{{" (already consumed). */
  ended: Token;
}

/** Nodes up to one of the words in `enders` or the end of the text. Variables declared inside end here. */
function parseList(cursor: Cursor, defined: Defined, enders: string[]): List {
  const body: Node[] = [];
  for (;;) {
    const token = take(cursor);
    if (token.kind === "end") return { body, ended: token };
    if (token.kind === "text") {
      body.push({ kind: "text", text: token.text });
      continue;
    }
    const word = peek(cursor);
    if (word.kind === "word" && enders.includes(word.text)) return { body, ended: take(cursor) };
    const node = parseAction(cursor, defined, word);
    if (node !== undefined) body.push(node);
  }
}

function parseAction(cursor: Cursor, defined: Defined, word: Token): Node | undefined {
  switch (word.kind === "word" ? word.text : "") {
    case "if":
    case "with":
    case "range":
      return parseBranch(cursor, defined, take(cursor));
    case "break":
    case "continue":
      return parseJump(cursor, take(cursor));
    case "template":
      return parseCall(cursor, take(cursor));
    case "define":
    case "block":
      return parseDefine(cursor, defined, take(cursor));
    case "else":
    case "end":
      throw fault(word.at, `{{${word.text}}} without {{if}}, {{range}} or {{with}}`);
  }
  const pipe = parsePipe(cursor);
  expect(cursor, "close");
  return { kind: "action", pipe };
}

function parseBranch(cursor: Cursor, defined: Defined, word: Token): Node {
  // The switch above allows no other word.
  const kind = word.text as "if" | "with" | "range";
  const scope = cursor.variables.length;
  enter(cursor, word);
  const pipe = parsePipe(cursor, kind === "range" ? 2 : 1);
  expect(cursor, "close");
  cursor.loops += kind === "range" ? 1 : 0;
  const { body, ended } = parseList(cursor, defined, ["else", "end"]);
  cursor.loops -= kind === "range" ? 1 : 0;
  cursor.variables.length = scope + pipe.variables.length * (pipe.isAssignment ? 0 : 1);
  const otherwise = ended.text === "else" ? parseElse(cursor, defined, word) : [];
  if (ended.kind === "end") throw fault(word.at, `{{${kind}}} without {{end}}`);
  if (ended.text === "end") expect(cursor, "close");
  cursor.variables.length = scope;
  cursor.depth--;
  return { kind, pipe, body, otherwise };
}

/** After "{{else": "}}...{{end}}", or "if ..." / "with ..." whose {{end}} ends both. */
function parseElse(cursor: Cursor, defined: Defined, word: Token): Node[] {
  const next = peek(cursor);
  if (next.kind === "word" && next.text === word.text && word.text !== "range") {
    return [parseBranch(cursor, defined, take(cursor))];
  }
  expect(cursor, "close");
  const { body, ended } = parseList(cursor, defined, ["end"]);
  if (ended.kind === "end") throw fault(word.at, `{{${word.text}}} without {{end}}`);
  expect(cursor, "close");
  return body;
}

function parseJump(cursor: Cursor, word: Token): Node {
  if (cursor.loops === 0) throw fault(word.at, `{{${word.text}}} outside of {{range}}`);
  expect(cursor, "close");
  return { kind: word.text === "break" ? "break" : "continue" };
}

function parseCall(cursor: Cursor, word: Token): Node {
  const name = parseName(cursor);
  const pipe = peek(cursor).kind === "close" ? undefined : parsePipe(cursor);
  expect(cursor, "close");
  return { kind: "template", name, pipe, at: word.at };
}

/** {{define}} stands aside; {{block}} is a definition that is also called where it stands. */
function parseDefine(cursor: Cursor, defined: Defined, word: Token): Node | undefined {
  const isBlock = word.text === "block";
  if (!isBlock && cursor.depth > 0) throw fault(word.at, "{{define}} inside of another action");
  enter(cursor, word);
  const name = parseName(cursor);
  const pipe = isBlock ? parsePipe(cursor) : undefined;
  expect(cursor, "close");
  const outside = { variables: cursor.variables, loops: cursor.loops };
  Object.assign(cursor, { variables: ["$"], loops: 0 });
  const { body, ended } = parseList(cursor, defined, ["end"]);
  if (ended.kind === "end") throw fault(word.at, `{{${word.text}}} without {{end}}`);
  expect(cursor, "close");
  Object.assign(cursor, outside);
  cursor.depth--;
  defined.set(name, body);
  return isBlock ? { kind: "template", name, pipe, at: word.at } : undefined;
}

function parseName(cursor: Cursor): string {
  const token = expect(cursor, "string");
  if (token.text.startsWith("'")) throw unexpected(token);
  return parseText(token.text, token.at);
}
