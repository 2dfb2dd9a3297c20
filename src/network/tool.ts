/** `--network pasta[:OPTIONS]` and `slirp4netns[:OPTIONS]`: the command lines of the host's own tools, as podman has them. Pure. */
import { TspodError } from "../errors.ts";
import { pastaForwarder, type PublishedPort, slirpAddresses } from "../spec/index.ts";
import { formatPastaPort } from "./show.ts";

/** The word that stands for the container's process. */
const toolPid = "{pid}";

export const toolPackages = { pasta: "passt", slirp4netns: "slirp4netns" } as const;

interface Asked {
  tool: "pasta" | "slirp4netns";
  options: readonly string[];
}

/** In the foreground; its standard output says something when the network is there. Throws usage. */
export function toolWords({ tool, options }: Asked, ports: readonly PublishedPort[]): string[] {
  return tool === "pasta" ? pastaWords(options, ports) : slirpWords(options);
}

/** The options are pasta's own: "pasta:-T,auto". */
function pastaWords(options: readonly string[], ports: readonly PublishedPort[]): string[] {
  const forwarded = (flag: string, protocol: string): string[] => {
    const found = ports.filter((port) => port.protocol === protocol);
    if (found.length === 0) return options.includes(flag) ? [] : [flag, "none"];
    return found.flatMap((port) => [flag, formatPastaPort(port)]);
  };
  const usual = (flag: string, ...words: string[]): string[] =>
    options.includes(flag) ? [] : [flag, ...words];
  return [
    "--foreground",
    ...["--config-net", "--quiet", "--pid", "/dev/stdout"],
    ...usual("--dns-forward", pastaForwarder),
    ...(options.includes("--map-gw") ? [] : ["--no-map-gw"]),
    ...forwarded("-t", "tcp"),
    ...forwarded("-u", "udp"),
    ...usual("-T", "none"),
    ...usual("-U", "none"),
    ...options.filter((option) => option !== "--map-gw"),
    toolPid,
  ];
}

/** podman's words. */
function slirpWords(options: readonly string[]): string[] {
  const words = ["--configure", "--ready-fd=1", "--exit-fd=0"];
  let reachesLoopback = false;
  let hasIpv6 = true;
  let mtu = "65520";
  for (const option of options) {
    const [, key = "", value = ""] = /^([^=]*)(?:=(.*))?$/s.exec(option) ?? [];
    const isOn = value === "true";
    if (!isOn && value !== "false" && (key === "allow_host_loopback" || key === "enable_ipv6")) {
      throw refuse(option, `"${value}" is neither true nor false`);
    }
    switch (key) {
      case "allow_host_loopback":
        reachesLoopback = isOn;
        break;
      case "enable_ipv6":
        hasIpv6 = isOn;
        break;
      case "port_handler": // it publishes by itself either way, and the client's address stays
        if (value === "slirp4netns" || value === "rootlesskit") break;
        throw refuse(option, `"${value}" is no port handler`);
      case "cidr":
        if (slirpAddresses([option]) === null) {
          throw refuse(option, "it is no IPv4 subnet with room for its addresses");
        }
        words.push(`--cidr=${value}`);
        break;
      case "mtu":
        if (!/^\d{3,5}$/.test(value)) throw refuse(option, `"${value}" is no MTU`);
        mtu = value;
        break;
      case "outbound_addr":
      case "outbound_addr6":
        if (value === "") throw refuse(option, "it names neither an address nor an interface");
        words.push(`--${key.replaceAll("_", "-")}=${value}`);
        break;
      default:
        throw refuse(option, `"${key}" is no option of it`);
    }
  }
  if (hasIpv6) words.push("--enable-ipv6");
  const loopback = reachesLoopback ? [] : ["--disable-host-loopback"];
  return [...words, `--mtu=${mtu}`, ...loopback, toolPid, "tap0"];
}

function refuse(option: string, why: string): TspodError {
  return new TspodError("usage", `Invalid --network "slirp4netns:${option}": ${why}`, {
    next: "use allow_host_loopback=, enable_ipv6=, mtu=, cidr=, port_handler=, outbound_addr= and outbound_addr6=",
  });
}
