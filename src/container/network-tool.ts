/** The host's own tool that makes a container's network, where somebody asked for one. */
import { TspodError } from "../errors.ts";
import { findProgram } from "../host/index.ts";
import { formatHostPort, toolPackages, toolWords } from "../network/index.ts";
import type { CreateOptions, NetworkToolMode, PublishedPort, SpecPlace } from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";
import { portsOf } from "./asked.ts";

/** Errors: network.no_tool, network.unavailable, usage. */
export function settleTool(
  { environment, host }: ContainerContext,
  asked: { options: CreateOptions; network: NetworkToolMode; runtimeDir: string },
): NonNullable<SpecPlace["networkTool"]> {
  const { options, network, runtimeDir } = asked;
  const { tool } = network;
  const path = findProgram(tool, environment.PATH);
  if (path === null) {
    throw new TspodError(
      "network.no_tool",
      `Cannot use --network=${tool}: there is no ${tool} here`,
      {
        next: `sudo apt-get install ${toolPackages[tool]}, or leave --network away: a private network needs no program`,
      },
    );
  }
  if (!host.network().hasTun) {
    throw new TspodError(
      "network.unavailable",
      `Cannot use --network=${tool}: this host gives no access to /dev/net/tun`,
      {
        next: "sudo modprobe tun && sudo chmod 666 /dev/net/tun",
      },
    );
  }
  const ports = portsOf({ options });
  const words = toolWords(network, ports);
  if (tool === "pasta") return { path, words };
  const socket = `${runtimeDir}/slirp4netns.sock`;
  return { path, words: [`--api-socket=${socket}`, ...words], socket, ports: ports.map(asIpv4) };
}

/** Throws usage. */
export function asIpv4({ choices: _, ...port }: PublishedPort): Omit<PublishedPort, "choices"> {
  if (!port.hostAddress.includes(":")) return port;
  throw new TspodError(
    "usage",
    `Cannot publish ${formatHostPort(port)}: slirp4netns publishes addresses of IPv4 only`,
    { next: "give one of IPv4, or leave --network away" },
  );
}
