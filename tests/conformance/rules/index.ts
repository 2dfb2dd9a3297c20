/** Every rule, in the specification's order. */
import { cgroupRules } from "./cgroups.ts";
import { deviceRules } from "./devices.ts";
import { featureRules } from "./features.ts";
import { fileSystemRules } from "./file-systems.ts";
import { hookRules } from "./hooks.ts";
import { lifecycleRules } from "./lifecycle.ts";
import { mountRules } from "./mounts.ts";
import { namespaceRules } from "./namespaces.ts";
import { privilegeRules } from "./privileges.ts";
import { processRules } from "./process.ts";
import { seccompRules } from "./seccomp.ts";
import { valueRules } from "./values.ts";

export const rules = [
  ...lifecycleRules,
  ...hookRules,
  ...fileSystemRules,
  ...mountRules,
  ...processRules,
  ...privilegeRules,
  ...valueRules,
  ...namespaceRules,
  ...deviceRules,
  ...cgroupRules,
  ...seccompRules,
  ...featureRules,
];
