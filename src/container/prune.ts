/** Removes what nobody needs any more: containers that have ended. */
import { TspodError } from "../errors.ts";
import { recordEvent } from "../store/events.ts";
import { isUp } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { pruneFilter } from "./filters.ts";
import { listContainers } from "./find.ts";
import { removeContainer } from "./remove.ts";
import { containerSize } from "./sizes.ts";

export interface Pruned {
  /** Whole ids. */
  ids: string[];
  reclaimedBytes: number;
}

/** Those created before now that do not run; one that is started meanwhile, mounted or needed by another stays. Throws usage. */
export async function pruneContainers(
  context: ContainerContext,
  filters: readonly string[] = [],
): Promise<Pruned> {
  const matches = pruneFilter(filters);
  const pruned: Pruned = { ids: [], reclaimedBytes: 0 };
  const doomed = listContainers(context).filter(
    (container) => !isUp(container.state) && matches(container),
  );
  for (const container of doomed) {
    const { writableBytes } = containerSize(context, container);
    try {
      await removeContainer(context, container, { force: false, isImpatient: true });
    } catch (error) {
      if (error instanceof TspodError && stays.includes(error.code)) continue;
      throw error;
    }
    pruned.ids.push(container.id);
    pruned.reclaimedBytes += writableBytes;
  }
  const attributes = { reclaimed: String(pruned.reclaimedBytes) };
  recordEvent(context, { type: "container", status: "prune", attributes });
  return pruned;
}

const stays = [
  ...["container.running", "container.mounted"],
  ...["container.has_dependants", "container.not_found"],
];
