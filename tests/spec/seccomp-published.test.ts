/**
 * Our default seccomp list beside those that podman and Docker publish: every system call of every architecture, with
 * each capability that unlocks something. Where the verdict differs, the table below says why.
 */
import { describe, expect, test as plainTest } from "bun:test";
import { readFileSync } from "node:fs";
import { defaultCapabilities } from "../../src/spec/index.ts";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";
import { testWith } from "../support/requirements.ts";
import {
  judge,
  type Publisher,
  publishedList,
  readPublished,
  select,
  type Verdict,
} from "./published-profile.ts";
import { readSyscallTables, type Table } from "./syscall-tables.ts";

interface Difference {
  from: Publisher[];
  ours: Verdict;
  /** Names of calls; with arguments, as `cases` calls them. */
  calls: string;
  why: string;
}

const newerHarmless = `cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue
  statmount listmount mseal setxattrat getxattrat listxattrat removexattrat uretprobe`;
const newerPrivileged = `lsm_get_self_attr lsm_set_self_attr lsm_list_modules
  set_mempolicy_home_node`;
const mounting = `mount umount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick
  mount_setattr`;
const oldFamilies = `socket:AF_CAIF socket:AF_ALG socket:AF_VSOCK`;

const differences: Difference[] = [
  {
    from: ["docker", "podman"],
    ours: "allow",
    calls: newerHarmless,
    why: "Linux 6.5 to 6.13: Docker's list allows them since 25.0 to 28.2, Debian's are older",
  },
  {
    from: ["docker", "podman"],
    ours: "allow",
    calls: `${newerPrivileged} bpf perf_event_open`,
    why: "Docker's newer lists: with CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_BPF and CAP_PERFMON",
  },
  {
    from: ["podman"],
    ours: "errno 1",
    calls: `${newerPrivileged} quotactl_fd open_tree_attr`,
    why: "without the capability: EPERM, as for the older calls of their kind",
  },
  {
    from: ["docker", "podman"],
    ours: "allow",
    calls: "open_tree_attr",
    why: "Linux 6.15: open_tree and mount_setattr in one call, so what is right for them",
  },
  {
    from: ["docker", "podman"],
    ours: "errno 1",
    calls: `${oldFamilies} io_uring_setup io_uring_enter io_uring_register`,
    why: "Docker's list since 25.0 (io_uring), 23.0 (AF_VSOCK), 29.5 (AF_ALG: CVE-2026-31431; AF_CAIF)",
  },
  {
    from: ["docker", "podman"],
    ours: "default",
    calls: "socket:46",
    why: "Docker's list since 29.5 names the families it allows; this one does not exist yet",
  },
  {
    from: ["docker"],
    ours: "allow",
    calls: `name_to_handle_at process_vm_readv process_vm_writev pkey_mprotect pkey_alloc pkey_free
      clock_settime64`,
    why: "Docker's list since 23.0 to 24.0, and podman's",
  },
  {
    from: ["docker"],
    ours: "allow",
    calls: "signal sigaction sigsuspend sigpending readdir",
    why: "podman's list: how old 32-bit programs do what the newer calls do",
  },
  {
    from: ["docker"],
    ours: "allow",
    calls: "pivot_root",
    why: "who may mount may also pivot_root: container engines inside of containers do",
  },
  {
    from: ["docker"],
    ours: "errno 22",
    calls: "socket:NETLINK_AUDIT",
    why: "podman's answer, for like podman we do not give CAP_AUDIT_WRITE by default: PAM takes EINVAL for no audit",
  },
  {
    from: ["podman"],
    ours: "errno 1",
    calls: `${mounting} unshare setns clone:CLONE_NEWUSER clone:CLONE_NEWNS clone:all`,
    why: "Docker's: without CAP_SYS_ADMIN no namespaces of one's own, for they open most of the kernel's attack surface",
  },
  {
    from: ["podman"],
    ours: "errno 38",
    calls: "clone3",
    why: "Docker's: its flags cannot be seen by a filter; ENOSYS makes libc use clone",
  },
  {
    from: ["podman"],
    ours: "errno 1",
    calls: "syslog reboot mbind set_mempolicy get_mempolicy pidfd_getfd query_module",
    why: "Docker's: only with the capability they are about, or (query_module) gone since Linux 2.6",
  },
  {
    from: ["podman"],
    ours: "errno 1",
    calls: "keyctl add_key request_key create_module get_kernel_syms vserver _sysctl",
    why: "Docker's: the kernel's keyrings, and calls that nobody should miss",
  },
  {
    from: ["podman"],
    ours: "allow",
    calls: "quotactl_fd vmsplice io_pgetevents io_pgetevents_time64 futex_waitv",
    why: "Docker's list allows them",
  },
];

const unlocking = [
  ...["DAC_READ_SEARCH", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_PACCT"],
  ...["SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "SYS_TTY_CONFIG", "SYS_NICE", "SYSLOG", "BPF"],
  ...["PERFMON", "AUDIT_WRITE"],
].map((name) => `CAP_${name}`);

const capabilitySets: readonly (readonly string[])[] = [
  [],
  defaultCapabilities,
  ...unlocking.map((capability) => [capability]),
  [...defaultCapabilities, ...unlocking],
];

/** Arguments that tell the rules of a call apart. */
const cases: Record<string, Record<string, bigint[]>> = {
  clone: {
    fork: [17n],
    CLONE_NEWNS: [0x2_0011n],
    CLONE_NEWUSER: [0x1000_0011n],
    all: [0x7e02_0000n],
  },
  personality: Object.fromEntries(
    ["0x0", "0x8", "0x20000", "0x20008", "0xffffffff", "0x1", "0x40000"].map((text) => [
      text,
      [BigInt(text)],
    ]),
  ),
  socket: {
    ...Object.fromEntries(
      Array.from({ length: 47 }, (_, family) => [family, [BigInt(family), 1n, 0n]]),
    ),
    AF_CAIF: [37n, 5n, 0n],
    AF_ALG: [38n, 5n, 0n],
    AF_VSOCK: [40n, 1n, 0n],
    NETLINK_AUDIT: [16n, 3n, 9n],
    "AF_INET, protocol 9": [2n, 3n, 9n],
  },
};

const named = new Map([
  ["socket:37", "socket:AF_CAIF"],
  ["socket:38", "socket:AF_ALG"],
  ["socket:40", "socket:AF_VSOCK"],
]);

const architectures: Record<Table, { node: string; go: string }> = {
  "x86-64": { node: "x64", go: "amd64" },
  x86: { node: "x64", go: "amd64" },
  x32: { node: "x64", go: "amd64" },
  arm64: { node: "arm64", go: "arm64" },
  arm: { node: "arm64", go: "arm64" },
};

const tables = readSyscallTables();
const oldestKernel = "5.10"; // what README asks for

/** Every verdict that differs without a reason in `differences`, and what those explained. */
function compare(publisher: Publisher): { unexplained: string[]; used: Set<string> } {
  const list = readPublished(publisher);
  const unexplained = new Map<string, string>();
  const used = new Set<string>();
  for (const [table, calls] of Object.entries(tables)) {
    const { node, go } = architectures[table as Table]; // the tables' own keys
    for (const capabilities of capabilitySets) {
      const ours = judge(defaultSeccomp(capabilities, node));
      const selected = select(list, { capabilities, architecture: go, kernel: oldestKernel });
      const theirs = judge(selected);
      for (const [label, call, args] of calls.flatMap(variants)) {
        const our = ours(call, args);
        const their = theirs(call, args);
        if (isSame(our, their, selected.defaultErrnoRet)) continue;
        const key = `${label} ${our}`;
        if (explains(publisher, label, our)) used.add(key);
        else
          unexplained.set(key, `${publisher}: ${their}, with ${capabilities.join(" ") || "none"}`);
      }
    }
  }
  return { unexplained: [...unexplained].map((pair) => pair.join("; ")), used };
}

function variants(call: string): [label: string, call: string, args: bigint[]][] {
  const known = cases[call];
  if (known === undefined) return [[call, call, []]];
  return Object.entries(known).map(([label, args]) => {
    const full = `${call}:${label}`;
    return [named.get(full) ?? full, call, args];
  });
}

/** Both say nothing about it; or EPERM, be it by name or by a default of EPERM. */
function isSame(ours: Verdict, theirs: Verdict, theirDefault = 0): boolean {
  return ours === theirs || (theirs === "default" && ours === `errno ${theirDefault}`);
}

function explains(publisher: Publisher, label: string, ours: Verdict): boolean {
  return differences.some(
    (difference) =>
      difference.ours === ours &&
      difference.from.includes(publisher) &&
      difference.calls.split(/\s+/).includes(label),
  );
}

describe.each<Publisher>(["docker", "podman"])("%s's published list", (publisher) => {
  const test = testWith(publishedList(publisher));

  test("differs from ours only where we say why", () => {
    expect(compare(publisher).unexplained).toEqual([]);
  });

  const isDebian12 = readFileSync("/etc/os-release", "utf8").includes('VERSION_ID="12"');
  const onDebian12 = testWith(publishedList(publisher), () =>
    isDebian12 ? undefined : "another distribution's lists are newer than those we name",
  );

  onDebian12("explanations that explain nothing are not kept", () => {
    const { used } = compare(publisher);
    const told = differences
      .filter(({ from }) => from.includes(publisher))
      .flatMap(({ calls, ours }) => calls.split(/\s+/).map((label) => `${label} ${ours}`));
    expect(told.filter((key) => !used.has(key))).toEqual([]);
  });
});

plainTest("every call of our list is one that some architecture has", () => {
  const known = new Set(Object.values(tables).flat());
  const { syscalls } = defaultSeccomp(unlocking, "arm64");
  const names = new Set(
    [...syscalls, ...defaultSeccomp([], "x64").syscalls].flatMap((rule) => rule.names),
  );
  const elsewhere = new Set(["arm_sync_file_range"]);
  expect([...names].filter((name) => !known.has(name) && !elsewhere.has(name))).toEqual([]);
});
