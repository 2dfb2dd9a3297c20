/** Template + data -> text: the statements. Values are computed in evaluate.ts. Pure; nothing is compiled or eval'ed. */
import { evaluatePipe, type Scope } from "./evaluate.ts";
import { fault } from "./fault.ts";
import type { Node, Pipe, Template } from "./node.ts";
import { printed } from "./print.ts";
import { describe, Header, isTrue, kindOf, mapEntries } from "./value.ts";

/** Nested ranges multiply: what takes longer than this is no formatting. */
const stepsMax = 1_000_000;
/** UTF-16 units; an inspect of everything is far below. */
const outputLengthMax = 64 * 1024 * 1024;
/** {{template}} inside {{template}}. */
const callDepthMax = 100;

export interface ExecuteOptions {
  /** Last hand on what each action prints: tables escape control characters. */
  clean?: (text: string, pipe: Pipe) => string;
}

/** `data` is "." and "$". Throws usage, naming the column and the field or function. */
export function execute(template: Template, data: unknown, options: ExecuteOptions = {}): string {
  const run: Run = {
    template,
    clean: options.clean ?? ((text) => text),
    output: [],
    length: 0,
    steps: 0,
    calls: 0,
  };
  walk(run, template.body, { dot: data, variables: [{ name: "$", value: data }] });
  return run.output.join("");
}

interface Run {
  readonly template: Template;
  readonly clean: NonNullable<ExecuteOptions["clean"]>;
  readonly output: string[];
  length: number;
  steps: number;
  calls: number;
}

/** How a list of nodes ended: by itself, or by a jump that the range around takes. */
type Outcome = "done" | "break" | "continue";

function walk(run: Run, nodes: Node[], scope: Scope): Outcome {
  const variables = scope.variables.length;
  let outcome: Outcome = "done";
  for (const node of nodes) {
    outcome = walkNode(run, node, scope);
    if (outcome !== "done") break;
  }
  scope.variables.length = variables;
  return outcome;
}

function walkNode(run: Run, node: Node, scope: Scope): Outcome {
  step(run);
  switch (node.kind) {
    case "text":
      write(run, node.text);
      return "done";
    case "action": {
      const value = evaluatePipe(node.pipe, scope);
      if (node.pipe.variables.length === 0) write(run, run.clean(printed(value), node.pipe));
      return "done";
    }
    case "if":
    case "with":
      return walkBranch(run, node, scope);
    case "range":
      return walkRange(run, node, scope);
    case "template":
      return walkCall(run, node, scope);
    default:
      return node.kind;
  }
}

type Branch = Extract<Node, { kind: "if" | "with" | "range" }>;

function walkBranch(run: Run, node: Branch, scope: Scope): Outcome {
  const variables = scope.variables.length;
  const value = evaluatePipe(node.pipe, scope);
  const inner = node.kind === "with" && isTrue(value) ? { ...scope, dot: value } : scope;
  const outcome = walk(run, isTrue(value) ? node.body : node.otherwise, inner);
  scope.variables.length = variables;
  return outcome;
}

function walkRange(run: Run, node: Branch, scope: Scope): Outcome {
  const variables = scope.variables.length;
  const { variables: names, isAssignment } = node.pipe;
  const value = evaluatePipe({ ...node.pipe, variables: [] }, scope);
  let outcome: Outcome = "done";
  let isEmpty = true;
  if (names.length > 1 && kindOf(value) === "int") {
    throw fault(node.pipe.at, "a range over a number has one variable");
  }
  for (const [key, item] of itemsOf(value, node.pipe)) {
    isEmpty = false;
    step(run);
    const values = names.length > 1 ? [key, item] : [item];
    names.forEach((name, index) => bind(scope, { name, value: values[index] }, isAssignment));
    outcome = walk(run, node.body, { ...scope, dot: item });
    if (!isAssignment) scope.variables.length = variables;
    if (outcome === "break") break;
  }
  return isEmpty ? walk(run, node.otherwise, scope) : "done";
}

/** Lists, maps in the order of their keys, whole numbers from 0; a header stands for one item. */
function itemsOf(value: unknown, pipe: Pipe): Iterable<[unknown, unknown]> {
  if (value instanceof Header) return [[value, value]];
  switch (kindOf(value)) {
    case "nil":
      return [];
    case "list":
      return (value as unknown[]).entries();
    case "map":
      return mapEntries(value);
    case "int":
      return countTo(Number(value));
    default:
      throw fault(pipe.at, `cannot range over ${describe(kindOf(value))}`);
  }
}

function* countTo(end: number): Iterable<[number, number]> {
  for (let index = 0; index < end; index++) yield [index, index];
}

function bind(scope: Scope, variable: Scope["variables"][number], isAssignment: boolean): void {
  const existing = isAssignment
    ? scope.variables.findLast(({ name }) => name === variable.name)
    : undefined;
  if (existing === undefined) scope.variables.push(variable);
  else existing.value = variable.value;
}

function walkCall(run: Run, node: Extract<Node, { kind: "template" }>, scope: Scope): Outcome {
  const body = run.template.defined.get(node.name);
  if (body === undefined) throw fault(node.at, `there is no {{define "${node.name}"}}`);
  if (++run.calls > callDepthMax) throw fault(node.at, `{{template}} calls itself without end`);
  const dot = node.pipe === undefined ? undefined : evaluatePipe(node.pipe, scope);
  walk(run, body, { dot, variables: [{ name: "$", value: dot }] });
  run.calls--;
  return "done";
}

function step(run: Run): void {
  if (++run.steps > stepsMax) throw fault(0, `it takes more than ${stepsMax} steps`);
}

function write(run: Run, text: string): void {
  run.length += text.length;
  if (run.length > outputLengthMax) {
    throw fault(0, `it writes more than ${outputLengthMax / 1024 / 1024} MiB`);
  }
  run.output.push(text);
}
