/** `NetworkSettings` of `inspect`, in docker's shape with podman's fields. */
import type { NetworkEntry } from "../helper/index.ts";
import { portMap } from "../network/show.ts";
import {
  type CreateOptions,
  formatNetworkMode,
  type HelperSettings,
  isPrivate,
  namespacePath,
  type NetworkUse,
  networkUses,
} from "../spec/index.ts";
import type { Container } from "./find.ts";
import { exposedOf, networkingOf, portsOf } from "./asked.ts";

const nothing = {
  ...{ EndpointID: "", Gateway: "", IPAddress: "", IPPrefixLen: 0, IPv6Gateway: "" },
  ...{ GlobalIPv6Address: "", GlobalIPv6PrefixLen: 0, MacAddress: "" },
};

/** Ports are shown whether it runs or not: they stay the same. Addresses are there only while it does. */
export function inspectNetwork(container: Container, { network, networks }: HelperSettings) {
  const { state } = container;
  const options = container.options as CreateOptions; // create recorded it
  const name = formatNetworkMode(options.network);
  const uses = networkUses(options.network);
  const isRunning = state.status === "running";
  const addresses =
    isRunning && network !== undefined ? addressesOf(container.id, network) : nothing;
  return {
    ...{ Bridge: "", HairpinMode: false, LinkLocalIPv6Address: "", LinkLocalIPv6PrefixLen: 0 },
    ...{ SecondaryIPAddresses: null, SecondaryIPv6Addresses: null },
    SandboxID: isRunning ? container.id : "",
    SandboxKey: isRunning ? namespacePath(state.pid, "network") : "",
    Ports: portMap(portsOf(container), exposedOf(container)),
    ...addresses,
    Networks: {
      ...(uses !== null && !isPrivate(options.network)
        ? {}
        : {
            [name]: {
              ...addresses,
              NetworkID: name,
              ...{ IPAMConfig: null, Links: null, DriverOpts: null },
              Aliases: networkingOf(container).aliases,
              DNSNames: null,
            },
          }),
      ...onNetworks(container.id, uses ?? [], networks ?? [], { isRunning }),
    },
  };
}

/** docker's and podman's: one a network, also where it could not be made. */
function onNetworks(
  id: string,
  uses: readonly NetworkUse[],
  entries: readonly NetworkEntry[],
  { isRunning }: { isRunning: boolean },
) {
  const each = uses.map((use) => {
    const entry = entries.find(({ network }) => network === use.name);
    const addresses = isRunning && entry !== undefined ? addressesOf(id, entry) : nothing;
    const names = [...new Set([...use.aliases, id.slice(0, shortIdLength)])];
    return [
      use.name,
      {
        ...addresses,
        NetworkID: entry?.id ?? "",
        IPAMConfig: ipamConfig(use),
        ...{ Links: null, DriverOpts: null },
        Aliases: names,
        DNSNames: entry?.names ?? null,
      },
    ] as const;
  });
  return Object.fromEntries(each);
}

const shortIdLength = 12;

/** docker's: what was asked for. */
function ipamConfig({ address4, address6 }: NetworkUse): Record<string, string> | null {
  if (address4 === null && address6 === null) return null;
  return {
    ...(address4 === null ? {} : { IPv4Address: address4 }),
    ...(address6 === null ? {} : { IPv6Address: address6 }),
  };
}

type Addressed = Pick<NetworkEntry, "address4" | "address6" | "gateway4" | "gateway6" | "mac">;

function addressesOf(id: string, network: Addressed) {
  const [address = "", length = "0"] = network.address4.split("/");
  const [address6 = "", length6 = "0"] = (network.address6 ?? "").split("/");
  return {
    EndpointID: id,
    Gateway: network.gateway4,
    IPAddress: address,
    IPPrefixLen: Number(length),
    IPv6Gateway: network.gateway6 ?? "",
    GlobalIPv6Address: address6,
    GlobalIPv6PrefixLen: Number(length6),
    MacAddress: network.mac,
  };
}

/** `HostConfig`'s part of it. */
export function inspectNetworkHost(container: Container, helper: HelperSettings) {
  const { network, details } = container.options as CreateOptions; // create recorded it
  const { publishesAll, egress } = networkingOf(container);
  const uses = networkUses(network);
  const resolver = details?.resolver;
  const dns = typeof resolver === "object" ? resolver : { servers: [], searches: [], options: [] };
  return {
    NetworkMode:
      uses === null || isPrivate(network)
        ? formatNetworkMode(network)
        : (uses[0]?.name ?? "bridge"),
    PortBindings: portMap(portsOf(container)),
    PublishAllPorts: publishesAll,
    Dns: dns.servers,
    DnsSearch: dns.searches,
    DnsOptions: dns.options,
    ExtraHosts: (details?.addedHosts ?? []).map(({ name, address }) => `${name}:${address}`),
    Egress: egress === null ? null : { Log: egressLog(helper), Allow: egress.allow },
    Links: [],
  };
}

function egressLog({ network, networks = [] }: HelperSettings): string {
  const all = [network, ...networks].flatMap((one) => one?.egress?.log ?? []);
  return all[0] ?? "";
}
