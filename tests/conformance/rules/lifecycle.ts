/** runtime.md: the state, the operations and their errors. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Rule } from "../rule.ts";
import type { Outcome, Trial } from "../trial.ts";

/** Waits until it is killed; tells the signals it gets. */
const waiting =
  'for s in USR1 HUP TERM; do trap "echo got $s" $s; done; echo ready; while :; do sleep 0.05; done';

const verdict = ({ status }: Outcome): string =>
  status === null ? "hangs" : status === 0 ? "works" : "error";

/** A container whose program runs. */
async function running(trial: Trial): Promise<void> {
  await created(trial);
  await must(trial.start());
  await trial.shows("ready");
}

async function created(trial: Trial): Promise<void> {
  await must(trial.create());
}

async function stopped(trial: Trial): Promise<void> {
  await running(trial);
  await must(trial.kill());
  await trial.reaches("stopped");
}

async function must(outcome: Promise<Outcome>): Promise<void> {
  const { status, stderr } = await outcome;
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
}

const state = "runtime.md#state";

const stateRules: Rule[] = [
  {
    ...{ section: state, rule: "ociVersion is a version of the specification" },
    script: waiting,
    observe: async (trial) => {
      await created(trial);
      return (await trial.state())?.ociVersion ?? "none";
    },
    says: /^1\.\d+\.\d+/,
  },
  {
    ...{ section: state, rule: "id is the container's" },
    script: waiting,
    observe: async (trial) => {
      await created(trial);
      return String((await trial.state())?.id === trial.id);
    },
    says: "true",
  },
  {
    ...{ section: state, rule: "status is created, running, stopped" },
    script: waiting,
    observe: async (trial) => {
      await created(trial);
      const seen = [await trial.status()];
      await must(trial.start());
      await trial.shows("ready");
      seen.push(await trial.status());
      await must(trial.kill());
      await trial.reaches("stopped");
      return [...seen, await trial.status()].join(" ");
    },
    says: "created running stopped",
  },
  {
    ...{ section: state, rule: "pid is the container's process while it is created and running" },
    script: waiting,
    observe: async (trial) => {
      await created(trial);
      const before = (await trial.state())?.pid;
      await must(trial.start());
      await trial.shows("ready");
      const pid = (await trial.state())?.pid;
      const inside = await trial.host(`grep NSpid /proc/${pid}/status`);
      return `${before === pid} ${inside.split(/\s/).at(-1)}`;
    },
    says: "true 1",
  },
  {
    ...{ section: state, rule: "bundle is the absolute path, whatever was given" },
    observe: async (trial) => {
      await must(trial.create("--bundle", "."));
      return String((await trial.state())?.bundle === trial.bundle);
    },
    config: { process: { args: ["true"] } },
    says: "true",
  },
  {
    ...{ section: state, rule: "annotations are those of config.json" },
    config: { annotations: { "com.example.a": "1", "com.example.b": "" } },
    observe: async (trial) => {
      await created(trial);
      const { annotations = {} } = (await trial.state()) ?? {};
      return `${annotations["com.example.a"]},${annotations["com.example.b"]}`;
    },
    says: "1,",
  },
];

/** Each operation on a container that does not exist, and without a name. */
const nobody: Rule[] = (["state", "start", "kill", "delete"] as const).flatMap((verb) => [
  {
    ...{ section: `runtime.md#${verb}`, rule: "of a container that does not exist is an error" },
    observe: async (trial) => verdict(await trial.call(verb, trial.id, ...signalFor(verb))),
    says: "error",
  },
  {
    ...{ section: `runtime.md#${verb}`, rule: "without an id is an error" },
    observe: async (trial) => verdict(await trial.call(verb)),
    says: "error",
  },
]);

const signalFor = (verb: string): string[] => (verb === "kill" ? ["KILL"] : []);

const create = "runtime.md#create";

const createRules: Rule[] = [
  {
    ...{ section: create, rule: "without an id is an error" },
    observe: async (trial) => verdict(await trial.call("create", "--bundle", trial.bundle)),
    says: "error",
  },
  {
    ...{ section: create, rule: "an id that is taken is an error and changes nothing" },
    script: waiting,
    observe: async (trial) => {
      await running(trial);
      const before = await trial.state();
      const again = verdict(await trial.call("create", "--bundle", trial.bundle, trial.id));
      const after = await trial.state();
      return `${again} ${after?.status} ${after?.pid === before?.pid}`;
    },
    says: "error running true",
  },
  ...["../escape", "a/b", "", ".", ".."].map((id): Rule => ({
    ...{ section: create, rule: `the id "${id}" is not valid` },
    observe: async (trial) => {
      const outcome = await trial.call("create", "--bundle", trial.bundle, id);
      if (outcome.status === 0) await trial.call("delete", "--force", id);
      return verdict(outcome);
    },
    says: "error",
  })),
  {
    ...{ section: create, rule: "the program is not run" },
    config: (trial) => ({ mounts: [trial.sharedMount] }),
    script: "echo ran >/shared/log",
    observe: async (trial) => {
      await created(trial);
      const before = trial.log();
      await must(trial.start());
      await trial.reaches("stopped");
      return `"${before}" "${trial.log()}"`;
    },
    says: '"" "ran"',
  },
  {
    ...{ section: create, rule: "later changes of config.json have no effect" },
    script: "echo before",
    observe: async (trial) => {
      await created(trial);
      const config = trial.read();
      config.process.args = ["echo", "after"];
      config.process.cwd = "/nowhere";
      trial.write(config);
      await must(trial.start());
      await trial.reaches("stopped");
      return trial.output();
    },
    says: "before",
  },
  {
    ...{ section: create, rule: "without config.json it is an error" },
    observe: async (trial) => {
      rmSync(join(trial.bundle, "config.json"));
      return verdict(await trial.create());
    },
    says: "error",
  },
  {
    ...{ section: create, rule: "config.json that is no JSON is an error" },
    observe: async (trial) => {
      writeFileSync(join(trial.bundle, "config.json"), '{"ociVersion": "1.0.2", "process": ');
      return verdict(await trial.create());
    },
    says: "error",
  },
  {
    ...{ section: create, rule: "a bundle that is not there is an error" },
    observe: async (trial) => verdict(await trial.call("create", "-b", "/nowhere", trial.id)),
    says: "error",
  },
];

const start = "runtime.md#start";

const startRules: Rule[] = [
  {
    ...{ section: start, rule: "runs the program" },
    script: "echo it runs",
    observe: async (trial) => {
      await created(trial);
      await must(trial.start());
      await trial.reaches("stopped");
      return trial.output();
    },
    says: "it runs",
  },
  {
    ...{ section: start, rule: "of a running container is an error without effect" },
    script: waiting,
    observe: async (trial) => {
      await running(trial);
      const again = verdict(await trial.start());
      return `${again} ${await trial.status()} ${trial.output()}`;
    },
    says: "error running ready",
  },
  {
    ...{ section: start, rule: "of a stopped container is an error without effect" },
    script: waiting,
    observe: async (trial) => {
      await stopped(trial);
      return `${verdict(await trial.start())} ${await trial.status()} ${trial.output()}`;
    },
    says: "error stopped ready",
  },
  {
    ...{ section: start, rule: "without process is an error" },
    observe: async (trial) => {
      const { process: _, ...config } = trial.read();
      writeFileSync(join(trial.bundle, "config.json"), JSON.stringify(config));
      const outcome = await trial.create();
      if (outcome.status !== 0) return "error"; // process is optional for create, but nothing demands that it works
      return verdict(await trial.start());
    },
    says: "error",
  },
];

const kill = "runtime.md#kill";

const killRules: Rule[] = [
  ...["USR1", "SIGHUP", "15"].map((signal): Rule => ({
    ...{ section: kill, rule: `sends ${signal}` },
    script: waiting,
    observe: async (trial) => {
      await running(trial);
      await must(trial.kill(signal));
      await trial.shows("got");
      return trial.output().replace("\n", " ");
    },
    says: `ready got ${signal === "15" ? "TERM" : signal.replace("SIG", "")}`,
  })),
  {
    ...{ section: kill, rule: "reaches a container that is created" },
    script: waiting,
    observe: async (trial) => {
      await created(trial);
      await must(trial.kill());
      await trial.reaches("stopped");
      return await trial.status();
    },
    says: "stopped",
  },
  {
    ...{ section: kill, rule: "of a stopped container is an error without effect" },
    script: waiting,
    observe: async (trial) => {
      await stopped(trial);
      return `${verdict(await trial.kill())} ${await trial.status()}`;
    },
    says: "error stopped",
  },
  {
    ...{ section: kill, rule: "an unknown signal is an error without effect" },
    script: waiting,
    observe: async (trial) => {
      await running(trial);
      return `${verdict(await trial.kill("NOSUCH"))} ${await trial.status()}`;
    },
    says: "error running",
  },
];

const remove = "runtime.md#delete";

const deleteRules: Rule[] = [
  {
    ...{ section: remove, rule: "of a running container is an error without effect" },
    script: waiting,
    observe: async (trial) => {
      await running(trial);
      return `${verdict(await trial.delete())} ${await trial.status()}`;
    },
    says: "error running",
  },
  {
    ...{
      section: remove,
      rule: "of a container that is not stopped but created is an error without effect",
    },
    script: waiting,
    observe: async (trial) => {
      await created(trial);
      return `${verdict(await trial.delete())} ${await trial.status()}`;
    },
    says: "error created",
  },
  {
    ...{ section: remove, rule: "after it the id is nobody's and may be used again" },
    script: waiting,
    observe: async (trial) => {
      await stopped(trial);
      await must(trial.delete());
      const between = await trial.status();
      await created(trial);
      return `${between} ${await trial.status()}`;
    },
    says: "none created",
  },
  {
    ...{ section: remove, rule: "what create made is gone: mounts and processes" },
    script: waiting,
    observe: async (trial) => {
      const census = `cat /proc/self/mountinfo; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '`;
      await running(trial);
      await must(trial.kill());
      await trial.reaches("stopped");
      await must(trial.delete());
      const all = await trial.host(census);
      const others = all.split("\n").filter((line) => line.includes(trial.id));
      return others.join("\n");
    },
    says: "",
  },
  {
    ...{ section: remove, rule: "what the container did not make stays" },
    config: (trial) => ({ root: { path: trial.ownRoot() }, mounts: [trial.sharedMount] }),
    script: "echo mine >/shared/log; echo ready",
    observe: async (trial) => {
      await running(trial);
      await trial.reaches("stopped");
      await must(trial.delete());
      return `${trial.log()} ${existsSync(join(trial.bundle, "rootfs/bin/busybox"))}`;
    },
    says: "mine true",
  },
];

export const lifecycleRules: Rule[] = [
  ...stateRules,
  ...nobody,
  ...createRules,
  ...startRules,
  ...killRules,
  ...deleteRules,
];
