/** Other variables for a container that is there: its next start has them, and whatever is run in it from now on. */
import { formatRuntimeSpec } from "../oci/config-json.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  type CreateOptions,
  defaultDetails,
  mergeEnvironment,
  withoutVariables,
} from "../spec/index.ts";
import { updateOptions } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";
import { recordContainerEvent } from "./events.ts";
import { hasContainerFile, readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";

/** What of an ExecConfig matters here. */
interface Check {
  process: { env: string[] };
}

export interface OtherVariables {
  /** "KEY=value": new, or in the place of one that is there. */
  set: readonly string[];
  /** Names; first of all, so that `set` can bring one back. */
  unset: readonly string[];
}

/** Podman's: what runs already keeps what it was started with. Errors: container.not_found, container.damaged. */
export function updateEnvironment(
  context: ContainerContext,
  container: Container,
  asked: OtherVariables,
): void {
  const { id } = container;
  const work = (): void => {
    const options = getContainer(context, id).options as CreateOptions; // create recorded it
    updateOptions(context.database, id, withVariables(options, asked));
    const config = readContainerFile<RuntimeSpec>(context, id, "config.json");
    const env = changed(config.process.env, asked);
    for (const name of ["health-exec.json", "startup-exec.json"] as const) {
      if (!hasContainerFile(context, id, name)) continue;
      const check = readContainerFile<Check>(context, id, name);
      const next = { ...check, process: { ...check.process, env } };
      writeContainerFile(context, id, name, JSON.stringify(next));
    }
    const next = { ...config, process: { ...config.process, env } };
    writeContainerFile(context, id, "config.json", formatRuntimeSpec(next));
  };
  transact(context.database, work, { durable: true });
  recordContainerEvent(context, "update", container);
}

/** As if it had been created so: what `commit` goes by. */
function withVariables(options: CreateOptions, asked: OtherVariables): CreateOptions {
  const { details = defaultDetails } = options;
  const environment = changed(options.environment, asked);
  if (asked.unset.length === 0) return { ...options, environment };
  const unset = [...new Set([...details.unset, ...asked.unset])];
  return { ...options, environment, details: { ...details, unset } };
}

function changed(before: readonly string[], { set, unset }: OtherVariables): string[] {
  return mergeEnvironment(withoutVariables(before, unset), set);
}
