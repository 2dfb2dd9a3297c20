/** `NetworkSettings` of `inspect`, in docker's shape with podman's fields. */
import { portMap } from "../network/show.ts";
import {
  type CreateOptions,
  formatNetworkMode,
  type HelperSettings,
  namespacePath,
} from "../spec/index.ts";
import type { Container } from "./find.ts";
import { exposedOf, networkingOf, portsOf } from "./network.ts";

const nothing = {
  ...{ EndpointID: "", Gateway: "", IPAddress: "", IPPrefixLen: 0, IPv6Gateway: "" },
  ...{ GlobalIPv6Address: "", GlobalIPv6PrefixLen: 0, MacAddress: "" },
};

/** Ports are shown whether it runs or not: they stay the same. Addresses are there only while it does. */
export function inspectNetwork(container: Container, { network }: HelperSettings) {
  const { state } = container;
  const options = container.options as CreateOptions; // create recorded it
  const name = formatNetworkMode(options.network);
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
      [name]: {
        ...addresses,
        NetworkID: name,
        ...{ IPAMConfig: null, Links: null, DriverOpts: null },
        Aliases: networkingOf(container).aliases,
        DNSNames: null,
      },
    },
  };
}

function addressesOf(id: string, network: NonNullable<HelperSettings["network"]>) {
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
  const resolver = details?.resolver;
  const dns = typeof resolver === "object" ? resolver : { servers: [], searches: [], options: [] };
  return {
    NetworkMode: formatNetworkMode(network),
    PortBindings: portMap(portsOf(container)),
    PublishAllPorts: publishesAll,
    Dns: dns.servers,
    DnsSearch: dns.searches,
    DnsOptions: dns.options,
    ExtraHosts: (details?.addedHosts ?? []).map(({ name, address }) => `${name}:${address}`),
    Egress:
      egress === null ? null : { Log: helper.network?.egress?.log ?? "", Allow: egress.allow },
    Links: [],
  };
}
