/** What other rooms may use of the helper. */
export type {
  Attach,
  ControlReply,
  ControlRequest,
  ExecConfig,
  ExitRecord,
  FileLog,
  HealthAction,
  HealthConfig,
  HealthRecord,
  HealthStatus,
  HelperConfig,
  LayerDone,
  NetworkConfig,
  NetworkEntry,
  PortForward,
  PortReply,
  PortRequest,
  RestartPolicy,
  RestartRule,
  RunRecord,
  RuntimeState,
} from "./contract.ts";
export { contractVersion } from "./contract.ts";
export { helloProgram } from "./carried.ts";
export { control } from "./control.ts";
export { userEnvironment } from "./environment.ts";
export { describeFailure } from "./failure.ts";
export { helperCommand } from "./executable.ts";
export { askNetwork } from "./ports.ts";
export { mountLayers, mountRoot, unmountLayers } from "./mount.ts";
export { type ShowLog, showLog } from "./show-log.ts";
export { pauseGroup } from "./pause.ts";
export { becomeRootInside } from "./unshare.ts";
export { becomeRuntime, runtimeWords } from "./runtime.ts";
export {
  applyLayer,
  giveTrees,
  giveTreesNow,
  type LayerMapping,
  type LayerVerb,
  ownDirectories,
  type OwnerMapping,
  remapLayers,
  type RemapOptions,
  removeTrees,
  removeTreesLater,
  seedVolume,
  spreadDirectories,
} from "./layer.ts";
export {
  compareTrees,
  copyFiles,
  type FileChange,
  type FileKind,
  FilesRefused,
  type FilesVerb,
  hostFailure,
  lookAt,
  type Looked,
  type Place,
  receiveChunks,
  type ReceiveOptions,
  sendChunks,
  sendTo,
  type SendOptions,
  treeChanges,
} from "./files.ts";
export { diskUsage } from "./disk-usage.ts";
export { type RunningHelper, startHelper, type StreamName } from "./start.ts";
export { unzstdStatus } from "./unzstd.ts";
