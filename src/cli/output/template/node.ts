/** What a parsed `--format` template consists of: the grammar of Go's text/template as data. Types only. */

/** Pieces in order; `{{define}}`d templates lie beside them by name. */
export interface Template {
  body: Node[];
  defined: ReadonlyMap<string, Node[]>;
}

export type Node =
  | { kind: "text"; text: string }
  | { kind: "action"; pipe: Pipe }
  | { kind: "if" | "with" | "range"; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { kind: "break" | "continue" }
  | { kind: "template"; name: string; pipe: Pipe | undefined; at: number };

/** `$x := a | b c`: each command's result is the last argument of the next. */
export interface Pipe {
  variables: string[];
  /** `=` instead of `:=` */
  isAssignment: boolean;
  commands: Command[];
  at: number;
  /** The author of the template wrote tabs or line ends into what this prints, so a table may not escape them. */
  hasLayout: boolean;
}

export interface Command {
  /** The first is what is asked for, the rest are its arguments. */
  operands: Operand[];
}

/** `base.name.name`: a value and the fields taken from it. `at` is the offset in the template's text. */
export interface Operand {
  base:
    | { kind: "dot" }
    | { kind: "nil" }
    | { kind: "literal"; value: string | number | boolean }
    | { kind: "variable"; name: string }
    | { kind: "function"; name: string }
    | { kind: "pipe"; pipe: Pipe };
  names: string[];
  at: number;
}
