/**
 * A container by hand whose files are this machine's, of one user id, for a namespace in which this process is root: what
 * `unshare -Urnm` makes is a host whose addresses are ours to choose.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { helperCommand } from "../../src/helper/index.ts";
import { bundleConfig, type Mount } from "../helper/runtime-bundle.ts";

/** The host of such a container: two addresses, and a way out that leads nowhere. */
export const outside = "192.0.2.1";
export const outside6 = "2001:db8::1";
export const hostScript = [
  "ip link set lo up; ip tuntap add dev ext0 mode tap",
  `ip addr add ${outside}/24 dev ext0; ip -6 addr add ${outside6}/64 dev ext0 nodad; ip link set ext0 up`,
  "ip route add default via 192.0.2.254; ip -6 route add default via 2001:db8::fe dev ext0",
].join("\n");
export const unshareWords = ["unshare", "-Urnm", "--pid", "--fork", "--kill-child", "--mount-proc"];

export interface BareOptions {
  /** Directories and files that are there inside as outside. */
  shared: string[];
  network?: Record<string, unknown>;
  capabilities?: string[];
}

/** The command that runs `args` in it; everything of it lies in `base`. */
export function bareContainer(base: string, args: string[], options: BareOptions): string[] {
  const container = join(base, "container");
  for (const name of ["merged", "upper", "work"])
    mkdirSync(join(container, name), { recursive: true });
  for (const name of ["dev", "proc", "sys"])
    mkdirSync(join(base, "lower", name), { recursive: true });
  const one = [{ containerID: 0, hostID: 0, size: 1 }];
  const bind = (path: string): Mount => ({
    ...{ destination: path, type: "bind", source: path },
    options: ["rbind"],
  });
  const shared = ["/usr", "/bin", "/lib", "/lib64", "/etc", ...options.shared].filter(existsSync);
  const config = bundleConfig(args, join(container, "merged"), {
    mapping: { uid: one, gid: one, tools: null } as never, // of one id
    env: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/"],
    capabilities: ["CAP_NET_ADMIN", ...(options.capabilities ?? [])],
    mounts: shared.map(bind),
  }) as { mounts: { type?: string }[] };
  // A namespace of one id has no group for terminals, and nobody to make a cgroup for.
  config.mounts = config.mounts.filter(({ type }) => type !== "devpts" && type !== "cgroup");
  writeFileSync(join(container, "config.json"), JSON.stringify(config));
  const helper = {
    ...{ contract: 1, id: "bare", name: "bare", runtimeDir: join(base, "run") },
    ...{ containerDir: container, trashDir: join(base, "trash"), createCwd: true },
    rootfs: {
      ...{ kind: "overlay", lower: [join(base, "lower")] },
      ...{ upper: join(container, "upper"), work: join(container, "work") },
    },
    attach: { stdin: false, detachKeys: [], sigProxy: true, passthrough: false },
    network: {
      ...{ address4: "10.0.2.100/24", gateway4: "10.0.2.2", dns4: "10.0.2.3" },
      ...{ address6: "fd00::100/64", gateway6: "fd00::2", dns6: "fd00::3" },
      ...options.network,
    },
  };
  writeFileSync(join(container, "helper.json"), JSON.stringify(helper));
  return [...helperCommand(), "run", container];
}
