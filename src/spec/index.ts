/** What other rooms may use of the specification builder. */
export {
  buildSpec,
  type BuiltSpec,
  type HelperSettings,
  type ImageSettings,
  type SpecHost,
  type SpecPlace,
} from "./build.ts";
export { capabilitySets, defaultCapabilities } from "./capabilities.ts";
export { mergeEnvironment } from "./environment.ts";
export type { CreateOptions, NetworkMode, VolumeMount } from "./options.ts";
export { formatSignal, parseSignal, signalNames } from "./signals.ts";
