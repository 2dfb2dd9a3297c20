/** Another restart policy for a container that is there: its monitor goes by it at once, and every later one. */
import {
  control,
  type ControlRequest,
  type HelperConfig,
  type RestartRule,
} from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { type CreateOptions, defaultLife } from "../spec/index.ts";
import { isUp, runtimeDirectory, updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";

/** Errors: usage (what its end removes, or what has its caller's streams, cannot be started again), container.not_found. */
export async function updateRestart(
  context: ContainerContext,
  container: Container,
  rule: RestartRule,
): Promise<void> {
  if (container.autoRemove && /^(always|unless-stopped)$/.test(rule.policy)) {
    throw new TspodError(
      "usage",
      `Cannot have "${container.name}" restarted: it is removed when it ends (--rm)`,
      { next: "run it again without --rm" },
    );
  }
  if (rule.policy !== "no") await askFirst(context, container, { op: "policy", ...rule });
  const work = (): void => {
    const options = getContainer(context, container.id).options as CreateOptions; // create recorded it
    const life = { ...defaultLife, ...options.life, restart: rule };
    updateOptions(context.database, container.id, { ...options, life });
    const { restart: _, ...helper } = readContainerFile<HelperConfig>(
      context,
      container.id,
      "helper.json",
    );
    const next = { ...helper, ...(rule.policy === "no" ? {} : { restart: rule }) };
    writeContainerFile(context, container.id, "helper.json", JSON.stringify(next));
  };
  transact(context.database, work, { durable: true });
  if (isUp(container.state)) {
    await control(runtimeDirectory(context.paths, container.id), { op: "policy", ...rule });
  }
  recordContainerEvent(context, "update", container, { restart: rule.policy });
}

/** Whether its monitor can do that: where the streams are its caller's own, a second run has none. Throws usage. */
export async function askFirst(
  context: ContainerContext,
  { id, name, state, autoRemove }: Container,
  request: ControlRequest,
): Promise<void> {
  if (!autoRemove || !isUp(state)) return; // only of `run --rm` (zig/src/passthrough.zig)
  const reply = await control(runtimeDirectory(context.paths, id), request);
  if (reply?.ok !== false || reply.errno !== "EOPNOTSUPP") return;
  const why = "its output goes straight to whoever ran it";
  throw new TspodError("usage", `Cannot have "${name}" restarted: ${why}`, {
    next: "run it with -d, or without --rm",
  });
}
