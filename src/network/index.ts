/** The door of network: modes, addresses and published ports, as data. Networks that are created: records.ts. */
export { parseAddress4, parseAddress6, parseMac, parseNetworkAlias } from "./addresses.ts";
export { exposedPorts, settlePorts, type Surroundings } from "./choose.ts";
export { parseEgress } from "./egress.ts";
export { type AskedMode, parseNetworkMode, parseNetworkModes } from "./mode.ts";
export { areRivals, distinctPorts } from "./overlap.ts";
export { parsePublish } from "./publish.ts";
export { toolPackages, toolWords } from "./tool.ts";
export { networkModes } from "./words.ts";
export { addressOfKind, anyAddress, plainUse } from "./use.ts";
export {
  formatAddress,
  formatHostPort,
  formatPorts,
  type HostBinding,
  leadsTo,
  portMap,
} from "./show.ts";
