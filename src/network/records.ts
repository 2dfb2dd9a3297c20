/** The other door of network: those that somebody has created, and who is on them. Only who has to do with them loads it. */
export { createNetwork, type NewNetwork, parseNetworkName, recordNetworkEvent } from "./create.ts";
export { networkFilter, networkPruneFilter } from "./filters.ts";
export { describeNetwork, getNetwork, inspectNetwork, withLength } from "./find.ts";
export { chooseMember, type Membership } from "./members.ts";
export { requireServers } from "./servers.ts";
export { pruneNetworks, removeNetwork } from "./remove.ts";
export { parseSubnets } from "./subnets.ts";
