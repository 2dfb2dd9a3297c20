/** pause, unpause, and what other commands do with a container that stands still. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { inspectOne, runBox } from "../support/boxes.ts";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms, cgroupDelegation);
const traced = testWith(...registryPrograms, cgroupDelegation, program("strace"));
const anywhere = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

test("pause stops every process, unpause lets them go on; ps, inspect and filters know", async () => {
  const { world } = shared;
  await using box = await runBox(world, "while :; do echo x; done > /dev/null", "--name", "busy");
  expect(await world.ok("pause", "busy")).toBe("busy");
  const { State } = await inspectOne(world, "busy");
  expect(State).toMatchObject({ Status: "paused", Paused: true, Running: true });
  const ticks = (): string =>
    readFileSync(`/proc/${State.Pid}/stat`, "latin1").split(" ").slice(13, 15).join();
  const before = ticks();
  expect(await world.ok("ps", "-f", "status=paused", "--format", "{{.Names}}|{{.Status}}")).toMatch(
    /^busy\|Up .* \(Paused\)$/,
  );
  expect(await world.ok("ps", "-q")).toBe(box.id.slice(0, 12)); // it counts as running
  expect(ticks()).toBe(before);
  const again = await world.tspod(["pause", "busy"]);
  expect([again.exitCode, again.stderr]).toEqual([125, expect.stringContaining("paused already")]);
  expect(await world.ok("unpause", "busy")).toBe("busy");
  await until("it runs on", () => ticks() !== before);
  const twice = await world.tspod(["unpause", "busy"]);
  expect([twice.exitCode, twice.stderr]).toEqual([125, expect.stringContaining("not paused")]);
});

test("exec in and attach to a paused container is refused; kill, stop, restart and rm -f of one work", async () => {
  const { world } = shared;
  await using first = await runBox(world);
  await world.ok("pause", first.id);
  for (const words of [
    ["exec", first.id, "true"],
    ["attach", first.id],
    ["start", "-a", first.id],
  ]) {
    const refused = await world.tspod(words);
    expect([refused.exitCode, refused.stderr]).toEqual([125, expect.stringContaining("unpause")]);
  }
  await world.ok("kill", first.id);
  expect(await world.ok("wait", first.id)).toBe("137");

  await using second = await runBox(
    world,
    "trap 'exit 5' TERM; echo; while :; do sleep 0.01; done",
  );
  await until("its trap is set", async () => (await world.ok("logs", second.id)) === "");
  await world.ok(
    "exec",
    second.id,
    "sh",
    "-c",
    "while ! grep -q SigCgt:.*4 /proc/1/status; do :; done",
  );
  await world.ok("pause", second.id);
  await world.ok("stop", second.id);
  expect((await inspectOne(world, second.id)).State.ExitCode).toBe(5);

  await using third = await runBox(world, "exec sleep 1000");
  await world.ok("pause", third.id);
  await world.ok("restart", "-t", "0", third.id);
  expect((await inspectOne(world, third.id)).State.Status).toBe("running");
  await world.ok("pause", third.id);
  await world.ok("rm", "-f", third.id);
});

traced("who is about to join it when it is paused keeps nobody from removing it", async () => {
  const { world } = shared;
  await using box = await runBox(world, "exec sleep 1000");
  const { State } = await inspectOne(world, box.id);
  const members = () => readFileSync(`${State.CgroupPath}/cgroup.procs`, "latin1").match(/^\d+$/gm);
  // the new process is there, and whoever made it stands still before it has said so
  const inject = "inject=sendmsg:delay_enter=2s";
  const trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg", "-e", inject];
  const exec = Bun.spawn([...trace, tspodFile, "exec", box.id, "sleep", "1000"], {
    env: world.environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  await until("it is on its way in", () => (members() ?? []).length === 3);
  await world.ok("pause", box.id);
  expect(await world.ok("rm", "-f", box.id)).toBe(box.id);
  expect([125, 137]).toContain(await exec.exited); // killed before it executed, or just afterwards
});

test("a signal that does not end it waits for a paused container", async () => {
  const { world } = shared;
  await using box = await runBox(
    world,
    "trap 'echo got' USR1; echo ready; while :; do sleep 0.01; done",
  );
  await until("it is ready", async () => (await world.ok("logs", box.id)) === "ready");
  await world.ok("pause", box.id);
  await world.ok("kill", "-s", "USR1", box.id);
  expect((await inspectOne(world, box.id)).State.Paused).toBe(true);
  await world.ok("unpause", box.id);
  await until("it got it", async () => (await world.ok("logs", box.id)) === "ready\ngot");
});

test("--all, --filter and --latest choose", async () => {
  const { world } = shared;
  await using one = await runBox(world, "sleep 1000", "-l", "side=left");
  await using two = await runBox(world, "sleep 1000", "-l", "side=right");
  const paused = () => world.ok("ps", "-q", "--no-trunc", "-f", "status=paused");
  await world.ok("pause", "-f", "label=side=left");
  expect(await paused()).toBe(one.id);
  await world.ok("pause", "--all"); // the rest: what is paused is no error
  expect((await paused()).split("\n").sort()).toEqual([one.id, two.id].sort());
  await world.ok("unpause", "--latest");
  expect(await paused()).toBe(one.id);
  await world.ok("unpause", "-a");
  expect(await paused()).toBe("");
});

test("what a commit has paused goes on when all of it has been killed", async () => {
  const { world } = shared;
  await using box = await runBox(world, "exec sleep 1000");
  await world.ok("exec", box.id, "sh", "-c", "head -c 64000000 /dev/urandom > /large");
  const { State } = await inspectOne(world, box.id);
  const commit = world.start(["commit", "-q", box.id, "large"]);
  await until("it is paused", () =>
    /^1/.test(readFileSync(`${State.CgroupPath}/cgroup.freeze`, "utf8")),
  );
  // which knows nothing of the store
  const pausing = await Bun.$`pgrep -f ${`files pause --path ${State.CgroupPath}`}`.text();
  process.kill(Number(pausing), "SIGKILL");
  commit.kill("SIGKILL");
  await commit.exited;
  expect(await world.ok("ps", "-q", "--no-trunc", "-f", "status=running")).toBe(box.id);
});

anywhere("what cannot be paused: a sentence", async () => {
  const { world } = shared;
  await using ended = await runBox(world, "exit 0", "--name", "ended");
  await world.ok("wait", ended.id);
  await using groupless = await runBox(
    world,
    "sleep 1000",
    "--name",
    "groupless",
    "--cgroups=disabled",
  );
  for (const [name, what] of [
    ["ended", /not running/],
    ["groupless", /no cgroup/],
    ["nobody", /nobody/],
  ] as const) {
    const { exitCode, stdout, stderr } = await world.tspod(["pause", name]);
    expect([exitCode, stdout]).toEqual([125, ""]);
    expect(stderr).toMatch(what);
    expect(stderr.trim().split("\n").length).toBeLessThanOrEqual(2);
  }
  expect(groupless.id).toHaveLength(64);
});
