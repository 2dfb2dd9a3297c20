/**
 * Hosts on which something cannot be limited: it is refused in one sentence that names it, the reason and the remedy,
 * and a run that asks for no limits says nothing. Where it can be had all the same, it is.
 */
import { describe, expect } from "bun:test";
import { machine, machineTest as test } from "./machine.ts";

const script = `
pull
note kind "$(stat -f -c %T /sys/fs/cgroup)"
note delegated "$(content /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers 2>/dev/null)"
try plain tspod run --rm $image echo hello
try memory tspod run --rm -m 64m $image cat /sys/fs/cgroup/memory.max
try cpu tspod run --rm --cpus 0.5 $image cat /sys/fs/cgroup/cpu.max
try pids tspod run --rm --pids-limit 50 $image cat /sys/fs/cgroup/pids.max
`;

type Limit = "memory" | "cpu" | "pids";

interface Host {
  session: "login" | "bare";
  flavours: string[];
  refusals: Partial<Record<Limit, string>>;
}

const limited: Record<Limit, string> = { memory: "67108864", cpu: "50000 100000", pids: "50" };
const files: Record<Limit, string> = { memory: "memory.max", cpu: "cpu.max", pids: "pids.max" };
const all: Limit[] = ["memory", "cpu", "pids"];

const notDelegated = (limit: Limit): string =>
  `Error: Cannot start the container: ${files[limit]}: the ${limit} controller is not delegated to you
  sudo systemctl edit user@.service, there write [Service] and Delegate=cpu cpuset io memory pids, then sudo systemctl restart user@1000`;

const switchedOff = (limit: Limit): string =>
  `Error: Cannot start the container: ${files[limit]}: the ${limit} controller is switched off in this kernel
  boot the host without cgroup_disable=${limit} (with cgroup_enable=${limit} where that is the default)`;

const inUseByV1 = (limit: Limit): string =>
  `Error: Cannot start the container: ${files[limit]}: the ${limit} controller is in use by cgroup v1, which tspod does not limit with
  boot the host with systemd.unified_cgroup_hierarchy=1`;

const noV2 = `Error: Cannot start the container: cgroup v2 is not mounted, or not where this process is
  boot the host with systemd.unified_cgroup_hierarchy=1`;

const noSystemd = `Error: Cannot start the container: no systemd of yours is running here
  log in (with su or in cron there is none), or sudo loginctl enable-linger $USER`;

const each = (sentence: (limit: Limit) => string): Host["refusals"] =>
  Object.fromEntries(all.map((limit) => [limit, sentence(limit)]));

const hosts: Host[] = [
  { session: "bare", flavours: [], refusals: {} },
  { session: "login", flavours: ["no-user-bus"], refusals: {} },
  { session: "login", flavours: ["no-cpu"], refusals: { cpu: notDelegated("cpu") } },
  { session: "login", flavours: ["no-memory"], refusals: { memory: switchedOff("memory") } },
  {
    session: "login",
    flavours: ["no-controllers"],
    refusals: {
      memory: switchedOff("memory"),
      cpu: notDelegated("cpu"),
      pids: switchedOff("pids"),
    },
  },
  { session: "login", flavours: ["no-user-manager"], refusals: each(() => noSystemd) },
  { session: "bare", flavours: ["no-user-manager"], refusals: each(() => noSystemd) },
  { session: "login", flavours: ["cgroup-v1"], refusals: each(() => noV2) },
  { session: "login", flavours: ["cgroup-hybrid"], refusals: each(inUseByV1) },
];

describe.each(hosts)("session $session, flavours $flavours", ({ session, flavours, refusals }) => {
  const answer = machine({ session, flavours, script });

  test("a run without limits says nothing but what it runs", async () => {
    expect(await answer("plain")).toEqual({ status: 0, output: "hello" });
  });

  /** Of this generation of host: since systemd 256 there is no cgroup v1, and before 252 cpu was not delegated. */
  const refusalOf = async (limit: Limit): Promise<string | undefined> => {
    const isLegacy = flavours.some((flavour) => flavour.startsWith("cgroup-"));
    if (isLegacy) {
      const isIgnored = (await answer("kind")).output === "cgroup2fs";
      return isIgnored ? undefined : refusals[limit];
    }
    const delegated = (await answer("delegated")).output.split(" ");
    const isOld = limit === "cpu" && delegated.includes("pids") && !delegated.includes("cpu");
    return refusals[limit] ?? (isOld ? notDelegated(limit) : undefined);
  };

  for (const limit of all) {
    test(`${limit} is ${refusals[limit] === undefined ? "limited" : "refused"}`, async () => {
      const refusal = await refusalOf(limit);
      const expected =
        refusal === undefined
          ? { status: 0, output: limited[limit] }
          : { status: 125, output: refusal };
      expect(await answer(limit)).toEqual(expected);
    });
  }
});

describe("the remedy for what is not delegated", () => {
  const script = `
mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' >/etc/systemd/system/user@.service.d/override.conf
systemctl daemon-reload
systemctl restart user@1000
uid=1000
bundle '{"cpu":{"cpus":"0"}}' 'echo hello'
chown -R tester b
try run runuser -u tester -- env -i PATH="$PATH" XDG_RUNTIME_DIR=/run/user/1000 tspod-oci --systemd-cgroup run -b b c
`;
  const answer = machine({ session: "root", script });

  test("makes the controller one's own", async () => {
    expect(await answer("run")).toEqual({ status: 0, output: "hello" });
  });
});
