/**
 * Containers that another one requires (--requires): they are started before it. They are kept by their ids, which
 * outlive a new name; and as nothing can require what is not there yet, there are no circles. Loaded only where there
 * are any.
 */
import { TspodError } from "../errors.ts";
import type { CreateOptions } from "../spec/index.ts";
import { type ContainerRecord, isUp } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { findContainer, getContainer, type Store } from "./find.ts";
import { startContainer } from "./start.ts";

/** Ids for names. Errors: container.*, usage (itself). */
export function settleRequired(
  context: Store,
  requires: readonly string[],
  name: string | null,
): string[] {
  if (name !== null && requires.includes(name)) {
    throw new TspodError("usage", `A container cannot require itself ("${name}")`, {
      next: "name another one with --requires",
    });
  }
  return [...new Set(requires.map((each) => getContainer(context, each).id))];
}

/** Those that it requires, and what those require, in order; one that runs is left alone. Errors: those of a start. */
export async function startRequired(
  context: ContainerContext,
  { name, options }: Pick<ContainerRecord, "name" | "options">,
): Promise<void> {
  const { requires = [] } = options as CreateOptions; // create recorded it
  for (const id of requires) {
    const required = findContainer(context, id);
    if (required === null) {
      throw new TspodError(
        "container.not_found",
        `Cannot start "${name}": a container that it requires is gone (${id.slice(0, 12)})`,
        { next: "create it again, with what it is to require now" },
      );
    }
    if (isUp(required.state)) continue;
    try {
      await (
        await startContainer(context, required, null)
      ).started;
    } catch (error) {
      const isFaster = error instanceof TspodError && error.code === "container.running";
      if (!isFaster) throw error; // somebody else has just done it
    }
  }
}
