/**
 * `--network NAME[:OPTIONS]` of a network that somebody has created: podman's "net:ip=10.89.0.9,alias=db", and docker's
 * "name=net,ip=10.89.0.9,alias=db". Pure.
 */
import { isIP } from "node:net";
import { TspodError } from "../errors.ts";
import type { NetworkUse } from "../spec/index.ts";
import { parseMac, parseNetworkAlias } from "./addresses.ts";
import { formatIp, parseIp } from "./ip.ts";

/** podman's rule. */
export const isNetworkName = (text: string): boolean =>
  /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(text);

export const plainUse = (name: string): NetworkUse => ({
  ...{ name, aliases: [], address4: null, address6: null, mac: null, interface: null },
});

/** `text`: for errors. Throws usage. */
export function parseUse(text: string, name: string, words: readonly string[]): NetworkUse {
  const use = plainUse(name);
  for (const word of words) {
    const [, key = "", value = ""] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    switch (key) {
      case "ip":
      case "ip6":
        Object.assign(use, anyAddress(`--network ${key}`, value));
        break;
      case "mac":
      case "mac-address":
        use.mac = parseMac(`--network ${key}`, value);
        break;
      case "alias":
        use.aliases.push(parseNetworkAlias(value));
        break;
      case "interface_name":
        use.interface = parseInterface(text, value);
        break;
      default:
        throw new TspodError("usage", `Invalid --network "${text}": "${key}" is no option`, {
          next: "use ip=, ip6=, mac=, alias= and interface_name=",
        });
    }
  }
  return use;
}

/** One of either kind, which network it has to be in is seen there. In its shortest form. Throws usage. */
export function anyAddress(
  flag: string,
  text: string,
): { address4: string } | { address6: string } {
  const address = parseIp(text);
  if (address !== null) {
    const canonical = formatIp(address);
    return address.family === 4 ? { address4: canonical } : { address6: canonical };
  }
  throw new TspodError("usage", `Invalid ${flag} "${text}": it is no address`, {
    next: "give one of the network's subnet: tspod network inspect shows it",
  });
}

/** `--ip` and `--ip6`, which are about one kind. Throws usage. */
export function addressOfKind(flag: "--ip" | "--ip6", text: string): string {
  const kind = flag === "--ip6" ? 6 : 4;
  if (isIP(text) === kind && !text.includes("%"))
    return Object.values(anyAddress(flag, text)).join();
  throw new TspodError("usage", `Invalid ${flag} "${text}": it is no IPv${kind} address`, {
    next: "give one of the network's subnet: tspod network inspect shows it",
  });
}

/** What the kernel takes for an interface, and nothing that is there already. */
function parseInterface(text: string, name: string): string {
  const isName = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}$/.test(name);
  if (isName && name !== "lo" && name !== "all" && name !== "default") return name;
  throw new TspodError("usage", `Invalid --network "${text}": "${name}" is no interface's name`, {
    next: "use up to 15 letters and digits, such as eth1",
  });
}
