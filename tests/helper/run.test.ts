/** `native run`: exit status, namespaces, the root file system, the process's identity and limits. */
import { describe, expect } from "bun:test";
import { readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attached, Container, type ContainerOptions, runtimeTest } from "./runtime-fixture.ts";

async function shell(script: string, options: ContainerOptions = {}): Promise<string> {
  const helper = { attach: attached, ...options.helper };
  await using container = new Container(["sh", "-c", script], { ...options, helper });
  const { stdout, stderr, last } = await container.run();
  expect({ last, stderr }).toEqual({ last: { event: "exited", code: 0 }, stderr: "" });
  return stdout;
}

describe("exit status", () => {
  const cases = [
    { args: ["true"], last: { event: "exited", code: 0 } },
    { args: ["sh", "-c", "exit 7"], last: { event: "exited", code: 7 } },
    // process 1 ignores what it does not handle, whoever sends it; SIGKILL comes from its own child's view only
    { args: ["sh", "-c", "exit 143"], last: { event: "exited", code: 143 } },
    {
      args: ["no-such-program"],
      last: { event: "failed", call: "lookup", detail: "no-such-program", errno: "ENOENT" },
    },
    {
      args: ["/no/such"],
      last: { event: "failed", call: "lookup", detail: "/no/such", errno: "ENOENT" },
    },
    {
      args: ["/etc/passwd"],
      last: { event: "failed", call: "execve", detail: "/etc/passwd", errno: "EACCES" },
    },
    {
      args: ["/etc"],
      last: { event: "failed", call: "execve", detail: "/etc", errno: "EACCES" },
    },
  ] as const;
  for (const passthrough of [false, true]) {
    runtimeTest.each(cases)(`run %j, passthrough ${passthrough}`, async ({ args, last }) => {
      const attach = { ...attached, passthrough };
      await using container = new Container([...args], { helper: { attach } });
      const outcome = await container.run();
      expect(outcome.last as unknown).toEqual(last);
      expect(outcome.status).toBe(last.event === "exited" ? last.code : 125);
    });
  }
});

describe("isolation", () => {
  runtimeTest("every namespace is its own", async () => {
    const kinds = ["user", "pid", "mnt", "uts", "ipc", "net", "cgroup"];
    const inside = await shell(`for k in ${kinds.join(" ")}; do readlink /proc/self/ns/$k; done`);
    const outside = kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    const found = inside.trim().split("\n");
    expect(found).toHaveLength(kinds.length);
    expect(found.filter((name) => outside.includes(name))).toEqual([]);
  });

  runtimeTest("the first process is 1 and knows the host name it was given", async () => {
    expect(await shell("echo $$; hostname; ls /sys/class/net")).toBe("1\nbox\nlo\n");
  });

  runtimeTest("nothing but the standard streams is open", async () => {
    const open = await shell("ls /proc/self/fd");
    expect(open.trim().split("\n")).toEqual(["0", "1", "2", "3"]); // 3 is ls reading the directory
  });

  runtimeTest("no path of the host shows in the mount table", async () => {
    const mounts = await shell("cat /proc/self/mountinfo");
    expect(mounts).not.toContain("tspod-");
  });
});

describe("the root file system", () => {
  runtimeTest("default devices work, and no other is there", async () => {
    const script =
      "ls /dev; head -c 4 /dev/zero | wc -c; echo x >/dev/null; head -c 2 /dev/urandom | wc -c; readlink /dev/ptmx";
    const names = "console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty";
    const expected = [...names.split(" ").slice(1), "urandom", "zero"];
    const lines = (await shell(script)).trim().split("\n");
    expect(lines.slice(0, expected.length)).toEqual(expected);
    expect(lines.slice(expected.length)).toEqual(["4", "2", "pts/ptmx"]);
  });

  runtimeTest("masked files are empty, masked directories too", async () => {
    const script =
      "wc -c </proc/keys; wc -c </proc/timer_list; ls /sys/firmware | wc -l; ls /proc/acpi 2>/dev/null | wc -l";
    expect((await shell(script)).split(/\s+/)).toEqual(["0", "0", "0", "0", ""]);
  });

  runtimeTest("read-only paths cannot be written, nor made writable again", async () => {
    const script =
      "echo 1 2>&1 >/proc/sys/kernel/domainname; mount -o remount,rw /proc/sys 2>&1; (: >/proc/sys/vm/drop_caches) 2>&1; true";
    const text = await shell(script);
    expect(text.match(/Read-only file system/g)).toHaveLength(2);
    expect(text).toContain("permission denied");
  });

  runtimeTest("a read-only root refuses writing, its tmpfs do not", async () => {
    const script = "touch /x 2>&1; touch /dev/shm/y && echo fine";
    const text = await shell(script, { readonly: true });
    expect(text).toBe("touch: /x: Read-only file system\nfine\n");
  });

  runtimeTest("what is written goes to the upper layer only", async () => {
    await using container = new Container(["sh", "-c", "echo new >/etc/passwd; rm /bin/ls"], {
      helper: { attach: attached },
    });
    expect((await container.run()).last).toEqual({ event: "exited", code: 0 });
    expect(await shell("head -c 4 /etc/passwd; test -e /bin/ls && echo there")).toBe("rootthere\n");
  });

  runtimeTest("mount options hold: size, mode, flags, later ones win", async () => {
    const mounts = [
      {
        destination: "/data",
        type: "tmpfs",
        options: ["size=1m", "mode=0700", "noexec", "ro", "rw"],
      },
    ];
    const script =
      "stat -c %a /data; grep ' /data ' /proc/mounts | cut -d' ' -f4; cd /data; touch x";
    const [mode, flags = ""] = (await shell(script, { mounts })).trim().split("\n");
    expect(mode).toBe("700");
    expect(flags.split(",")).toEqual(expect.arrayContaining(["rw", "noexec", "size=1024k"]));
  });
});

describe("bind mounts", () => {
  runtimeTest("of a directory, a file, read-only, and at a path the image lacks", async () => {
    await using source = new Container(["true"]);
    const file = join(source.base, "file");
    writeFileSync(file, "from outside\n");
    const mounts = [
      { destination: "/a/b/dir", source: source.base, options: ["rbind"] },
      { destination: "/a/ro", source: source.base, options: ["bind", "ro"] },
      { destination: "/etc/deep/file", source: file, options: ["bind", "rro"] },
    ];
    const script =
      "cat /a/b/dir/file /etc/deep/file; touch /a/b/dir/new; touch /a/ro/x 2>&1; echo y 2>&1 >/etc/deep/file; true";
    const text = await shell(script, { mounts });
    expect(text).toStartWith("from outside\nfrom outside\n");
    expect(text.match(/Read-only file system/g)).toHaveLength(2);
    expect(await Bun.file(join(source.base, "new")).exists()).toBe(true);
  });

  runtimeTest("a source that is missing is named", async () => {
    const mounts = [{ destination: "/x", source: "/no/such/source", options: ["bind"] }];
    await using container = new Container(["true"], { mounts });
    expect((await container.run()).last).toEqual({
      ...{ event: "failed", call: "open_tree", detail: "/no/such/source", errno: "ENOENT" },
    });
  });
});

describe("identity and limits", () => {
  const users = [
    { user: "", says: "0 0 10 /root" }, // the kernel lists the groups as they are set
    { user: "app", says: "1000 1000 50 /home/app" },
    { user: "1000", says: "1000 1000 50 /home/app" },
    { user: "app:staff", says: "1000 50 50 /home/app" },
    { user: "1234:77", says: "1234 77 77 /" },
  ];
  runtimeTest.each(users)("user $user", async ({ user, says }) => {
    const script =
      "echo $(id -u) $(id -g) $(id -G | tr ' ' '\\n' | grep -vx $(id -g) || id -g) $HOME";
    expect(await shell(script, { helper: { user } })).toBe(`${says}\n`);
  });

  runtimeTest.each(["nobody-here", "app:no-such-group"])("user %s is unknown", async (user) => {
    await using container = new Container(["true"], { helper: { user } });
    expect((await container.run()).last).toMatchObject({ event: "failed", call: "user" });
  });

  runtimeTest("capabilities are the asked ones, in all sets", async () => {
    const sets = await shell("grep ^Cap /proc/self/status", { capabilities: ["CAP_KILL"] });
    expect([...(sets.match(/\w+$/gm) ?? [])]).toEqual([
      ...["0000000000000000", "0000000000000020", "0000000000000020", "0000000000000020"],
      "0000000000000000",
    ]);
  });

  runtimeTest("capabilities of another user are gone, no_new_privs holds", async () => {
    const options = { noNewPrivileges: true, helper: { user: "app" } };
    const text = await shell("grep -E '^(CapEff|NoNewPrivs)' /proc/self/status", options);
    expect(text).toBe("CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
  });

  runtimeTest("rlimits, umask, working directory, environment", async () => {
    const options = {
      process: { rlimits: [{ type: "RLIMIT_NOFILE", soft: 77, hard: 88 }] },
      cwd: "/made/for/you",
      env: ["PATH=/bin", "A=b c"],
    };
    const script = "ulimit -Sn; ulimit -Hn; umask; pwd; echo $A";
    expect(await shell(script, options)).toBe("77\n88\n0022\n/made/for/you\nb c\n");
  });

  runtimeTest("sysctls of its namespaces are set, others refused", async () => {
    const sysctl = { "net.ipv4.ip_forward": "1", "kernel.shmmni": "99" };
    const text = await shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni", {
      linux: { sysctl },
    });
    expect(text).toBe("1\n99\n");
    await using container = new Container(["true"], {
      linux: { sysctl: { "kernel.panic": "1" } },
    });
    expect((await container.run()).last).toMatchObject({ event: "failed", call: "sysctl" });
  });

  runtimeTest("a limit that cannot be honoured is an error, not silence", async () => {
    const linux = { resources: { memory: { limit: 1048576 } } };
    await using container = new Container(["true"], { linux });
    expect((await container.run()).last).toMatchObject({
      ...{ event: "failed", call: "cgroup", errno: "" },
    });
  });
});

describe("what goes wrong leaves nothing", () => {
  const broken: { what: string; options: ContainerOptions }[] = [
    { what: "a mount", options: { mounts: [{ destination: "/x", type: "no-such-fs" }] } },
    { what: "an rlimit", options: { process: { rlimits: [{ type: "X", soft: 1, hard: 1 }] } } },
    { what: "the directory", options: { cwd: "/etc/passwd" } },
    {
      what: "an id map",
      options: { linux: { uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] } },
    },
  ];
  runtimeTest.each(broken)("$what", async ({ options }) => {
    await using container = new Container(["true"], options);
    const { last, status } = await container.run();
    expect(last?.event).toBe("failed");
    expect(status).toBe(125);
    expect(container.leftovers()).toEqual([]);
  });

  runtimeTest("broken JSON is refused with its place", async () => {
    await using container = new Container(["true"]);
    writeFileSync(join(container.directory, "config.json"), '{"process":\n{"args":7}}');
    const { last } = await container.run();
    expect(last).toMatchObject({ event: "failed", call: "parse" });
    expect(JSON.stringify(last)).toContain("config.json:2:");
  });

  runtimeTest("a symlink for /proc is not followed", async () => {
    await using container = new Container(["true"]);
    symlinkSync("/tmp", join(container.directory, "upper/proc"));
    expect((await container.run()).last).toMatchObject({ event: "failed", errno: "ELOOP" });
  });
});
