/** How many name servers a network can have: what its process has room for (net/resolver.zig), which is as many as libc asks. */
import { TspodError } from "../errors.ts";

const serversMax = 3;

/** Throws usage. */
export function requireServers(servers: readonly string[]): void {
  if (servers.length <= serversMax) return;
  const what = `A network asks ${serversMax} name servers at most, not ${servers.length}`;
  throw new TspodError("usage", what, { next: `leave some away: ${servers.join(", ")}` });
}
