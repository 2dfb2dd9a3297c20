/** Which addresses a network has that a program of the host's makes: what its command line says of them. Pure. */
import { hostNames, privateNetwork } from "./network.ts";
import type { CreateOptions, NetworkMode } from "./options.ts";

export type NetworkToolMode = Extract<NetworkMode, { tool: unknown }>;

export function toolOf({ network }: Pick<CreateOptions, "network">): NetworkToolMode | null {
  return typeof network === "object" && "tool" in network ? network : null;
}

/** Link-local, so nobody's: podman's choice. It is told to pasta as --dns-forward. */
export const pastaForwarder = "169.254.1.1";

/** Whom the container asks for names: an address of IPv4 where somebody has given several. */
export function toolForwarder({ tool, options }: NetworkToolMode): string {
  if (tool === "slirp4netns") return slirpAddresses(options)?.dns ?? privateNetwork.v4.dns;
  const given = options.filter((_, index) => options[index - 1] === "--dns-forward");
  return given.find((address) => !address.includes(":")) ?? given[0] ?? pastaForwarder;
}

export interface SlirpAddresses {
  /** The container's own. */
  address: string;
  gateway: string;
  dns: string;
}

/** slirp4netns(1): the hundredth, second and third of the last "cidr=". Null: that is none it would take. */
export function slirpAddresses(options: readonly string[]): SlirpAddresses | null {
  const { address, gateway, dns } = privateNetwork.v4;
  const text = options.findLast((option) => option.startsWith("cidr="));
  if (text === undefined) return { address, gateway, dns };
  const [, ip = "", length = ""] = /^cidr=(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(text) ?? [];
  const parts = ip.split(".").map(Number);
  const bits = Number(length);
  if (parts.length !== 4 || parts.some((part) => part > 255) || bits < 1 || bits > bitsMax) {
    return null;
  }
  const value = parts.reduce((sum, part) => sum * 256 + part, 0);
  const size = 2 ** (32 - bits);
  const base = value - (value % size);
  if (base !== value) return null; // it says so itself, with fewer words
  const nth = (number: number): string =>
    [24, 16, 8, 0].map((shift) => Math.floor((base + number) / 2 ** shift) % 256).join(".");
  return { address: nth(100), gateway: nth(2), dns: nth(3) };
}

/** With fewer addresses there is no hundredth. */
const bitsMax = 25;

/** The container's own address; loopback where only the tool knows. */
export function toolAddress(options: Pick<CreateOptions, "network">): string {
  const mode = toolOf(options);
  const slirp = mode?.tool === "slirp4netns" ? slirpAddresses(mode.options) : null;
  return slirp?.address ?? "127.0.0.1";
}

/** The host as podman calls it, where its loopback is reached: that is asked for. */
export function toolHostLine(options: Pick<CreateOptions, "network">): string {
  const mode = toolOf(options);
  if (mode?.tool !== "slirp4netns") return "";
  const last = mode.options.findLast((option) => option.startsWith("allow_host_loopback="));
  if (last !== "allow_host_loopback=true") return "";
  return `${slirpAddresses(mode.options)?.gateway}\t${hostNames.join(" ")}\n`;
}
