/** Starts what create has made: one spawn, then events. */
import { readFileSync } from "node:fs";
import { TspodError } from "../errors.ts";
import {
  type Attach,
  type HelperConfig,
  type RunningHelper,
  startHelper,
  type StreamName,
} from "../helper/index.ts";
import { type CreateOptions, defaultDetails } from "../spec/index.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import {
  containerDirectory,
  type ContainerRecord,
  findMonitor,
  isUp,
  readState,
} from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { refreshJoined } from "./joined.ts";
import { placeSecrets } from "./secrets.ts";

/** `attach` null: detached. `passed`: descriptors that the program gets. `muted`: streams of ours that get nothing of its. Errors: container.running, container.not_running (of one whose namespaces it shares); the helper's come with the promises it returns. */
export function startContainer(
  context: ContainerContext,
  record: ContainerRecord,
  attach: Attach | null,
  passed: readonly number[] = [],
  muted: readonly StreamName[] = [],
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
  const running = startHelper({
    command: context.helper,
    args: ["run", directory],
    foreground: attach !== null || isPassed,
    passed,
    muted,
    onWarning: (_, detail) => context.warn(detail),
  });
  return withPidFiles(context, record, running);
}

/** Written before anybody is told that it runs. */
function withPidFiles(
  { paths }: ContainerContext,
  { id, options }: ContainerRecord,
  running: RunningHelper,
): RunningHelper {
  const { pidFile, monitorPidFile } = (options as CreateOptions).details ?? defaultDetails; // create recorded it
  if (pidFile === null && monitorPidFile === null) return running;
  const started = running.started.then((what) => {
    if (pidFile !== null) writeFileAtomic(pidFile, String(what.pid), { mode: 0o644 });
    const monitor = monitorPidFile === null ? null : findMonitor(paths, id);
    if (monitorPidFile !== null && monitor !== null) {
      writeFileAtomic(monitorPidFile, String(monitor), { mode: 0o644 });
    }
    return what;
  });
  started.catch(() => undefined); // seen by who awaits it
  return { ...running, started };
}
