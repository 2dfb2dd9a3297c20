/** What other rooms may use of the specification builder. */
export {
  buildSpec,
  type BuiltSpec,
  type HelperSettings,
  type ImageSettings,
  type SpecHost,
  type SpecPlace,
} from "./build.ts";
export {
  allCapabilities,
  boundingCapabilities,
  defaultCapabilities,
  everyCapability,
} from "./capabilities.ts";
export { mergeEnvironment } from "./environment.ts";
export type {
  CreateOptions,
  NetworkMode,
  SeccompChoice,
  SecurityOptions,
  VolumeMount,
} from "./options.ts";
export { defaultSecurity, processCapabilities } from "./security.ts";
export {
  type BlockDevice,
  type DeviceRule,
  type LimitOptions,
  linuxResources,
  noLimits,
  type ThrottleKind,
} from "./resources.ts";
export { formatSignal, parseSignal, signalNames } from "./signals.ts";
