/** What a hostile container or image tries, and that it fails: each attack with the profile containers really have. */
import { describe, expect } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import type { ExecConfig } from "../../src/helper/contract.ts";
import { helperCommand } from "../../src/helper/index.ts";
import { defaultCapabilities } from "../../src/spec/index.ts";
import { maskedPaths, readonlyPaths } from "../../src/spec/mounts.ts";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { attached, Container, type ContainerOptions, mapping } from "./runtime-fixture.ts";
import { runtimeTest } from "./runtime-fixture.ts";
import { screen } from "./terminal-fixture.ts";

/** As src/spec writes it. */
const profile = {
  capabilities: [...defaultCapabilities],
  linux: { seccomp: defaultSeccomp(defaultCapabilities, arch()), maskedPaths, readonlyPaths },
};

function hostile(args: string[], options: ContainerOptions = {}): Container {
  const helper = { attach: attached, ...options.helper };
  return new Container(args, { ...profile, ...options, helper });
}

/** The output of a script inside, errors and all; it has to run to its end. */
async function inside(script: string, options: ContainerOptions = {}): Promise<string> {
  await using container = hostile(["sh", "-c", `exec 2>&1\n${script}\ntrue`], options);
  const { stdout, last } = await container.run();
  expect(last).toEqual({ event: "exited", code: 0 });
  return stdout;
}

/** The host's perl, read-only: for system calls that busybox has no word for. */
const perl = ["/usr", "/lib", "/lib64"]
  .filter((source) => existsSync(source))
  .map((source) => ({ destination: source, source, options: ["rbind", "rro"] }));
const systemCallTest = testWith(
  program("busybox", "busybox-static"),
  program("perl"),
  () => mapping.limitation,
  () => (arch() === "x64" ? undefined : "the numbers are x86-64's"),
);

/** `-1` and why, for each call. */
async function systemCalls(
  calls: Record<string, string>,
  more: ContainerOptions = {},
): Promise<object> {
  const lines = Object.entries(calls).map(
    ([name, call]) => `$! = 0; print "${name} ", (do { ${call} }) == -1 ? "$!" : "worked", "\\n";`,
  );
  const words =
    "my ($none, $tmp, $tmpfs, $kcore, $node) = qw(none /tmp tmpfs /proc/kcore /tmp/mem);";
  const text = await inside(`/usr/bin/perl -e '${words} ${lines.join(" ")}'`, {
    ...more,
    mounts: perl,
  });
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => [line.split(" ")[0], line.slice(line.indexOf(" ") + 1)]),
  ) as object; // strings by name
}

describe("our executable", () => {
  runtimeTest("is not run as the container's program", async () => {
    await using container = hostile(["/proc/self/exe", "native", "true"]);
    expect((await container.run()).last).toMatchObject({
      ...{ event: "failed", call: "execve", detail: "/proc/self/exe", errno: "EACCES" },
    });
  });

  for (const interpreter of ["/proc/self/exe", "/bin/nested"]) {
    runtimeTest(`is not run as the interpreter ${interpreter} of a script`, async () => {
      await using container = hostile(["/bin/script"]);
      const bin = join(container.directory, "upper/bin");
      mkdirSync(bin);
      writeFileSync(join(bin, "nested"), "#!/proc/self/exe\n", { mode: 0o755 });
      writeFileSync(join(bin, "script"), `#!${interpreter}\n`, { mode: 0o755 });
      expect((await container.run()).last).toMatchObject({ event: "failed", errno: "EACCES" });
    });
  }

  // A copy that belongs to the caller, whom the container's root is: nothing but us keeps it from being written.
  function ownHelper(container: Container): { command: string[]; bytes: () => Buffer } {
    const file = join(container.base, "helper");
    copyFileSync(helperCommand()[0] ?? "", file);
    chmodSync(file, 0o755);
    return { command: [file, "native"], bytes: () => readFileSync(file) };
  }

  runtimeTest("cannot be overwritten by a container that waits for exec", async () => {
    const script =
      "touch /ready; while :; do for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || (echo x >$p/exe && touch /won) 2>/dev/null; done; done";
    await using container = hostile(["sh", "-c", script], {
      capabilities: [...defaultCapabilities, "CAP_SYS_PTRACE"],
      helper: { attach: undefined as never },
    });
    const helper = ownHelper(container);
    const before = helper.bytes();
    await container.start(helper).outcome;
    await until("it is at it", () => existsSync(join(container.directory, "upper/ready")));
    for (let i = 0; i < 20; i++) {
      const exec = container.startExec(["/proc/self/exe", "native", "true"], {}, helper);
      expect((await exec.outcome).last).toMatchObject({ event: "failed", errno: "EACCES" });
      const usual = container.startExec(["true"], {}, helper);
      expect((await usual.outcome).last).toEqual({ event: "exited", code: 0 });
    }
    expect(existsSync(join(container.directory, "upper/won"))).toBe(false);
    expect(helper.bytes().equals(before)).toBe(true);
  });

  runtimeTest("cannot be written as process 1 of --init, traced or looked into", async () => {
    const script =
      "exec 2>&1; cd /proc/1; (echo x >exe) && echo WROTE; cat mem | head -c 1; ls -l cwd root fd; cat environ; echo x >mem; true";
    for (const capabilities of [defaultCapabilities, [...defaultCapabilities, "CAP_SYS_PTRACE"]]) {
      await using container = hostile(["sh", "-c", script], {
        ...{ capabilities: [...capabilities], helper: { init: true } },
      });
      const helper = ownHelper(container);
      const before = helper.bytes();
      const { stdout, last } = await container.start(helper).outcome;
      expect(last).toEqual({ event: "exited", code: 0 });
      expect(stdout).not.toContain("WROTE");
      expect(stdout).not.toContain(container.base);
      expect(helper.bytes().equals(before)).toBe(true);
    }
  });
});

describe("paths of the image that lead elsewhere", () => {
  const links = [
    { at: "proc", to: "/tmp", fails: "/proc" },
    { at: "sys", to: "/tmp", fails: "/sys" },
    { at: "proc", to: "../../../../../../../tmp", fails: "/proc" },
  ];
  runtimeTest.each(links)("$at -> $to", async ({ at, to, fails }) => {
    await using container = hostile(["true"]);
    symlinkSync(to, join(container.directory, "upper", at));
    expect((await container.run()).last).toMatchObject({
      ...{ event: "failed", call: "openat2", detail: fails, errno: "ELOOP" },
    });
  });

  const volumes = ["/proc/sys/kernel", "/proc/self/attr", "/proc/1", "../../proc/sys"];
  runtimeTest.each(volumes)("a volume whose destination is a symlink to %s", async (to) => {
    await using container = hostile(["true"]);
    const amended = JSON.parse(readFileSync(join(container.directory, "config.json"), "utf8")) as {
      mounts: object[];
    };
    amended.mounts.push({ destination: "/vol", source: container.base, options: ["rbind"] });
    writeFileSync(join(container.directory, "config.json"), JSON.stringify(amended));
    symlinkSync(to, join(container.directory, "upper/vol"));
    const { last } = await container.run();
    expect(last).toMatchObject({ event: "failed" });
    expect(JSON.stringify(last)).toMatch(/lies inside \/proc|ENOENT|EXIST/);
  });

  // where nothing is mounted on /dev, or a volume is, the image decides what lies in it
  const inDev = [
    { at: "dev/null", to: "/proc/self/attr/exec" },
    { at: "dev/tty", to: "/proc/self/attr/current" },
    { at: "dev/pts", to: "/proc/self/task" },
    { at: "dev/mqueue", to: "/proc/sys/kernel" },
    { at: "dev/shm", to: "/proc/self/fdinfo" },
  ];
  runtimeTest.each(inDev)("$at -> $to", async ({ at, to }) => {
    await using container = hostile(["true"]);
    const file = join(container.directory, "config.json");
    const amended = JSON.parse(readFileSync(file, "utf8")) as { mounts: { destination: string }[] };
    amended.mounts = amended.mounts.filter(({ destination }) => destination !== "/dev");
    writeFileSync(file, JSON.stringify(amended));
    mkdirSync(join(container.directory, "upper/dev"), { recursive: true });
    symlinkSync(to, join(container.directory, "upper", at));
    const { last } = await container.run();
    expect(last).toMatchObject({ event: "failed", errno: "" });
    expect(JSON.stringify(last)).toContain(`/${at} lies inside /proc"`);
  });

  runtimeTest("a symlink to the host's root means the container's", async () => {
    await using outside = new Container(["true"]);
    const target = join(outside.base, "made-outside");
    mkdirSync(target);
    const mounts = [{ destination: "/vol/made-outside", type: "tmpfs" }];
    await using container = hostile(["sh", "-c", "touch /vol/made-outside/x"], { mounts });
    symlinkSync(`${"../".repeat(20)}${outside.base}`, join(container.directory, "upper/vol"));
    // dangling inside, so it is refused; never followed outside
    expect((await container.run()).last?.event).toBe("failed");
    expect(existsSync(join(target, "x"))).toBe(false);
  });

  runtimeTest("/etc/passwd as a FIFO, a directory, a device: nobody waits", async () => {
    await using container = hostile(["true"], { helper: { user: "app" } });
    mkdirSync(join(container.directory, "upper/etc"));
    Bun.spawnSync(["mkfifo", join(container.directory, "upper/etc/passwd")]);
    expect((await container.run()).last).toMatchObject({ event: "failed", call: "user" });
  });
});

describe("descriptors of the host", () => {
  runtimeTest.each([false, true])("none is open, init %p", async (init) => {
    expect(await inside("ls /proc/self/fd | tr '\\n' ' '", { helper: { init } })).toBe("0 1 2 3 ");
  });

  runtimeTest("the working directory is none of them", async () => {
    for (let fd = 3; fd < 16; fd++) {
      await using container = hostile(["pwd"], {
        cwd: `/proc/self/fd/${fd}`,
        helper: { createCwd: false },
      });
      expect((await container.run()).last).toMatchObject({ event: "failed", call: "chdir" });
    }
  });

  runtimeTest("exec's working directory neither", async () => {
    await using container = hostile(["sleep", "1000"], { helper: { attach: undefined as never } });
    await container.run();
    for (let fd = 3; fd < 16; fd++) {
      const process: ExecConfig["process"] = { args: ["pwd"], cwd: `/proc/self/fd/${fd}` };
      expect((await container.exec(["pwd"], { process })).last).toMatchObject({ event: "failed" });
    }
  });

  runtimeTest("a terminal is never the caller's", async () => {
    const show = "for n in 0 1 2; do stat -L -c %d /proc/self/fd/$n; done; stat -c %d /dev/pts";
    const options = {
      terminal: true,
      helper: { stdinOpen: true, attach: { ...attached, stdin: true } },
    };
    await using container = hostile(["sh", "-c", show], options);
    const display = screen();
    const { last } = await container.start(display.options).outcome;
    expect(last).toEqual({ event: "exited", code: 0 });
    const devices = display.shown().trim().split(/\s+/);
    expect(new Set(devices).size).toBe(1); // all of the container's own devpts
    const ours = Bun.spawnSync(["stat", "-c", "%d", "/dev/pts"]).stdout.toString().trim();
    expect(devices).not.toContain(ours);
  });
});

describe("system calls", () => {
  systemCallTest("that would reach out of the container are refused", async () => {
    const refused = "Operation not permitted";
    expect(
      await systemCalls({
        mount: "syscall(165, $none, $tmp, $tmpfs, 0, 0)",
        umount: "syscall(166, $kcore, 0)",
        pivot_root: "syscall(155, $tmp, $tmp)",
        unshare_user: "syscall(272, 0x10000000)",
        unshare_mount: "syscall(272, 0x20000)",
        setns: "syscall(308, 0, 0)",
        keyctl: "syscall(250, 0, -3, 0)",
        add_key: "syscall(248, $none, $none, $none, 1, -3)",
        bpf: "syscall(321, 0, 0, 0)",
        init_module: "syscall(175, $none, 0, $none)",
        kexec_load: "syscall(246, 0, 0, 0, 0)",
        reboot: "syscall(169, 0xfee1dead, 672274793, 0, 0)",
        swapon: "syscall(167, $tmp, 0)",
        settimeofday: "syscall(164, 0, 0)",
        open_by_handle_at: "syscall(304, 0, 0, 0)",
        perf_event_open: "syscall(298, 0, 0, 0, 0, 0)",
        userfaultfd: "syscall(323, 0)",
        fsopen: "syscall(430, $tmpfs, 0)",
        mount_setattr: "syscall(442, 0, 0, 0, 0, 0)",
        io_uring_setup: "syscall(425, 1, 0)",
        mknod_memory: "syscall(133, $node, 020600, 0x101)",
      }),
    ).toEqual(
      Object.fromEntries(
        (
          "mount umount pivot_root unshare_user unshare_mount setns keyctl add_key bpf init_module kexec_load " +
          "reboot swapon settimeofday open_by_handle_at perf_event_open userfaultfd fsopen mount_setattr " +
          "io_uring_setup mknod_memory"
        )
          .split(" ")
          .map((name) => [name, refused]),
      ),
    );
  });

  systemCallTest("cannot trace, read or write init", async () => {
    expect(
      await systemCalls(
        {
          attach: "syscall(101, 16, 1, 0, 0)",
          seize: "syscall(101, 0x4206, 1, 0, 0)",
          read:
            'my $b = "x" x 8; my $l = pack("QQ", unpack("Q", pack("p", $b)), 8); ' +
            'my $r = pack("QQ", 0x1000000, 8); syscall(310, 1, $l, 1, $r, 1, 0)',
          open_memory: 'open(my $m, "+<", "/proc/1/mem") ? 0 : -1',
          getfd: "my $p = syscall(434, 1, 0); syscall(438, $p, 0, 0)",
        },
        { helper: { init: true } },
      ),
    ).toEqual({
      attach: "Operation not permitted",
      seize: "Operation not permitted",
      read: "Operation not permitted",
      open_memory: "Permission denied",
      getfd: "Operation not permitted",
    });
  });

  systemCallTest("an x32 or 32-bit call is not a way around", async () => {
    const x32 = 0x4000_0000;
    const result = await systemCalls({
      unshare: `syscall(${x32} + 272, 0x10000000)`,
      mount: `syscall(${x32} + 165, $none, $tmp, $tmpfs, 0, 0)`,
    });
    for (const verdict of Object.values(result)) expect(verdict).not.toBe("worked");
  });
});

describe("what is masked or read-only", () => {
  runtimeTest("stays so", async () => {
    const script = [
      ...maskedPaths.map((path) => `umount ${path} && echo BARE ${path}`),
      ...maskedPaths.map(
        (path) => `[ -f ${path} ] && [ -n "$(cat ${path})" ] && echo READ ${path}`,
      ),
      ...maskedPaths.map(
        (path) => `[ -d ${path} ] && [ -n "$(ls ${path})" ] && echo LISTED ${path}`,
      ),
      ...readonlyPaths.map((path) => `umount ${path} && echo BARE ${path}`),
      "mount -o remount,rw /sys && echo REMOUNTED; mount -o remount,rw /proc/sys && echo REMOUNTED",
    ];
    const text = await inside(script.join("\n"));
    expect(text).not.toMatch(/BARE|READ|LISTED|REMOUNTED/);
  });

  runtimeTest(
    "also in a user namespace of one's own, where no seccomp filter forbids that",
    async () => {
      const script =
        "unshare -Urm sh -c 'umount /proc/kcore && echo BARE; umount /proc/sys && echo BARE; " +
        "mount -t proc proc /tmp && echo FRESH; mount -t sysfs sys /tmp && echo FRESH; mount -o remount,rw /proc/sys && echo RW; echo tried'";
      await using container = hostile(["sh", "-c", `${script} 2>&1`], {
        linux: { maskedPaths, readonlyPaths },
      });
      const { stdout } = await container.run();
      expect(stdout).toContain("tried");
      expect(stdout).not.toMatch(/BARE|FRESH|RW/);
    },
  );

  runtimeTest("nothing below /proc/sys and /sys can be written", async () => {
    const script =
      "find /proc/sys /proc/sysrq-trigger /proc/irq /proc/bus /sys -type f 2>/dev/null | while read f; do { :; } 2>/dev/null >>$f && echo $f; done; " +
      "for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /sys/kernel/uevent_helper; do echo x >$f && echo WROTE $f; done";
    const text = await inside(script);
    expect(text.split("\n").filter((line) => /^\/|WROTE/.test(line))).toEqual([]);
  });

  runtimeTest("device nodes cannot be made", async () => {
    expect(await inside("mknod /tmp/mem c 1 1; mknod /tmp/disk b 8 0; ls /tmp")).not.toMatch(
      /^(mem|disk)$/m,
    );
  });
});

describe("the monitor and the host's processes", () => {
  runtimeTest("are neither seen nor reached", async () => {
    const script =
      "ls /proc | grep -c '^[0-9]'; kill -9 -1; ls /proc/2 /proc/self/ns >/dev/null; echo alive";
    await using container = hostile(["sh", "-c", `trap '' TERM; ${script}; exit 0`]);
    const { stdout, last } = await container.run();
    expect(last).toEqual({ event: "exited", code: 0 });
    expect(stdout).toMatch(/^[1-4]\nalive\n$/);
  });

  runtimeTest("the monitor lets nobody trace it", async () => {
    await using container = hostile(["sleep", "1000"], { helper: { attach: undefined as never } });
    await container.run();
    const { monitorPid } = container.state();
    // a process that is not dumpable has its /proc files belong to root
    const owner = Bun.spawnSync(["stat", "-c", "%u", `/proc/${monitorPid}/mem`])
      .stdout.toString()
      .trim();
    expect(owner).toBe("0");
  });
});
