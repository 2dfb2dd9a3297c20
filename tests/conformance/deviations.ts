/**
 * Where crun 1.8.1 and runc 1.1.5 differ from the specification, and what they do instead. A row holds only as long as
 * exactly that is observed: one that conforms by now fails the test, as one that does something else.
 */

export interface Deviation {
  runtime: "tspod" | "crun" | "runc";
  because: string;
  /** What is observed instead. */
  instead: string | RegExp;
  /** It depends on who is faster: what the specification demands may be observed as well. */
  isRace?: true;
  /** "section: rule" of each. */
  rules: string[];
}

/** The names of several rules of a section. */
const of = (section: string, ...rules: string[]): string[] =>
  rules.map((rule) => `${section}: ${rule}`);

const process = "config.md#linux-process";
const options = "config.md#linux-mount-options";
const hooks = "config.md#posix-platform-hooks";
const lifecycle = "runtime.md#lifecycle";
const seccomp = "config-linux.md#seccomp";
const version = "config.md#specification-version";
const valid = "config.md#valid-values: refused";

const crun: Omit<Deviation, "runtime">[] = [
  {
    because: "deletes a container that was never started",
    instead: "works none",
    rules: of(
      "runtime.md#delete",
      "of a container that is not stopped but created is an error without effect",
    ),
  },
  {
    because: "tells nobody that it sent nothing",
    instead: "works running",
    rules: of("runtime.md#kill", "an unknown signal is an error without effect"),
  },
  {
    because: "poststop hooks are not called for what was never created",
    instead: "create fails, ended, ",
    rules: ["prestart", "createRuntime", "createContainer"].map(
      (kind) => `${lifecycle}: a ${kind} hook that fails`,
    ),
  },
  {
    because: "start does not wait for startContainer hooks",
    instead: "start works, ended, poststop",
    rules: of(lifecycle, "a startContainer hook that fails"),
  },
  {
    because: "start does not wait for startContainer hooks, nor poststart hooks for them",
    instead:
      /^3 [2-4] [5-6]$|^prestart createRuntime createContainer poststart startContainer program poststop$/,
    isRace: true,
    rules: of(
      lifecycle,
      "hooks are called in the order of the lifecycle",
      "create, start and delete call theirs before they return",
    ),
  },
  {
    because: "says created as soon as there is a process",
    instead: "true created",
    rules: ["prestart", "createRuntime", "createContainer"].map(
      (kind) => `${hooks}: ${kind} hooks get the state on stdin, creating`,
    ),
  },
  {
    because: "the bundle is the container's path, the status its own",
    instead: "false starting",
    rules: of(hooks, "startContainer hooks get the state on stdin, created"),
  },
  {
    because: "checks no absolute path",
    instead: "accepted",
    rules: [
      ...of("config.md#process", "a relative cwd is refused"),
      ...of("config-linux.md#masked-paths", "a relative path is refused"),
      ...of("config-linux.md#readonly-paths", "a relative path is refused"),
    ],
  },
  {
    because: "takes what it cannot read for nothing",
    instead: "accepted",
    rules: [
      ...of(hooks, "timeout 0 is refused"),
      ...of(
        valid,
        ...["hostname is no string", "linux.seccomp is no object", "linux.uidMappings is no list"],
        ...["process.args is no list", "process.rlimits is no list", "root.readonly is no boolean"],
        ...["process.terminal is no boolean", "process.user.uid is no number"],
      ),
      ...of("config.md#annotations", "an empty key is refused"),
      ...of("config-linux.md#namespaces", "a type twice is refused"),
      ...of("config-linux.md#rootfs-mount-propagation", "another word is refused"),
      ...of("config-linux.md#intelrdt", "without a resctrl file system it is refused"),
      ...of(seccomp, "names that are empty are refused"),
    ],
  },
  {
    because: "a word that undoes another does nothing",
    instead: "1",
    rules: of(
      options,
      ...["suid undoes nosuid", "dev undoes nodev", "exec undoes noexec", "rw undoes ro"],
      ...["atime undoes noatime", "diratime undoes nodiratime"],
    ),
  },
  {
    because: "hands these words to the file system",
    instead: "status 1: mount `tmpfs` to `shared`: Invalid argument",
    rules: of(
      options,
      ...["iversion is known", "noiversion is known", "loud is known", "silent is known"],
      ...["nosymfollow on a new file system", "symfollow undoes nosymfollow"],
    ),
  },
  {
    because: "the propagation of the root file system goes over all mounts",
    instead: /^rw,\S* - /,
    rules: ["shared", "rshared", "unbindable", "runbindable"].map(
      (word) => `${options}: ${word} is the mount's propagation`,
    ),
  },
  {
    because: "devices are bound by name where mknod is not allowed",
    instead: /^status 1: mount `\S+` to `\S+`: No such file or directory$/,
    rules: of(
      "config-linux.md#devices",
      ...["its numbers count, not its name", "its path may lie outside of /dev"],
    ),
  },
  {
    because: "time namespaces do not work as root of a user namespace",
    instead: /^$|write to sync socket|^status 255/,
    rules: [
      ...of("config-linux.md#namespaces", "time is a new one"),
      ...of("config-linux.md#offset-for-time-namespace", "the offsets are the namespace's"),
    ],
  },
  {
    because: "connects to the listener in any case",
    instead: /^status 1: open seccomp receiver/,
    rules: of(seccomp, "listenerPath is ignored without SCMP_ACT_NOTIFY"),
  },
  {
    because: "cpu.burst is of 1.1",
    instead: "0",
    rules: of("config-linux.md#cpu", "cpu:{quota:20000,period:50000,burst:10000} is cpu.max.burst"),
  },
];

const runc: Omit<Deviation, "runtime">[] = [
  {
    because: "deletes a container that was never started",
    instead: "works none",
    rules: of(
      "runtime.md#delete",
      "of a container that is not stopped but created is an error without effect",
    ),
  },
  {
    because: "poststart hooks are called by create",
    instead:
      /^(4 5 6|true created|prestart createRuntime createContainer poststart startContainer program poststop)$/,
    rules: [
      ...of(lifecycle, "hooks are called in the order of the lifecycle"),
      ...of(lifecycle, "create, start and delete call theirs before they return"),
      ...of(hooks, "poststart hooks get the state on stdin, running"),
    ],
  },
  {
    because: "start does not wait for startContainer hooks",
    instead: "start works, ended, poststop",
    rules: of(lifecycle, "a startContainer hook that fails"),
  },
  {
    because: "the hooks after one that failed are left out",
    instead: "",
    rules: of(lifecycle, "a poststop hook that fails does not hinder the others"),
  },
  {
    because: "takes any version",
    instead: "accepted",
    rules: of(
      version,
      ...["a config.json without ociVersion is refused", "another major version is refused"],
      ...["an ociVersion that is no SemVer is refused"],
    ),
  },
  {
    because: "does not look at them",
    instead: "accepted",
    rules: [
      ...of("config.md#annotations", "an empty key is refused"),
      ...of("config-linux.md#masked-paths", "a relative path is refused"),
      ...of("config-linux.md#readonly-paths", "a relative path is refused"),
      ...of(seccomp, "errnoRet of an action without one is refused"),
      ...of(seccomp, "names that are empty are refused"),
      ...of("config-linux.md#unified", "realtime scheduling, which v2 has not, is an error"),
    ],
  },
  {
    because: "mapped mounts are of 1.1.8 and later",
    instead: "accepted",
    rules: [
      ...of(options, "idmap without mappings and without a user namespace is refused"),
      ...of("config.md#mounts", "uidMappings without gidMappings is refused"),
    ],
  },
  {
    because: "knows no personality",
    instead: /^(x86_64|aarch64|accepted)$/,
    rules: [
      ...of("config-linux.md#personality", "LINUX32 shows in uname"),
      ...of(valid, "linux.personality names no known domain"),
    ],
  },
  {
    because: "knows no domainname",
    instead: "(none)",
    rules: of("config.md#domainname", "domainname is what programs see"),
  },
  {
    because: "knows no time namespaces",
    instead: /namespace {\\?"time\\?" .*does not exist/,
    rules: [
      ...of("config-linux.md#namespaces", "time is a new one"),
      ...of("config-linux.md#offset-for-time-namespace", "the offsets are the namespace's"),
    ],
  },
  {
    because: "knows no seccomp flags",
    instead: /seccomp flags are not yet supported by runc|^none$/,
    rules: [
      ...of(seccomp, "flags: SECCOMP_FILTER_FLAG_LOG", "flags: SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
      ...of("features-linux.md#seccomp", "each of knownFlags is taken"),
    ],
  },
  {
    because: "claims architectures whose byte order cannot go together",
    instead: /error adding architecture to seccomp filter/,
    rules: of("features-linux.md#seccomp", "each of archs is taken"),
  },
  {
    because: "hands the word to the file system",
    instead: /data: defaults: invalid argument/,
    rules: [
      ...of(options, "defaults is known"),
      ...of("features.md#mount-options", "each is taken"),
    ],
  },
  {
    because: "a tmpfs has the permissions of what it hides, whatever mode says",
    instead: /^(755\nsize=128k|1777\n3|1777)$/,
    rules: [
      ...of(options, "unknown words go to the file system"),
      ...of("config.md#mounts", "entries are mounted in the listed order"),
      ...of("config.md#mounts", "a relative destination is relative to /"),
    ],
  },
  {
    because: "the root file system is made private again, or cannot be bound any more",
    instead: /^$|error preparing rootfs: .*invalid argument/,
    rules: of("config-linux.md#rootfs-mount-propagation", "shared", "unbindable"),
  },
  {
    because: "devices are bound by name where mknod is not allowed",
    instead: /error creating device nodes: .*no such file or directory/,
    rules: of(
      "config-linux.md#devices",
      ...["its numbers count, not its name", "its path may lie outside of /dev"],
    ),
  },
  {
    because: "cpu.burst and cpu.idle are of 1.1",
    instead: "0",
    rules: of(
      "config-linux.md#cpu",
      ...[
        "cpu:{quota:20000,period:50000,burst:10000} is cpu.max.burst",
        "cpu:{idle:1} is cpu.idle",
      ],
    ),
  },
];

/** Properties of 1.1 that neither knows: ignored, as unknown properties must be. */
const newer: Omit<Deviation, "runtime"> = {
  because: "scheduler and ioPriority are of 1.1",
  instead: /^(accepted|0 0|none: prio 0)$/,
  rules: of(
    process,
    ...["scheduler: SCHED_BATCH with a nice value", "scheduler: SCHED_IDLE"],
    ...["scheduler: an unknown policy is refused", "scheduler: an unknown flag is refused"],
    ...["ioPriority IOPRIO_CLASS_BE", "ioPriority IOPRIO_CLASS_IDLE"],
    ...["ioPriority: an unknown class is refused", "ioPriority: a level above 7 is refused"],
  ),
};

export const deviations: Deviation[] = [
  ...[...crun, newer].map((row) => ({ ...row, runtime: "crun" as const })),
  ...[...runc, newer].map((row) => ({ ...row, runtime: "runc" as const })),
];

export function deviationOf(runtime: Deviation["runtime"], rule: string): Deviation | undefined {
  return deviations.find((row) => row.runtime === runtime && row.rules.includes(rule));
}
