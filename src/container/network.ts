/** What a new container's network is settled to: which ports of the host, and what its image exposes. */
import type { StoredImage } from "../image/index.ts";
import type { CreateOptions, NetworkOptions, SpecPlace } from "../spec/index.ts";
import { loopbackWarning, networkUses, noNetworkOptions, toolOf } from "../spec/index.ts";
import { listContainers } from "../store/containers.ts";
import { isNews } from "../store/database.ts";
import { portsOf } from "./asked.ts";
import type { ContainerContext } from "./context.ts";

/** With every port written down. Nothing to do for most. Errors: usage (no port is free). */
export async function settleNetwork(
  context: ContainerContext,
  options: CreateOptions,
  { config }: StoredImage,
): Promise<CreateOptions> {
  warnOfLoopback(context, options);
  const { networking } = options;
  if (networking === undefined && config.exposedPorts.length === 0) return options;
  const asked: NetworkOptions = networking ?? noNetworkOptions;
  const exposed = config.exposedPorts.flatMap(portOf);
  const settled = { ...asked, exposed };
  if (asked.ports.length === 0 && !asked.publishesAll) return { ...options, networking: settled };
  const { exposedPorts, settlePorts } = await import("../network/index.ts");
  const more = asked.publishesAll
    ? exposedPorts([...exposed, ...(options.details?.exposed ?? [])], asked.ports)
    : [];
  const ports = await settlePorts([...asked.ports, ...more], {
    hasIpv6: context.host.network().hasIpv6 && (await hasIpv6(context, options)),
    taken: listContainers(context.database).flatMap(portsOf),
  });
  return { ...options, networking: { ...settled, ports } };
}

/** A network that was created need not have it, and slirp4netns publishes IPv4 only. */
async function hasIpv6(context: ContainerContext, options: CreateOptions): Promise<boolean> {
  if (toolOf(options)?.tool === "slirp4netns") return false;
  const uses = networkUses(options.network);
  if (uses === null) return true;
  const { getNetwork } = await import("../network/records.ts");
  return uses.some(({ name }) => {
    const { isInternal, subnet6 } = getNetwork(context, name);
    return !isInternal && subnet6 !== null;
  });
}

/** An image may say anything; image-spec config.md: without a protocol it is TCP. */
function portOf(text: string): string[] {
  const [, number = "0", protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const isPort = Number(number) >= 1 && Number(number) <= 65_535;
  return isPort ? [`${Number(number)}/${protocol}`] : [];
}

/** Once in the life of a store: it is so for every container. */
function warnOfLoopback({ database, host, warn }: ContainerContext, options: CreateOptions): void {
  if (portsOf({ options }).length > 0) return; // then it is an error
  const sentence = loopbackWarning(options, host);
  if (sentence !== null && isNews(database, sentence)) warn(sentence);
}

export async function networkTool(
  context: ContainerContext,
  options: CreateOptions,
  runtimeDir: string,
): Promise<Pick<SpecPlace, "networkTool">> {
  const network = toolOf(options);
  if (network === null) return {};
  const { settleTool } = await import("./network-tool.ts");
  return { networkTool: settleTool(context, { options, network, runtimeDir }) };
}
