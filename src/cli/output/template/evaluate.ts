/** The values of pipelines: functions called, fields and methods taken, variables read and set. */
import { fault } from "./fault.ts";
import { type TemplateFunction, templateFunctions } from "./functions.ts";
import type { Command, Operand, Pipe } from "./node.ts";
import { fieldOf, Header, isTrue, ValueError } from "./value.ts";

export interface Scope {
  dot: unknown;
  /** Innermost last; the parser made sure that those used exist. */
  variables: { name: string; value: unknown }[];
}

/** UTF-16 units of one value: `print $x $x` doubles each time it is written. */
const textLengthMax = 16 * 1024 * 1024;

/** The last command's value; declared or assigned variables get it too. */
export function evaluatePipe(pipe: Pipe, scope: Scope): unknown {
  let values: unknown[] = [];
  for (const command of pipe.commands) values = [evaluateCommand(command, scope, values)];
  const [value] = values;
  for (const name of pipe.variables) {
    const existing = pipe.isAssignment ? findVariable(scope, name) : undefined;
    if (existing === undefined) scope.variables.push({ name, value });
    else existing.value = value;
  }
  return value;
}

/** `piped` is the value of the command before, the last argument of this one. */
function evaluateCommand(command: Command, scope: Scope, piped: unknown[]): unknown {
  const [first, ...rest] = command.operands as [Operand, ...Operand[]]; // the parser: never empty
  const name = first.base.kind === "function" && first.names.length === 0 ? first.base.name : "";
  if (name === "and" || name === "or") {
    if (rest.length + piped.length === 0) throw fault(first.at, `"${name}" needs a value`);
    return evaluateLogic(name, rest, scope, piped);
  }
  const values = rest.map((operand) => evaluateOperand(operand, scope, []));
  return evaluateOperand(first, scope, [...values, ...piped]);
}

/** The first value that decides, otherwise the last: what follows is not looked at. */
function evaluateLogic(
  name: "and" | "or",
  operands: Operand[],
  scope: Scope,
  piped: unknown[],
): unknown {
  let value: unknown;
  for (const operand of operands) {
    value = evaluateOperand(operand, scope, []);
    if (isTrue(value) === (name === "or")) return value;
  }
  return piped.length > 0 ? piped[0] : value;
}

function evaluateOperand(operand: Operand, scope: Scope, values: unknown[]): unknown {
  const { base, names, at } = operand;
  // Arguments belong to the function, or to the last field when that is a method.
  const isCall = base.kind === "function" && names.length === 0;
  let value = evaluateBase(operand, scope, isCall ? values : []);
  names.forEach((name, index) => {
    const isLast = index === names.length - 1;
    value = takeField(value, name, isLast ? values : [], at);
  });
  if (!isCall && names.length === 0 && values.length > 0) {
    throw fault(at, "arguments after what is not a function");
  }
  return value;
}

function evaluateBase(operand: Operand, scope: Scope, values: unknown[]): unknown {
  const { base, at } = operand;
  switch (base.kind) {
    case "dot":
      return scope.dot;
    case "nil":
      return undefined;
    case "literal":
      return base.value;
    case "variable":
      return findVariable(scope, base.name)?.value;
    case "pipe":
      return evaluatePipe(base.pipe, scope);
    case "function": {
      // The parser let no other name through.
      const called = templateFunctions.get(base.name) as TemplateFunction;
      return callFunction(base.name, called, values, at);
    }
  }
}

function callFunction(
  name: string,
  called: TemplateFunction,
  values: unknown[],
  at: number,
): unknown {
  const { argumentsMin, argumentsMax, call } = called;
  if (values.length < argumentsMin || values.length > argumentsMax) {
    const count = argumentsMin === argumentsMax ? `${argumentsMin}` : `at least ${argumentsMin}`;
    throw fault(at, `"${name}" needs ${count} values, not ${values.length}`);
  }
  const header = values.find((value) => value instanceof Header);
  if (header !== undefined && called.changesHeaders !== true) return header;
  const value = located(at, `"${name}": `, () => call(...values));
  if (typeof value === "string" && value.length > textLengthMax) {
    throw fault(at, `"${name}" makes more than ${textLengthMax / 1024 / 1024} MiB of text`);
  }
  return value;
}

/** A method is called with the arguments; anything else takes none. */
function takeField(value: unknown, name: string, values: unknown[], at: number): unknown {
  const found = located(at, "", () => fieldOf(value, name));
  if (found instanceof Header) {
    const [first] = values;
    return typeof first === "string" ? found.argument(first) : found;
  }
  if (typeof found !== "function") {
    if (values.length === 0) return found;
    throw fault(at, `".${name}" takes no arguments`);
  }
  if (values.length !== found.length) {
    throw fault(at, `".${name}" needs ${found.length} values, not ${values.length}`);
  }
  return located(at, `".${name}": `, () => found.apply(value, values) as unknown);
}

function located<T>(at: number, prefix: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof ValueError) throw fault(at, prefix + error.message, error.next);
    throw error;
  }
}

function findVariable(scope: Scope, name: string): Scope["variables"][number] | undefined {
  return scope.variables.findLast((variable) => variable.name === name);
}
