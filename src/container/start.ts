/** Starts what create has made: one spawn, then events. */
import { existsSync } from "node:fs";
import { TspodError } from "../errors.ts";
import {
  type Attach,
  type HelperConfig,
  type RunningHelper,
  startHelper,
  type StreamName,
} from "../helper/index.ts";
import { type CreateOptions, defaultDetails, networkUses } from "../spec/index.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { containerDirectory, type ContainerRecord, isUp, readState } from "../store/containers.ts";
import { storeRoot } from "../store/paths.ts";
import { listOwnAnonymous } from "../store/volumes.ts";
import type { ContainerContext } from "./context.ts";
import { claimContainer } from "./claim.ts";
import { readContainerFile } from "./files.ts";
import { refreshJoined, refreshRoot } from "./joined.ts";
import { portsOf } from "./asked.ts";
import { placeSecrets } from "./secrets.ts";

/**
 * Start a container that somebody has made before, once nobody else is at it. `attach` null: detached. Errors:
 * container.running, container.not_running (of one whose namespaces it shares), container.not_found (it was removed); the
 * helper's come with the promises of what is returned.
 */
export async function startContainer(
  context: ContainerContext,
  record: ContainerRecord,
  attach: Attach | null,
): Promise<RunningHelper> {
  if ((record.options as CreateOptions).requires !== undefined) {
    await (await import("./requires.ts")).startRequired(context, record);
  }
  const lease = await claimContainer(context, record, { patient: true });
  // the monitor of one with --rm takes the files when it ends; the row goes with the next command
  if (lease === null || !existsSync(containerDirectory(context.paths, record.id))) {
    lease?.[Symbol.dispose]();
    throw new TspodError("container.not_found", `Container "${record.name}" has been removed`, {
      next: "tspod ps -a lists those that are left",
    });
  }
  const release = (): void => lease[Symbol.dispose]();
  try {
    if (mayHaveNetworks(context, record)) {
      const { refreshNetworks } = await import("./networks.ts");
      refreshNetworks(context, record);
    }
    await refreshRoot(context, record);
    const helper = startOwn(context, record, attach);
    // from then on its state says so
    helper.started.then(release, release);
    return helper;
  } catch (error) {
    release();
    throw error;
  }
}

/** By its row, or by a command that was killed before that said so. */
function mayHaveNetworks(context: ContainerContext, { id, options }: ContainerRecord): boolean {
  const { network } = options as CreateOptions; // create recorded it
  if (networkUses(network) !== null) return true;
  if (network !== "private") return false;
  return readContainerFile<HelperConfig>(context, id, "helper.json").networks !== undefined;
}

/** The same for a container that the caller has just made, to which nobody else has a right. `passed`: descriptors that the program gets. */
export function startOwn(
  context: ContainerContext,
  record: ContainerRecord,
  attach: Attach | null,
  passed: readonly number[] = [],
  muted: readonly StreamName[] = [],
): RunningHelper {
  if (isUp(readState(context.paths, record.id))) {
    throw new TspodError("container.running", `Container "${record.name}" is running already`, {
      next: `stay with it: tspod attach ${record.name}, or stop it first: tspod stop ${record.name}`,
    });
  }
  const joined = refreshJoined(context, record);
  placeSecrets(context, record);
  const directory = containerDirectory(context.paths, record.id);
  const path = `${directory}/helper.json`;
  const helper = readContainerFile<HelperConfig>(context, record.id, "helper.json");
  const { attach: before, joined: _, afterEnd: old, ...rest } = helper;
  const isPassed = rest.log.driver === "passthrough"; // then standard input is the container's to read
  const { name } = record;
  const network = withPortsOf(record, rest.network);
  const { removesImage = false, image } = record.options as CreateOptions; // create recorded it
  const doomed = removesImage ? image : null;
  // otherwise the caller does it; of the image also one who may leave
  const after = attach === null || doomed !== null ? afterEnd(context, record, doomed) : undefined;
  const isSame =
    network === rest.network && helper.name === name && old === undefined && after === undefined;
  if (attach !== null || before !== undefined || !isSame || joined !== null) {
    const client = isPassed && attach !== null ? { ...attach, stdin: false } : attach;
    const next: HelperConfig = {
      ...{ ...rest, name },
      ...(network === undefined ? {} : { network }),
      ...(client === null ? {} : { attach: client }),
      ...(joined === null ? {} : { joined }),
      ...(after === undefined ? {} : { afterEnd: after }),
    };
    writeFileAtomic(path, JSON.stringify(next));
  }
  const running = startHelper({
    command: context.helper,
    args: ["run", directory],
    foreground: attach !== null || isPassed,
    passed,
    muted,
    onWarning: (_, detail) => context.warn(detail),
  });
  return withPidFiles(context, record, withPorts(context, record, running));
}

/** What the command needs to find the same store. */
const storeVariables = [
  "HOME",
  "PATH",
  "TSPOD_ROOT",
  "XDG_DATA_HOME",
  "XDG_RUNTIME_DIR",
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
];

/**
 * Anonymous volumes go with a container with --rm when nobody is watching, too: any command of ours takes them. So does one
 * that takes the image, which is left where somebody else has use for it.
 */
function afterEnd(
  context: ContainerContext,
  record: ContainerRecord,
  doomedImage: string | null,
): HelperConfig["afterEnd"] {
  const { database, environment } = context;
  const hasVolumes = record.autoRemove && listOwnAnonymous(database, record.id).length > 0;
  if (!hasVolumes && doomedImage === null) return undefined;
  const program = environment.TSPOD_EXECUTABLE ?? process.execPath;
  const env = storeVariables.flatMap((name) => {
    const value = name === "TSPOD_ROOT" ? storeRoot(environment) : environment[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const exists = ["container", "exists", record.id];
  return { args: [program, ...(doomedImage === null ? exists : ["rmi", doomedImage])], env };
}

/** The row says what is published: a command that was killed may have written one of the two only. */
function withPortsOf(
  record: ContainerRecord,
  network: HelperConfig["network"],
): HelperConfig["network"] {
  const ports = portsOf(record);
  if (network === undefined || Bun.deepEquals(network.ports, ports)) return network;
  return { ...network, ports };
}

/** Where a port is in use by another container, the user is told which. */
function withPorts(
  context: ContainerContext,
  record: ContainerRecord,
  running: RunningHelper,
): RunningHelper {
  const ports = portsOf(record);
  if (ports.length === 0) return running;
  const explain = async (error: unknown): Promise<never> => {
    throw (await import("./port-holder.ts")).withHolder(context, record.id, ports, error);
  };
  const [started, ended] = [running.started.catch(explain), running.ended.catch(explain)];
  for (const promise of [started, ended]) promise.catch(() => undefined); // seen by who awaits it
  return { ...running, started, ended };
}

/** Written before anybody is told that it runs. */
function withPidFiles(
  { paths }: ContainerContext,
  { id, options }: ContainerRecord,
  running: RunningHelper,
): RunningHelper {
  const { pidFile, monitorPidFile } = (options as CreateOptions).details ?? defaultDetails; // create recorded it
  if (pidFile === null && monitorPidFile === null) return running;
  const started = running.started.then((what) => {
    if (pidFile !== null) writeFileAtomic(pidFile, String(what.pid), { mode: 0o644 });
    if (monitorPidFile === null) return what;
    const state = readState(paths, id);
    if ("monitorPid" in state) {
      writeFileAtomic(monitorPidFile, String(state.monitorPid), { mode: 0o644 });
    }
    return what;
  });
  started.catch(() => undefined); // seen by who awaits it
  return { ...running, started };
}
