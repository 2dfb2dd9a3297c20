/** --network and what goes with it: the flags. Their values are read only when given. */
import type { CreateOptions } from "../../spec/index.ts";
import { boolean, type FlagValues, list, value } from "../flags.ts";
import type { DetailFlags } from "./details.ts";

export const networkFlags = {
  network: list(
    "--network,--net",
    "MODE|NETWORK",
    "private, host, none, container:NAME, ns:PATH, pasta, slirp4netns; or networks: NAME[:alias=,ip=,ip6=,mac=]",
    "network",
  ),
  publish: list(
    "-p,--publish",
    "[[ADDRESS:]HOSTPORT:]PORT[/udp]",
    "Make a port of the container reachable on the host",
  ),
  publishAll: boolean("-P,--publish-all", "Every port that it exposes, each on a free one"),
  ip: value("--ip", "ADDRESS", "Its IPv4 address: of its network, or in 10.0.2.0/24"),
  ip6: value("--ip6", "ADDRESS", "Its IPv6 address: of its network, or in fd00::/64"),
  macAddress: value("--mac-address", "ADDRESS", "Its hardware address"),
  networkAlias: list("--network-alias,--net-alias", "NAME", "One more name of the container"),
  egress: list(
    "--egress",
    "RULE",
    "Whom it may talk to: none, allow=NAME[:PORT], allow=ADDRESS/BITS[:PORT]; log: write down what is refused",
  ),
} as const;

/** What the flag says in one word is not worth loading its reader for: 2 ms of a start. */
const plainModes = ["private", "host", "none"] as const;

export type NetworkFlags = FlagValues<typeof networkFlags>;

export type NetworkContext = Pick<
  DetailFlags,
  "dns" | "dnsSearch" | "dnsOption" | "addHost" | "expose"
> & { userns: string | null };

/** Throws usage. */
export async function networkOptions(
  flags: NetworkFlags & NetworkContext,
  { namespaces }: Pick<CreateOptions, "namespaces">,
): Promise<Pick<CreateOptions, "network" | "networking">> {
  const [only = "", another] = flags.network;
  const mode = another === undefined ? plainModes.find((word) => word === only) : undefined;
  const isAsked = Object.keys(networkFlags).some((key) => {
    const given = flags[key as keyof NetworkFlags];
    if (key === "network" && mode !== undefined) return false;
    return Array.isArray(given) ? given.length > 0 : given !== null && given !== false;
  });
  if (!isAsked) return { network: mode ?? "private" };
  const { parseNetworkFlags } = await import("./network-values.ts");
  return parseNetworkFlags(flags, namespaces);
}
