/**
 * Containers in the namespaces of another one. Which process that is, is known only while it runs, so config.json is
 * brought up to date with every start.
 */
import { TspodError } from "../errors.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { formatRuntimeSpec } from "../oci/config-json.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  type CreateOptions,
  isJoined,
  joinedContainer,
  namespaceList,
  sharedMemoryOf,
} from "../spec/index.ts";
import {
  containerDirectory,
  type ContainerRecord,
  findContainers,
  readState,
} from "../store/containers.ts";
import { namespacesOf } from "./asked.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import type { Container, Store } from "./find.ts";

/** The first process, 0 when it does not run. */
export function processOf({ state }: Pick<Container, "state">): number {
  return state.status === "running" ? state.pid : 0;
}

/** Nothing to do for most. Whose namespaces they are. Errors: container.not_running, container.not_found. */
export function refreshJoined(context: Store, record: ContainerRecord): JoinedProcess | null {
  const options = record.options as CreateOptions; // create recorded it
  const namespaces = namespacesOf(record);
  const id = joinedContainer(options);
  if (id === null) return null;
  const joined = joinedProcess(context, record, id);
  const { pid } = joined;
  const config = readContainerFile<RuntimeSpec>(context, record.id, "config.json");
  const mounts = config.mounts.map((mount) =>
    mount.destination === "/dev/shm" && isJoined(namespaces.ipc)
      ? { ...mount, source: sharedMemoryOf(pid) }
      : mount,
  );
  const linux = { ...config.linux, namespaces: namespaceList(options, pid) };
  const path = `${containerDirectory(context.paths, record.id)}/config.json`;
  writeFileAtomic(path, formatRuntimeSpec({ ...config, mounts, linux }));
  return joined;
}

/** Of one that maps ids otherwise: before its root file system is put together. Errors: those of ensureMappedLayers. */
export async function refreshRoot(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<void> {
  if (namespacesOf(record).userns === null) return;
  await (await import("./mapped-root.ts")).refreshMappedRoot(context, record);
}

/** By its start time no other of that number is taken for it. */
export interface JoinedProcess {
  pid: number;
  pidStart: number;
}

function joinedProcess(context: Store, { name }: ContainerRecord, id: string): JoinedProcess {
  const [target] = findContainers(context.database, id);
  if (target === undefined) {
    throw new TspodError(
      "container.not_found",
      `Cannot start "${name}": the container whose namespaces it shares is gone (${id.slice(0, 12)})`,
      { next: "create it again, in the namespaces of one that is there" },
    );
  }
  const state = readState(context.paths, id);
  if (state.status === "running") return { pid: state.pid, pidStart: state.pidStart };
  throw new TspodError(
    "container.not_running",
    `Cannot start "${name}": container "${target.name}", whose namespaces it shares, does not run`,
    { next: `start that first: tspod start ${target.name}` },
  );
}
