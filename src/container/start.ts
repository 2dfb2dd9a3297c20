/** Starts what create has made: one spawn, then events. */
import { readFileSync } from "node:fs";
import { TspodError } from "../errors.ts";
import {
  type Attach,
  type HelperConfig,
  type RunningHelper,
  startHelper,
} from "../helper/index.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { containerDirectory, type ContainerRecord, isUp, readState } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { refreshJoined } from "./joined.ts";
import { placeSecrets } from "./secrets.ts";

/** `attach` null: detached. `passed`: descriptors that the program gets. Errors: container.running, container.not_running (of one whose namespaces it shares); the helper's come with the promises it returns. */
export function startContainer(
  context: ContainerContext,
  record: ContainerRecord,
  attach: Attach | null,
  passed: readonly number[] = [],
): RunningHelper {
  if (isUp(readState(context.paths, record.id))) {
    throw new TspodError("container.running", `Container "${record.name}" is running already`, {
      next: `stay with it: tspod attach ${record.name}, or stop it first: tspod stop ${record.name}`,
    });
  }
  refreshJoined(context, record);
  placeSecrets(context, record);
  const directory = containerDirectory(context.paths, record.id);
  const path = `${directory}/helper.json`;
  const helper = JSON.parse(readFileSync(path, "utf8")) as HelperConfig; // create wrote it
  const { attach: before, ...rest } = helper;
  const isPassed = rest.log.driver === "passthrough"; // then standard input is the container's to read
  const { name } = record;
  if (attach !== null || before !== undefined || helper.name !== name) {
    const client = isPassed && attach !== null ? { ...attach, stdin: false } : attach;
    const next = { ...rest, name, ...(client === null ? {} : { attach: client }) };
    writeFileAtomic(path, JSON.stringify(next));
  }
  return startHelper({
    command: context.helper,
    args: ["run", directory],
    foreground: attach !== null || isPassed,
    passed,
    onWarning: (_, detail) => context.warn(detail),
  });
}
