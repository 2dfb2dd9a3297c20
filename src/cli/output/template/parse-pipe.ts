/** Tokens -> pipelines: `$x := .A.B | printf "%s" | json`. The statements around them are in parse.ts. */
import { nearest } from "../../../lib/nearest.ts";
import { type Cursor, enter, expect, isMark, peek, take, unexpected } from "./cursor.ts";
import { fault } from "./fault.ts";
import { parseCharacter, parseNumber, parseText } from "./literal.ts";
import type { Command, Operand, Pipe } from "./node.ts";
import type { Token } from "./scan.ts";

const keywords = new Set("if else end range with define block template break continue".split(" "));

/** Up to the closing "}}" or ")", which is left. `variablesMax`: range may declare two. */
export function parsePipe(cursor: Cursor, variablesMax = 1): Pipe {
  const { variables, isAssignment } = parseDeclaration(cursor, variablesMax);
  const start = cursor.next;
  const { at } = peek(cursor);
  const commands = [parseCommand(cursor)];
  while (isMark(peek(cursor), "|")) {
    take(cursor);
    const command = parseCommand(cursor);
    const first = command.operands[0];
    if (first !== undefined && isConstant(first)) {
      throw fault(first.at, "only a function or a method can follow |");
    }
    commands.push(command);
  }
  if (!isAssignment) cursor.variables.push(...variables);
  const written = cursor.tokens.slice(start, cursor.next);
  return { variables, isAssignment, commands, at, hasLayout: written.some(isLayout) };
}

function isLayout(token: Token): boolean {
  if (token.kind === "word") return token.text === "println";
  return token.kind === "string" && /\\[nt]|[\n\t]/.test(token.text);
}

function isConstant(operand: Operand): boolean {
  return ["literal", "nil", "dot"].includes(operand.base.kind) && operand.names.length === 0;
}

/** "$x :=", "$x =", "$i, $x :=" or nothing. */
function parseDeclaration(
  cursor: Cursor,
  variablesMax: number,
): Pick<Pipe, "variables" | "isAssignment"> {
  const { tokens, next } = cursor;
  const isSecond = variablesMax > 1 && tokens[next + 1]?.text === ",";
  const mark = tokens[next + (isSecond ? 3 : 1)];
  const isDeclaration = mark?.kind === "mark" && (mark.text === ":=" || mark.text === "=");
  if (tokens[next]?.kind !== "variable" || (!isDeclaration && !isSecond)) {
    return { variables: [], isAssignment: false };
  }
  const variables = [expect(cursor, "variable")];
  if (isSecond) {
    take(cursor);
    variables.push(expect(cursor, "variable"));
  }
  const isAssignment = expect(cursor, "mark").text === "=";
  if (!isDeclaration) throw unexpected(mark ?? peek(cursor));
  if (isAssignment) variables.forEach((variable) => checkVariable(cursor, variable));
  return { variables: variables.map((token) => token.text), isAssignment };
}

function parseCommand(cursor: Cursor): Command {
  const operands: Operand[] = [];
  for (;;) {
    const token = peek(cursor);
    if (token.kind === "close" || isMark(token, "|", ")")) break;
    if (operands.length > 0 && !token.isSpaced) throw unexpected(token);
    operands.push(parseOperand(cursor));
  }
  const first = operands[0];
  if (first === undefined) throw fault(peek(cursor).at, "a value is missing");
  const isNil = first.base.kind === "nil";
  if (isNil) throw fault(first.at, "nil cannot stand alone");
  if (operands.length > 1 && (isConstant(first) || isPlainPipe(first))) {
    throw fault(first.at, "arguments after what is not a function");
  }
  return { operands };
}

function isPlainPipe(operand: Operand): boolean {
  return operand.base.kind === "pipe" && operand.names.length === 0;
}

function parseOperand(cursor: Cursor): Operand {
  const token = take(cursor);
  const names: string[] = [];
  const base = token.kind === "field" ? dot : parseBase(cursor, token);
  if (token.kind === "field") names.push(token.text.slice(1));
  for (let next = peek(cursor); next.kind === "field" && !next.isSpaced; next = peek(cursor)) {
    if (base.kind === "literal" || base.kind === "nil" || token.kind === "dot")
      throw unexpected(next);
    names.push(take(cursor).text.slice(1));
  }
  return { base, names, at: token.at };
}

const dot: Operand["base"] = { kind: "dot" };

function parseBase(cursor: Cursor, token: Token): Operand["base"] {
  switch (token.kind) {
    case "dot":
      return dot;
    case "number":
      return { kind: "literal", value: parseNumber(token.text, token.at) };
    case "string":
      if (!token.text.startsWith("'")) {
        return { kind: "literal", value: parseText(token.text, token.at) };
      }
      return { kind: "literal", value: parseCharacter(token.text, token.at) };
    case "variable":
      checkVariable(cursor, token);
      return { kind: "variable", name: token.text };
    case "word":
      return parseWord(cursor, token);
    case "mark":
      if (token.text === "(") return parseParentheses(cursor, token);
  }
  throw unexpected(token);
}

function parseWord(cursor: Cursor, token: Token): Operand["base"] {
  const name = token.text;
  if (name === "true" || name === "false") return { kind: "literal", value: name === "true" };
  if (name === "nil") return { kind: "nil" };
  if (keywords.has(name)) throw unexpected(token);
  if (cursor.functions.has(name)) return { kind: "function", name };
  const suggestion = nearest(name, [...cursor.functions, ...keywords]);
  const next = suggestion === undefined ? undefined : `did you mean "${suggestion}"?`;
  throw fault(token.at, `unknown function "${name}"`, next);
}

function parseParentheses(cursor: Cursor, token: Token): Operand["base"] {
  enter(cursor, token);
  const pipe = parsePipe(cursor);
  const end = take(cursor);
  if (!isMark(end, ")")) throw unexpected(end);
  cursor.depth--;
  return { kind: "pipe", pipe };
}

function checkVariable(cursor: Cursor, token: Token): void {
  if (cursor.variables.includes(token.text)) return;
  throw fault(
    token.at,
    `unknown variable "${token.text}"`,
    `declare it with {{${token.text} := ...}}`,
  );
}
