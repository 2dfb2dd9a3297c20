/** The three small files bound over the image's own: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure. */
import { TspodError } from "../errors.ts";
import { defaultDetails } from "./defaults.ts";
import type { DetailOptions } from "./details.ts";
import { isJoined } from "./namespaces.ts";
import type { NetworkEntry } from "../helper/contract.ts";
import { networkHosts } from "./networks.ts";
import { hasPrivateNetwork, hostNames, ownAddress, privateNetwork } from "./network.ts";
import type { CreateOptions } from "./options.ts";
import { slirpAddresses, toolAddress, toolForwarder, toolHostLine, toolOf } from "./tool.ts";
import type { SpecHost } from "./place.ts";

const loopback = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

interface Named {
  hostname: string;
  name: string;
  /** The image's own /etc/hosts, where it is asked for. */
  imageHosts?: string;
  /** The networks that it is on, if that is how it is. */
  networks?: readonly NetworkEntry[];
}

type Host = Pick<SpecHost, "etcHosts" | "resolvConf" | "network">;

/** What the details say shall be the image's is not among them, nor what belongs to a network that is another one's. */
export function containerFiles(
  host: Host,
  container: Named,
  options: CreateOptions,
): Record<string, string> {
  const { details = defaultDetails, network } = options;
  const isOwn = !isJoined(network);
  return {
    ...(isOwn && details.hosts !== "none" ? { hosts: hostsText(host, container, options) } : {}),
    ...(details.hasHostnameFile ? { hostname: `${container.hostname}\n` } : {}),
    ...(isOwn && details.resolver !== "image"
      ? { "resolv.conf": resolverText(host, container, options, details.resolver) }
      : {}),
  };
}

/** What belongs to the network and is shared with it. */
export const networkFiles = ["hosts", "resolv.conf"];

function hostsText(
  host: Host,
  { hostname, name, imageHosts = "", networks = [] }: Named,
  options: CreateOptions,
): string {
  const { details: { hosts, addedHosts } = defaultDetails, network } = options;
  const usual = network === "host" && host.etcHosts !== "" ? host.etcHosts : loopback;
  const added = addedHosts.map((line) => {
    const address =
      line.address === "host-gateway"
        ? gatewayOf(line.name, options, host, networks)
        : line.address;
    return `${address}\t${line.name}\n`;
  });
  const base = typeof hosts === "object" ? hosts.text : hosts === "image" ? imageHosts : usual;
  return `${added.join("")}${ensureNewline(base)}${ownLines(host, { hostname, name, networks }, options)}`;
}

/** For the container itself, and for the host where that can be reached. */
function ownLines(
  host: Host,
  { hostname, name, networks }: Required<Omit<Named, "imageHosts">>,
  options: CreateOptions,
): string {
  const aliases = options.networking?.aliases ?? [];
  if (networks.length > 0) {
    const { own, outside } = networkHosts(networks, { hostname, name });
    return [...own, ...outside].map((line) => `${line}\n`).join("");
  }
  const isPrivate = hasPrivateNetwork(options, host);
  const names = [hostname, name, ...aliases].join(" ");
  const own = `${isPrivate ? ownAddress(options) : toolAddress(options)}\t${names}\n`;
  return isPrivate
    ? `${own}${privateNetwork.v4.gateway}\t${hostNames.join(" ")}\n`
    : `${own}${toolHostLine(options)}`;
}

/** Where the host is, as the container sees it. */
function gatewayOf(
  name: string,
  options: CreateOptions,
  host: Host,
  networks: readonly NetworkEntry[],
): string {
  if (options.network === "host") return "127.0.0.1";
  const out = networks.find(({ internal }) => !internal);
  if (out !== undefined) return out.gateway4;
  if (hasPrivateNetwork(options, host)) return privateNetwork.v4.gateway;
  const tool = toolOf(options);
  if (tool?.tool === "slirp4netns") return slirpAddresses(tool.options)?.gateway ?? "";
  throw new TspodError(
    "usage",
    `Cannot add the host "${name}": from this network no gateway leads to the host`,
    { next: "give an address in place of host-gateway, or leave --network away" },
  );
}

type Resolver = Exclude<DetailOptions["resolver"], "image">;

function resolverText(
  host: Host,
  { networks }: Pick<Named, "networks">,
  options: CreateOptions,
  asked: Resolver,
): string {
  const forwarder = networks?.[0]?.dns4 ?? forwarderOf(options, host);
  const { searches, options: words } = asked;
  // the forwarder asks those that --dns names
  const servers = forwarder === null ? asked.servers : [forwarder];
  if (servers.length + searches.length + words.length === 0) return usualResolver(host, options);
  const isHosts = usesHostResolver(options) || forwarder !== null;
  const inherited = (word: string, given: readonly string[]): string[] =>
    given.length > 0 || !isHosts
      ? []
      : host.resolvConf.split("\n").filter((line) => line.startsWith(`${word} `));
  const domains = searches.filter((domain) => domain !== "."); // resolv.conf(5): it takes the list away
  const lines = [
    ...inherited("search", searches),
    ...(domains.length > 0 ? [`search ${domains.join(" ")}`] : []),
    ...inherited("nameserver", servers),
    ...servers.map((server) => `nameserver ${server}`),
    ...inherited("options", words),
    ...(words.length > 0 ? [`options ${words.join(" ")}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function usualResolver({ resolvConf }: Host, options: CreateOptions): string {
  return usesHostResolver(options) ? resolvConf : "# this container has no network but loopback\n";
}

/** Its network is one that somebody else sees to. */
function usesHostResolver({ network }: CreateOptions): boolean {
  return network === "host" || (typeof network === "object" && "path" in network);
}

/** Who answers for the host's name servers inside; null: nobody. */
function forwarderOf(options: CreateOptions, host: Host): string | null {
  if (hasPrivateNetwork(options, host)) return privateNetwork.v4.dns;
  const tool = toolOf(options);
  return tool === null ? null : toolForwarder(tool);
}

function ensureNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
