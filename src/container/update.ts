/** Other limits for a container that is there: at once when it runs, and with every start from now on. */
import { startHelper } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { formatRuntimeSpec } from "../oci/config-json.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import { type CreateOptions, type LimitOptions, linuxResources, noLimits } from "../spec/index.ts";
import { updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";

/**
 * What `asked` leaves open stays as it is. The kernel is asked first: what it refuses is not recorded either.
 * Errors: usage (a contradiction with what holds already), host.no_cgroup, container.not_found.
 */
export async function updateLimits(
  context: ContainerContext,
  container: Container,
  asked: LimitOptions,
): Promise<void> {
  const { name, state } = container;
  const resources = linuxResources(mergeLimits(limitsOf(container), asked));
  if (state.status === "running" && resources !== undefined) {
    if (state.cgroup === "") {
      throw new TspodError("host.no_cgroup", `Cannot limit "${name}": it has no cgroup`, {
        next: `tspod info says who makes cgroups here; one that does not run can be limited for its next start`,
      });
    }
    await startHelper({
      command: context.helper,
      args: ["update", state.cgroup, JSON.stringify(resources)],
      foreground: false,
      doing: `limit "${name}"`,
      onWarning: (_, detail) => context.warn(detail),
    }).ended;
  }
  const work = (): void => {
    // read again: somebody may have changed another limit meanwhile
    const current = getContainer(context, container.id);
    const limits = mergeLimits(limitsOf(current), asked);
    const config = readContainerFile<RuntimeSpec>(context, container.id, "config.json");
    const { devices } = config.linux.resources ?? {};
    const next = { ...linuxResources(limits), ...(devices === undefined ? {} : { devices }) };
    updateOptions(context.database, container.id, { ...(current.options as object), limits });
    const text = formatRuntimeSpec({ ...config, linux: { ...config.linux, resources: next } });
    writeContainerFile(context, container.id, "config.json", text);
  };
  transact(context.database, work, { durable: true });
  recordContainerEvent(context, "update", container);
}

function limitsOf({ options }: Container): LimitOptions {
  return (options as CreateOptions).limits ?? noLimits; // create recorded it
}

/** Pure. A limit that is asked for takes the place of what says the same in other words. */
export function mergeLimits(before: LimitOptions, asked: LimitOptions): LimitOptions {
  const given = Object.fromEntries(
    Object.entries(asked).filter(([, value]) => value !== null && !Array.isArray(value)),
  );
  const merged = { ...before, ...given } as LimitOptions; // of the same keys
  const isTime = asked.cpuQuota !== null || asked.cpuPeriod !== null;
  const byPath = <T extends { path: string; kind?: string }>(old: T[], now: T[]): T[] => {
    const isSaid = (one: T): boolean =>
      now.some(({ path, kind }) => path === one.path && kind === one.kind);
    return [...old.filter((one) => !isSaid(one)), ...now];
  };
  return {
    ...merged,
    ...(asked.nanoCpus !== null ? { cpuQuota: null, cpuPeriod: null } : {}),
    ...(isTime ? { nanoCpus: null } : {}),
    blkioWeightDevice: byPath(before.blkioWeightDevice, asked.blkioWeightDevice),
    throttle: byPath(before.throttle, asked.throttle),
    unified: { ...before.unified, ...asked.unified },
    // not what an update is about
    ...{ cgroups: before.cgroups, cgroupParent: before.cgroupParent, ignored: before.ignored },
  };
}
