/** Stop and start again; what does not run is started. */
import { TspodError } from "../errors.ts";
import { isUp } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { type Container, getContainer } from "./find.ts";
import { recordContainerEvent } from "./events.ts";
import { startContainer } from "./start.ts";
import { stopContainer, type StopOptions } from "./stop.ts";

/** Errors: those of start, and container.running for one that its end would remove. */
export async function restartContainer(
  context: ContainerContext,
  container: Container,
  options: StopOptions = {},
): Promise<void> {
  const isRunning = isUp(container.state);
  if (isRunning && container.autoRemove) {
    throw new TspodError(
      "container.running",
      `Cannot restart "${container.name}": it is removed when it ends (--rm)`,
      { next: "run it again, without --rm when it is to be restarted" },
    );
  }
  if (isRunning) await stopContainer(context, container, options);
  const helper = await startContainer(context, getContainer(context, container.id), null);
  await helper.started;
  recordContainerEvent(context, "restart", container);
}
