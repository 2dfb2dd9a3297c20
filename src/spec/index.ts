/** What other rooms may use of the specification builder. */
export { addGroup, addUser, largestId } from "./accounts.ts";
export { buildSpec } from "./build.ts";
export {
  allCapabilities,
  boundingCapabilities,
  defaultCapabilities,
  everyCapability,
} from "./capabilities.ts";
export {
  defaultDetails,
  defaultSecurity,
  defaultSetup,
  noLimits,
  noNetworkOptions,
} from "./defaults.ts";
export type { AccountOptions, DetailOptions } from "./details.ts";
export { mergeEnvironment, withoutVariables } from "./environment.ts";
export type {
  CreateOptions,
  DirectoryRoot,
  AskedIdLine,
  BindMount,
  DeviceOption,
  HealthChange,
  HealthOptions,
  StartupOptions,
  ImageMount,
  Joined,
  LifeOptions,
  LogOptions,
  NamedVolumeMount,
  NamespaceOptions,
  EgressOptions,
  EgressRule,
  NetworkMode,
  NetworkOptions,
  NetworkTool,
  NetworkUse,
  OverlayMount,
  PlainMount,
  PublishedPort,
  SeccompChoice,
  SecretUse,
  SecurityOptions,
  SetupOptions,
  Ulimit,
  UsernsMode,
  VolumeMount,
} from "./options.ts";
export type {
  BuiltSpec,
  HelperSettings,
  HostNetwork,
  ImageSettings,
  JoinedContainer,
  SpecHost,
  SpecPlace,
} from "./place.ts";
export {
  defaultNamespaces,
  formatNetworkMode,
  isJoined,
  joinedContainer,
  namespaceList,
  namespacePath,
  isPrivate,
  networkUses,
} from "./namespaces.ts";
export { networkFiles } from "./files.ts";
export { type NetworkToolMode, pastaForwarder, slirpAddresses, toolOf } from "./tool.ts";
export {
  hasPrivateNetwork,
  loopbackWarning,
  missingNetwork,
  noIpv6,
  privateNetwork,
} from "./network.ts";
export { networkEntries, networkHosts, type PlacedNetwork } from "./networks.ts";
export { logDrivers } from "./options.ts";
export {
  changeHealth,
  defaultLife,
  healthCommand,
  healthExec,
  noHealthOptions,
  startupCommand,
} from "./life.ts";
export { sharedMemoryOf } from "./mounts.ts";
export { processCapabilities } from "./security.ts";
export {
  type BlockDevice,
  type DeviceRule,
  type LimitOptions,
  linuxResources,
  type ThrottleKind,
} from "./resources.ts";
export { helperGroups } from "./setup.ts";
export { sysctlOwner } from "./sysctls.ts";
export { secretFile, secretVariables } from "./secrets.ts";
export { needsOverlay, overlayName } from "./user-mounts.ts";
export { formatSignal, parseSignal, signalNames } from "./signals.ts";
