/** config-linux.md#seccomp. What is forbidden is a call that busybox makes for a command: mkdir, chmod, sethostname. */
import { arch } from "node:os";
import { receiveDescriptor } from "../receive.ts";
import type { Rule } from "../rule.ts";

const section = "config-linux.md#seccomp";
const native = arch() === "x64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";

type Call = Record<string, unknown>;

const mkdir = ["mkdir", "mkdirat"];

function profile(calls: Call[], more: Record<string, unknown> = {}): Record<string, unknown> {
  return { defaultAction: "SCMP_ACT_ALLOW", architectures: [native], syscalls: calls, ...more };
}

const tryIt = "mkdir /dev/shm/x 2>&1 | sed 's/.*: //'; test -d /dev/shm/x && echo made; true";

function rule(
  name: string,
  calls: Call[],
  says: string | RegExp,
  more: Record<string, unknown> = {},
): Rule {
  return {
    ...{ section, rule: name, script: tryIt, says },
    config: { linux: { seccomp: profile(calls, more) } },
  };
}

function refused(name: string, seccomp: Record<string, unknown>): Rule {
  return { ...{ section, rule: name, config: { linux: { seccomp } } }, refused: true };
}

/** The signal is the second argument of kill(2): which of 10, 12 and 18 are refused by which comparison. */
const comparisons: [string, Call, string][] = [
  ["NE", { value: 12 }, "10 18"],
  ["LT", { value: 12 }, "10"],
  ["LE", { value: 12 }, "10 12"],
  ["EQ", { value: 12 }, "12"],
  ["GE", { value: 12 }, "12 18"],
  ["GT", { value: 12 }, "18"],
  ["MASKED_EQ", { value: 0b110, valueTwo: 0b100 }, "12"],
];

/** Process 1 of a namespace ignores them all. */
const threeSignals = "for s in 10 12 18; do kill -$s 1 2>/dev/null || printf '%d ' $s; done";

const comparisonRules: Rule[] = comparisons.map(([op, values, says]) => ({
  ...{ section, rule: `args: SCMP_CMP_${op}` },
  config: {
    linux: {
      seccomp: profile([
        {
          ...{ names: ["kill"], action: "SCMP_ACT_ERRNO" },
          args: [{ index: 1, op: `SCMP_CMP_${op}`, ...values }],
        },
      ]),
    },
  },
  script: threeSignals,
  says,
}));

export const seccompRules: Rule[] = [
  rule(
    "SCMP_ACT_ERRNO is EPERM",
    [{ names: mkdir, action: "SCMP_ACT_ERRNO" }],
    "Operation not permitted",
  ),
  rule(
    "errnoRet is the error",
    [{ names: mkdir, action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
    "No space left on device",
  ),
  {
    ...rule("defaultErrnoRet is the default's error", [], "No space left on device", {}),
    config: {
      linux: {
        seccomp: {
          ...{ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 28, architectures: [native] },
          syscalls: [{ names: ["execve"], action: "SCMP_ACT_KILL_PROCESS", args: [] }].slice(1),
        },
      },
    },
    script: "true",
    observe: async (trial) => ((await trial.run()).status === 0 ? "runs" : "cannot run"),
    says: "cannot run",
  },
  rule("SCMP_ACT_ALLOW allows", [{ names: mkdir, action: "SCMP_ACT_ALLOW" }], "made"),
  rule("SCMP_ACT_LOG allows", [{ names: mkdir, action: "SCMP_ACT_LOG" }], "made"),
  ...["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"].map(
    (action): Rule => ({
      ...rule(`${action} ends the program`, [{ names: mkdir, action }], "159"),
      script: "(/bin/busybox mkdir /dev/shm/x) >/dev/null 2>&1; echo $?",
    }),
  ),
  {
    ...rule(
      "SCMP_ACT_TRACE without a tracer is ENOSYS",
      [{ names: mkdir, action: "SCMP_ACT_TRACE" }],
      "Function not implemented",
    ),
  },
  ...comparisonRules,
  {
    ...{ section, rule: "args of one entry must all hold" },
    config: {
      linux: {
        seccomp: profile([
          {
            ...{ names: ["kill"], action: "SCMP_ACT_ERRNO" },
            args: [
              { index: 0, op: "SCMP_CMP_EQ", value: 1 },
              { index: 1, op: "SCMP_CMP_GT", value: 12 },
            ],
          },
        ]),
      },
    },
    script: threeSignals,
    says: "18",
  },
  {
    ...{ section, rule: "a program of another user is under it, too" },
    config: {
      process: { user: { uid: 1000, gid: 1000 } },
      linux: { seccomp: profile([{ names: mkdir, action: "SCMP_ACT_ERRNO", errnoRet: 28 }]) },
    },
    script: "mkdir /dev/shm/x 2>&1 | sed 's/.*: //'; grep Seccomp: /proc/self/status",
    says: "No space left on device\nSeccomp:\t2",
  },
  rule(
    "names that this kernel does not know are passed over",
    [{ names: ["nosuchcall", ...mkdir], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
    "No space left on device",
  ),
  rule(
    "flags: SECCOMP_FILTER_FLAG_LOG",
    [{ names: mkdir, action: "SCMP_ACT_ERRNO" }],
    "Operation not permitted",
    {
      flags: ["SECCOMP_FILTER_FLAG_LOG"],
    },
  ),
  rule(
    "flags: SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    [{ names: mkdir, action: "SCMP_ACT_ERRNO" }],
    "Operation not permitted",
    {
      flags: ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
    },
  ),
  refused("an unknown action is refused", profile([{ names: mkdir, action: "SCMP_ACT_NOSUCH" }])),
  refused("an unknown defaultAction is refused", { defaultAction: "SCMP_ACT_NOSUCH" }),
  refused(
    "an unknown operator is refused",
    profile([
      {
        ...{ names: mkdir, action: "SCMP_ACT_ERRNO" },
        args: [{ index: 0, value: 1, op: "SCMP_CMP_NOSUCH" }],
      },
    ]),
  ),
  refused(
    "an unknown architecture is refused",
    profile([], { architectures: ["SCMP_ARCH_NOSUCH"] }),
  ),
  refused("an unknown flag is refused", profile([], { flags: ["SECCOMP_FILTER_FLAG_NOSUCH"] })),
  refused(
    "errnoRet of an action without one is refused",
    profile([{ names: mkdir, action: "SCMP_ACT_ALLOW", errnoRet: 28 }]),
  ),
  refused("names that are empty are refused", profile([{ names: [], action: "SCMP_ACT_ERRNO" }])),
  {
    ...{ section, rule: "SCMP_ACT_NOTIFY sends the listener to listenerPath with the state" },
    config: (trial) => ({
      linux: {
        seccomp: profile([{ names: ["swapoff"], action: "SCMP_ACT_NOTIFY" }], {
          listenerPath: `${trial.shared}/s`,
          listenerMetadata: "some data",
        }),
      },
    }),
    observe: async (trial) => {
      const receiver = await receiveDescriptor(`${trial.shared}/s`, "leave");
      const created = await trial.create();
      if (created.status !== 0) return created.stderr;
      await trial.start();
      const [count, ...lines] = (await receiver.sent).split("\n");
      const message = JSON.parse(lines.join("\n").replaceAll("\0", "")) as {
        fds: string[];
        metadata: string;
        state: { id: string; status: string; bundle: string };
      };
      const { fds, metadata, state } = message;
      return `${count} ${fds.join()} ${metadata} ${state.id === trial.id} ${state.bundle === trial.bundle}`;
    },
    says: "1 seccompFd some data true true",
  },
  {
    ...{ section, rule: "a listenerPath where nobody listens is refused" },
    config: (trial) => ({
      linux: {
        seccomp: profile([{ names: ["swapoff"], action: "SCMP_ACT_NOTIFY" }], {
          listenerPath: `${trial.shared}/nobody`,
        }),
      },
    }),
    refused: true,
  },
  {
    ...{ section, rule: "listenerPath is ignored without SCMP_ACT_NOTIFY" },
    config: (trial) => ({
      linux: { seccomp: profile([], { listenerPath: `${trial.shared}/nobody` }) },
    }),
    script: "echo runs",
    says: "runs",
  },
];
