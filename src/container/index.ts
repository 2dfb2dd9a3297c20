/**
 * The door of container. What only one command needs has a door of its own, the file it is in, so that no other command
 * loads it (tests/layering.test.ts knows which).
 */
export { attachContainer } from "./attach.ts";
export type { AutostartHost } from "./autostart.ts";
export const loadAutostart = () => import("./autostart.ts");
export type { ContainerContext } from "./context.ts";
export type { CommitOptions } from "./commit.ts";
export type { CopyEnd, CopyOptions } from "./copy.ts";
export { createContainer } from "./create.ts";
export { execInContainer, type ExecOptions } from "./exec.ts";
export { isUp } from "../store/containers.ts";
export { type Container, findContainer, getContainer, getLatest, listContainers } from "./find.ts";
export { checkHealth } from "./health.ts";
export { inspectContainer } from "./inspect.ts";
export { type LogRun, readLog } from "./logs.ts";
export { exposedOf, portsOf } from "./asked.ts";
export { parseContainerName } from "./names.ts";
export { recoverContainers } from "./recover.ts";
export { discardFiles, discardContainer, removeContainer } from "./remove.ts";
export { isRestartable } from "./restartable.ts";
export { getSecret } from "./secrets.ts";
export { startContainer, startOwn } from "./start.ts";
export { type ContainerStatus, restartCountOf, statusOf } from "./status.ts";
export { killContainer, stopContainer, waitContainer } from "./stop.ts";

export const loadChanges = () => import("./changes.ts");
export type { Compared } from "./compare.ts";
export const loadCompare = () => import("./compare.ts");
export const loadCommit = () => import("./commit.ts");
export const loadCopy = () => import("./copy.ts");
export const loadDiscardImage = () => import("./discard-image.ts");
export const loadExport = () => import("./export.ts");
export type { MountedContainer } from "./mount.ts";
export const loadRootMount = () => import("./mount.ts");
export const loadRequires = () => import("./requires.ts");
export const loadVolumeArchive = () => import("./volume-archive.ts");
