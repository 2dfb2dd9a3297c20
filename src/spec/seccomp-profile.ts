/**
 * A user's seccomp profile: OCI's form (runtime-spec config-linux.md "Seccomp"), or that of Docker's and Podman's files,
 * whose rules count only with some capability, architecture or kernel. Pure.
 */
import { TspodError } from "../errors.ts";
import type { Seccomp, SeccompRule } from "../oci/runtime-spec.ts";

/** What decides which rules of a profile count. */
export interface ProfileCircumstances {
  /** The bounding set. */
  capabilities: readonly string[];
  /** As node spells it: "x64", "arm64". */
  architecture: string;
  /** "6.1.0-18-amd64" */
  kernel: string;
}

interface Filter {
  caps?: string[] | null;
  arches?: string[] | null;
  minKernel?: string;
}

type Rule = Partial<SeccompRule> & {
  name?: string;
  comment?: string;
  includes?: Filter | null;
  excludes?: Filter | null;
};

interface Profile extends Partial<Omit<Seccomp, "syscalls">> {
  archMap?: { architecture: string; subArchitectures?: string[] | null }[] | null;
  syscalls?: Rule[] | null;
}

/** Go's name, which Docker's files use, and OCI's. */
const architectures: Record<string, { go: string; oci: string }> = {
  x64: { go: "amd64", oci: "SCMP_ARCH_X86_64" },
  arm64: { go: "arm64", oci: "SCMP_ARCH_AARCH64" },
};

/** The profile as config.json has it. `name` is for errors. Throws usage. */
export function seccompFromProfile(
  { name, text }: { name: string; text: string },
  circumstances: ProfileCircumstances,
): Seccomp {
  const profile = parseProfile(name, text);
  const { archMap, syscalls, ...rest } = profile;
  const own = architectures[circumstances.architecture];
  const mapped = archMap?.find(({ architecture }) => architecture === own?.oci);
  return {
    ...rest,
    defaultAction: profile.defaultAction ?? "",
    ...(mapped === undefined
      ? {}
      : { architectures: [mapped.architecture, ...(mapped.subArchitectures ?? [])] }),
    syscalls: (syscalls ?? [])
      .filter((rule) => counts(rule, { ...circumstances, architecture: own?.go ?? "" }))
      .map((rule) => plainRule(rule)),
  };
}

function parseProfile(name: string, text: string): Profile {
  const invalid = (why: string): TspodError =>
    new TspodError("usage", `Cannot use the seccomp profile "${name}": ${why}`, {
      next: "give a file such as Docker's or Podman's default profile, or seccomp=unconfined",
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`it is no JSON (${(error as Error).message})`);
  }
  if (!isObject(parsed)) throw invalid("it is no object");
  const profile = parsed as Profile; // its parts are looked at below, and once more by the helper
  if (typeof profile.defaultAction !== "string") throw invalid("it has no defaultAction");
  if (!isListOrNothing(profile.syscalls)) throw invalid("its syscalls are no list");
  if (!isListOrNothing(profile.archMap)) throw invalid("its archMap is no list");
  if (profile.architectures?.length && profile.archMap?.length) {
    throw invalid("it has both architectures and archMap");
  }
  for (const rule of profile.syscalls ?? []) {
    const hasName = typeof rule?.name === "string" || Array.isArray(rule?.names);
    if (!isObject(rule) || typeof rule.action !== "string" || !hasName) {
      throw invalid(`${JSON.stringify(rule)} is no rule: it needs names and an action`);
    }
  }
  return profile;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOrNothing(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value);
}

function counts({ includes, excludes }: Rule, circumstances: ProfileCircumstances): boolean {
  const { capabilities, architecture, kernel } = circumstances;
  const has = (capability: string): boolean => capabilities.includes(capability);
  const isNewEnough = ({ minKernel }: Filter): boolean =>
    minKernel === undefined || isAtLeast(kernel, minKernel);
  if (excludes?.caps?.some(has)) return false;
  if (excludes?.arches?.includes(architecture)) return false;
  if (excludes?.minKernel !== undefined && isNewEnough(excludes)) return false;
  if (includes?.caps?.length && !includes.caps.every(has)) return false;
  if (includes?.arches?.length && !includes.arches.includes(architecture)) return false;
  return includes === undefined || includes === null || isNewEnough(includes);
}

/** "6.1.0-18-amd64" is at least "4.8". */
function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Only what OCI knows; an errno or arguments of null are as good as none. */
function plainRule({ name, names, action = "", errnoRet, args }: Rule): SeccompRule {
  return {
    names: names?.length ? names : name === undefined ? [] : [name],
    action,
    ...(typeof errnoRet === "number" ? { errnoRet } : {}),
    ...(args?.length ? { args } : {}),
  };
}
