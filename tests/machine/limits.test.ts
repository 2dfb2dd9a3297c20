/** Resource limits under a real systemd: in the container's own group, whatever session it is started from. */
import { describe, expect } from "bun:test";
import { machine, machineTest as test } from "./machine.ts";

/** The lines "FILE VALUE" of files of the container's own group. */
const show = (...files: string[]) =>
  `sh -c 'cd /sys/fs/cgroup; for file in ${files.join(" ")}; do read -r line <$file; echo $file $line; done'`;

const script = `
pull
units=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service
try plain tspod run --rm $image cat /proc/self/cgroup
note controllers "$(content $units/cgroup.controllers)"
try all tspod run --rm -m 64m --memory-swap 96m --memory-reservation 32m --pids-limit 100 $image \\
  ${show("memory.max", "memory.swap.max", "memory.low", "pids.max")}
try cpu tspod run --rm --cpus 0.5 --cpu-shares 512 $image ${show("cpu.max", "cpu.weight")}
try set tspod run --rm --cpuset-cpus 0 $image true
try oom tspod run --name oom -m 16m --memory-swap 16m $image dd if=/dev/zero of=/dev/null bs=64M count=1
try inspected tspod inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' oom
try parent tspod run --rm --cgroup-parent my.slice --cgroupns host $image cat /proc/self/cgroup
echo 1 >$units/my.slice/cgroup.freeze
try frozen tspod run --rm --cgroup-parent my-deep.slice $image true
echo 0 >$units/my.slice/cgroup.freeze
try path tspod run --rm --cgroup-parent /my/path $image true
try disabled tspod run --rm --cgroups=disabled --cgroupns host $image cat /proc/self/cgroup
note caller "$(content /proc/self/cgroup)"
try host tspod run --rm --cgroupns host $image cat /proc/self/cgroup
try private tspod run --rm --cgroupns private $image cat /proc/self/cgroup
try split tspod run --rm --cgroups=split --pids-limit 9 $image cat /sys/fs/cgroup/pids.max
note before "$(echo $units/user.slice/*.scope)"
tspod run -d --name lost -m 64m $image sleep 1000 >/dev/null
scope=$(echo $units/user.slice/tspod-*.scope)
note inside "$(content $scope/container/memory.max)"
pid=$(content $scope/monitor/cgroup.procs)
try exec tspod exec lost cat /sys/fs/cgroup/pids.current
kill -9 $pid
await test ! -e $scope
note after "$(echo $units/user.slice/*.scope)"
try listed tspod ps -a --format '{{.Names}} {{.Status}}'
try removed tspod rm lost oom
`;

const notDelegated = (file: string, controller: string): string =>
  `Error: Cannot start the container: ${file}: the ${controller} controller is not delegated to you
  sudo systemctl edit user@.service, there write [Service] and Delegate=cpu cpuset io memory pids, then sudo systemctl restart user@1000`;

describe.each(["login", "user"] as const)("in a session of the kind %s", (session) => {
  const answer = machine({ session, script });
  const output = async (name: string): Promise<string> => {
    const { status, output } = await answer(name);
    return status === 0 ? output : `status ${status}: ${output}`;
  };

  test("a run without limits has a group of its own and says nothing", async () => {
    expect(await output("plain")).toBe("0::/");
  });

  test("memory, swap, reservation and processes are limited", async () => {
    expect((await output("all")).split("\n")).toEqual([
      ...["memory.max 67108864", "memory.swap.max 33554432", "memory.low 33554432", "pids.max 100"],
    ]);
  });

  test("processors and shares are limited where that is delegated, as it is since systemd 252", async () => {
    const isDelegated = (await output("controllers")).split(" ").includes("cpu");
    expect(await answer("cpu")).toEqual(
      isDelegated
        ? { status: 0, output: "cpu.max 50000 100000\ncpu.weight 59" }
        : { status: 125, output: notDelegated("cpu.weight", "cpu") },
    );
  });

  test("a controller that is not delegated is named with the remedy", async () => {
    expect((await output("controllers")).split(" ")).not.toContain("cpuset");
    expect(await answer("set")).toEqual({
      status: 125,
      output: notDelegated("cpuset.cpus", "cpuset"),
    });
  });

  test("who runs out of memory is killed, and inspect says why", async () => {
    expect(await answer("oom")).toEqual({ status: 137, output: "" });
    expect(await output("inspected")).toBe("true 137");
  });

  test("--cgroup-parent is a slice; a path is refused with what to give", async () => {
    expect(await output("parent")).toMatch(
      /^0::\/.*\/user@1000\.service\/my\.slice\/tspod-[0-9a-f]{64}\.scope\/container$/,
    );
    const { status, output: refusal } = await answer("path");
    expect(status).toBe(125);
    expect(refusal).toContain('"/my/path" is not the name of a slice of systemd');
    expect(refusal).toEndWith("  give one that ends in .slice, as in my.slice");
  });

  test("a slice that is frozen is refused: nothing in it would ever start", async () => {
    expect(await answer("frozen")).toEqual({
      status: 125,
      output:
        "Error: Cannot start the container: my.slice is frozen, so nothing that is put there starts\n" +
        "  systemctl thaw my.slice (with --user when it is yours), or choose another slice",
    });
  });

  test("--cgroups=disabled leaves it where its caller is", async () => {
    expect(await output("disabled")).toBe(await output("caller"));
  });

  test("--cgroupns host shows the whole path, private the top", async () => {
    expect(await output("host")).toMatch(/\/user\.slice\/tspod-[0-9a-f]{64}\.scope\/container$/);
    expect(await output("private")).toBe("0::/");
  });

  test("--cgroups=split needs a group of the caller's own", async () => {
    if (session === "user") return expect(await output("split")).toBe("9");
    const { status, output: refusal } = await answer("split");
    expect(status).toBe(125);
    expect(refusal).toMatch(
      /no cgroup is delegated to you: \S+\/session-\d+\.scope is not yours\n/,
    );
    expect(refusal).toEndWith(
      "  start it by systemd-run --user --scope -p Delegate=yes, or leave away --cgroups=split",
    );
  });

  test("no scope is left, neither by those that ended nor by a monitor that was killed", async () => {
    const none = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/*.scope";
    expect(await output("before")).toBe(none);
    expect(await output("inside")).toBe(String(64 << 20));
    expect(Number(await output("exec"))).toBeGreaterThan(1);
    expect(await output("after")).toBe(none);
    expect(await output("listed")).toContain("lost Exited (137)");
    expect(await output("removed")).toBe("lost\noom");
  });
});

describe("where every controller is delegated", () => {
  const answer = machine({
    session: "login",
    flavours: ["all-controllers"],
    script: `
pull
try set tspod run --rm --cpuset-cpus 0 --cpuset-mems 0 $image ${show("cpuset.cpus", "cpuset.mems")}
disk=$(echo /sys/block/*/dev); disk=\${disk%%/dev*}; disk=/dev/\${disk##*/}
try disk tspod run --rm --device-read-bps $disk:1mb $image ${show("io.max")}
`,
  });

  test("--cpuset-cpus and --cpuset-mems hold", async () => {
    expect(await answer("set")).toEqual({ status: 0, output: "cpuset.cpus 0\ncpuset.mems 0" });
  });

  test("--device-read-bps holds", async () => {
    const { output } = await answer("disk");
    expect(output).toMatch(/^io\.max \d+:\d+ rbps=1048576 wbps=max riops=max wiops=max$/);
  });
});
