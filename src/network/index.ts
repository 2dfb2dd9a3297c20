/** The door of network: modes, addresses and published ports as data; networks that are created. */
export { parseAddress4, parseAddress6, parseMac, parseNetworkAlias } from "./addresses.ts";
export { exposedPorts, settlePorts, type Surroundings } from "./choose.ts";
export { createNetwork, type NewNetwork, parseNetworkName, recordNetworkEvent } from "./create.ts";
export { parseEgress } from "./egress.ts";
export { networkFilter, networkPruneFilter } from "./filters.ts";
export { getNetwork, inspectNetwork, withLength } from "./find.ts";
export { chooseMember, type Membership } from "./members.ts";
export { type AskedMode, parseNetworkMode, parseNetworkModes } from "./mode.ts";
export { areRivals, distinctPorts } from "./overlap.ts";
export { parsePublish } from "./publish.ts";
export { pruneNetworks, removeNetwork } from "./remove.ts";
export { parseSubnets } from "./subnets.ts";
export { toolPackages, toolWords } from "./tool.ts";
export { addressOfKind, anyAddress, plainUse } from "./use.ts";
export {
  formatAddress,
  formatHostPort,
  formatPorts,
  type HostBinding,
  leadsTo,
  portMap,
} from "./show.ts";
