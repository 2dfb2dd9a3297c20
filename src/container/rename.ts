/** Another name for a container that is there, running or not. */
import { SQLiteError } from "bun:sqlite";
import { control, type HelperConfig } from "../helper/index.ts";
import { TspodError } from "../errors.ts";
import { type CreateOptions, networkUses } from "../spec/index.ts";
import { isUp, renameContainer as renameRow, runtimeDirectory } from "../store/containers.ts";
import { transact } from "../store/database.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { type Container, getContainer } from "./find.ts";
import { nameInUse, parseContainerName } from "./names.ts";
import { recordContainerEvent } from "./events.ts";

/** Errors: usage, container.name_in_use, container.not_found (removed meanwhile). */
export async function renameContainer(
  context: ContainerContext,
  container: Container,
  wanted: string,
): Promise<void> {
  const name = parseContainerName(wanted);
  const networks =
    networkUses((container.options as CreateOptions).network) === null // create recorded it
      ? null
      : await import("./networks.ts");
  const before = (): string => {
    const current = getContainer(context, container.id);
    if (current.name === name) {
      throw new TspodError("usage", `Container "${name}" has that name already`, {
        next: "give another one",
      });
    }
    renameRow(context.database, container.id, name);
    // what its next monitor tells goes by this; the row is what counts, should a kill come in between
    if (networks !== null) networks.refreshNetworks(context, { ...current, name });
    else {
      const helper = readContainerFile<HelperConfig>(context, container.id, "helper.json");
      const text = JSON.stringify({ ...helper, name });
      writeContainerFile(context, container.id, "helper.json", text);
    }
    return current.name;
  };
  try {
    const oldName = transact(context.database, before, { durable: true });
    recordContainerEvent(context, "rename", { ...container, name }, { oldName });
    // its monitor tells of it by that name from now on; one that has just ended need not know
    if (isUp(container.state)) {
      await control(runtimeDirectory(context.paths, container.id), { op: "rename", name });
    }
  } catch (error) {
    const isTaken =
      error instanceof SQLiteError && (error.code ?? "").startsWith("SQLITE_CONSTRAINT");
    throw isTaken ? nameInUse(name) : error;
  }
}
