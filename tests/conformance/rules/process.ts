/** config.md#process, #user, #hostname and #domainname: what the program is and whose. */
import type { Rule } from "../rule.ts";
import { receiveDescriptor } from "../receive.ts";

const section = "config.md#process";
const user = "config.md#user";

/** What the program writes to a terminal that is handed over on a socket. */
function onTerminal(rule: string, process: Record<string, unknown>, script: string): Rule {
  return {
    ...{ section, rule, script },
    config: { process: { terminal: true, ...process } },
    observe: async (trial) => {
      const path = `${trial.shared}/s`;
      const receiver = await receiveDescriptor(path);
      const created = await trial.create("--console-socket", path);
      if (created.status !== 0) return `create fails: ${created.stderr}`;
      const started = await trial.start();
      if (started.status !== 0) return `start fails: ${started.stderr}`;
      return (await receiver.written).replaceAll("\r", "").trim();
    },
  };
}

const programRules: Rule[] = [
  {
    ...onTerminal(
      "terminal makes the streams a terminal",
      {},
      "tty; test -t 0 -a -t 1 -a -t 2 && echo all",
    ),
    says: /^\/dev\/(pts\/0|console)\nall$/,
  },
  {
    ...onTerminal(
      "the terminal is the program's controlling one",
      {},
      "echo ok >/dev/tty; ps -o tty,pid | grep -c '^136,0 *1$'",
    ),
    says: "ok\n1",
  },
  {
    ...onTerminal(
      "consoleSize is the terminal's",
      { consoleSize: { height: 25, width: 91 } },
      "stty size",
    ),
    says: "25 91",
  },
  {
    ...{ section, rule: "consoleSize is ignored without terminal" },
    config: { process: { terminal: false, consoleSize: { height: 25, width: 91 } } },
    script: "test -t 1 || echo none",
    says: "none",
  },
  {
    ...{ section, rule: "cwd is the working directory" },
    config: { process: { cwd: "/tmp" } },
    script: "pwd; readlink /proc/self/cwd",
    says: "/tmp\n/tmp",
  },
  {
    ...{ section, rule: "a relative cwd is refused" },
    config: { process: { cwd: "tmp" } },
    refused: true,
  },
  {
    ...{ section, rule: "a config.json without cwd is refused" },
    config: { process: { cwd: undefined } },
    refused: true,
  },
  {
    ...{ section, rule: "env is the environment, in its order" },
    config: { process: { env: ["PATH=/bin", "B=2", "A=1", "EMPTY=", "SPACE=a b"] } },
    script: "tr '\\0' ' ' </proc/1/environ | sed 's/ *$//'",
    says: /^PATH=\/bin B=2 A=1 EMPTY= SPACE=a b( HOME=\/root)?$/,
  },
  {
    ...{ section, rule: "the runtime's environment is not the program's" },
    script: "env | cut -d= -f1 | sort | tr '\\n' ' '",
    says: /^(HOME )?PATH PWD SHLVL$|^(HOME )?PATH( PWD)?( SHLVL)?$/,
  },
  {
    ...{ section, rule: "args are the program's argv" },
    config: {
      process: { args: ["sh", "-c", 'for a in "$0" "$@"; do echo "<$a>"; done', "a b", "", "é"] },
    },
    observe: async (trial) => (await trial.run()).stdout.trim(),
    says: "<a b>\n<>\n<é>",
  },
  {
    ...{ section, rule: "without args it is refused" },
    config: { process: { args: [] } },
    refused: true,
  },
  {
    ...{ section, rule: "a name without a slash is searched in PATH of env" },
    config: (trial) => ({
      mounts: [trial.sharedMount],
      process: { env: ["PATH=/nowhere:/shared:/bin"], args: ["id", "-u"] },
    }),
    observe: async (trial) => (await trial.run()).stdout.trim(),
    says: "0",
  },
  {
    ...{ section, rule: "a name with a slash is not searched" },
    config: { process: { args: ["bin/busybox", "pwd"], cwd: "/" } },
    observe: async (trial) => (await trial.run()).stdout.trim(),
    says: "/",
  },
  {
    ...{ section, rule: "a program that is not there is refused" },
    config: { process: { args: ["nosuch"] } },
    refused: true,
  },
  {
    ...{ section, rule: "a program that is not executable is refused" },
    config: { process: { args: ["/etc/passwd"] } },
    refused: true,
  },
  {
    ...{ section: "runtime.md#lifecycle", rule: "the program's exit status is run's" },
    script: "exit 37",
    says: /^status 37/,
  },
];

const userRules: Rule[] = [
  {
    ...{ section: user, rule: "uid and gid are ids in the container" },
    config: { process: { user: { uid: 1000, gid: 50 } } },
    script: "id -u; id -g; grep -E '^(Uid|Gid)' /proc/self/status | tr '\\t\\n' '  '",
    says: "1000\n50\nUid: 1000 1000 1000 1000 Gid: 50 50 50 50",
  },
  {
    ...{ section: user, rule: "additionalGids are the supplementary groups" },
    config: { process: { user: { uid: 1000, gid: 50, additionalGids: [5, 10] } } },
    script: "sed -n 's/^Groups:[\\t ]*//p' /proc/self/status",
    says: /^5 10( 50)?$/,
  },
  {
    ...{ section: user, rule: "without additionalGids there are none of the caller's" },
    script: "sed -n 's/^Groups:[\\t ]*//p' /proc/self/status",
    says: /^0?$/,
  },
  {
    ...{ section: user, rule: "umask is the process's" },
    config: { process: { user: { uid: 0, gid: 0, umask: 0o027 } } },
    script: "umask",
    says: "0027",
  },
  {
    ...{ section: user, rule: "umask 0 is not the same as none" },
    config: { process: { user: { uid: 0, gid: 0, umask: 0 } } },
    script: "umask",
    says: "0000",
  },
  {
    ...{ section: user, rule: "an id that is not mapped is refused" },
    config: { process: { user: { uid: 4_000_000_000, gid: 0 } } },
    refused: true,
  },
];

const nameRules: Rule[] = [
  {
    ...{ section: "config.md#hostname", rule: "hostname is what programs see" },
    config: { hostname: "conforming" },
    script: "hostname; cat /proc/sys/kernel/hostname",
    says: "conforming\nconforming",
  },
  {
    ...{ section: "config.md#hostname", rule: "the runtime's host name stays what it was" },
    config: { hostname: "conforming" },
    observe: async (trial) => {
      await trial.create();
      return (await trial.host("hostname")) === "conforming" ? "changed" : "stays";
    },
    says: "stays",
  },
  {
    ...{ section: "config.md#domainname", rule: "domainname is what programs see" },
    config: { domainname: "conform.test" },
    script: "cat /proc/sys/kernel/domainname",
    says: "conform.test",
  },
];

export const processRules: Rule[] = [...programRules, ...userRules, ...nameRules];
