/** The three small files bound over the image's own: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure. */
import type { SpecHost } from "./build.ts";
import type { NetworkMode } from "./options.ts";

const loopback = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

export function containerFiles(
  host: Pick<SpecHost, "etcHosts" | "resolvConf">,
  container: { hostname: string; name: string; network: NetworkMode },
): Record<string, string> {
  const sharesHost = container.network === "host";
  const own = `127.0.0.1\t${container.hostname} ${container.name}\n`;
  return {
    hosts: sharesHost && host.etcHosts !== "" ? ensureNewline(host.etcHosts) + own : loopback + own,
    hostname: `${container.hostname}\n`,
    "resolv.conf": sharesHost ? host.resolvConf : "# this container has no network but loopback\n",
  };
}

function ensureNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
