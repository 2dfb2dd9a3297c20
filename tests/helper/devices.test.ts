/** /dev of a container: what is always there, what config.json adds, and that the host's stays as it is. */
import { describe, expect } from "bun:test";
import { existsSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, testWith } from "../support/requirements.ts";
import {
  attached,
  Container,
  type ContainerOptions,
  mapping,
  runtimeTest,
} from "./runtime-fixture.ts";

const helper = { attach: attached };
const fuse = { path: "/dev/fuse", type: "c", major: 10, minor: 229 };
const fuseTest = testWith(
  program("busybox", "busybox-static"),
  () => mapping.limitation,
  () => (existsSync("/dev/fuse") ? undefined : "no /dev/fuse"),
);
/** As root: `unshare` gives the test a /dev and a root of its own to be real root in. */
const rootTest = testWith(program("busybox", "busybox-static"), () =>
  process.getuid?.() === 0 ? undefined : "only real root makes device nodes",
);

async function shell(script: string, options: ContainerOptions): Promise<string> {
  await using container = new Container(["sh", "-c", script], { helper, ...options });
  const { stdout, stderr, last } = await container.run();
  expect({ last, stderr }).toEqual({ last: { event: "exited", code: 0 }, stderr: "" });
  return stdout;
}

async function failure(options: ContainerOptions): Promise<unknown> {
  await using container = new Container(["true"], options);
  return (await container.run()).last;
}

describe("config.json's devices", () => {
  fuseTest("are the host's where nodes cannot be made", async () => {
    const script = "stat -c '%F %t:%T' /dev/fuse; head -c 0 /dev/fuse";
    expect(await shell(script, { linux: { devices: [fuse] } })).toBe(
      "character special file a:e5\n",
    );
  });

  runtimeTest("a FIFO is made, with its mode", async () => {
    const devices = [{ path: "/run/deep/pipe", type: "p", fileMode: 0o622, uid: 7, gid: 8 }];
    const script = "stat -c '%F %a %u:%g' /run/deep/pipe; stat -c %a /run/deep";
    expect(await shell(script, { linux: { devices } })).toBe("fifo 622 7:8\n755\n");
  });

  runtimeTest("twice in a row, outside of /dev", async () => {
    const devices = [{ path: "/dev/null", type: "c", major: 1, minor: 3 }];
    await using container = new Container(["true"], { helper, linux: { devices } });
    for (const _ of [1, 2]) {
      expect((await container.run()).last).toEqual({ event: "exited", code: 0 });
    }
  });

  const refused = [
    {
      what: "not on the host",
      device: { ...fuse, path: "/dev/x", minor: 200_000 },
      says: "no chara",
    },
    {
      what: "another number",
      device: { ...fuse, path: "/dev/null" },
      says: "something else is at",
    },
    { what: "of another type", device: { ...fuse, type: "b" }, says: "has no block device" },
    { what: "of no type", device: { ...fuse, type: "x" }, says: "is no type" },
    { what: "relative", device: { ...fuse, path: "dev/fuse" }, says: "not absolute" },
    { what: "negative", device: { ...fuse, major: -1 }, says: "no device has the number" },
    { what: "over a file", device: { ...fuse, path: "/etc/passwd" }, says: "something else is at" },
  ];
  runtimeTest.each(refused)("$what: refused with a sentence", async ({ device, says }) => {
    const last = await failure({ linux: { devices: [device] } });
    expect(last).toMatchObject({ event: "failed", call: "device" });
    expect(JSON.stringify(last)).toContain(says);
  });
});

describe("/dev", () => {
  runtimeTest("has the links that programs expect", async () => {
    const script = "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done";
    const links = ["fd", "fd/0", "fd/1", "fd/2"].map((name) => `/proc/self/${name}`);
    expect(await shell(script, {})).toBe(`${[...links, "pts/ptmx"].join("\n")}\n`);
  });

  runtimeTest("that is read-only has its devices", async () => {
    const mounts = [{ destination: "/dev", type: "tmpfs", options: ["ro", "mode=755"] }];
    const script = "echo x >/dev/null; head -c 3 /dev/zero | wc -c; touch /dev/x 2>&1; true";
    expect(await shell(script, { mounts })).toBe("3\ntouch: /dev/x: Read-only file system\n");
  });

  runtimeTest("of the user's own is left as it is", async () => {
    await using source = new Container(["true"]);
    const directory = join(source.base, "dev");
    mkdirSync(directory);
    writeFileSync(join(directory, "ptmx"), "mine");
    const mounts = [{ destination: "/dev/", source: directory, options: ["rbind"] }];
    expect(await shell("ls /dev; cat /dev/ptmx", { mounts })).toBe("ptmx\nmine");
    expect(lstatSync(join(directory, "ptmx")).isFile()).toBe(true);
  });

  rootTest("is made of nodes where they can be made, and the host's keep their owner", async () => {
    const devices = [{ ...fuse, path: "/opt/f", fileMode: 0o640, uid: 7, gid: 8 }];
    const namespaces = ["pid", "mount", "uts", "ipc", "network"].map((type) => ({ type }));
    const script =
      "chown 5:5 /dev/null; stat -c '%t:%T %a %u:%g' /dev/null /opt/f; grep -c ' /dev/null ' /proc/mounts; true";
    const before = lstatSync("/dev/null").uid;
    const text = await shell(script, {
      namespaces,
      capabilities: ["CAP_CHOWN", "CAP_FOWNER"],
      linux: { devices },
    });
    expect(text).toBe("1:3 666 5:5\na:e5 640 7:8\n0\n");
    expect(lstatSync("/dev/null").uid).toBe(before);
  });
});
