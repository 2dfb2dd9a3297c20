/** Lets a container stand still, and go on. It is the kernel that knows whether one does: nothing is recorded. */
import { TspodError } from "../errors.ts";
import { setFrozen } from "../host/index.ts";
import { isFrozen } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { type Container, notRunning } from "./find.ts";

type Context = Pick<ContainerContext, "paths" | "now">;

/** Errors: container.not_running, container.paused (already), host.no_cgroup. */
export async function pauseContainer(context: Context, container: Container): Promise<void> {
  const group = groupOf(container, "pause");
  if (isFrozen(group)) {
    throw new TspodError("container.paused", `Container "${container.name}" is paused already`, {
      next: `let it go on: tspod unpause ${container.name}`,
    });
  }
  const outcome = await setFrozen(group, "frozen");
  if (outcome === "gone") throw notRunning(container.name);
  if (outcome === "busy") {
    throw new TspodError(
      "container.running",
      `Cannot pause "${container.name}": a process of it waits in the kernel, for a disk or a network`,
      { next: "it runs on as before; try again" },
    );
  }
  recordContainerEvent(context, "pause", container);
}

/** Errors: container.not_running (or not paused), host.no_cgroup. */
export async function unpauseContainer(context: Context, container: Container): Promise<void> {
  const group = groupOf(container, "unpause");
  if (!isFrozen(group)) {
    throw new TspodError("container.not_paused", `Container "${container.name}" is not paused`, {
      next: "tspod ps shows what is",
    });
  }
  if ((await setFrozen(group, "thawed")) === "gone") throw notRunning(container.name);
  recordContainerEvent(context, "unpause", container);
}

/** A signal reaches one that stands still only when it goes on; SIGKILL alone does not wait. */
export async function thaw({ state }: Container): Promise<void> {
  if (state.status === "running" && isFrozen(state.cgroup)) await setFrozen(state.cgroup, "thawed");
}

function groupOf({ name, state }: Container, verb: string): string {
  if (state.status !== "running") throw notRunning(name);
  if (state.cgroup !== "") return state.cgroup;
  throw new TspodError("host.no_cgroup", `Cannot ${verb} "${name}": it has no cgroup`, {
    next: "tspod info says who makes cgroups here; start it again where somebody does, without --cgroups=disabled",
  });
}
