/**
 * What a container is that nobody asked anything for. By itself, so that what only reads such answers (inspect) loads
 * nothing of what makes a configuration of them.
 */
import type { DetailOptions } from "./details.ts";
import type { NetworkOptions, SecurityOptions, SetupOptions } from "./options.ts";
import type { LimitOptions } from "./resources.ts";

export const defaultDetails: DetailOptions = {
  ...{ hostEnvironment: [], mergedEnvironment: {}, unset: [], unsetsAll: false },
  ...{ annotations: {}, exposed: [], domainname: null, addedHosts: [], hosts: "own" },
  ...{ hasHostnameFile: true, resolver: { servers: [], searches: [], options: [] } },
  ...{ timezone: null, hasReadOnlyTmpfs: true, systemd: "auto", accounts: null },
  ...{ personality: null, systemdSizeBytes: null },
  ...{ pidFile: null, monitorPidFile: null },
};

export const noNetworkOptions: NetworkOptions = {
  ...{ ports: [], publishesAll: false, exposed: [], address4: null, address6: null, mac: null },
  ...{ aliases: [], mtu: null, reachesHostLoopback: false, egress: null, warnings: [] },
};

export const defaultSecurity: SecurityOptions = {
  isPrivileged: false,
  ...{ capAdd: [], capDrop: [] },
  ...{ securityOpt: [], noNewPrivileges: false, seccomp: null, apparmor: null, labels: [] },
  ...{ mask: [], unmask: [], procOptions: [] },
};

export const defaultSetup: SetupOptions = {
  ...{ devices: [], hostDevices: [], groups: [], keepGroups: false, ulimits: [], sysctls: {} },
  ...{ shmSizeBytes: null, umask: null, warnings: [] },
};

export const noLimits: LimitOptions = {
  ...{ memory: null, memorySwap: null, memoryReservation: null, oomScoreAdj: null },
  ...{ cpuShares: null, cpuPeriod: null, cpuQuota: null, nanoCpus: null },
  ...{ cpusetCpus: null, cpusetMems: null, pids: null },
  ...{ blkioWeight: null, blkioWeightDevice: [], throttle: [], deviceRules: [], unified: {} },
  ...{ cgroupParent: null, cgroups: "enabled", ignored: [] },
};
