/** The values of --cap-add, --cap-drop and --security-opt, as docker and podman read them. */
import { existsSync, readFileSync } from "node:fs";
import { TspodError } from "../../errors.ts";
import { nearest } from "../../lib/nearest.ts";
import {
  allCapabilities,
  defaultSecurity,
  everyCapability,
  type SeccompChoice,
  type SecurityOptions,
} from "../../spec/index.ts";
import type { SecurityFlags } from "./security.ts";

/** Throws usage. */
export function parseSecurity(flags: SecurityFlags): SecurityOptions {
  const capAdd = parseCapabilities("--cap-add", flags.capAdd);
  const capDrop = parseCapabilities("--cap-drop", flags.capDrop);
  const both = capAdd.find((name) => capDrop.includes(name));
  if (both !== undefined) {
    throw new TspodError("usage", `Cannot both add and drop the capability "${both}"`, {
      next: "leave away --cap-add or --cap-drop for it",
    });
  }
  const security: SecurityOptions = {
    ...defaultSecurity,
    ...{ isPrivileged: flags.privileged, capAdd, capDrop, securityOpt: flags.securityOpt },
  };
  return flags.securityOpt.reduce(applyOption, security);
}

/** "net_admin", "CAP_NET_ADMIN", "all"; several may be separated by commas. Sorted, each once. Throws usage. */
export function parseCapabilities(flag: string, words: readonly string[]): string[] {
  const names = words.flatMap((word) => word.split(",")).map((word) => parseCapability(flag, word));
  return [...new Set(names)].sort();
}

const prefix = "CAP_";

function parseCapability(flag: string, word: string): string {
  const upper = word.trim().toUpperCase();
  if (upper === "ALL" || upper === "CAP_ALL") return everyCapability;
  const name = upper.startsWith(prefix) ? upper : `${prefix}${upper}`;
  if (allCapabilities.includes(name)) return name;
  const near = nearest(
    name.slice(prefix.length),
    allCapabilities.map((known) => known.slice(prefix.length)),
  );
  throw new TspodError("usage", `Unknown capability "${word}" for ${flag}`, {
    next: near === undefined ? "capabilities(7) lists them" : `did you mean "${near}"?`,
  });
}

/** Docker once wrote "seccomp:unconfined"; a value itself may hold either sign. */
function applyOption(security: SecurityOptions, text: string): SecurityOptions {
  const [, name = "", value] = /^([^=:]*)(?:[=:](.*))?$/s.exec(text) ?? [];
  switch (name) {
    case "no-new-privileges":
      return { ...security, noNewPrivileges: parseTruth(text, value) };
    case "seccomp":
      return { ...security, seccomp: parseSeccomp(required(text, value)) };
    case "apparmor":
      return { ...security, apparmor: parseAppArmor(required(text, value)) };
    case "label":
      return { ...security, labels: [...security.labels, parseLabel(text, required(text, value))] };
    case "mask":
      return { ...security, mask: [...security.mask, ...parsePaths(text, required(text, value))] };
    case "unmask": {
      const isAll = required(text, value).toUpperCase() === "ALL";
      const paths = isAll ? ["ALL"] : parsePaths(text, required(text, value));
      return { ...security, unmask: [...security.unmask, ...paths] };
    }
    case "systempaths":
      if (value !== "unconfined") throw invalid(text, "it is systempaths=unconfined or nothing");
      return { ...security, unmask: [...security.unmask, "ALL"] };
    case "proc-opts": {
      const more = required(text, value).split(",");
      return { ...security, procOptions: [...security.procOptions, ...more] };
    }
  }
  const near = nearest(name, optionNames);
  throw invalid(
    text,
    near === undefined ? `use one of: ${optionNames.join(", ")}` : `did you mean "${near}"?`,
  );
}

const optionNames = [
  ...["no-new-privileges", "seccomp", "apparmor", "label", "mask", "unmask", "systempaths"],
  "proc-opts",
];

function invalid(text: string, next: string): TspodError {
  return new TspodError("usage", `Invalid --security-opt "${text}"`, { next });
}

function required(text: string, value: string | undefined): string {
  if (value !== undefined && value !== "") return value;
  throw invalid(text, `give it a value: ${text.replace(/[=:]?$/, "=")}...`);
}

function parseTruth(text: string, value: string | undefined): boolean {
  if (value === undefined || /^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw invalid(text, "it is true or false");
}

/** Profiles are some kilobytes. */
const profileBytesMax = 1024 * 1024;

function parseSeccomp(value: string): SeccompChoice {
  if (value === "unconfined") return { kind: "unconfined" };
  if (value === "default" || value === "builtin") return { kind: "default" };
  const cannot = (why: string, cause?: unknown): TspodError =>
    new TspodError("usage", `Cannot read the seccomp profile "${value}": ${why}`, {
      next: "give a file, unconfined, or default",
      cause,
    });
  let text: string;
  try {
    text = readFileSync(value, "utf8");
  } catch (cause) {
    throw cannot((cause as NodeJS.ErrnoException).code ?? "it failed", cause);
  }
  if (text.length > profileBytesMax) throw cannot("it is larger than 1 MiB");
  return { kind: "profile", name: value, text };
}

function parseAppArmor(value: string): string {
  if (value === "unconfined" || readOr("/sys/module/apparmor/parameters/enabled").startsWith("Y")) {
    return value;
  }
  throw new TspodError(
    "usage",
    `Cannot use the AppArmor profile "${value}": this kernel does not have AppArmor on`,
    { next: "leave it away: capabilities and seccomp confine the container all the same" },
  );
}

function parseLabel(text: string, value: string): string {
  if (value === "disable") return value;
  if (!/^(user|role|type|level|filetype):./.test(value)) {
    throw invalid(text, "it is label=disable, or label=user:, role:, type:, level: or filetype:");
  }
  if (existsSync("/sys/fs/selinux/enforce")) return value;
  throw new TspodError(
    "usage",
    `Cannot use the label "${value}": this kernel does not have SELinux on`,
    {
      next: "leave it away: capabilities and seccomp confine the container all the same",
    },
  );
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // not there: not this kernel
  }
}

function parsePaths(text: string, value: string): string[] {
  const paths = value.split(":");
  const wrong = paths.find((path) => !path.startsWith("/"));
  if (wrong === undefined) return paths;
  throw invalid(text, `"${wrong}" is not an absolute path in the container`);
}
