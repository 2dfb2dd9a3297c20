/** Networks that several containers are on, written by hand as helper.json has them, and what is to be seen of their process. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NetworkEntry } from "../../src/helper/contract.ts";
import { until } from "../support/wait.ts";
import { attached, Container, type ContainerOptions } from "../helper/runtime-fixture.ts";

/** One network: 10.89.`number`.0/24 and fd89:`number`::/64, whose gateway is .1. */
export class SharedNetwork implements AsyncDisposable {
  readonly base = mkdtempSync(join(tmpdir(), "tspod-shared-"));
  readonly directory = join(this.base, "networks", "f".repeat(12));
  readonly socket = join(this.directory, "net.sock");

  readonly number: number;

  constructor(number = 0) {
    this.number = number;
  }

  /** The entry of the container whose addresses end in `last`. */
  entry(last: number, change: Partial<NetworkEntry> = {}): NetworkEntry {
    const number = this.number;
    return {
      ...{ id: String(number).repeat(64).slice(0, 64), network: `net${number}` },
      ...{ socket: this.socket, interface: "eth0", mtu: 65520, internal: false },
      mac: `02:89:00:00:0${number}:${last.toString(16).padStart(2, "0")}`,
      ...{ address4: `10.89.${number}.${last}/24`, gateway4: `10.89.${number}.1` },
      ...{ dns4: `10.89.${number}.1`, address6: `fd89:${number}::${last}/64` },
      ...{ gateway6: `fd89:${number}::1`, dns6: `fd89:${number}::1`, isDefaultRoute: true },
      ...{ member: `c${last}`, names: [`c${last}`], hostLoopback: true },
      ...{ resolv: "/etc/resolv.conf", servers: [], hosts: [], ports: [], egress: null },
      ...change,
    };
  }

  /** The process of the network, or undefined. */
  pid(): number | undefined {
    const found = readdirSync("/proc").find((name) => /^\d+$/.test(name) && this.isProcess(name));
    return found === undefined ? undefined : Number(found);
  }

  private isProcess(pid: string): boolean {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words.includes("network") && words.includes(this.directory);
    } catch {
      return false; // it has just ended
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await until("the network has ended with its last container", () => this.pid() === undefined);
    rmSync(this.base, { recursive: true, force: true });
  }
}

/** `sh -ec script` on these networks. */
export function member(
  script: string,
  networks: NetworkEntry[],
  options: ContainerOptions = {},
): Container {
  const container = new Container(["sh", "-ec", script], {
    capabilities: ["CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"],
    ...options,
    helper: { attach: attached, ...options.helper },
  });
  container.amend({ networks });
  return container;
}

/** It runs until it is disposed of. */
export async function resident(
  networks: NetworkEntry[],
  script = "sleep 1000",
  options: ContainerOptions = {},
): Promise<Container> {
  const container = member(script, networks, options);
  const started = container.start();
  const outcome = await Promise.race([started.started, started.outcome]);
  if ("status" in outcome) throw new Error(`It did not start: ${JSON.stringify(outcome)}`);
  return container;
}
