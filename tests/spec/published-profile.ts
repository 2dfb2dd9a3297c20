/**
 * The default seccomp lists that podman and Docker publish, read as data from their Debian packages, and the verdict of
 * any profile on one call. Knows the lists' form (includes, excludes), nothing of what is right.
 */
import { existsSync, readFileSync } from "node:fs";
import type { Seccomp, SeccompRule } from "../../src/oci/runtime-spec.ts";
import type { Requirement } from "../support/requirements.ts";

export const published = {
  podman: {
    path: "/usr/share/containers/seccomp.json",
    debianPackage: "golang-github-containers-common",
  },
  docker: {
    path: "/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json",
    debianPackage: "golang-github-docker-docker-dev",
  },
} as const;

export type Publisher = keyof typeof published;

export function publishedList(publisher: Publisher): Requirement {
  const { path, debianPackage } = published[publisher];
  return () => (existsSync(path) ? undefined : `no ${path} (of ${debianPackage})`);
}

interface Filter {
  caps?: string[] | null;
  arches?: string[] | null;
  minKernel?: string;
}

interface PublishedRule extends Omit<SeccompRule, "args" | "errnoRet"> {
  args?: NonNullable<SeccompRule["args"]> | null;
  errnoRet?: number | null;
  includes?: Filter | null;
  excludes?: Filter | null;
}

export interface PublishedProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  syscalls: PublishedRule[];
}

export function readPublishedText(publisher: Publisher): string {
  return readFileSync(published[publisher].path, "utf8");
}

export function readPublished(publisher: Publisher): PublishedProfile {
  return JSON.parse(readPublishedText(publisher)) as PublishedProfile; // its package's form
}

export interface Circumstances {
  capabilities: readonly string[];
  /** As Go spells it: "amd64", "arm64". */
  architecture: string;
  /** "6.1" */
  kernel: string;
}

/** Which rules count: what an engine does before it hands the list to a runtime. */
export function select(profile: PublishedProfile, circumstances: Circumstances): Seccomp {
  const syscalls = profile.syscalls
    .filter(({ includes, excludes }) => {
      const { caps, arches, minKernel } = includes ?? {};
      const isIncluded =
        (caps ?? []).every((name) => circumstances.capabilities.includes(name)) &&
        (!arches?.length || arches.includes(circumstances.architecture)) &&
        (minKernel === undefined || isAtLeast(circumstances.kernel, minKernel));
      const isExcluded =
        (excludes?.caps ?? []).some((name) => circumstances.capabilities.includes(name)) ||
        (excludes?.arches ?? []).includes(circumstances.architecture);
      return isIncluded && !isExcluded;
    })
    .map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(typeof errnoRet === "number" ? { errnoRet } : {}),
      ...(args?.length ? { args } : {}),
    }));
  const { defaultAction, defaultErrnoRet = eperm } = profile;
  return { defaultAction, defaultErrnoRet, syscalls };
}

const eperm = 1; // libseccomp's default for SCMP_ACT_ERRNO

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** "allow", "errno 1"; "default" where no rule speaks, whatever the default is. */
export type Verdict = string;

/** An unconditional rule decides before those with conditions, as in libseccomp; of these the first that holds. */
export function judge(profile: Seccomp): (call: string, args: readonly bigint[]) => Verdict {
  const rulesOf = new Map<string, SeccompRule[]>();
  for (const rule of profile.syscalls) {
    for (const name of rule.names) rulesOf.set(name, [...(rulesOf.get(name) ?? []), rule]);
  }
  return (call, args) => {
    const rules = rulesOf.get(call) ?? [];
    const plain = rules.find((rule) => rule.args === undefined);
    const rule = plain ?? rules.find((candidate) => holds(candidate, args));
    if (rule === undefined) return "default";
    return rule.action === "SCMP_ACT_ALLOW" ? "allow" : `errno ${rule.errnoRet ?? eperm}`;
  };
}

function holds({ args = [] }: SeccompRule, values: readonly bigint[]): boolean {
  return args.every(({ index, value, valueTwo = 0, op }) => {
    const got = values[index] ?? 0n;
    switch (op) {
      case "SCMP_CMP_EQ":
        return got === BigInt(value);
      case "SCMP_CMP_NE":
        return got !== BigInt(value);
      case "SCMP_CMP_LT":
        return got < BigInt(value);
      case "SCMP_CMP_GT":
        return got > BigInt(value);
      case "SCMP_CMP_MASKED_EQ":
        return (got & BigInt(value)) === BigInt(valueTwo);
      default:
        throw new RangeError(`no such comparison: ${op}`);
    }
  });
}
