/** Asks a container now how it is: its monitor does, and keeps the answer. */
import { TspodError } from "../errors.ts";
import { control } from "../helper/index.ts";
import { runtimeDirectory } from "../store/containers.ts";
import type { Container, Store } from "./find.ts";

/** How it is; "starting": its startup check has failed, which is no illness yet. Errors: container.not_running, container.paused, container.no_healthcheck. */
export async function checkHealth(
  context: Store,
  container: Container,
): Promise<"healthy" | "starting" | "unhealthy"> {
  const { name } = container;
  const reply =
    container.state.status === "running"
      ? await control(runtimeDirectory(context.paths, container.id), { op: "health" })
      : null;
  if (reply?.ok === true && reply.exitCode !== unasked) {
    return reply.exitCode === 0 ? "healthy" : reply.exitCode === notYet ? "starting" : "unhealthy";
  }
  if (reply?.ok === false && reply.errno === "ENOENT") {
    throw new TspodError("container.no_healthcheck", `Container "${name}" has no health check`, {
      next: `give it one: tspod update --health-cmd COMMAND ${name}`,
    });
  }
  if (reply?.ok === true) {
    throw new TspodError("container.paused", `Container "${name}" could not be asked how it is`, {
      next: `see whether it is paused: tspod ps --filter name=${name}`,
    });
  }
  throw new TspodError("container.not_running", `Container "${name}" is not running`, {
    next: `start it: tspod start ${name}`,
  });
}

/** The check's exit status when it could not ask, and that of a startup check (zig/src/monitor/health.zig). */
const unasked = 125;
const notYet = 2;
