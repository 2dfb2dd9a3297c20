/** config.md#posix-platform-hooks and the hooks of runtime.md#lifecycle. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../support/wait.ts";
import type { Change } from "../config.ts";
import type { Rule } from "../rule.ts";
import type { State, Trial } from "../trial.ts";

interface Hook {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

const kinds = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;
type Kind = (typeof kinds)[number];

/** A script of the host, which startContainer finds inside: both have /bin/sh. It takes the state, as crun demands. */
function script(text: string): Hook {
  const all = `state=$(cat); ${text}`;
  return { path: "/bin/sh", args: ["sh", "-c", all], env: ["PATH=/usr/bin:/bin"] };
}

/** Where the hooks of a kind find `shared`. */
const place = (trial: Trial, kind: Kind): string =>
  kind === "startContainer" ? "/shared" : trial.shared;

/** Every kind appends a line to the same log. */
function logging(trial: Trial, line: (kind: Kind, log: string) => string): Change {
  const hooks = kinds.map((kind) => [kind, [script(line(kind, `${place(trial, kind)}/log`))]]);
  return { hooks: Object.fromEntries(hooks) as object, mounts: [trial.sharedMount] };
}

/** From create to delete. */
async function live(trial: Trial): Promise<string> {
  const steps = [
    ["create", async () => await trial.create()],
    ["start", async () => await trial.start()],
    ["delete", async () => (await trial.reaches("stopped"), await trial.delete())],
  ] as const;
  for (const [name, step] of steps) {
    const { status, stderr } = await step();
    if (status !== 0) return `${name} fails: ${stderr}`;
  }
  return trial.log();
}

const section = "config.md#posix-platform-hooks";

function stateRule(kind: Kind, status: string): Rule {
  return {
    ...{ section, rule: `${kind} hooks get the state on stdin, ${status}` },
    config: (trial) => ({
      hooks: { [kind]: [script(`echo "$state" >${place(trial, kind)}/log`)] },
      mounts: [trial.sharedMount],
    }),
    observe: async (trial) => {
      const state = JSON.parse(await live(trial)) as State; // else it is told as a failure
      const isOurs = state.id === trial.id && state.bundle === trial.bundle;
      const version = /^1\./.test(state.ociVersion) ? "" : "no version ";
      return `${version}${isOurs} ${state.status}`;
    },
    says: `true ${status}`,
  };
}

/** Which mount namespace a hook runs in: the runtime's or the container's. */
function placeRule(kind: Kind, where: "runtime" | "container"): Rule {
  const link = "readlink /proc/self/ns/mnt";
  return {
    ...{ section, rule: `${kind} hooks run in the ${where} namespace` },
    config: (trial) => ({
      hooks: { [kind]: [script(`${link} >${place(trial, kind)}/log`)] },
      mounts: [trial.sharedMount],
      process: { args: ["sh", "-c", `${link} >/shared/inside`] },
    }),
    observe: async (trial) => {
      const hook = await live(trial);
      const outside = await trial.host(link);
      if (hook === outside) return "runtime";
      return hook === trial.log("inside") ? "container" : `elsewhere: ${hook}`;
    },
    says: where,
  };
}

function failureRule(kind: Kind, says: string): Rule {
  return {
    ...{ section: "runtime.md#lifecycle", rule: `a ${kind} hook that fails` },
    config: (trial) => ({
      hooks: {
        [kind]: [script("exit 3")],
        poststop: [script(`echo poststop >>${trial.shared}/log`)],
      },
      mounts: [trial.sharedMount],
      process: { args: ["sh", "-c", "echo program >>/shared/log"] },
    }),
    observe: async (trial) => {
      const created = await trial.create();
      const call = created.status === 0 ? await trial.start() : created;
      const name = created.status === 0 ? "start" : "create";
      const isGone = async (): Promise<boolean> => /none|stopped/.test(await trial.status());
      const state = await until("it has ended", isGone).then(
        () => "ended",
        async () => await trial.status(),
      );
      if (state === "ended") await trial.delete("--force");
      return `${name} ${call.status === 0 ? "works" : "fails"}, ${state}, ${trial.log().replace("\n", " ")}`;
    },
    says,
  };
}

export const hookRules: Rule[] = [
  {
    ...{ section: "runtime.md#lifecycle", rule: "hooks are called in the order of the lifecycle" },
    config: (trial) => ({
      ...logging(trial, (kind, log) => `echo ${kind} >>${log}`),
      process: { args: ["sh", "-c", "echo program >>/shared/log"] },
    }),
    observe: async (trial) => (await live(trial)).split("\n").join(" "),
    says: /^prestart createRuntime createContainer startContainer (program poststart|poststart program) poststop$/,
  },
  {
    ...{
      section: "runtime.md#lifecycle",
      rule: "create, start and delete call theirs before they return",
    },
    config: (trial) => logging(trial, (kind, log) => `echo ${kind} >>${log}`),
    observe: async (trial) => {
      const count = (): number => trial.log().split("\n").filter(Boolean).length;
      await trial.create();
      const created = count();
      await trial.start();
      const started = count();
      await trial.reaches("stopped");
      await trial.delete();
      return `${created} ${started} ${count()}`;
    },
    says: "3 5 6",
  },
  {
    ...{ section, rule: "hooks of a kind are called in the listed order" },
    config: (trial) => {
      const three = (kind: Kind): Hook[] =>
        [1, 2, 3].map((n) => script(`echo ${n} >>${place(trial, kind)}/${kind}`));
      const hooks = Object.fromEntries(kinds.map((kind) => [kind, three(kind)]));
      return { hooks, mounts: [trial.sharedMount] };
    },
    observe: async (trial) => {
      await live(trial);
      return kinds.map((kind) => trial.log(kind).replaceAll("\n", "")).join(" ");
    },
    says: "123 123 123 123 123 123",
  },
  stateRule("prestart", "creating"),
  stateRule("createRuntime", "creating"),
  stateRule("createContainer", "creating"),
  stateRule("startContainer", "created"),
  stateRule("poststart", "running"),
  stateRule("poststop", "stopped"),
  placeRule("prestart", "runtime"),
  placeRule("createRuntime", "runtime"),
  placeRule("createContainer", "container"),
  placeRule("startContainer", "container"),
  placeRule("poststart", "runtime"),
  placeRule("poststop", "runtime"),
  {
    ...{ section, rule: "the path of createContainer hooks resolves in the runtime namespace" },
    config: (trial) => {
      const path = join(trial.bundle, "hook");
      writeFileSync(path, `#!/bin/sh\ncat >/dev/null; echo found >${trial.shared}/log\n`, {
        mode: 0o755,
      });
      return { hooks: { createContainer: [{ path }] } };
    },
    observe: live,
    says: "found",
  },
  {
    ...{ section, rule: "the path of startContainer hooks resolves in the container namespace" },
    config: (trial) => {
      const text = "#!/bin/sh\ncat >/dev/null; echo inside >/shared/log\n";
      writeFileSync(join(trial.shared, "hook"), text, { mode: 0o755 });
      return { hooks: { startContainer: [{ path: "/shared/hook" }] }, mounts: [trial.sharedMount] };
    },
    observe: live,
    says: "inside",
  },
  ...(["prestart", "createRuntime", "createContainer"] as const).map((kind): Rule => ({
    ...{ section, rule: `${kind} hooks are called before pivot_root` },
    config: (trial) => ({
      hooks: { [kind]: [script(`test -d ${trial.bundle} && echo before >${trial.shared}/log`)] },
    }),
    observe: live,
    says: "before",
  })),
  {
    ...{ section, rule: "createRuntime hooks find the namespaces made" },
    config: (trial) => ({
      hooks: {
        createRuntime: [
          script(
            `pid=$(echo "$state" | tr -d '\\n' | sed 's/.*"pid": *\\([0-9]*\\).*/\\1/'); ` +
              `for k in mnt net uts ipc pid; do [ "$(readlink /proc/$pid/ns/$k)" = "$(readlink /proc/self/ns/$k)" ] && echo same $k; done >${trial.shared}/log; ` +
              `echo checked >>${trial.shared}/log`,
          ),
        ],
      },
    }),
    observe: live,
    says: "checked",
  },
  {
    ...{ section, rule: "args are the hook's argv" },
    config: (trial) => ({
      hooks: {
        createRuntime: [
          {
            path: "/bin/sh",
            args: [
              "name",
              "-c",
              `cat >/dev/null; echo "$0,$1,$2" >${trial.shared}/log`,
              "a b",
              "",
              "c",
            ],
          },
        ],
      },
    }),
    observe: live,
    says: "a b,,c",
  },
  {
    ...{ section, rule: "env is the hook's environment" },
    config: (trial) => ({
      hooks: {
        createRuntime: [
          {
            path: "/usr/bin/env",
            args: [
              "env",
              "sh",
              "-c",
              `cat >/dev/null; /usr/bin/env | grep -E '^(A|HOME|B)=' >${trial.shared}/log`,
            ],
            env: ["PATH=/usr/bin:/bin", "A=1", "B=two words"],
          },
        ],
      },
    }),
    observe: async (trial) => (await live(trial)).split("\n").sort().join(" "),
    says: "A=1 B=two words",
  },
  {
    ...{ section, rule: "a relative path is refused" },
    config: { hooks: { createRuntime: [{ path: "bin/true" }] } },
    refused: true,
  },
  {
    ...{ section, rule: "a path that is not there is an error" },
    config: { hooks: { createRuntime: [{ path: "/nowhere/hook" }] } },
    refused: true,
  },
  ...[0, -1].map((timeout): Rule => ({
    ...{ section, rule: `timeout ${timeout} is refused` },
    config: { hooks: { createRuntime: [{ ...script("true"), timeout }] } },
    refused: true,
  })),
  {
    ...{ section, rule: "a hook is aborted after its timeout, which is an error" },
    config: { hooks: { createRuntime: [{ ...script("exec sleep 60"), timeout: 1 }] } },
    refused: true,
  },
  failureRule("prestart", "create fails, ended, poststop"),
  failureRule("createRuntime", "create fails, ended, poststop"),
  failureRule("createContainer", "create fails, ended, poststop"),
  failureRule("startContainer", "start fails, ended, poststop"),
  {
    ...{
      section: "runtime.md#lifecycle",
      rule: "a poststop hook that fails does not hinder the others",
    },
    config: (trial) => ({
      hooks: { poststop: [script("exit 3"), script(`echo second >${trial.shared}/log`)] },
    }),
    observe: live,
    says: "second",
  },
];
