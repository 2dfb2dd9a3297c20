/** The door of container. What only some commands need is loaded when it is first called. */
export { attachContainer } from "./attach.ts";
export type { AutostartHost } from "./autostart.ts";
export const loadAutostart = () => import("./autostart.ts");
export type { ContainerContext } from "./context.ts";
export type { CommitOptions } from "./commit.ts";
export type { CopyEnd, CopyOptions } from "./copy.ts";
export { createContainer } from "./create.ts";
export { execInContainer, type ExecOptions } from "./exec.ts";
export { isUp } from "../store/containers.ts";
export { type Container, getContainer, listContainers } from "./find.ts";
export { checkHealth } from "./health.ts";
export { inspectContainer } from "./inspect.ts";
export { type LogEntry, readLog } from "./logs.ts";
export { parseContainerName } from "./names.ts";
export { recoverContainers } from "./recover.ts";
export { discardFiles, discardContainer, removeContainer } from "./remove.ts";
export { isRestartable } from "./restartable.ts";
export { getSecret } from "./secrets.ts";
export { startContainer } from "./start.ts";
export { killContainer, stopContainer, waitContainer } from "./stop.ts";

export async function copyBetween(
  ...args: Parameters<typeof import("./copy.ts").copyBetween>
): Promise<void> {
  return (await import("./copy.ts")).copyBetween(...args);
}

export async function copyToDescriptor(
  ...args: Parameters<typeof import("./copy.ts").copyToDescriptor>
): Promise<void> {
  return (await import("./copy.ts")).copyToDescriptor(...args);
}

export async function copyFromArchive(
  ...args: Parameters<typeof import("./copy.ts").copyFromArchive>
): Promise<void> {
  return (await import("./copy.ts")).copyFromArchive(...args);
}

export async function exportContainer(
  ...args: Parameters<typeof import("./export.ts").exportContainer>
): Promise<void> {
  return (await import("./export.ts")).exportContainer(...args);
}

export async function containerChanges(
  ...args: Parameters<typeof import("./changes.ts").containerChanges>
): ReturnType<typeof import("./changes.ts").containerChanges> {
  return (await import("./changes.ts")).containerChanges(...args);
}

export async function containerSizes(
  ...args: Parameters<typeof import("./changes.ts").containerSizes>
): ReturnType<typeof import("./changes.ts").containerSizes> {
  return (await import("./changes.ts")).containerSizes(...args);
}

export async function commitContainer(
  ...args: Parameters<typeof import("./commit.ts").commitContainer>
): ReturnType<typeof import("./commit.ts").commitContainer> {
  return (await import("./commit.ts")).commitContainer(...args);
}
