/** What templates work on: plain data as JSON has it, Map, and methods (functions in records). Pure. */
import { nearestFew } from "../../../lib/nearest.ts";

/** Why a function or a field cannot be had; the executor adds where. */
export class ValueError extends Error {
  readonly next: string | undefined;
  constructor(message: string, next?: string) {
    super(message);
    this.next = next;
  }
}

/** Stands for a value while the header line of a table is made: `.CreatedAt` -> CREATED AT. */
export class Header {
  readonly text: string;
  /** Field -> header where it is not the field's name in capitals. */
  readonly headers: Readonly<Record<string, string>>;
  /** Those that there are; absent: any. */
  readonly names: readonly string[] | undefined;

  constructor(
    text: string,
    headers: Readonly<Record<string, string>> = {},
    names?: readonly string[],
  ) {
    this.text = text;
    this.headers = headers;
    this.names = names;
  }

  field(name: string): Header {
    if (this.names !== undefined && !this.names.includes(name)) throw noField(name, this.names);
    const known = Object.hasOwn(this.headers, name) ? this.headers[name] : undefined;
    return new Header(known ?? name.replace(wordBorder, "$1 $2").toUpperCase());
  }

  /** `.Label "com.example.owner-name"` -> "owner name", as docker has it. */
  argument(text: string): Header {
    return new Header((text.split(".").at(-1) ?? "").replace(/[-_]/g, " "));
  }
}

/** CreatedAt -> Created At, IDMap -> ID Map, MacID -> Mac ID. */
const wordBorder = /(\p{Ll}|\p{Lu}(?=\p{Lu}\p{Ll}))(\p{Lu})/gu;

/** Go's words where people meet them (printf's %T and its complaints). */
export type Kind = "nil" | "bool" | "int" | "float64" | "string" | "list" | "map" | "method";

/** JSON does not tell 3 from 3.0: what Go could hold as a whole number is one. */
const integerMax = 2 ** 64;

export function kindOf(value: unknown): Kind {
  if (value === null || value === undefined) return "nil";
  if (value instanceof Header) return "string";
  if (Array.isArray(value)) return "list";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return Number.isInteger(value) && Math.abs(value) < integerMax ? "int" : "float64";
    case "string":
      return "string";
    case "function":
      return "method";
    default:
      return "map";
  }
}

/** false, 0, "", nil and what is empty are false. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (kindOf(value) === "map") return mapEntries(value).length > 0;
  return Boolean(value) && !Number.isNaN(value);
}

/** Sorted by key, as Go prints maps and ranges over them. */
export function mapEntries(value: unknown): [string, unknown][] {
  // kindOf() said "map": an object.
  const entries = value instanceof Map ? [...value] : Object.entries(value as object);
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** `.name` of a record or map. A missing field is an error which lists what was meant; of a map, nothing. */
export function fieldOf(value: unknown, name: string): unknown {
  if (value instanceof Header) return value.field(name);
  const kind = kindOf(value);
  if (kind === "nil") {
    const next = `where it may be missing, ask first: {{with .X}}{{.${name}}}{{end}}`;
    throw new ValueError(`cannot take ".${name}" of nothing`, next);
  }
  if (kind !== "map") throw new ValueError(`cannot take ".${name}" of ${describe(kind)}`);
  const found = find(value, name);
  if (found !== undefined) return found.value;
  const names = mapEntries(value).map(([key]) => key);
  if (value instanceof Map || !names.every(isFieldName) || names.length === 0) return undefined;
  throw noField(name, names);
}

/** JSON does not tell a map (labels) from a record: Go's templates see no field that does not begin so. */
const isFieldName = (name: string): boolean => /^\p{Lu}/u.test(name);

function noField(name: string, names: readonly string[]): ValueError {
  const close = nearestFew(name, names, 3);
  const shown = close.length > 0 ? close : names.slice(0, namesShownMax);
  const more = shown.length < names.length && close.length === 0 ? ", ..." : "";
  const list = shown.map((each) => `.${each}`).join(", ") + more;
  const question = close.length > 0 ? `did you mean ${list}?` : `the fields here are ${list}`;
  return new ValueError(`no field ".${name}"`, shown.length > 0 ? question : "there are no fields");
}

const namesShownMax = 20;

/** `index value key`: missing keys give the empty value of the map's kind, as Go's typed maps do. */
export function itemOf(value: unknown, key: unknown): unknown {
  const kind = kindOf(value);
  if (kind === "map") {
    if (typeof key !== "string") throw new ValueError(`a map has no key ${describe(kindOf(key))}`);
    return (find(value, key) ?? { value: emptyItem(value) }).value;
  }
  if (kind !== "list" && kind !== "string") throw new ValueError(`${describe(kind)} has no items`);
  const items = kind === "list" ? (value as unknown[]) : new TextEncoder().encode(String(value));
  if (kindOf(key) !== "int") throw new ValueError(`an index is a whole number`);
  const index = Number(key);
  if (index >= 0 && index < items.length) return items[index];
  throw new ValueError(`index ${index} is out of range, there are ${items.length} items`);
}

/** Only the value's own entries: never Object.prototype's. */
function find(value: unknown, name: string): { value: unknown } | undefined {
  if (value instanceof Map) return value.has(name) ? { value: value.get(name) } : undefined;
  // kindOf() said "map": an object.
  const record = value as Record<string, unknown>;
  return Object.hasOwn(record, name) ? { value: record[name] } : undefined;
}

function emptyItem(map: unknown): unknown {
  const entries = mapEntries(map);
  const isText = entries.every(([, item]) => typeof item === "string"); // labels, when there are none
  return isText ? "" : undefined;
}

const descriptions: Record<Kind, string> = {
  nil: "nothing",
  bool: "true or false",
  int: "a number",
  float64: "a number",
  string: "text",
  list: "a list",
  map: "an object",
  method: "a method",
};

export function describe(kind: Kind): string {
  return descriptions[kind];
}
