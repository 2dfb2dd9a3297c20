/** The image configuration (image-spec config.md): what to run and which layers it stands on. Docker's extras included. */
import { type Digest, parseDigest } from "./digest.ts";
import { layerCountMax } from "./manifest.ts";
import {
  asArray,
  asObject,
  asString,
  keySet,
  optionalArray,
  optionalObject,
  optionalString,
  parseJson,
  type JsonObject,
  type Place,
  stringList,
  stringMap,
  wrong,
} from "./narrow.ts";
import { normalise, type Platform } from "./platform.ts";

export interface ImageConfig {
  readonly platform: Platform;
  /** RFC 3339, or "" when the image does not say. */
  readonly created: string;
  readonly author: string;
  /** "", "1000", "nobody", "app:staff": looked up in the container's own passwd and group. */
  readonly user: string;
  /** "NAME=value". */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  /** "80/tcp". */
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** "SIGTERM", "9", or "" for the default. */
  readonly stopSignal: string;
  readonly shell: readonly string[];
  readonly onBuild: readonly string[];
  readonly healthcheck?: Healthcheck;
  /** Base first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
}

/** Docker's extension: durations in nanoseconds, 0 means inherit. */
export interface Healthcheck {
  readonly test: readonly string[];
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
}

export interface HistoryEntry {
  readonly created: string;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

/** Real ones are tens of kilobytes. */
export const imageConfigSizeBytesMax = 4 * 1024 * 1024;
const listCountMax = 10_000;

/** Throws image.invalid, digest.invalid. */
export function parseImageConfig(text: string, what: string): ImageConfig {
  const place: Place = `the config of ${what}`;
  const object = asObject(parseJson(text, place), place);
  const string = (name: string): string => optionalString(object[name], `${place}: ${name}`) ?? "";
  return {
    platform: normalise(string("os") || "linux", string("architecture"), string("variant")),
    created: string("created"),
    author: string("author"),
    ...parseExecution(optionalObject(object.config, `${place}: config`) ?? {}, `${place}: config`),
    diffIds: parseDiffIds(object, place),
    history: parseHistory(object.history, `${place}: history`),
  };
}

/** Its member "Labels", where that alone has been read. Throws image.invalid. */
export function parseLabels(text: string, what: string): ImageConfig["labels"] {
  const place: Place = `the config of ${what}: config`;
  return labelsOf(parseJson(text, place), place);
}

type Execution = Omit<ImageConfig, "platform" | "created" | "author" | "diffIds" | "history">;

function labelsOf(value: unknown, place: Place): Record<string, string> {
  return stringMap(value, `${place}.Labels`, listCountMax);
}

function parseExecution(object: JsonObject, place: Place): Execution {
  const string = (name: string): string => optionalString(object[name], `${place}.${name}`) ?? "";
  const list = (name: string): string[] =>
    stringList(object[name], `${place}.${name}`, listCountMax);
  const keys = (name: string): string[] => keySet(object[name], `${place}.${name}`, listCountMax);
  const healthcheck = optionalObject(object.Healthcheck, `${place}.Healthcheck`);
  return {
    user: string("User"),
    env: list("Env"),
    entrypoint: list("Entrypoint"),
    cmd: list("Cmd"),
    workingDir: string("WorkingDir"),
    exposedPorts: keys("ExposedPorts"),
    volumes: keys("Volumes"),
    labels: labelsOf(object.Labels, place),
    stopSignal: string("StopSignal"),
    shell: list("Shell"),
    onBuild: list("OnBuild"),
    ...(healthcheck === undefined
      ? {}
      : { healthcheck: parseHealthcheck(healthcheck, `${place}.Healthcheck`) }),
  };
}

function parseHealthcheck(object: JsonObject, place: Place): Healthcheck {
  const number = (name: string): number => {
    const value = object[name] ?? 0;
    if (typeof value !== "number" || value < 0) throw wrong(`${place}.${name}`, "a number");
    return value;
  };
  return {
    test: stringList(object.Test, `${place}.Test`, listCountMax),
    intervalNs: number("Interval"),
    timeoutNs: number("Timeout"),
    startPeriodNs: number("StartPeriod"),
    startIntervalNs: number("StartInterval"),
    retries: number("Retries"),
  };
}

function parseDiffIds(object: JsonObject, place: Place): Digest[] {
  const rootfs = asObject(object.rootfs, `${place}: rootfs`);
  if (optionalString(rootfs.type, `${place}: rootfs.type`) !== "layers") {
    throw wrong(`${place}: rootfs.type`, '"layers"');
  }
  const ids = asArray(rootfs.diff_ids ?? [], `${place}: rootfs.diff_ids`, layerCountMax);
  return ids.map((id, i) => parseDigest(asString(id, `${place}: rootfs.diff_ids[${i}]`)));
}

function parseHistory(value: unknown, place: Place): HistoryEntry[] {
  return (optionalArray(value, place, listCountMax) ?? []).map((item, i) => {
    const object = asObject(item, `${place}[${i}]`);
    const string = (name: string): string =>
      optionalString(object[name], `${place}[${i}].${name}`) ?? "";
    return {
      created: string("created"),
      createdBy: string("created_by"),
      author: string("author"),
      comment: string("comment"),
      emptyLayer: object.empty_layer === true,
    };
  });
}
