/** The words of --secret. */
import { posix } from "node:path";
import { TspodError } from "../../errors.ts";
import type { SecretUse } from "../../spec/index.ts";
import { csvFields } from "./csv.ts";

const keys = ["source", "src", "type", "target", "uid", "gid", "mode"];
const fileMode = 0o444;

/** Throws usage. */
export function parseSecret(text: string): SecretUse {
  const fail = (why: string): TspodError =>
    new TspodError("usage", `Invalid --secret "${text}": ${why}`, {
      next: "use NAME, or e.g. NAME,target=password,uid=1000,mode=0400, or NAME,type=env,target=TOKEN",
    });
  const values = new Map<string, string>();
  for (const [index, field] of csvFields(text, fail).entries()) {
    const equals = field.indexOf("=");
    const isName = equals < 0 && index === 0;
    const key = isName ? "source" : field.slice(0, Math.max(0, equals));
    if (!keys.includes(key)) throw fail(`"${field}" is not known`);
    const spelled = key === "src" ? "source" : key;
    if (values.has(spelled)) throw fail(`"${spelled}" is given twice`);
    values.set(spelled, isName ? field : field.slice(equals + 1));
  }
  const name = values.get("source") ?? "";
  if (name === "") throw fail("it has no name");
  const type = values.get("type") ?? "mount";
  const target = values.get("target") ?? name;
  if (type === "env") return variable(name, target, values, fail);
  if (type !== "mount") throw fail(`type is mount or env, not "${type}"`);
  return {
    ...{ name, type: "mount", target: path(target, fail) },
    ...{ uid: number(values, "uid", fail), gid: number(values, "gid", fail) },
    mode: modeOf(values.get("mode"), fail),
  };
}

type Fail = (why: string) => TspodError;

function variable(
  name: string,
  target: string,
  values: ReadonlyMap<string, string>,
  fail: Fail,
): SecretUse {
  const odd = ["uid", "gid", "mode"].find((key) => values.has(key));
  if (odd !== undefined) throw fail(`a variable has no ${odd}`);
  if (target === "" || /[=\0\s]/.test(target)) throw fail(`"${target}" is no name of a variable`);
  return { name, type: "env", target };
}

/** Relative to /run/secrets, or absolute; it does not climb. */
function path(target: string, fail: Fail): string {
  const clean = posix.normalize(target);
  const isBad = clean === "." || clean === "/" || clean.endsWith("/") || clean.includes("\0");
  if (isBad || clean === ".." || clean.startsWith("../")) throw fail(`"${target}" is no file`);
  return clean;
}

const idMax = 2 ** 32 - 2;

function number(values: ReadonlyMap<string, string>, key: string, fail: Fail): number {
  const text = values.get(key) ?? "0";
  if (/^\d+$/.test(text) && Number(text) <= idMax) return Number(text);
  throw fail(`"${text}" is no ${key}`);
}

function modeOf(text: string | undefined, fail: Fail): number {
  if (text === undefined) return fileMode;
  if (/^0?[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw fail(`"${text}" is no octal mode`);
}
