/** The config.json that a rule starts from, small enough to be read, and how a rule changes it. */
import { bundleConfig, defaultMounts, type Mount } from "../helper/runtime-bundle.ts";
import { type Column, mapping } from "./runtimes.ts";

/** Values of any kind: rules are also about wrong ones. */
export interface Config {
  process: Record<string, unknown>;
  root: Record<string, unknown>;
  mounts: Mount[];
  linux: Record<string, unknown>;
  [key: string]: unknown;
}

/** process, root and linux are laid over the base's, mounts come after its mounts, all else replaces. */
export interface Change {
  process?: Record<string, unknown>;
  root?: Record<string, unknown>;
  mounts?: (Mount & Record<string, unknown>)[];
  linux?: Record<string, unknown>;
  [key: string]: unknown;
}

/** What crun 1.8.1 understands as well: nothing that is newer says so in its version. */
const ociVersion = "1.0.2";

/** Without mqueue and cgroup, which few rules are about. */
const mounts = defaultMounts.filter(({ type }) => type !== "mqueue" && type !== "cgroup");

export const namespaces = ["pid", "mount", "uts", "ipc", "network", "cgroup"].map((type) => ({
  type,
}));

/** With these types left out. */
export function namespacesBut(...left: string[]): { type: string }[] {
  return namespaces.filter(({ type }) => !left.includes(type));
}

export function changedConfig(column: Column, root: string, change: Change): Config {
  const base = bundleConfig(["true"], root, { mapping }) as Config; // its fields are these
  const isOwn = column.isOrdinary ? [{ type: "user" }] : [];
  const linux: Record<string, unknown> = {
    ...(column.isOrdinary ? { uidMappings: mapping.uid, gidMappings: mapping.gid } : {}),
    namespaces,
    ...change.linux,
  };
  linux.namespaces = [...isOwn, ...(linux.namespaces as object[])]; // every rule that says something says a list
  return {
    ...{ ...base, ociVersion, ...change },
    process: { ...base.process, ...change.process },
    root: { ...base.root, ...change.root },
    mounts: Array.isArray(change.mounts ?? [])
      ? [...mounts, ...(change.mounts ?? [])]
      : change.mounts!,
    linux,
  };
}
