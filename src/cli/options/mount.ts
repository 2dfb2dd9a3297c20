/** --mount type=bind|volume|tmpfs|image|devpts|ramfs|glob,KEY=VALUE... (docker run, podman run, "--mount"). */
import { basename, resolve } from "node:path";
import { TspodError } from "../../errors.ts";
import { nearest } from "../../lib/nearest.ts";
import { parseSize } from "../../lib/size.ts";
import type { VolumeMount } from "../../spec/index.ts";
import { parseVolumeName } from "../../store/volumes.ts";
import { requireLocalDriver } from "../volume/driver.ts";
import { csvFields } from "./csv.ts";
import { parseDestination, parseWords, type Words } from "./mount-words.ts";
import { bindMount, tmpfsOptions, volumeMount } from "./volume.ts";

type Fail = (why: string) => TspodError;

/** Keys with one meaning and several spellings. */
const spellings: Record<string, string> = {
  ...{ src: "source", from: "source", dst: "destination", target: "destination" },
  ...{ readonly: "ro", chown: "U", relabel: "relabel", propagation: "bind-propagation" },
  ...{ subpath: "volume-subpath", "image-subpath": "volume-subpath", nocopy: "volume-nocopy" },
  ...{ readwrite: "rw", size: "tmpfs-size", mode: "tmpfs-mode" },
};

const propagations = "private rprivate shared rshared slave rslave unbindable runbindable";
const shared =
  "type source destination ro rw U relabel consistency idmap suid nosuid dev nodev exec noexec bind-propagation z Z";
const memory = "type destination ro rw tmpfs-size tmpfs-mode suid nosuid dev nodev exec noexec";

const keysOf: Readonly<Record<string, string[]>> = Object.fromEntries(
  Object.entries({
    bind: `${shared} bind-nonrecursive bind-recursive O upperdir workdir bind rbind ${propagations}`,
    volume: `${shared} volume-nocopy volume-label volume-driver volume-opt volume-subpath`,
    tmpfs: `${memory} U tmpcopyup notmpcopyup consistency`,
    image: "type source destination ro rw volume-subpath",
    devpts: "type destination uid gid tmpfs-mode max",
    ramfs: memory,
    glob: `${shared} bind-nonrecursive bind rbind ${propagations}`,
  }).map(([type, words]) => [type, words.split(" ")]),
);

/** Keys that may stand without a value, or with true and false. */
const switches = new Set(
  `ro rw U idmap suid nosuid dev nodev exec noexec volume-nocopy bind-nonrecursive O bind rbind z Z tmpcopyup notmpcopyup ${propagations}`.split(
    " ",
  ),
);
const repeatable = new Set(["volume-label", "volume-opt"]);

type Values = Map<string, string[]>;

/** One mount; of a glob as many as there are matches. Throws usage, volume.*. */
export function parseMount(text: string): VolumeMount[] {
  const fail: Fail = (why) =>
    new TspodError("volume.invalid", `Invalid --mount "${text}": ${why}`, {
      next: "use e.g. --mount type=bind,source=/host/path,destination=/path,ro",
    });
  const values = parseFields(csvFields(text, fail), fail);
  const type = values.get("type")?.[0] ?? "volume"; // docker's default
  refuseUnknown(type, values, fail);
  switch (type) {
    case "bind":
      return [bindOf(values, required(values, "source", fail), destinationOf(values, fail), fail)];
    case "glob":
      return globOf(values, fail);
    case "volume":
      return [volumeOf(values, fail)];
    case "image":
      return [imageOf(values, fail)];
    default:
      return [memoryOf(type as "tmpfs" | "ramfs" | "devpts", values, fail)]; // keysOf has no other
  }
}

function parseFields(fields: readonly string[], fail: Fail): Values {
  const values: Values = new Map();
  for (const field of fields) {
    const equals = field.indexOf("=");
    const spelled = equals < 0 ? field : field.slice(0, equals);
    const key = spellings[spelled] ?? spelled;
    if (equals < 0 && !switches.has(key)) throw fail(`"${field}" needs a value`);
    const value = equals < 0 ? "true" : field.slice(equals + 1);
    if (switches.has(key)) {
      const isOn = parseSwitch(key, value, fail);
      // docker's and podman's "ro=false" is rw, "rw=false" is ro
      const meant = isOn || (key !== "ro" && key !== "rw") ? key : key === "ro" ? "rw" : "ro";
      if (isOn || meant !== key) values.set(meant, ["true"]);
      continue;
    }
    const before = values.get(key) ?? [];
    if (before.length > 0 && !repeatable.has(key)) throw fail(`"${spelled}" is given twice`);
    values.set(key, [...before, value]);
  }
  return values;
}

function parseSwitch(key: string, value: string, fail: Fail): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw fail(`"${key}" is true or false, not "${value}"`);
}

function refuseUnknown(type: string, values: Values, fail: Fail): void {
  const keys = keysOf[type];
  if (keys === undefined || !Object.hasOwn(keysOf, type)) {
    const why = type === "npipe" ? "npipe is for Windows" : `there is no type "${type}"`;
    throw fail(`${why}; there are ${Object.keys(keysOf).join(", ")}`);
  }
  for (const key of values.keys()) {
    if (keys.includes(key)) continue;
    const near = nearest(key, keys);
    const hint = near === undefined ? "" : `; did you mean "${near}"?`;
    throw fail(`"${key}" is not for type=${type}${hint}`);
  }
}

function required(values: Values, key: string, fail: Fail): string {
  const value = values.get(key)?.[0] ?? "";
  if (value === "") throw fail(`it has no ${key}`);
  return value;
}

function destinationOf(values: Values, fail: Fail): string {
  return parseDestination(required(values, "destination", fail), fail);
}

/** As -v would have them. */
function wordsOf(values: Values, fail: Fail): Words {
  const words = [...values.keys()].filter(
    (key) => switches.has(key) && !/^(volume|bind-)/.test(key),
  );
  const one = (key: string): string | undefined => values.get(key)?.[0];
  const propagation = one("bind-propagation");
  if (propagation !== undefined) words.push(propagation);
  const relabel = one("relabel");
  if (relabel !== undefined && relabel !== "shared" && relabel !== "private") {
    throw fail(`relabel is shared or private, not "${relabel}"`);
  }
  const consistency = one("consistency");
  if (consistency !== undefined && consistency !== "default") words.push(consistency);
  if (values.has("bind-nonrecursive")) words.push("bind");
  words.push(...recursion(one("bind-recursive"), fail));
  for (const key of ["upperdir", "workdir"]) {
    if (values.has(key)) words.push(`${key}=${one(key)}`);
  }
  if (values.has("volume-nocopy")) words.push("nocopy");
  return parseWords([...new Set(words)], fail);
}

/** docker: what of the mounts below is shown, and how. */
function recursion(text: string | undefined, fail: Fail): string[] {
  if (text === undefined || text === "enabled" || text === "writable") return [];
  if (text === "disabled") return ["bind"];
  if (text === "readonly") return ["rro"];
  throw fail(`bind-recursive is enabled, disabled, writable or readonly, not "${text}"`);
}

function bindOf(values: Values, source: string, destination: string, fail: Fail): VolumeMount {
  const words = wordsOf(values, fail);
  // "rro" alone says all of it
  const options = words.options.filter((word) => word !== "ro" || !words.options.includes("rro"));
  return bindMount(resolve(source), destination, { ...words, options }, fail);
}

/** Every match under its own name in the destination; without one where it is on the host. */
function globOf(values: Values, fail: Fail): VolumeMount[] {
  const pattern = resolve(required(values, "source", fail));
  const directory = values.get("destination")?.[0];
  const matches = [
    ...new Bun.Glob(pattern.slice(1)).scanSync({
      cwd: "/",
      absolute: true,
      onlyFiles: false,
      dot: true,
    }),
  ].toSorted();
  if (matches.length === 0) throw fail(`nothing matches ${pattern}`);
  return matches.map((path) => {
    const place = directory === undefined ? path : `${directory}/${basename(path)}`;
    return bindOf(values, path, parseDestination(place, fail), fail);
  });
}

function volumeOf(values: Values, fail: Fail): VolumeMount {
  const name = values.get("source")?.[0] ?? "";
  if (/^[./~]/.test(name)) throw fail(`"${name}" is a path: use type=bind for it`);
  requireLocalDriver(values.get("volume-driver")?.[0] ?? "local");
  const mount = volumeMount(
    name === "" ? "" : parseVolumeName(name),
    destinationOf(values, fail),
    wordsOf(values, fail),
    fail,
  );
  const subpath = parseSubpath(values, fail);
  const labels = pairs(values, "volume-label");
  const driverOptions = pairs(values, "volume-opt");
  return {
    ...mount,
    ...(subpath === undefined ? {} : { subpath }),
    ...(labels === undefined ? {} : { labels }),
    ...(driverOptions === undefined ? {} : { driverOptions }),
  };
}

function pairs(values: Values, key: string): Record<string, string> | undefined {
  const texts = values.get(key);
  if (texts === undefined) return undefined;
  return Object.fromEntries(
    texts.map((text): [string, string] => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

/** Relative, and it does not climb; where its links lead is seen when it is mounted. */
function parseSubpath(values: Values, fail: Fail): string | undefined {
  const text = values.get("volume-subpath")?.[0];
  if (text === undefined) return undefined;
  const parts = text.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0) throw fail("the subpath is empty");
  if (parts.includes("..")) throw fail(`the subpath "${text}" leads out of it`);
  return parts.join("/");
}

function imageOf(values: Values, fail: Fail): VolumeMount {
  if (values.has("ro") && values.has("rw")) throw fail('"ro" and "rw" contradict each other');
  const subpath = parseSubpath(values, fail);
  return {
    kind: "image",
    source: required(values, "source", fail),
    destination: destinationOf(values, fail),
    isWritable: values.has("rw"),
    options: [],
    ...(subpath === undefined ? {} : { subpath }),
  };
}

function memoryOf(kind: "tmpfs" | "ramfs" | "devpts", values: Values, fail: Fail): VolumeMount {
  const destination = destinationOf(values, fail);
  const mode = values.get("tmpfs-mode")?.[0];
  if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode)) throw fail(`"${mode}" is no octal mode`);
  const size = values.get("tmpfs-size")?.[0];
  const data = [
    ...(mode === undefined ? [] : [`mode=${mode}`]),
    ...(size === undefined ? [] : [`size=${parseTmpfsSize(size, fail)}`]),
    ...["uid", "gid", "max"].flatMap((key) => {
      const id = values.get(key)?.[0];
      if (id !== undefined && !/^\d+$/.test(id)) throw fail(`"${id}" is no ${key}`);
      return id === undefined ? [] : [`${key}=${id}`];
    }),
  ];
  if (kind === "devpts") return { kind, destination, options: data };
  const { options } = wordsOf(
    new Map([...values].filter(([key]) => !/^(tmp|notmp|U$)/.test(key))),
    fail,
  );
  const copies = values.has("tmpcopyup") ? ["tmpcopyup"] : [];
  if (kind === "ramfs") return { kind, destination, options: [...data, ...options] };
  return { kind, destination, options: tmpfsOptions([...data, ...options, ...copies]) };
}

function parseTmpfsSize(text: string, fail: Fail): string {
  if (/^\d+%$/.test(text)) return text;
  try {
    return `${parseSize(text, "tmpfs-size")}`;
  } catch {
    throw fail(`"${text}" is no size`);
  }
}
