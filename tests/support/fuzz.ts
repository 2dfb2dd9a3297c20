/** Seeded nonsense: a run can be repeated by its number, and nothing depends on luck. */

export interface Chance {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
}

/** mulberry32: small, and good enough to be wrong in many ways. */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return {
    below,
    pick: (list) => {
      const item = list[below(list.length)];
      if (item === undefined) throw new RangeError("nothing to pick from");
      return item;
    },
  };
}

/** `text` with a few characters taken away, doubled, replaced or put in. */
export function mutate(text: string, { below, pick }: Chance): string {
  const alphabet = [..."\0\n\t \"'\\{}[]:,/@.-_=%+0129azAZ", "é", "\u202e", "𝄞", "null", "1e999"];
  let result = text;
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(result.length + 1);
    const length = below(4);
    const put = pick(["", result.slice(at, at + length).repeat(2), pick(alphabet), pick(alphabet)]);
    result = result.slice(0, at) + put + result.slice(at + length);
  }
  return result;
}

/** A JSON value with one member, somewhere, replaced by another kind of thing. */
export function mutateJson(value: unknown, random: Chance): unknown {
  const nonsense: unknown[] = [null, true, -1, 1.5, 1e300, "", "x", [], {}, [[]], { a: 1 }];
  if (typeof value !== "object" || value === null || random.below(4) === 0) {
    return random.pick([...nonsense, value]) ?? null;
  }
  const copy = structuredClone(value) as Record<string, unknown>; // an object or an array: members by key
  const keys = Object.keys(copy);
  if (keys.length === 0) return random.pick(nonsense) ?? null;
  const key = random.pick(keys);
  if (random.below(5) === 0) delete copy[key];
  else copy[key] = mutateJson(copy[key], random);
  return copy;
}
