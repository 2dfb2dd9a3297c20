/** --device, --group-add, --ulimit, --sysctl, --shm-size and --umask as docker and podman write them. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseDevices } from "../../src/cli/options/device.ts";
import { parseSetup, parseUlimits } from "../../src/cli/options/setup-values.ts";
import { type SetupFlags, setupOptions } from "../../src/cli/options/setup.ts";
import { defaultSetup } from "../../src/spec/index.ts";

const none: SetupFlags = {
  ...{ device: [], groupAdd: [], ulimit: [], sysctl: [], shmSize: null, umask: null },
};
const parse = (flags: Partial<SetupFlags>) => parseSetup({ ...none, privileged: false, ...flags });

test("nothing asked is nothing recorded", async () => {
  expect(await setupOptions({ ...none, privileged: false })).toEqual({});
  expect(await setupOptions({ ...none, privileged: false, umask: "77" })).toEqual({
    setup: { ...defaultSetup, umask: 0o77 },
  });
  expect((await setupOptions({ ...none, privileged: true })).setup?.devices).toEqual([]);
});

describe("--group-add", () => {
  test.each<[string[], string[], boolean]>([
    [["10"], ["10"], false],
    [["audio", "10"], ["audio", "10"], false],
    [["audio,video"], ["audio", "video"], false],
    [["keep-groups"], [], true],
  ])("%p", (groupAdd, groups, keepGroups) => {
    expect(parse({ groupAdd })).toEqual({ ...defaultSetup, groups, keepGroups });
  });

  test.each([
    [["keep-groups", "audio"], "Cannot combine --group-add=keep-groups with other groups"],
    [[""], 'Invalid --group-add ""'],
    [["a:b"], 'Invalid --group-add "a:b"'],
  ])("%p is refused", (groupAdd, message) => {
    expect(() => parse({ groupAdd })).toThrow(message);
  });
});

describe("--ulimit", () => {
  const own = () => ({ nofile: { soft: 1024, hard: 4096 }, core: { soft: 0, hard: Infinity } });
  const limits = (...words: string[]) =>
    parseUlimits(words, own).limits.map(({ name, soft, hard }) => [name, soft, hard]);

  test.each<[string, number | null, number | null]>([
    ["core=5", 5, 5],
    ["core=0:7", 0, 7],
    ["core=-1", null, null],
    ["core=1:unlimited", 1, null],
    ["core=1:-1", 1, null],
  ])("%p", (word, soft, hard) => {
    expect(limits(word)).toEqual([["core", soft, hard]]);
  });

  test("the last of a name counts", () => {
    expect(limits("core=1", "nofile=10,core=2:3")).toEqual([
      ["core", 2, 3],
      ["nofile", 10, 10],
    ]);
  });

  test.skipIf(process.getuid?.() === 0)("unlimited is as much as the caller may have", () => {
    expect(limits("nofile=unlimited", "core=unlimited")).toEqual([
      ["nofile", 4096, 4096],
      ["core", null, null],
    ]);
    expect(parseUlimits(["nofile=1:unlimited", "core=unlimited"], own).warnings).toEqual([
      '--ulimit "nofile=1:unlimited" is your own hard limit, 4096; ' +
        "to raise it: /etc/security/limits.conf, or LimitX= of a systemd unit",
    ]);
    expect(() => limits("nofile=4097")).toThrow("your own hard limit is 4096");
  });

  test("host is all of the caller's", () => {
    const names = parseUlimits(["host"]).limits.map(({ name }) => name);
    expect(names).toHaveLength(16);
    expect(names).toContain("nofile");
  });

  test.each([
    ["", 'Invalid --ulimit ""'],
    ["nofile", 'Invalid --ulimit "nofile"'],
    ["nofiles=1", 'Invalid --ulimit "nofiles=1"'],
    ["nofile=", 'Invalid --ulimit "nofile="'],
    ["nofile=1:2:3", 'Invalid --ulimit "nofile=1:2:3"'],
    ["nofile=x", '"x" is no limit'],
    ["nofile=-2", '"-2" is no limit'],
    ["nofile=9007199254740993", "is no limit"],
    ["nofile=2:1", "the soft limit is above the hard one"],
    ["nofile=-1:1", "the soft limit is above the hard one"],
  ])("%p is refused", (word, message) => {
    expect(() => limits(word)).toThrow(message);
  });
});

describe("--sysctl", () => {
  test("what a namespace of the container has", () => {
    const words = ["net.ipv4.ip_forward=1", "kernel.msgmax=65536", "kernel.sem=1 2 3 4"];
    expect(parse({ sysctl: [...words, "net/ipv4/conf/eth0.1/forwarding=1"] }).sysctls).toEqual({
      "net.ipv4.ip_forward": "1",
      "kernel.msgmax": "65536",
      "kernel.sem": "1 2 3 4",
      "net/ipv4/conf/eth0.1/forwarding": "1",
    });
  });

  test.each([
    ["kernel.panic=1", `Cannot set "kernel.panic" for a container: it is the whole host's`],
    ["vm.swappiness=1", "the whole host's"],
    ["fs.file-max=1", "the whole host's"],
    ["net.ipv4.ip_forward", "Invalid --sysctl"],
    ["net.ipv4.ip_forward=", "Invalid --sysctl"],
    ["=1", "Invalid --sysctl"],
    ["net..x=1", "Invalid --sysctl"],
    ["net/../../x=1", "Invalid --sysctl"],
  ])("%p is refused", (word, message) => {
    expect(() => parse({ sysctl: [word] })).toThrow(message);
  });
});

describe("--shm-size and --umask", () => {
  test.each<[string, number]>([
    ["0", 0],
    ["1000", 1000],
    ["64m", 64 * 2 ** 20],
    ["2G", 2 * 2 ** 30],
  ])("--shm-size=%s", (shmSize, bytes) => {
    expect(parse({ shmSize }).shmSizeBytes).toBe(bytes);
  });

  test.each<[string, number]>([
    ["0022", 0o022],
    ["77", 0o77],
    ["0", 0],
    ["777", 0o777],
  ])("--umask=%s", (umask, bits) => {
    expect(parse({ umask }).umask).toBe(bits);
  });

  test.each(["", "8", "1777", "00022", "rwx"])("--umask=%s is refused", (umask) => {
    expect(() => parse({ umask })).toThrow("Invalid --umask");
  });

  test.each(["", "x", "-1"])("--shm-size=%s is refused", (shmSize) => {
    expect(() => parse({ shmSize })).toThrow("--shm-size");
  });
});

describe("--device", () => {
  const device = (...texts: string[]) =>
    parseDevices(texts, false).devices.map(({ source, destination, permissions }) =>
      [source, destination, permissions].join(" "),
    );

  test.each([
    ["/dev/null", "/dev/null /dev/null rwm"],
    ["/dev/null:/dev/x", "/dev/null /dev/x rwm"],
    ["/dev/null:rw", "/dev/null /dev/null rw"],
    ["/dev/null:/dev/x:rw", "/dev/null /dev/x rw"],
  ])("%p", (text, expected) => {
    expect(device(text)).toEqual([expected]);
  });

  test("a link is followed, and a directory is what is in it", () => {
    const directory = mkdtempSync(`${tmpdir()}/devices-`);
    try {
      symlinkSync("/dev/zero", `${directory}/zero`);
      expect(device(`${directory}/zero`)).toEqual([`/dev/zero ${directory}/zero rwm`]);
      mkdirSync(`${directory}/empty`);
      expect(() => device(`${directory}/empty`)).toThrow("there is no device in it");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test.each([
    ["", "the path of a device is absolute"],
    ["null", "the path of a device is absolute"],
    ["nvidia.com/gpu=all", "devices of CDI are not supported"],
    ["/dev/null:x", "it is not HOST[:INSIDE][:rwm]"],
    ["/dev/null:/a:/b:rw", "it is not HOST[:INSIDE][:rwm]"],
    ["/dev/null:rwx", "it is not HOST[:INSIDE][:rwm]"],
    ["/dev/no-such-device", "does not exist"],
    ["/etc/passwd", "it is no device"],
  ])("%p is refused", (text, message) => {
    expect(() => device(text)).toThrow(message);
  });

  test("a container may do what its user may", () => {
    expect(parseDevices(["/dev/null:r"], false).warnings).toEqual([
      '"/dev/null" cannot be limited to "r": what you may do with it, the container may',
    ]);
    expect(parseDevices(["/dev/null:rw"], false).warnings).toEqual([]);
  });
});
