/** Asks a container's monitor to signal, stop or wait. */
import { control, type ControlReply, type ControlRequest } from "../helper/index.ts";
import { isUp, runtimeDirectory } from "../store/containers.ts";
import type { HelperSettings } from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import { type Container, notRunning, type Store } from "./find.ts";
import { thaw } from "./pause.ts";

/** Send one signal. Errors: container.not_running. */
export async function killContainer(
  context: Store,
  container: Container,
  signal: number,
): Promise<void> {
  await ask(context, container, { op: "signal", signal });
  if (signal === sigkill) return; // which reaches also what stands still
  const helper = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  // docker: what is paused stays so, unless it is asked to end
  if (signal === helper.stopSignal) await thaw(container);
}

export interface StopOptions {
  /** Until SIGKILL; the container's own when absent. */
  timeoutMs?: number;
  /** The container's own when absent. */
  signal?: number;
}

export const sigkill = 9;

/** Stop signal, patience, SIGKILL; resolves when it has ended. Stopping what is stopped is success. */
export async function stopContainer(
  context: Store,
  container: Container,
  options: StopOptions = {},
): Promise<void> {
  if (isUp(container.state)) await askToEnd(context, container, "stop", options);
}

/** `restart`: and to begin anew. Null: no monitor answered. */
export async function askToEnd(
  context: Store,
  container: Container,
  op: "stop" | "restart",
  options: StopOptions,
): Promise<ControlReply | null> {
  const helper = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  const timeoutMs = options.timeoutMs ?? helper.stopTimeoutMs;
  const signal = timeoutMs === 0 ? sigkill : (options.signal ?? helper.stopSignal);
  const request: ControlRequest = { op, signal, timeoutMs };
  const ended = control(runtimeDirectory(context.paths, container.id), request);
  if (signal !== sigkill) await thaw(container);
  return ended;
}

/** The exit code, once it has ended. Null: no monitor answered. */
export async function waitContainer(
  context: Store,
  id: string,
  signal?: AbortSignal,
): Promise<number | null> {
  const reply = await control(runtimeDirectory(context.paths, id), { op: "wait" }, signal);
  return reply?.ok === true ? (reply.exitCode ?? null) : null;
}

async function ask(
  context: Pick<ContainerContext, "paths">,
  container: Container,
  request: ControlRequest,
): Promise<ControlReply> {
  const reply = isUp(container.state)
    ? await control(runtimeDirectory(context.paths, container.id), request)
    : null;
  if (reply?.ok) return reply;
  throw notRunning(container.name);
}
