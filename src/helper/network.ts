/** The part of the contract that is about networks: what `net` is told, and what can be asked of it while it runs. */

/** helper.json's part. Absent all of it: the network namespace stays as config.json makes it. */
export interface NetworkSettings {
  network?: NetworkConfig;
  /** Instead of `network`: those that somebody has created. */
  networks?: NetworkEntry[];
  networkTool?: NetworkTool;
  /**
   * The network that config.json joins by its path may belong to another user namespace than the one we are called in: then
   * the container is not in a new one but in that, with the ids that there are.
   */
  joinsNetworkOwner?: true;
}

/** One line of `ports`: `count` ports from `hostPort` on lead to as many from `containerPort` on. */
export interface PortForward {
  protocol: "tcp" | "udp";
  /** "0.0.0.0" is every IPv4 address, "::" every IPv6 one. */
  hostAddress: string;
  hostPort: number;
  containerPort: number;
  count: number;
}

/** What an interface of either kind of network is told. */
interface InterfaceConfig {
  interface: string;
  mac: string;
  mtu: number;
  /** "10.0.2.100/24" */
  address4: string;
  gateway4: string;
  /** Where the forwarder answers. */
  dns4: string;
  /** Null: no IPv6. */
  address6: string | null;
  gateway6: string | null;
  dns6: string | null;
  /** The gateway's address is also that of the host's loopback. */
  hostLoopback: boolean;
  /** The host's resolv.conf(5), read anew when it changes. */
  resolv: string;
  /** Whom the forwarder asks instead; empty: those of `resolv`. */
  servers: string[];
  ports: PortForward[];
  /** Null: everywhere, and nothing is written down. */
  egress: EgressConfig | null;
}

/** `network` of helper.json. Absent: the network namespace stays as config.json makes it. */
export interface NetworkConfig extends InterfaceConfig {
  mode: "private";
  /** What the forwarder answers by itself. */
  names: { name: string; address: string }[];
  socket: string;
}

/**
 * One of `networks` of helper.json: a network that several containers may be on. It is one process that is a switch among
 * their interfaces, alive while one of them is there. The first has the name server of resolv.conf; ports and the way
 * out are of the one that `isDefaultRoute`. An empty list: nothing but loopback, so far.
 */
export interface NetworkEntry extends InterfaceConfig {
  /** Of the network, 64 hex characters. */
  id: string;
  network: string;
  /** Where its process is met; the directory may be missing. */
  socket: string;
  /** No way out, not even to the host: members, and the names of members. */
  internal: boolean;
  isDefaultRoute: boolean;
  /** The container's id. */
  member: string;
  /** What the forwarder answers for its addresses. */
  names: string[];
  /** What the forwarder answers besides names of members. */
  hosts: { name: string; address: string }[];
}

/** `networkTool` of helper.json: a program of the host's that makes the container's network, and ends with it. */
export interface NetworkTool {
  /** Absolute. */
  path: string;
  /** "{pid}" is the container's process. It stays in the foreground, and says something on its standard output when it is ready. */
  words: string[];
  /** slirp4netns's API socket, and the ports that it is told there, also while it runs: others have theirs among the words. */
  socket?: string;
  ports?: PortForward[];
}

export interface EgressConfig {
  /** Where what is refused is written down. */
  log: string | null;
  /** Null: everywhere. Port 0: all. "*.example.org" is every name below that. */
  allow: ({ cidr: string; port: number } | { name: string; port: number })[] | null;
}

/** `net.sock` in the runtime directory: one JSON object in, one out. */
export type PortRequest = { add: PortForward } | { remove: PortForward } | { list: true };
export type PortReply =
  { ok: true; ports?: PortForward[] } | { ok: false; errno: number; detail: string };
