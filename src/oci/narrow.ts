/** From `unknown` (parsed JSON of strangers) to types, with the place named when it is wrong. Go writes null for none. */
import { TspodError } from "../errors.ts";

export type JsonObject = Record<string, unknown>;

/** Where we are: "manifest.layers[3].size". */
export type Place = string;

/** JSON text -> value. Throws image.invalid naming `place`. */
export function parseJson(text: string, place: Place): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TspodError("image.invalid", `Cannot read ${place}: it is not JSON`, { cause });
  }
}

export function wrong(place: Place, wanted: string): TspodError {
  return new TspodError("image.invalid", `Cannot use ${place}: it should be ${wanted}`);
}

export function asObject(value: unknown, place: Place): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(place, "an object");
  return value as JsonObject; // checked above: a plain object of JSON.parse
}

export function optionalObject(value: unknown, place: Place): JsonObject | undefined {
  return value === undefined || value === null ? undefined : asObject(value, place);
}

export function asString(value: unknown, place: Place): string {
  if (typeof value !== "string" || value.includes("\0")) throw wrong(place, "a string");
  return value;
}

export function optionalString(value: unknown, place: Place): string | undefined {
  return value === undefined || value === null ? undefined : asString(value, place);
}

/** A count of bytes or the like: a whole number a double holds exactly. */
export function asSize(value: unknown, place: Place): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(place, "a whole number");
  return value as number; // isSafeInteger is no type guard
}

export function asArray(value: unknown, place: Place, countMax: number): unknown[] {
  if (!Array.isArray(value)) throw wrong(place, "a list");
  if (value.length > countMax) throw wrong(place, `a list of at most ${countMax}`);
  return value;
}

export function optionalArray(
  value: unknown,
  place: Place,
  countMax: number,
): unknown[] | undefined {
  return value === undefined || value === null ? undefined : asArray(value, place, countMax);
}

export function stringList(value: unknown, place: Place, countMax: number): string[] {
  return (optionalArray(value, place, countMax) ?? []).map((item, i) =>
    asString(item, `${place}[${i}]`),
  );
}

/** `{"name": "value"}`; null values are kept as "". */
export function stringMap(value: unknown, place: Place, countMax: number): Record<string, string> {
  const entries = Object.entries(optionalObject(value, place) ?? {});
  if (entries.length > countMax) throw wrong(place, `an object of at most ${countMax} members`);
  const map: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, item] of entries) map[name] = optionalString(item, `${place}.${name}`) ?? "";
  return map;
}

/** `{"80/tcp": {}}`: Go's way of writing a set. */
export function keySet(value: unknown, place: Place, countMax: number): string[] {
  const keys = Object.keys(optionalObject(value, place) ?? {});
  if (keys.length > countMax) throw wrong(place, `an object of at most ${countMax} members`);
  return keys;
}
