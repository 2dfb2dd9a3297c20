/** Words for how a container is: what `ps` and `inspect` say, and what filters and `wait` ask for. */
import type { CreateOptions } from "../spec/index.ts";
import { type ContainerRecord, type ContainerState, isFrozen } from "../store/containers.ts";

export type ContainerStatus = "created" | "running" | "paused" | "restarting" | "exited";

interface Stateful {
  state: ContainerState;
}

/** Of one that runs, its cgroup is asked whether it is frozen. */
export function statusOf({ state }: Stateful): ContainerStatus {
  return state.status === "running" && isFrozen(state.cgroup) ? "paused" : state.status;
}

/** "none" where nobody asks it how it is, or where it does not run. */
export function healthOf({ state }: Stateful): string {
  return state.status === "running" ? (state.health ?? "none") : "none";
}

export function restartCountOf({ state }: Stateful): number {
  return state.status === "created" ? 0 : (state.restartCount ?? 0);
}

export function restartPolicyOf({ options }: Pick<ContainerRecord, "options">): string {
  return (options as CreateOptions).life?.restart.policy ?? "no"; // create recorded it
}
