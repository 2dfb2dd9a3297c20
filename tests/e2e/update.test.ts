/** update: other limits while it runs, for its next start too, and nothing when the kernel or we refuse. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { createBox, inspectOne, runBox } from "../support/boxes.ts";
import { cgroupDelegation, delegatedGroup } from "../support/delegated-cgroup.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const offered = (): string => {
  const group = delegatedGroup();
  return group === undefined ? "" : readFileSync(`${group}/cgroup.controllers`, "utf8");
};
const hasPids = () => (/\bpids\b/.test(offered()) ? undefined : "no pids controller for this user");
const hasCpu = () => (/\bcpu\b/.test(offered()) ? undefined : "no cpu controller for this user");

const test = testWith(...registryPrograms);
const limited = testWith(...registryPrograms, cgroupDelegation, hasPids, hasCpu);
const shared = sharedWorld({ images: ["tiny"] });

limited("a running container has them at once, and again with its next start", async () => {
  const { world } = shared;
  await using box = await runBox(world, "exec sleep 1000", "--pids-limit", "50");
  const { State } = await inspectOne(world, box.id);
  const file = async (name: string): Promise<string> => {
    const { State: now } = await inspectOne(world, box.id);
    return readFileSync(`${now.CgroupPath}/${name}`, "utf8").trim();
  };
  expect(await file("pids.max")).toBe("50");
  expect(await world.ok("update", "--pids-limit", "70", "--cpus", "0.5", box.id)).toBe(box.id);
  expect(await file("pids.max")).toBe("70");
  expect(await file("cpu.max")).toBe("50000 100000");
  await world.ok("update", "--cpu-quota", "20000", box.id); // the other word for --cpus
  expect(await file("cpu.max")).toMatch(/^20000 /);
  expect((await inspectOne(world, box.id)).State.Pid).toBe(State.Pid);
  await world.ok("restart", "-t", "0", box.id);
  expect(await file("pids.max")).toBe("70");
  expect(await file("cpu.max")).toMatch(/^20000 /);
  expect((await inspectOne(world, box.id)).HostConfig).toMatchObject({
    PidsLimit: 70,
    NanoCpus: 0,
  });
  const refused = await world.tspod(["update", "--cpuset-cpus", "4000", box.id]);
  expect([refused.exitCode, refused.stdout]).toEqual([125, ""]);
  expect(refused.stderr).toMatch(/^Error: Cannot limit "/);
  expect((await inspectOne(world, box.id)).HostConfig).toMatchObject({ CpusetCpus: "" });
});

test("one that does not run gets them for its next start", async () => {
  const { world } = shared;
  await using box = await createBox(world, "-m", "64m", "tiny", "true");
  await world.ok("update", "--memory", "128m", "--cpu-shares", "512", box.id);
  const { HostConfig } = await inspectOne(world, box.id);
  expect(HostConfig).toMatchObject({ Memory: 128 * 2 ** 20, CpuShares: 512 });
  const path = `${world.root}/data/containers/${box.id}/config.json`;
  const { linux } = JSON.parse(readFileSync(path, "utf8")) as { linux: { resources: object } };
  expect(linux.resources).toMatchObject({
    memory: { limit: 128 * 2 ** 20, swap: 256 * 2 ** 20 },
    cpu: { shares: 512 },
  });
  const refused = await world.tspod(["update", "--memory-swap", "1m", box.id]);
  expect([refused.exitCode, refused.stderr]).toEqual([
    125,
    expect.stringContaining("--memory-swap"),
  ]);
});

test("a restart policy holds at once, and is told by inspect; --rm and always contradict", async () => {
  const { world } = shared;
  await using box = await runBox(world, "exec sleep 1000", "--restart", "no");
  await world.ok("update", "--restart", "on-failure:2", box.id);
  expect((await inspectOne(world, box.id)).HostConfig).toMatchObject({
    RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
  });
  const { State } = await inspectOne(world, box.id);
  process.kill(State.Pid, "SIGKILL"); // not by a command: a failure of its own
  const again = await until("it runs again", async () => {
    const { State: now } = await inspectOne(world, box.id);
    return now.Status === "running" && now.Pid !== State.Pid ? now : undefined;
  });
  await world.ok("update", "--restart=no", box.id);
  process.kill(again.Pid, "SIGKILL");
  expect(await world.ok("wait", box.id)).toBe("137");
  expect((await inspectOne(world, box.id)).State.Status).toBe("exited");
  await using mayfly = await runBox(world, "sleep 1000", "--rm");
  const refused = await world.tspod(["update", "--restart", "always", mayfly.id]);
  expect([refused.exitCode, refused.stderr]).toEqual([125, expect.stringContaining("--rm")]);
  const bad = await world.tspod(["update", "--restart", "sometimes", mayfly.id]);
  expect([bad.exitCode, bad.stderr]).toEqual([125, expect.stringContaining("sometimes")]);
});

test("without a cgroup there is nothing to limit", async () => {
  const { world } = shared;
  await using box = await runBox(world, "sleep 1000", "--cgroups=disabled");
  const { exitCode, stderr } = await world.tspod(["update", "--pids-limit", "9", box.id]);
  expect([exitCode, stderr]).toEqual([125, expect.stringMatching(/cgroup/)]);
});

test("variables hold for the next start and for exec at once, and commit has them", async () => {
  const { world } = shared;
  await using box = await runBox(
    world,
    'echo "$KEPT $MODE ${GONE-none}"; exec sleep 1000',
    ...["-e", "KEPT=1", "-e", "MODE=one", "-e", "GONE=1"],
  );
  await world.ok("update", "-e", "MODE=a b", "--env", "NEW=", "--unsetenv", "GONE", box.id);
  const inside = await world.ok(
    "exec",
    box.id,
    "sh",
    "-c",
    'echo "$KEPT $MODE ${NEW-none} ${GONE-none}"',
  );
  expect(inside).toBe("1 a b  none");
  const { State } = await inspectOne(world, box.id);
  expect(readFileSync(`/proc/${State.Pid}/environ`, "utf8")).toContain("MODE=one");
  await world.ok("restart", "-t", "0", box.id);
  await until("it has started again", async () => {
    const lines = (await world.ok("logs", box.id)).split("\n");
    return lines.length === 2
      ? (expect(lines).toEqual(["1 one 1", "1 a b none"]) ?? true)
      : undefined;
  });
  const image = await world.ok("commit", "-q", box.id);
  const { Config } = JSON.parse(await world.ok("image", "inspect", image))[0];
  expect(Config.Env).toEqual(expect.arrayContaining(["MODE=a b", "NEW=", "KEPT=1"]));
  expect(Config.Env.join(" ")).not.toContain("GONE");
  await world.ok("rmi", image);
});

test("a variable without a name, or one that is nowhere, changes nothing", async () => {
  const { world } = shared;
  await using box = await createBox(world, "tiny", "true");
  for (const words of [["-e", "=x"], ["-e", "TSPOD_NOWHERE"], []]) {
    const { exitCode, stderr } = await world.tspod(["update", ...words, box.id]);
    expect([exitCode, stderr]).toEqual([125, expect.stringMatching(/^Error: .*\n {2}/)]);
  }
});
