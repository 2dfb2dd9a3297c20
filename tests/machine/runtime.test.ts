/** The OCI runtime under a real systemd: alone with --systemd-cgroup, and as podman's. */
import { describe, expect } from "bun:test";
import { machine, machineTest as test } from "./machine.ts";

const units = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice";

describe("tspod oci --systemd-cgroup", () => {
  const script = `
bundle '{"memory":{"limit":524288}}' 'echo hello'
try tiny tspod-oci --systemd-cgroup run -b b tiny
bundle '{"memory":{"limit":524288,"swap":524288}}' 'echo hello'
try swapless tspod-oci --systemd-cgroup run -b b swapless
try cgroupfs tspod-oci run -b b cgroupfs
bundle '{"memory":{"limit":16777216,"swap":16777216},"pids":{"limit":30}}' 'exec busybox sleep 1000'
tspod-oci --systemd-cgroup create -b b c </dev/null >/dev/null 2>&1
scope=$(echo ${units}/*.scope)
note scope "$scope"
try created tspod-oci state c
tspod-oci --systemd-cgroup start c
note memory "$(content $scope/container/memory.max)"
note pids "$(content $scope/container/pids.max)"
try again tspod-oci --root /tmp/other --systemd-cgroup run -b b c
mkfifo told; tspod-oci events --interval 500ms c >told & exec 3<told
read -r event <&3 # statistics: it watches
try killed tspod-oci exec c busybox dd if=/dev/zero of=/dev/null bs=64M count=1
while read -r event <&3; do case $event in *'"oom"'*) break ;; esac; done
note event "$event"
try stats tspod-oci events --stats c
tspod-oci kill c KILL
await sh -c 'tspod-oci state c | grep -q stopped'
try deleted tspod-oci --systemd-cgroup delete c
await test ! -e $scope
note left "$(echo ${units}/*.scope)"
`;
  const answer = machine({ session: "login", script });
  const output = async (name: string): Promise<string> => (await answer(name)).output;

  test("half a MiB is enough to start with", async () => {
    expect(await answer("tiny")).toEqual({ status: 0, output: "hello" });
    expect(await answer("swapless")).toEqual({ status: 0, output: "hello" });
  });

  test("without it the remedy is named: the session's group is not the user's", async () => {
    const { status, output } = await answer("cgroupfs");
    expect(output).toMatch(
      /^tspod-oci: no cgroup is delegated to you: \S+ is not yours; to fix it: have your systemd make one \(--systemd-cgroup\)$/,
    );
    expect(status).toBe(1);
  });

  test("create makes a transient scope with the limits in it; delete leaves none", async () => {
    expect(await output("scope")).toBe(`${units}/tspod-c.scope`);
    expect(JSON.parse(await output("created"))).toMatchObject({ id: "c", status: "created" });
    expect(await output("memory")).toBe("16777216");
    expect(await output("pids")).toBe("30");
    expect(await answer("deleted")).toEqual({ status: 0, output: "" });
    expect(await output("left")).toBe(`${units}/*.scope`);
  });

  test("a scope of the same name is refused", async () => {
    const { status, output } = await answer("again");
    expect(output).toContain("systemd did not make the container's scope: Unit tspod-c.scope ");
    expect(status).toBe(1);
  });

  test("events tells of what was killed for want of memory", async () => {
    expect((await answer("killed")).status).toBe(137);
    expect(JSON.parse(await output("event"))).toEqual({ type: "oom", id: "c" });
    expect(JSON.parse(await output("stats"))).toMatchObject({
      type: "stats",
      data: { memory: { usage: { limit: 16777216 } }, pids: { current: 1, limit: 30 } },
    });
  });
});

describe("podman --cgroup-manager systemd with this runtime", () => {
  const script = `
podman="podman --runtime /tmp/bin/tspod-oci --cgroup-manager systemd"
$podman pull -q oci:$IN/tiny >id || exit
read -r id <id
try limits $podman run --rm -m 64m --pids-limit 40 --network none $id \\
  cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
$podman run -d --name c --network none $id sh -c 'trap "exit 4" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
await sh -c 'podman logs c | grep -q up'
note scope "$(echo ${units}/libpod-*.scope)"
try exec $podman exec c cat /proc/self/cgroup
try stop $podman stop c
try status $podman inspect c --format '{{.State.Status}} {{.State.ExitCode}} {{.OCIRuntime}}'
try oom $podman run --rm -m 16m --memory-swap 16m --network none $id dd if=/dev/zero of=/dev/null bs=64M count=1
$podman rm -af >/dev/null
await test ! -e ${units}/libpod-*.scope
note left "$(echo ${units}/libpod-*.scope)"
`;
  const answer = machine({ session: "login", script });

  test("limits are what was asked for", async () => {
    expect(await answer("limits")).toEqual({ status: 0, output: "67108864\n40" });
    expect((await answer("oom")).status).toBe(137);
  });

  test("exec joins, stop is heard, and no scope is left", async () => {
    expect((await answer("scope")).output).toMatch(/\/libpod-[0-9a-f]{64}\.scope$/);
    expect(await answer("exec")).toEqual({ status: 0, output: "0::/" });
    expect((await answer("stop")).status).toBe(0);
    expect((await answer("status")).output).toMatch(/^exited 4 \S*tspod-oci$/);
    expect((await answer("left")).output).toBe(`${units}/libpod-*.scope`);
  });
});

/** A member of config.json's process is put before its args. */
const labelled = (member: string, label: string): string => `
bundle '{}' 'cat /proc/self/attr/current'; sed -i 's|"args"|"${member}":"${label}","args"|' b/config.json`;

describe("AppArmor, where the kernel has it", () => {
  const script = `
${labelled("apparmorProfile", "unconfined")}
try unconfined tspod-oci run -b b c
${labelled("apparmorProfile", "no-such-profile")}
try unknown tspod-oci run -b b c
`;
  const answer = machine({ session: "login", script });

  test("the kernel is told the profile, and one that is not loaded is named", async () => {
    expect(await answer("unconfined")).toEqual({ status: 0, output: "unconfined" });
    const says = 'tspod-oci: no profile "no-such-profile" is loaded on this host';
    expect(await answer("unknown")).toEqual({ status: 1, output: says });
  });
});

describe("SELinux, where the kernel has it", () => {
  // without a policy there are the kernel's own labels, and everybody may take them
  const script = `
${labelled("selinuxLabel", "unlabeled")}
try labelled tspod-oci run -b b c
try plain busybox cat /proc/self/attr/current
try asked sh -c 'printf unlabeled >/proc/self/attr/exec && exec busybox cat /proc/self/attr/current'
`;
  const flavours = ["cmdline=lsm=selinux selinux=1 enforcing=0"];
  const answer = machine({ session: "login", flavours, script });

  test("the program has the label that was asked for", async () => {
    // since Linux 6.8 nobody has another label than the kernel's before there is a policy, whatever he asks for
    const { output } = await answer("asked");
    expect(output).toMatch(/^(unlabeled|kernel)\0?$/);
    expect((await answer("labelled")).output).toBe(output);
    expect((await answer("plain")).output).toMatch(/^kernel\0?$/);
  });
});
