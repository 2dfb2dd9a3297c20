/** Stays with a container that runs already. */
import { type Attach, type RunningHelper, startHelper } from "../helper/index.ts";
import type { CreateOptions } from "../spec/index.ts";
import { isFrozen, runtimeDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { type Container, notRunning, paused } from "./find.ts";

/** Errors: container.not_running; the helper's come with the promises it returns. */
export function attachContainer(
  context: ContainerContext,
  container: Container,
  attach: Attach,
): RunningHelper {
  if (container.state.status !== "running") {
    throw notRunning(container.name, `start it: tspod start -ai ${container.name}`);
  }
  if (isFrozen(container.state.cgroup)) throw paused(container.name);
  const { tty, interactive } = container.options as CreateOptions; // create recorded it
  return startHelper({
    command: context.helper,
    args: [
      "attach",
      runtimeDirectory(context.paths, container.id),
      ...(attach.stdin && interactive ? ["--stdin"] : []),
      ...(tty ? ["--terminal"] : []),
      ...(attach.sigProxy ? ["--sig-proxy"] : []),
      ...(attach.detachKeys.length > 0 ? ["--detach-keys", attach.detachKeys.join(",")] : []),
    ],
    foreground: true,
    onWarning: (_, detail) => context.warn(detail),
  });
}
