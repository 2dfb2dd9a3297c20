/** What this host offers for networks of containers' own. */
import { closeSync, openSync, readFileSync } from "node:fs";

/** Looked at when asked, once. */
export function hostNetwork(): { hasTun: boolean; hasIpv6: boolean } {
  known ??= { hasTun: hasTun(), hasIpv6: hasIpv6() };
  return known;
}

let known: ReturnType<typeof hostNetwork> | undefined;

/** Turned off, not even loopback has an address. */
function hasIpv6(): boolean {
  try {
    return readFileSync("/proc/net/if_inet6", "latin1") !== "";
  } catch {
    return false; // a kernel without
  }
}

/** Opening it makes nothing yet. That the file is there does not say that the kernel has the driver (ENODEV). */
function hasTun(): boolean {
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
    return true;
  } catch {
    return false; // why does not matter: the sentence names the remedy for each
  }
}
