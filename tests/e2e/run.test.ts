/** `tspod run`: streams, exit statuses, and what is inside. Written from what Docker and Podman do. */
import { describe, expect } from "bun:test";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const run = (...words: string[]) => shared.world.tspod(["run", "--rm", ...words]);
const sh = (script: string, ...flags: string[]) => run(...flags, "tiny", "sh", "-c", script);

describe("streams", () => {
  test("standard output and error arrive apart and untouched", async () => {
    const result = await sh("printf 'out\\0\\377'; printf err >&2");
    expect(result).toEqual({ exitCode: 0, stdout: "out\0\ufffd", stderr: "err" });
  });

  test("standard input is closed without -i", async () => {
    const { world } = shared;
    const result = await world.tspod(["run", "--rm", "tiny", "cat"], { stdin: "unseen" });
    expect(result).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  });

  test("-i hands over standard input to its end", async () => {
    const { world } = shared;
    const text = "line\n".repeat(50_000);
    const result = await world.tspod(["run", "--rm", "-i", "tiny", "cat"], { stdin: text });
    expect(result.stdout === text).toBe(true);
    expect(result.exitCode).toBe(0);
  });

  test("ten megabytes come out whole", async () => {
    const { stdout } = await sh("head -c 10485760 /dev/zero | tr '\\0' x");
    expect(stdout.length).toBe(10_485_760);
    expect(/[^x]/.test(stdout)).toBe(false);
  });

  test("a reader that goes away ends the program that writes on, not the container", async () => {
    const script = `"${tspodFile}" run --rm tiny sh -c 'yes; exit 7' | head -1; echo \${PIPESTATUS[0]}`;
    const child = Bun.spawn(["bash", "-c", script], {
      env: shared.world.environment,
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.stdout.text()).toBe("y\n7\n");
    expect(await child.stderr.text()).toBe("");
  });
});

describe("exit status", () => {
  test.each([0, 1, 7, 124, 255])("%d of the program is ours", async (status) => {
    expect((await sh(`exit ${status}`)).exitCode).toBe(status);
  });

  test.each([
    ["TERM", 143],
    ["KILL", 137],
    ["SEGV", 139],
    ["USR1", 138],
  ])("SIG%s becomes %d", async (signal, status) => {
    // a child dies of it: process 1 of a pid namespace takes no signal it has no handler for
    const { exitCode } = await run("--init", "tiny", "sh", "-c", `kill -${signal} $$; sleep 5`);
    expect(exitCode).toBe(status);
  });

  test("127 when the program is not in the image", async () => {
    const { exitCode, stderr } = await run("tiny", "no-such-program");
    expect(exitCode).toBe(127);
    expect(stderr).toContain("no-such-program");
  });

  test("127 when a path is not in the image", async () => {
    const { exitCode, stderr } = await run("tiny", "/no/such/program");
    expect(exitCode).toBe(127);
    expect(stderr).toContain("/no/such/program");
  });

  test.each(["/bin/not-executable", "/etc", "/bin/not-a-program"])(
    "126 when %s cannot be executed",
    async (path) => {
      const { exitCode, stderr } = await run("tiny", path);
      expect(exitCode).toBe(126);
      expect(stderr).toContain(path);
    },
  );

  test("127 when a script's interpreter is missing", async () => {
    const { exitCode, stderr } = await run("tiny", "/bin/lost-interpreter");
    expect(exitCode).toBe(127);
    expect(stderr).toContain("/bin/lost-interpreter");
  });

  test("125 for a flag that does not exist, with the nearest one", async () => {
    const { exitCode, stderr, stdout } = await run("--hostnam", "x", "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("--hostname");
    expect(stdout).toBe("");
  });
});

describe("inside", () => {
  test("process 1 is the program, alone", async () => {
    const { stdout } = await sh("echo $$; ls -d /proc/[0-9]* | wc -l");
    const [pid, count] = stdout.trim().split("\n");
    expect(pid).toBe("1");
    expect(Number(count)).toBeLessThanOrEqual(3); // sh, ls, wc
  });

  test("every namespace is new", async () => {
    const names = ["user", "pid", "mnt", "uts", "ipc", "net", "cgroup"];
    const { stdout } = await sh(`for n in ${names.join(" ")}; do readlink /proc/self/ns/$n; done`);
    const inside = stdout.trim().split("\n");
    const outside = await Promise.all(
      names.map((name) => Bun.$`readlink /proc/self/ns/${name}`.text()),
    );
    expect(inside).toHaveLength(names.length);
    expect(inside.filter((link) => outside.some((other) => other.trim() === link))).toEqual([]);
  });

  test("root is the caller, and other ids are subordinate ones", async () => {
    const { stdout } = await sh("id -u; id -g; awk '{print $1, $2}' /proc/self/uid_map");
    expect(stdout.split("\n").slice(0, 3)).toEqual(["0", "0", `0 ${process.getuid?.()}`]);
    const chown = await sh("touch /x && chown 1000:50 /x && stat -c %u:%g /x");
    expect(chown.stdout).toBe("1000:50\n");
  });

  test("the file system is writable and is thrown away", async () => {
    expect((await sh("echo new > /etc/new && rm /etc/group && cat /etc/new")).stdout).toBe("new\n");
    expect((await sh("ls /etc/new /etc/group 2>/dev/null")).stdout).toBe("/etc/group\n");
  });

  test("/dev has what programs expect and no more", async () => {
    const { stdout } = await sh(
      "for f in null zero full random urandom tty; do stat -c '%n %F %a' /dev/$f; done;" +
        "echo x > /dev/null; head -c 4 /dev/zero | wc -c; ls /dev",
    );
    const lines = stdout.trim().split("\n");
    for (const device of ["null", "zero", "full", "random", "urandom", "tty"]) {
      expect(lines).toContain(`/dev/${device} character special file 666`);
    }
    expect(lines).toContain("4");
    for (const name of ["fd", "stdin", "stdout", "stderr", "ptmx", "pts", "shm", "mqueue"]) {
      expect(lines).toContain(name);
    }
    expect(lines).not.toContain("kmsg");
    expect(lines).not.toContain("vda");
  });

  test("the usual mounts are there with the usual options", async () => {
    const { stdout } = await sh("cat /proc/mounts");
    const mounts = new Map(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" "))
        .map(([, where = "", type = "", options = ""]) => [where, `${type} ${options}`]),
    );
    expect(mounts.get("/proc")).toMatch(/^proc .*nosuid/);
    expect(mounts.get("/sys")).toMatch(/^sysfs (ro,|.*,ro)/);
    expect(mounts.get("/dev")).toMatch(/^tmpfs .*nosuid/);
    expect(mounts.get("/dev/pts")).toMatch(/^devpts .*nosuid.*noexec/);
    expect(mounts.get("/dev/shm")).toMatch(/^tmpfs .*nosuid.*noexec/);
    expect(mounts.get("/dev/mqueue")).toMatch(/^mqueue .*nosuid/);
  });

  test("what the kernel shows of the host is masked or read-only", async () => {
    const { stdout } = await sh(
      "cat /proc/kcore /proc/keys 2>/dev/null | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v : | wc -w;" +
        "echo 1 > /proc/sys/kernel/panic && echo written; echo b > /proc/sysrq-trigger && echo pulled",
    );
    expect(stdout).toBe("0\n0\n");
  });

  test("the default capabilities are Docker's, and no program gains more", async () => {
    const { stdout } = await sh(
      "grep -E '^(CapEff|CapBnd|CapPrm|NoNewPrivs|Seccomp):' /proc/self/status",
    );
    const value = (name: string) => new RegExp(`${name}:\\s+(\\S+)`).exec(stdout)?.[1];
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP, with or
    // without Docker's NET_RAW MKNOD AUDIT_WRITE
    const least = 0x8004_05fbn & ~0n;
    for (const set of ["CapEff", "CapBnd", "CapPrm"]) {
      const bits = BigInt(`0x${value(set)}`);
      expect(bits & ~0xa804_25fbn).toBe(0n);
      expect(bits & least).toBe(least);
    }
    expect(value("Seccomp")).toBe("2");
  });

  test("dangerous system calls are refused", async () => {
    const { stdout } = await sh(
      "mount -t tmpfs x /tmp 2>/dev/null && echo mounted; unshare -U true 2>/dev/null && echo unshared; echo end",
    );
    expect(stdout).toBe("end\n");
  });

  test("no descriptor but the three leaks in", async () => {
    expect((await sh("ls /proc/self/fd | wc -l")).stdout.trim()).toBe("4"); // and the directory being read
  });

  test("the private network is an interface of its own beside loopback; with none there is only that", async () => {
    const look = "ls /sys/class/net; ip -4 -o addr | awk '{print $4}'";
    expect((await sh(look)).stdout).toBe("eth0\nlo\n127.0.0.1/8\n10.0.2.100/24\n");
    expect((await sh(look, "--network=none")).stdout).toBe("lo\n127.0.0.1/8\n");
  });

  test("/etc/hosts and /etc/resolv.conf are written for it", async () => {
    const { stdout } = await sh(
      "cat /etc/hosts; hostname; ls -l /etc/resolv.conf | wc -l",
      "--name=web",
    );
    expect(stdout).toMatch(/127\.0\.0\.1\s+localhost/);
    const lines = stdout.trim().split("\n");
    const host = lines.at(-2) ?? "";
    expect(host).toMatch(/^[0-9a-f]{12}$/);
    expect(stdout).toMatch(new RegExp(`\\S+\\s.*\\b${host}\\b`));
    expect(lines.at(-1)).toBe("1");
  });

  test("the environment is small and known", async () => {
    const { stdout } = await sh("env");
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names.sort()).toEqual(expect.arrayContaining(["HOME", "HOSTNAME", "PATH"]));
    const allowed = [
      "HOME",
      "HOSTNAME",
      "PATH",
      "PWD",
      "SHLVL",
      "TERM",
      "container",
      "OLDPWD",
      "_",
    ];
    expect(names.filter((name) => !allowed.includes(name ?? ""))).toEqual([]);
    expect(stdout).toContain("HOME=/root\n");
  });
});

describe("signals", () => {
  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const)(
    "%s is forwarded",
    async (signal) => {
      const name = signal.slice(3);
      const script = `trap 'echo caught; exit 9' ${name}; echo ready; while :; do sleep 0.01; done`;
      const child = shared.world.start(["run", "--rm", "tiny", "sh", "-c", script]);
      const reader = child.stdout.getReader();
      const decoder = new TextDecoder();
      let text = "";
      while (!text.includes("ready")) text += decoder.decode((await reader.read()).value);
      child.kill(signal);
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += decoder.decode(part.value);
      }
      expect(text).toBe("ready\ncaught\n");
      expect(await child.exited).toBe(9);
    },
  );
});
