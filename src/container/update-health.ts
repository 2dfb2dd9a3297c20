/** Another health check for a container that is there, or none: its monitor goes by it at once, and every later one. */
import { rmSync } from "node:fs";
import { control, type HelperConfig } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  changeHealth,
  type CreateOptions,
  defaultLife,
  type HealthChange,
  healthCommand,
  healthExec,
  startupCommand,
} from "../spec/index.ts";
import { containerDirectory, isUp, runtimeDirectory, updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";
import { askFirst } from "./update-restart.ts";

/** Errors: container.no_healthcheck (nothing to change), usage (it cannot be restarted), container.not_found. */
export async function updateHealth(
  context: ContainerContext,
  container: Container,
  change: HealthChange,
): Promise<void> {
  const { id, name } = container;
  const isNew = change.test !== null;
  if (change.onFailure === "restart" || (change.startup?.retries ?? 0) > 0) {
    const { health } = readContainerFile<HelperConfig>(context, id, "helper.json");
    const { health: check } = changeHealth(null, health, change);
    await askFirst(context, container, { op: "check", check, isNew: false });
  }
  const work = () => {
    const options = getContainer(context, id).options as CreateOptions; // create recorded it
    const { health: current, ...helper } = readContainerFile<HelperConfig>(
      context,
      id,
      "helper.json",
    );
    if (current === undefined && !isNew) throw nothingToChange(name);
    if (change.startup?.test === null && current?.startup === undefined) throw noStartup(name);
    const { asked, health } = changeHealth(options.life?.health ?? null, current, change);
    const life = { ...defaultLife, ...options.life, health: asked };
    const command = isNew ? healthCommand(life, undefined) : null;
    const check = isNew && command === null ? null : health;
    updateOptions(context.database, id, { ...options, life });
    const commands = { "health-exec.json": command, "startup-exec.json": startupCommand(change) };
    for (const file of ["health-exec.json", "startup-exec.json"] as const) {
      const words = commands[file];
      if (words === null) continue;
      const { process } = readContainerFile<RuntimeSpec>(context, id, "config.json");
      writeContainerFile(context, id, file, JSON.stringify(healthExec(words, process, helper)));
    }
    const next = { ...helper, ...(check === null ? {} : { health: check }) };
    writeContainerFile(context, id, "helper.json", JSON.stringify(next));
    return check;
  };
  const check = transact(context.database, work, { durable: true });
  if (isUp(container.state)) {
    await control(runtimeDirectory(context.paths, id), { op: "check", check, isNew });
  } else if (isNew) {
    rmSync(`${containerDirectory(context.paths, id)}/health.json`, { force: true });
  }
  recordContainerEvent(context, "update", container);
}

function noStartup(name: string): TspodError {
  return new TspodError("container.no_healthcheck", `Container "${name}" has no startup check`, {
    next: "give it one with --health-startup-cmd",
  });
}

function nothingToChange(name: string): TspodError {
  return new TspodError("container.no_healthcheck", `Container "${name}" has no health check`, {
    next: "give it one with --health-cmd",
  });
}
