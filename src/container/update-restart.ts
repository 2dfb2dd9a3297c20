/** Another restart policy for a container that is there: its monitor goes by it at once, and every later one. */
import { control, type HelperConfig, type RestartRule } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { type CreateOptions, defaultLife } from "../spec/index.ts";
import { isUp, runtimeDirectory, updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";

/** Errors: usage (what its end removes cannot be started again), container.not_found. */
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
