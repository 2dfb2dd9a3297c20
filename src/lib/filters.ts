/**
 * `--filter KEY=VALUE` as docker and podman read it: several values of one key are alternatives, several keys must all
 * hold, and of labels each must. Knows no key itself. Pure.
 */
import { TspodError } from "../errors.ts";
import { nearest } from "./nearest.ts";

export interface FilterKey<T> {
  /** A value -> what it asks of a thing. Throws usage for one that means nothing. */
  parse(value: string): (thing: T) => boolean;
  /** Each given value must hold: labels. */
  needsEvery?: true;
}

export type FilterKeys<T> = Readonly<Record<string, FilterKey<T>>>;

/** True of what `texts` let through; of everything when there are none. Throws usage. */
export function parseFilters<T>(
  texts: readonly string[],
  keys: FilterKeys<T>,
): (thing: T) => boolean {
  const tests = new Map<string, { key: FilterKey<T>; all: ((thing: T) => boolean)[] }>();
  for (const text of texts) {
    const { name, value, isNegated } = splitFilter(text, keys);
    const key = (Object.hasOwn(keys, name) ? keys[name] : undefined) ?? unknownKey(name, keys);
    const test = key.parse(value);
    const slot = `${name}${isNegated ? "!" : ""}`;
    const known = tests.get(slot) ?? { key, all: [] };
    known.all.push(isNegated ? (thing) => !test(thing) : test);
    tests.set(slot, known);
  }
  const groups = [...tests.entries()];
  return (thing) =>
    groups.every(([slot, { key, all }]) =>
      key.needsEvery === true || slot.endsWith("!")
        ? all.every((test) => test(thing))
        : all.some((test) => test(thing)),
    );
}

/** "label!=a=b" is "label!" and "a=b". */
function splitFilter(text: string, keys: FilterKeys<never>) {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw new TspodError("usage", `Invalid filter "${text}": it has no value`, {
      next: `write KEY=VALUE; keys are ${Object.keys(keys).join(", ")}`,
    });
  }
  const isNegated = text[equals - 1] === "!";
  const name = text.slice(0, isNegated ? equals - 1 : equals).toLowerCase();
  return { name, value: text.slice(equals + 1), isNegated };
}

function unknownKey(name: string, keys: FilterKeys<never>): never {
  const names = Object.keys(keys);
  const near = nearest(name, names);
  throw new TspodError("usage", `Unknown filter "${name}"`, {
    next: near === undefined ? `use ${names.join(", ")}` : `did you mean "${near}"?`,
  });
}

/** A value that is one of a few words. */
export function wordFilter<T>(
  name: string,
  words: readonly string[],
  of: (thing: T) => string,
): FilterKey<T> {
  return {
    parse: (value) => {
      if (words.includes(value)) return (thing) => of(thing) === value;
      throw invalidValue(name, value, `use one of: ${words.join(", ")}`);
    },
  };
}

/** `label=KEY` or `label=KEY=VALUE`. */
export function labelFilter<T>(of: (thing: T) => Readonly<Record<string, string>>): FilterKey<T> {
  return {
    needsEvery: true,
    parse: (value) => {
      const equals = value.indexOf("=");
      const key = equals < 0 ? value : value.slice(0, equals);
      const wanted = equals < 0 ? null : value.slice(equals + 1);
      return (thing) => {
        const labels = of(thing);
        return Object.hasOwn(labels, key) && (wanted === null || labels[key] === wanted);
      };
    },
  };
}

/** A regular expression found anywhere, as docker and podman do with names. */
export function patternFilter<T>(name: string, of: (thing: T) => readonly string[]): FilterKey<T> {
  return {
    parse: (value) => {
      const pattern = compile(name, value);
      return (thing) => of(thing).some((text) => pattern.test(text));
    },
  };
}

function compile(name: string, value: string): RegExp {
  try {
    return new RegExp(value, "u");
  } catch (cause) {
    const [, why = ""] = /: ([^:]*)$/.exec((cause as Error).message) ?? [];
    throw new TspodError("usage", `Invalid filter "${name}=${value}": ${why}`, {
      next: "it is a regular expression: escape what is not meant as one with \\",
      cause,
    });
  }
}

export function invalidValue(name: string, value: string, next: string): TspodError {
  return new TspodError("usage", `Invalid filter "${name}=${value}"`, { next });
}
