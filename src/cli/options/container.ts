/** The flags of run and create, and how they become CreateOptions. What can be refused without the disk is, here. */
import { TspodError } from "../../errors.ts";
import { parseContainerName } from "../../container/index.ts";
import { findRuntime } from "../../host/index.ts";
import { type CreateOptions, parseSignal } from "../../spec/index.ts";
import { boolean, type FlagValues, list, value } from "../flags.ts";
import { resolveEnvironment } from "./environment.ts";
import { parseLabels } from "./labels.ts";
import { detailFlags, detailOptions } from "./details.ts";
import { lifeFlags, lifeOptions } from "./life.ts";
import { limitFlags, limitOptions } from "./limits.ts";
import { mountFlags, mountOptions } from "./mounts.ts";
import { networkFlags, networkOptions } from "./network.ts";
import { namespaceFlags, namespaceOptions } from "./namespaces.ts";
import { accessFlagNames, accessFlags } from "./registry.ts";
import { parsePlatformFlags } from "./platform.ts";
import { parseSeconds } from "./seconds.ts";
import { secretFlags, secretOptions } from "./secrets.ts";
import { securityFlags, securityOptions } from "./security.ts";
import { setupFlags, setupOptions } from "./setup.ts";

export const pullPolicies = ["missing", "always", "never", "newer"] as const;

const runtimeNames = ["tspod", "crun", "runc"] as const;

export const containerFlags = {
  interactive: boolean("-i,--interactive", "Keep standard input open"),
  tty: boolean("-t,--tty", "Give the container a terminal"),
  rm: boolean("--rm", "Remove the container when it ends"),
  name: value("--name", "NAME", "Name it; otherwise a pleasant one is found"),
  env: list("-e,--env", "KEY[=VALUE]", "Set a variable; without a value it is taken from here"),
  envFile: list("--env-file", "FILE", "Read variables from a file, one KEY=VALUE a line", "file"),
  workdir: value("-w,--workdir", "DIRECTORY", "Working directory in the container"),
  user: value("-u,--user", "NAME|UID[:GROUP|GID]", "Run as this user of the image"),
  entrypoint: value("--entrypoint", "COMMAND", 'Replace the image\'s entrypoint; "" removes it'),
  hostname: value("-h,--hostname", "NAME", "The container's host name"),
  readOnly: boolean("--read-only", "Mount the image read-only; /run, /tmp and /var/tmp in memory"),
  label: list("-l,--label", "KEY=VALUE", "Attach a label"),
  ...networkFlags,
  init: boolean("--init", "Run a tiny init as process 1, which reaps and forwards signals"),
  runtime: value(
    "--runtime",
    "NAME|PATH",
    "Have another OCI runtime make the container: crun, runc; tspod is our own",
    runtimeNames,
  ),
  pull: value(
    "--pull",
    "POLICY",
    "When to ask the registry: missing, always, never, newer",
    pullPolicies,
  ),
  rootfs: boolean("--rootfs", "In IMAGE's place is a directory of this host: DIRECTORY[:O]"),
  platform: value("--platform", "OS/ARCH", "Platform of the image", ["linux/amd64", "linux/arm64"]),
  cidfile: value("--cidfile", "FILE", "Write the container's id to a file", "file"),
  stopSignal: value("--stop-signal", "SIGNAL", "Signal that asks it to stop", "signal"),
  stopTimeout: value("--stop-timeout", "SECONDS", "Patience of stop before it kills"),
  ...mountFlags,
  ...secretFlags,
  ...securityFlags,
  ...limitFlags,
  ...namespaceFlags,
  ...setupFlags,
  ...lifeFlags,
  ...detailFlags,
  requires: list(
    "--requires",
    "CONTAINER[,CONTAINER...]",
    "Containers that it needs: started before it, in this order",
    "container",
  ),
  disableContentTrust: boolean("--disable-content-trust", "For docker's scripts: changes nothing"),
  isolation: value("--isolation", "KIND", "For docker's scripts: default", ["default"]),
  seccompPolicy: value("--seccomp-policy", "POLICY", "For podman's scripts: default", ["default"]),
  replace: boolean("--replace", "Instead of a container of that name, which is removed"),
  quiet: boolean("-q,--quiet", "Show nothing of a pull"),
  arch: value("--arch", "ARCH", "Architecture of the image, as in arm64"),
  os: value("--os", "OS", "Operating system of the image", ["linux"]),
  variant: value("--variant", "VARIANT", "Variant of the architecture, as in v7"),
  ...accessFlags,
} as const;

export type ContainerFlags = FlagValues<typeof containerFlags>;

const stopTimeoutSecondsDefault = 10;

/** Errors: usage, volume.invalid, volume.source_missing, runtime.not_found. */
export async function createOptions(
  flags: ContainerFlags,
  args: readonly string[],
  environment: Record<string, string | undefined>,
): Promise<CreateOptions> {
  const [image = "", ...command] = args;
  const namespaces = await namespaceOptions(flags);
  const options: CreateOptions = {
    image,
    ...(flags.rootfs ? { rootfs: (await import("./rootfs.ts")).parseRootfs(image) } : {}),
    command,
    entrypoint: parseEntrypoint(flags.entrypoint),
    name: flags.name === null ? null : parseContainerName(flags.name),
    environment: resolveEnvironment(flags.envFile, flags.env, environment),
    labels: await labelsOf(flags),
    workdir: flags.workdir,
    user: flags.user,
    hostname: flags.hostname === null ? null : parseHostname(flags.hostname),
    isReadOnly: flags.readOnly,
    interactive: flags.interactive,
    tty: flags.tty,
    init: flags.init,
    runtime: flags.runtime === null ? null : findRuntime(flags.runtime, environment.PATH),
    autoRemove: flags.rm,
    stopSignal: flags.stopSignal === null ? null : parseSignal(flags.stopSignal),
    stopTimeoutMs: parseSeconds("--stop-timeout", flags.stopTimeout, stopTimeoutSecondsDefault),
    ...(flags.requires.length === 0 ? {} : { requires: splitList("--requires", flags.requires) }),
    ...(await mountOptions(flags)),
    ...(await secretOptions(flags)),
    ...(await securityOptions(flags)),
    ...(await limitOptions(flags)),
    ...namespaces,
    ...(await networkOptions(flags, namespaces)),
    ...(await setupOptions(flags)),
    ...(await lifeOptions(flags)),
    ...(await detailOptions(flags, environment)),
  };
  requireUsual(flags);
  if (options.runtime !== null) refuseForForeign(options, options.runtime.name);
  return options;
}

/** Of what there is one kind here. Throws usage. */
function requireUsual({ isolation, seccompPolicy }: ContainerFlags): void {
  if (isolation !== null && isolation !== "default" && isolation !== "") {
    throw new TspodError("usage", `Invalid --isolation "${isolation}": it is for Windows`, {
      next: "leave it away, or use default",
    });
  }
  if (seccompPolicy === null || seccompPolicy === "default") return;
  throw new TspodError("usage", `Invalid --seccomp-policy "${seccompPolicy}"`, {
    next: "use default; an image cannot choose its own, --security-opt seccomp=FILE does",
  });
}

/** "a,b" and twice the flag are the same. */
function splitList(flag: string, texts: readonly string[]): string[] {
  const words = texts.flatMap((text) => text.split(","));
  if (!words.includes("")) return words;
  throw new TspodError("usage", `Invalid ${flag} "${texts.join(",")}"`, {
    next: "name containers, with nothing but a comma between them",
  });
}

/** What config.json has no word for, another runtime cannot do: it would show more, or less, than was asked for. */
function refuseForForeign({ mounts }: CreateOptions, runtime: string): void {
  const hasPart = mounts.some((mount) => "subpath" in mount && mount.subpath !== undefined);
  if (!hasPart) return;
  throw new TspodError(
    "usage",
    `Cannot give a part of a volume or an image to a container of ${runtime}`,
    { next: "leave --runtime away: tspod's own can" },
  );
}

type EnsureFlags = Pick<
  ContainerFlags,
  "pull" | "platform" | "arch" | "os" | "variant" | "replace" | "name" | keyof typeof accessFlags
>;

/** What comes before the container is there: its image, and who has its name. */
export async function parseEnsure(flags: EnsureFlags) {
  const platform = parsePlatformFlags(flags);
  if (flags.replace && flags.name === null) {
    throw new TspodError("usage", "--replace needs --name: without it nobody is in the way", {
      next: "name the container",
    });
  }
  return {
    ...(flags.pull === null ? {} : { pull: oneOf("--pull", flags.pull, pullPolicies) }),
    ...(platform === null ? {} : { platform }),
    ...(flags.replace ? { replaces: true } : {}),
    ...(saysAccess(flags) ? { access: await readAccess(flags) } : {}),
  };
}

function saysAccess(flags: EnsureFlags): boolean {
  return accessFlagNames.some((name) => flags[name] !== null);
}

async function readAccess(flags: EnsureFlags) {
  return (await import("./registry-values.ts")).registryAccess(flags);
}

/** Files first, so that a flag wins. */
async function labelsOf({ label, labelFile }: ContainerFlags): Promise<Record<string, string>> {
  if (labelFile.length === 0) return parseLabels(label);
  const { readLabelFile } = await import("./label-file.ts");
  return parseLabels([...labelFile.flatMap(readLabelFile), ...label]);
}

/** podman accepts a JSON array too. */
function parseEntrypoint(text: string | null): string[] | null {
  if (text === null) return null;
  if (text === "") return [];
  if (!text.startsWith("[")) return [text];
  try {
    const words: unknown = JSON.parse(text);
    if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words;
  } catch {
    // not JSON after all: a program may be called that
  }
  return [text];
}

/** hostname(7) and RFC 1123; the kernel takes 64 bytes. */
function parseHostname(text: string): string {
  if (/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$/.test(text)) return text;
  throw new TspodError("usage", `Invalid host name "${text}"`, {
    next: "use up to 64 letters, digits, '-' and '.', not '-' at an end",
  });
}

function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === text);
  if (found !== undefined) return found;
  throw new TspodError("usage", `Invalid ${flag} "${text}"`, {
    next: `use one of: ${allowed.join(", ")}`,
  });
}
