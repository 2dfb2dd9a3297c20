/** Devices, groups, limits, kernel parameters, shared memory and umask, as the processes inside see them. */
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const run = (...words: string[]) => shared.world.tspod(["run", "--rm", ...words]);
const sh = async (flags: string, script: string) => {
  const { exitCode, stdout, stderr } = await run(...flags.split(" "), "tiny", "sh", "-c", script);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return stdout.trim();
};
const refused = async (flags: string, message: string) => {
  const { exitCode, stderr } = await run(...flags.split(" "), "tiny", "true");
  expect(stderr).toContain(message);
  expect(exitCode).toBe(125);
};

describe("--ulimit", () => {
  test("is what ulimit says", async () => {
    const look = "ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hs";
    const flags = "--ulimit nofile=100:200 --ulimit core=0 --ulimit stack=8388608:unlimited";
    expect(await sh(flags, look)).toBe("100\n200\n0\nunlimited");
  });

  test("host is that of whoever calls", async () => {
    const own = Bun.spawnSync(["sh", "-c", "ulimit -Hn; ulimit -Hs"]).stdout.toString().trim();
    expect(await sh("--ulimit host", "ulimit -Hn; ulimit -Hs")).toBe(own);
  });

  test("of others is refused", async () => {
    await refused("--ulimit nofiles=1", 'did you mean "nofile"?');
    if (process.getuid?.() === 0) return;
    await refused("--ulimit nofile=9007199254740991", "your own hard limit is");
  });
});

describe("--sysctl", () => {
  test("is the container's own", async () => {
    const flags = "--sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=4096";
    const look = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax";
    expect(await sh(flags, look)).toBe("1\n4096");
    expect(await sh("--sysctl=net/core/somaxconn=77", "cat /proc/sys/net/core/somaxconn")).toBe(
      "77",
    );
  });

  test("of the host, of others, or of nobody", async () => {
    await refused("--sysctl kernel.panic=1", 'Cannot set "kernel.panic" for a container');
    await refused("--network=host --sysctl net.ipv4.ip_forward=1", "with --network=host");
    await refused("--sysctl net.nosuch=1", 'Cannot set "net.nosuch": a container of this kernel');
    await refused("--sysctl net.ipv4.ip_forward=x", "the kernel refuses the value");
  });
});

describe("--shm-size and --umask", () => {
  test("/dev/shm", async () => {
    const kilobytes = "df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2";
    expect(await sh("--shm-size 8m", kilobytes)).toBe("8192");
    expect(await sh("--network none", kilobytes)).toBe("65536");
    expect(await sh("--shm-size 0", "grep -o size=0k /proc/mounts")).toBe("size=0k");
    const fill = "head -c 2000000 /dev/zero > /dev/shm/f || wc -c < /dev/shm/f";
    expect(await sh("--shm-size 1m", fill)).toBe("1048576");
    await refused("--shm-size 8m --ipc=host", "Cannot combine --shm-size with --ipc=host");
  });

  test("umask", async () => {
    expect(await sh("--umask 077", "umask; touch /x; stat -c %a /x")).toBe("0077\n600");
  });
});

describe("--group-add", () => {
  test("numbers and names of the image", async () => {
    expect(await sh("--group-add 0 --group-add staff -u 1000:1000", "id -G")).toBe("1000 0 50");
    await refused("--group-add nosuch", `no group "nosuch" in the image's /etc/group`);
    await refused("--group-add 4000000000", "Cannot be in the group 4000000000");
  });

  test("keep-groups keeps as many as there are", async () => {
    const count = "grep Groups: /proc/self/status | wc -w";
    const own = process.getgroups?.().length ?? 0;
    expect(await sh("--group-add keep-groups", count)).toBe(String(own + 1));
    expect(await sh("--group-add keep-groups -u 1000", count)).toBe(String(own + 1));
    await refused("--group-add keep-groups --group-add 1", "Cannot combine");
  });
});

describe("--device", () => {
  const fuse = testWith(() => (existsSync("/dev/fuse") ? undefined : "no /dev/fuse"));

  fuse("is there, by the name asked for, and works", async () => {
    const look = "exec 3<>/dev/fuse; test -c /dev/renamed; stat -c %t:%T /dev/fuse /dev/renamed";
    expect(await sh("--device /dev/fuse --device /dev/fuse:/dev/renamed", look)).toBe("a:e5\na:e5");
    expect(await sh("--network none", "test -e /dev/fuse || echo none")).toBe("none");
    expect(await sh("--privileged", "exec 3<>/dev/fuse; echo works")).toBe("works");
  });

  test("none is made inside", async () => {
    expect(await sh("--cap-add all", "mknod /x c 1 3 2>/dev/null || echo refused")).toBe("refused");
  });

  test("that is none, or not for us", async () => {
    await refused("--device /dev/nosuch", "does not exist");
    await refused("--device /etc/passwd", "it is no device");
    const { stderr } = await run("--device", "/dev/zero:r", "tiny", "true");
    expect(stderr).toContain('"/dev/zero" cannot be limited to "r"');
    if (process.getuid?.() === 0 || !existsSync("/dev/kmsg")) return;
    await refused("--device /dev/kmsg", 'Cannot use "/dev/kmsg": you may not write to it');
  });
});

test("exec finds them as well, and inspect shows them", async () => {
  const { world } = shared;
  const flags =
    "--group-add 50 --ulimit nofile=50:60 --umask 077 --sysctl kernel.msgmax=4096 --shm-size 1m --device /dev/zero:/dev/0";
  await world.ok("run", "-d", "--name", "s", ...flags.split(" "), "tiny", "sleep", "1000");
  const look = "id -G; ulimit -n; ulimit -Hn; umask; test -c /dev/0 && echo device";
  expect(await world.ok("exec", "s", "sh", "-c", look)).toBe("0 50\n50\n60\n0077\ndevice");
  const [{ HostConfig, Config }] = JSON.parse(await world.ok("inspect", "s"));
  expect(HostConfig).toMatchObject({
    Devices: [{ PathOnHost: "/dev/zero", PathInContainer: "/dev/0", CgroupPermissions: "rwm" }],
    GroupAdd: ["50"],
    Ulimits: [{ Name: "nofile", Soft: 50, Hard: 60 }],
    ShmSize: 2 ** 20,
    Sysctls: { "kernel.msgmax": "4096" },
  });
  expect(Config.Umask).toBe("0077");
  await world.ok("rm", "-f", "s");
});
