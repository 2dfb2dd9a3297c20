/** --filter of volume ls and prune (docker volume ls and podman volume ls, "Filtering"). Filters of one key: any; of several: all. */
import { TspodError } from "../../errors.ts";
import { parseDuration } from "../../lib/duration.ts";
import { getVolume, type Volume } from "../../volume/index.ts";
import type { CliContext } from "../command.ts";

type Matcher = (volume: Volume) => boolean;

const keys = [
  "name",
  "label",
  "label!",
  "driver",
  "dangling",
  "since",
  "after",
  "until",
  "opt",
  "scope",
  "anonymous",
];

/** Throws usage, volume.not_found (since). */
export function volumeFilter(context: CliContext, texts: readonly string[]): Matcher {
  const byKey = Map.groupBy(texts.map(splitFilter), ([key]) => key);
  const groups = [...byKey].map(([key, filters]) => {
    const matchers = filters.map(([, wanted]) => matcherOf(context, key, wanted));
    // labels narrow each other down, as docker has it
    return key.startsWith("label")
      ? (volume: Volume) => matchers.every((matches) => matches(volume))
      : (volume: Volume) => matchers.some((matches) => matches(volume));
  });
  return (volume) => groups.every((matches) => matches(volume));
}

function splitFilter(text: string): [string, string] {
  const [, key = "", wanted] = /^([a-z]+!?)=(.*)$/s.exec(text) ?? [];
  if (wanted !== undefined && keys.includes(key)) return [key, wanted];
  throw new TspodError("usage", `Invalid filter "${text}"`, {
    next: `use KEY=VALUE with one of: ${keys.join(", ")}`,
  });
}

function matcherOf(context: CliContext, key: string, wanted: string): Matcher {
  switch (key) {
    case "name": {
      const pattern = regularExpression(wanted);
      return ({ name }) => pattern.test(name);
    }
    case "label":
      return ({ labels }) => hasPair(labels, wanted);
    case "label!":
      return ({ labels }) => !hasPair(labels, wanted);
    case "opt":
      return ({ options }) => hasPair(options, wanted);
    case "driver":
    case "scope":
      return () => wanted === "local";
    case "dangling": {
      const isDangling = parseBoolean(key, wanted);
      return ({ useCount }) => (useCount === 0) === isDangling;
    }
    case "anonymous": {
      const isAnonymous = parseBoolean(key, wanted);
      return (volume) => volume.isAnonymous === isAnonymous;
    }
    case "until": {
      const until = instant(wanted, Date.parse(context.now()));
      return ({ createdAt }) => Date.parse(createdAt) < until;
    }
    default: {
      const { createdAt } = getVolume(context, wanted);
      return (volume) => volume.createdAt > createdAt;
    }
  }
}

/** podman's: a regular expression, which a plain part of a name is too. */
function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new TspodError("usage", `Invalid filter "name=${text}": no regular expression`, {
      next: "give a part of the name",
      cause,
    });
  }
}

function hasPair(pairs: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  if (equals < 0) return Object.hasOwn(pairs, wanted);
  const key = wanted.slice(0, equals);
  return Object.hasOwn(pairs, key) && pairs[key] === wanted.slice(equals + 1);
}

function parseBoolean(key: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new TspodError("usage", `Invalid filter "${key}=${text}"`, { next: "use true or false" });
}

/** RFC 3339, seconds since 1970, or a span of time before now. */
function instant(text: string, nowMs: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const time = /^\d{4}-/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? nowMs - parseDuration(text, "until") : time;
}
