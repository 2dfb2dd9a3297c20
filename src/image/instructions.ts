/**
 * Dockerfile instructions that change an image's config (docker commit --change, podman import --change). Pure.
 * The config is the `config` object of an image config as JSON: what is not spoken of stays as it is.
 * Source: Dockerfile reference; image-spec config.md.
 */
import { TspodError } from "../errors.ts";
import { parseDuration } from "../lib/duration.ts";
import type { JsonObject } from "../oci/narrow.ts";

/** A new config. `text` is "ENV A=b" or, as podman also takes it, "ENV=A=b". Throws usage. */
export function applyInstruction(config: JsonObject, text: string): JsonObject {
  const [, name = "", rest = ""] = /^\s*([A-Za-z]+)(?:\s+|=)([\s\S]*)$/.exec(text) ?? [];
  const word = name.toUpperCase();
  const apply = Object.hasOwn(instructions, word) ? instructions[word] : undefined;
  if (apply === undefined) {
    throw new TspodError(
      "usage",
      `Invalid --change "${text}": it is no instruction that can be here`,
      {
        next: `use one of: ${Object.keys(instructions).join(", ")}`,
      },
    );
  }
  const value = rest.trim();
  if (value === "") throw wrong(text, `${word} needs a value`);
  return { ...config, ...apply(config, value, text) };
}

type Apply = (config: JsonObject, value: string, text: string) => JsonObject;

const instructions: Readonly<Record<string, Apply>> = {
  CMD: (_, value) => ({ Cmd: command(value) }),
  ENTRYPOINT: (_, value) => ({ Entrypoint: command(value) }),
  ENV: (config, value, text) => ({ Env: withVariables(config.Env, pairs(value, text)) }),
  EXPOSE: (config, value, text) => ({
    ExposedPorts: withKeys(
      config.ExposedPorts,
      words(value, text).flatMap((port) => ports(port, text)),
    ),
  }),
  LABEL: (config, value, text) => ({
    Labels: { ...(config.Labels as object | null), ...Object.fromEntries(pairs(value, text)) },
  }),
  ONBUILD: (config, value) => ({ OnBuild: [...stringsOf(config.OnBuild), value] }),
  STOPSIGNAL: (_, value) => ({ StopSignal: value }),
  USER: (_, value) => ({ User: value }),
  VOLUME: (config, value, text) => ({
    Volumes: withKeys(config.Volumes, jsonList(value) ?? words(value, text)),
  }),
  WORKDIR: (config, value) => ({ WorkingDir: directory(String(config.WorkingDir ?? "/"), value) }),
  HEALTHCHECK: (_, value, text) => ({ Healthcheck: healthcheck(value, text) }),
};

function wrong(text: string, why: string): TspodError {
  return new TspodError("usage", `Invalid --change "${text}": ${why}`, {
    next: "write it as in a Dockerfile, e.g. --change 'ENV A=b' or --change 'CMD [\"sh\"]'",
  });
}

/** A JSON array is the command, anything else is for a shell. */
function command(value: string): string[] {
  return jsonList(value) ?? ["/bin/sh", "-c", value];
}

function jsonList(value: string): string[] | undefined {
  if (!value.startsWith("[")) return undefined;
  try {
    const list: unknown = JSON.parse(value);
    if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
  } catch {
    // a shell may understand it
  }
  return undefined;
}

/** Split at blanks; quotes and backslashes are those of a shell. */
function words(value: string, text: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < value.length; i++) {
    const character = value[i] ?? "";
    if (quote === "" && /\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else if (quote === "" && (character === '"' || character === "'")) {
      quote = character;
      word ??= "";
    } else if (character === quote) quote = "";
    else if (character === "\\" && quote !== "'") word = (word ?? "") + (value[++i] ?? "");
    else word = (word ?? "") + character;
  }
  if (quote !== "") throw wrong(text, `${quote} is not closed`);
  return word === undefined ? found : [...found, word];
}

/** "A=b C=d", or the old way: "A all the rest". */
function pairs(value: string, text: string): [string, string][] {
  const split = words(value, text);
  const [first = ""] = split;
  if (!first.includes("=")) {
    const [, name = "", rest] = /^(\S+)\s+([\s\S]+)$/.exec(value) ?? [];
    if (rest === undefined) throw wrong(text, `"${first}" has no value`);
    return [[name, rest]];
  }
  return split.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 1) throw wrong(text, `"${word}" is no NAME=VALUE`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function withVariables(old: unknown, added: [string, string][]): string[] {
  const byName = new Map(stringsOf(old).map((entry) => [entry.split("=", 1).join(), entry]));
  for (const [name, value] of added) byName.set(name, `${name}=${value}`);
  return [...byName.values()];
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function withKeys(old: unknown, names: readonly string[]): JsonObject {
  return { ...(old as object | null), ...Object.fromEntries(names.map((name) => [name, {}])) };
}

/** "80", "80/udp", "8000-8002". */
function ports(port: string, text: string): string[] {
  const [, from = "", to = from, protocol = "tcp"] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(port) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === "" || first < 1 || last > 65_535 || first > last) {
    throw wrong(text, `"${port}" is no port`);
  }
  return Array.from(
    { length: last - first + 1 },
    (_, i) => `${first + i}/${protocol.toLowerCase()}`,
  );
}

function directory(before: string, value: string): string {
  if (value.startsWith("/")) return value;
  return `${before === "" ? "/" : before}/${value}`.replaceAll(/\/+/g, "/");
}

const nanosecondsPerMillisecond = 1_000_000;

/** `NONE`, or `[--interval=30s] [--timeout=..] [--start-period=..] [--retries=3] CMD ...`. */
function healthcheck(value: string, text: string): JsonObject {
  if (value.toUpperCase() === "NONE") return { Test: ["NONE"] };
  const [, options = "", test = ""] = /^((?:--\S+\s+)*)CMD\s+([\s\S]+)$/i.exec(value) ?? [];
  if (test === "") throw wrong(text, "HEALTHCHECK is NONE, or CMD and a command");
  const list = jsonList(test);
  const check: JsonObject = {
    Test: list === undefined ? ["CMD-SHELL", test] : ["CMD", ...list],
  };
  for (const option of options.split(/\s+/).filter(Boolean)) {
    const [, name = "", setting = ""] = /^--([a-z-]+)=(.+)$/.exec(option) ?? [];
    const field = times[name];
    if (field !== undefined) check[field] = durationNs(setting);
    else if (name === "retries" && /^\d+$/.test(setting)) check.Retries = Number(setting);
    else throw wrong(text, `"${option}" is no option of HEALTHCHECK`);
  }
  return check;
}

const times: Readonly<Record<string, string>> = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
};

function durationNs(setting: string): number {
  return parseDuration(setting, "HEALTHCHECK time") * nanosecondsPerMillisecond;
}
