/** What other rooms may know of the host. */
export {
  cgroupManager,
  endGroup,
  hostCgroup,
  type HostCgroup,
  listGroups,
  removeGroup,
} from "./cgroup.ts";
export { setFrozen } from "./freezer.ts";
export { type HostTexts, readHostTexts } from "./facts.ts";
export {
  countIds,
  hostLines,
  type IdLine,
  keepIdLines,
  ownerLines,
  ownId,
  subordinateLines,
} from "./id-maps.ts";
export {
  decidingGroup,
  deviceNumber,
  devicesBelow,
  groupName,
  mayUse,
  usableDevices,
} from "./devices.ts";
export { callerLimits, type Limit, limitNames, ownLimits, parseLimits } from "./limits.ts";
export { caller, findProgram, hostMapping, type Mapping } from "./mapping.ts";
export { hostNetwork } from "./network.ts";
export { chooseRootfs, findDataLayers, type RootfsChoice, type RootfsHost } from "./rootfs.ts";
export { findRuntime, type ForeignRuntime, listRuntimes, ownRuntime } from "./runtime.ts";
export { type IdRange, readSubordinateIds } from "./subordinate-ids.ts";
