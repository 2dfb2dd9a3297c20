/** Stop and start again; what does not run is started. */
import { TspodError } from "../errors.ts";
import { isUp } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { type Container, getContainer, notRunning } from "./find.ts";
import { recordContainerEvent } from "./events.ts";
import { startContainer } from "./start.ts";
import { askToEnd, stopContainer, type StopOptions } from "./stop.ts";

/** Errors: those of start, and container.running for one that cannot be started a second time. */
export async function restartContainer(
  context: ContainerContext,
  container: Container,
  options: StopOptions = {},
): Promise<void> {
  const isRunning = isUp(container.state);
  if (isRunning && container.autoRemove) return restartInPlace(context, container, options);
  if (isRunning) await stopContainer(context, container, options);
  if (!(await startIfEnded(context, container.id))) return;
  recordContainerEvent(context, "restart", container);
}

/** False: another command was faster, which is what was asked for: it runs, and has begun since. */
async function startIfEnded(context: ContainerContext, id: string): Promise<boolean> {
  try {
    await (
      await startContainer(context, getContainer(context, id), null)
    ).started;
    return true;
  } catch (error) {
    if (error instanceof TspodError && error.code === "container.running") return false;
    throw error;
  }
}

/** Its end would remove it (--rm): only its monitor can have it end and go on. */
async function restartInPlace(
  context: ContainerContext,
  container: Container,
  options: StopOptions,
): Promise<void> {
  const reply = await askToEnd(context, container, "restart", options);
  if (reply?.ok === true) return;
  if (reply?.errno !== "EOPNOTSUPP") {
    throw notRunning(
      container.name,
      "it has ended meanwhile, and was removed (--rm): run it again",
    );
  }
  throw new TspodError(
    "container.running",
    `Cannot restart "${container.name}": the pipes of the command that runs it are its own`,
    { next: "stop it and run it again; with --name, or -d, it can be restarted" },
  );
}
