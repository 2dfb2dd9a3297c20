/** Containers with a private network, and this machine's loopback as the world outside. */
import { closeSync, openSync, readFileSync, readdirSync } from "node:fs";
import { createHash } from "node:crypto";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { attached, Container, mapping, type ContainerOptions } from "../helper/runtime-fixture.ts";

/** What helper.json says about a network, as far as a test cares. */
export type Network = Record<string, unknown>;

export const networkTest = testWith(
  program("busybox", "busybox-static"),
  () => mapping.limitation,
  () => (canOpenTun() ? undefined : "no /dev/net/tun that may be opened"),
);

function canOpenTun(): boolean {
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
    return true;
  } catch {
    return false; // no module, or not for us
  }
}

export interface Forward {
  protocol?: "tcp" | "udp";
  hostAddress?: string;
  hostPort: number;
  containerPort: number;
  count?: number;
}

/** `sh -ec script` on a network of its own, whose gateway is our loopback unless `network` says otherwise. */
export function networked(
  script: string,
  network: Network = {},
  options: ContainerOptions = {},
): Container {
  const container = new Container(["sh", "-ec", script], {
    capabilities: ["CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"],
    ...options,
    helper: { attach: attached, ...options.helper },
  });
  const whole = {
    ...{ mode: "private", interface: "eth0", mac: "02:00:00:00:01:00", mtu: 65520 },
    ...{ address4: "10.0.2.100/24", gateway4: "10.0.2.2", dns4: "10.0.2.3" },
    ...{ address6: "fd00::100/64", gateway6: "fd00::2", dns6: "fd00::3" },
    ...{ hostLoopback: true, resolv: "/etc/resolv.conf", servers: [], names: [], ports: [] },
    ...{ egress: null, socket: `${container.runtimeDir}/net.sock` },
    ...network,
  };
  container.amend({ network: whole } as object);
  return container;
}

/** The process that is the container's network; a child of it makes sockets inside. */
export async function networkPid(container: Container): Promise<number> {
  const found = await until("its network's process is there", () =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && isNetworkOf(name, container))
      .find((pid) => !isNetworkOf(parentOf(pid), container)),
  );
  return Number(found);
}

function parentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1] ?? "";
  } catch {
    return ""; // it has just ended
  }
}

function isNetworkOf(pid: string, container: Container): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.includes("net") && words.includes(container.directory);
  } catch {
    return false; // it has just ended
  }
}

/** Bytes that differ everywhere, the same each time. */
export function pattern(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  let state = 12345;
  for (let i = 0; i < bytes; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    out[i] = state >>> 16;
  }
  return out;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A port of our loopback that nobody has right now. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

/** /proc/PID/status; empty of a process that is not there. */
export function statusOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/:\s+/) as [string, string]));
}
