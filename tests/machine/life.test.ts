/** The life of containers under a real systemd: standing still, other limits, restarts, journal, boot, readiness. */
import { describe, expect } from "bun:test";
import { machine, machineTest as test } from "./machine.ts";

const script = `
pull
tspod run -d --name it -m 64m --memory-swap 64m $image sleep 1000 >/dev/null
try pause tspod pause it
try paused tspod inspect --format '{{.State.Status}}' it
try unpause tspod unpause it
try update tspod update -m 32m --memory-swap 32m it
try limit tspod exec it cat /sys/fs/cgroup/memory.max
try stats tspod stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' it
mkfifo told; tspod events --since 0 --filter event=oom --format '{{.Status}} {{.Name}}' >told & events=$!; exec 3<told
try hungry tspod exec it dd if=/dev/zero of=/dev/null bs=64M count=1
read -r event <&3
note oom "$event"
kill $events; exec 3<&-
try hurt tspod inspect --format '{{.State.Status}} {{.State.OOMKilled}}' it
tspod rm -f it >/dev/null
tspod run -d --name again --restart on-failure:1 -m 16m $image sh -c 'cat /sys/fs/cgroup/memory.max; exit 3' >/dev/null
await sh -c 'tspod inspect again | grep -q "\\"Status\\": \\"exited\\""'
try again tspod inspect --format '{{.RestartCount}} {{.State.ExitCode}}' again
try kept tspod logs again
tspod rm again >/dev/null
tspod run -d --name always --restart always $image sleep 1000 >/dev/null
tspod run -d --name stopped --restart unless-stopped $image sleep 1000 >/dev/null
tspod stop -t 0 stopped >/dev/null
tspod run -d --name once $image sleep 1000 >/dev/null
try autostart tspod system autostart
# the power fails: no process, no runtime directory
pkill -9 -f 'native run'
await sh -c '! pgrep -f "[s]leep 1000" >/dev/null'
rm -rf $XDG_RUNTIME_DIR/tspod
try after tspod ps -a --sort names --format '{{.Names}} {{.State}}'
systemctl --user daemon-reload
try boot systemctl --user start tspod-restart.service
try booted tspod ps --format '{{.Names}} {{.State}}'
try disabled tspod system autostart --remove
note unit "$(echo ~/.config/systemd/user/*)"
tspod rm -af >/dev/null
heeds='trap exit TERM; sleep 1000 & wait' # systemd waits for who does not
try ready systemd-run --user -q --unit ready -p Type=notify -p NotifyAccess=all \\
  tspod run --rm --sdnotify conmon --name ready $image sh -c "$heeds"
try active systemctl --user is-active ready
systemctl --user stop ready
try gone tspod ps -aq
try detached systemd-run --user -q --unit detached -p Type=notify -p NotifyAccess=all \\
  tspod run -d --rm --sdnotify conmon --conmon-pidfile /tmp/monitor --name detached $image sleep 1000
try main systemctl --user show -P MainPID detached
note monitor "$(cat /tmp/monitor)"
tspod stop -t 0 detached >/dev/null
await sh -c '! systemctl --user -q is-active detached'
try over tspod ps -aq
program=$(command -v systemd-notify) # in /bin or in /usr/bin
host="-v $program:/notify:ro -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro"
try said systemd-run --user -q --unit said -p Type=notify -p NotifyAccess=all \\
  tspod run -d --rm --sdnotify container --name said $host $image sh -c "/notify --ready; $heeds"
try heard systemctl --user is-active said
systemctl --user stop said
try split systemd-run --user -q --unit split -p Type=notify -p NotifyAccess=all -p Delegate=yes -p TimeoutStopSec=2 \\
  tspod run -d --rm --cgroups=split -m 64m --sdnotify conmon --name split $image sleep 1000
try entered tspod exec split cat /sys/fs/cgroup/memory.max
try within systemctl --user show -P ControlGroup split
try where cat /proc/$(systemctl --user show -P MainPID split)/cgroup
systemctl --user stop split
try nothing tspod ps -aq
`;

describe("under systemd", () => {
  const answer = machine({ session: "login", script });
  const output = async (name: string): Promise<string> => {
    const { status, output } = await answer(name);
    return status === 0 ? output : `status ${status}: ${output}`;
  };

  test("a container stands still and goes on", async () => {
    expect(await output("pause")).toBe("it");
    expect(await output("paused")).toBe("paused");
    expect(await output("unpause")).toBe("it");
  });

  test("its limits are changed while it runs, and its use is told", async () => {
    expect(await output("update")).toBe("it");
    expect(await output("limit")).toBe("33554432");
    expect(await output("stats")).toMatch(/^\S+ \/ 32MiB 1$/);
  });

  test("what is killed in it for want of memory is told when it happens, not when it ends", async () => {
    expect((await answer("hungry")).status).toBe(137);
    expect(await output("oom")).toBe("oom it");
    expect(await output("hurt")).toBe("running true");
  });

  test("one that is started again has the same limits", async () => {
    expect(await output("again")).toBe("1 3");
    expect(await output("kept")).toBe("16777216\n16777216");
  });

  test("after a boot there runs what should", async () => {
    expect(await output("autostart")).toContain("tspod-restart.service");
    expect((await output("after")).split("\n")).toEqual([
      ...["always exited", "once exited", "stopped exited"],
    ]);
    expect(await output("boot")).toBe("");
    expect(await output("booted")).toBe("always running");
    expect(await output("disabled")).toContain("tspod-restart.service");
    expect(await output("unit")).not.toContain("tspod");
  });

  test("a service waits until its container runs, and takes it along when it ends", async () => {
    expect(await output("ready")).toBe("");
    expect(await output("active")).toBe("active");
    expect(await output("gone")).toBe("");
  });

  test("a service whose command leaves its container behind follows the monitor", async () => {
    expect(await output("detached")).toMatch(/^(|[0-9a-f]{64})$/); // what it prints may be in the journal
    expect(await output("main")).toBe(await output("monitor"));
    expect(await output("main")).not.toBe("0");
    expect(await output("over")).toBe("");
  });

  test("a service hears its container, which has a scope of its own", async () => {
    expect((await answer("said")).status).toBe(0);
    expect(await output("heard")).toBe("active");
  });

  test("a container in its service's own group is limited, entered, and goes with the service", async () => {
    expect((await answer("split")).status).toBe(0);
    expect(await output("entered")).toBe(String(64 << 20));
    expect(await output("where")).toStartWith(`0::${await output("within")}`);
    expect(await output("nothing")).toBe("");
  });
});

describe("the journal", () => {
  // only root may read it everywhere
  const script = `
pull
try said tspod run --name journal --log-driver journald $image echo into the journal
await sh -c 'journalctl -q -o cat CONTAINER_NAME=journal | grep -q into'
try found journalctl -q -o cat CONTAINER_NAME=journal
try tagged tspod run --rm --log-driver journald --log-opt tag=mine $image sh -c 'echo an error >&2'
await sh -c 'journalctl -q -o cat CONTAINER_TAG=mine | grep -q error'
try priority journalctl -q -o cat -p err CONTAINER_TAG=mine
`;
  const answer = machine({ session: "root", script });

  test("has what a container writes for it, under the names that docker and podman use", async () => {
    expect(await answer("said")).toEqual({ status: 0, output: "into the journal" });
    expect(await answer("found")).toEqual({ status: 0, output: "into the journal" });
    expect((await answer("tagged")).status).toBe(0);
    expect(await answer("priority")).toEqual({ status: 0, output: "an error" });
  });
});
