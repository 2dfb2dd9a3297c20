/** The three small files bound over the image's own: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure. */
import type { SpecHost } from "./place.ts";
import type { DetailOptions } from "./details.ts";
import type { NetworkMode } from "./options.ts";

const loopback = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

interface Named {
  hostname: string;
  name: string;
  network: NetworkMode;
  /** The image's own /etc/hosts, where it is asked for. */
  imageHosts?: string;
}

/** What the details say shall be the image's is not among them. */
export function containerFiles(
  host: Pick<SpecHost, "etcHosts" | "resolvConf">,
  container: Named,
  details: DetailOptions,
): Record<string, string> {
  return {
    ...(details.hosts === "none" ? {} : { hosts: hostsText(host, container, details) }),
    ...(details.hasHostnameFile ? { hostname: `${container.hostname}\n` } : {}),
    ...(details.resolver === "image"
      ? {}
      : { "resolv.conf": resolverText(host, container, details.resolver) }),
  };
}

function hostsText(
  host: Pick<SpecHost, "etcHosts">,
  { hostname, name, network, imageHosts = "" }: Named,
  { hosts, addedHosts }: DetailOptions,
): string {
  const usual = network === "host" && host.etcHosts !== "" ? host.etcHosts : loopback;
  const base = typeof hosts === "object" ? hosts.text : hosts === "image" ? imageHosts : usual;
  const added = addedHosts.map((line) => `${line.address}\t${line.name}\n`).join("");
  const own = `127.0.0.1\t${hostname} ${name}\n`;
  return `${added}${ensureNewline(base)}${own}`;
}

function resolverText(
  host: Pick<SpecHost, "resolvConf">,
  { network }: Named,
  { servers, searches, options }: Exclude<DetailOptions["resolver"], "image">,
): string {
  const usual =
    network === "host" ? host.resolvConf : "# this container has no network but loopback\n";
  if (servers.length + searches.length + options.length === 0) return usual;
  const inherited = (word: string, asked: readonly string[]): string[] =>
    asked.length > 0
      ? []
      : usual.split("\n").filter((line) => line.startsWith(`${word} `) && network === "host");
  const domains = searches.filter((domain) => domain !== "."); // resolv.conf(5): it takes the list away
  const lines = [
    ...inherited("search", searches),
    ...(domains.length > 0 ? [`search ${domains.join(" ")}`] : []),
    ...inherited("nameserver", servers),
    ...servers.map((server) => `nameserver ${server}`),
    ...inherited("options", options),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function ensureNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
