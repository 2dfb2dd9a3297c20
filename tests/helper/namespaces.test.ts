/** Namespaces of config.json: joined by path, of other owners, of time; and runtimes that are root already. */
import { describe, expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, testWith } from "../support/requirements.ts";
import { Place, placeTest } from "./place.ts";
import {
  attached,
  Container,
  type ContainerOptions,
  mapping,
  runtimeTest,
} from "./runtime-fixture.ts";

const timeTest = testWith(
  program("busybox", "busybox-static"),
  () => mapping.limitation,
  () => (existsSync("/proc/self/timens_offsets") ? undefined : "no time namespaces"),
);
const helper = { attach: attached };
const links: Record<string, string> = { mount: "mnt", network: "net" };
const linkOf = (kind: string): string => links[kind] ?? kind;
const all = ["user", "pid", "mount", "network", "ipc", "uts", "cgroup"];

/** All kinds new, but these at that process. */
function joining(pid: number, kinds: string[]): { type: string; path?: string }[] {
  return all.map((type) =>
    kinds.includes(type) ? { type, path: `/proc/${pid}/ns/${linkOf(type)}` } : { type },
  );
}

const show = `for k in user pid mnt net ipc uts cgroup; do readlink /proc/self/ns/$k; done`;

describe("joining by path", () => {
  runtimeTest("every namespace of another container but its mounts", async () => {
    await using first = new Container(["sleep", "1000"]);
    await first.run();
    const kinds = all.filter((kind) => kind !== "mount");
    await using second = new Container(["sh", "-c", `${show}; hostname; cat /proc/1/cmdline`], {
      helper,
      namespaces: joining(first.state().pid, kinds),
    });
    const { stdout, stderr, last } = await second.run();
    expect({ stderr, last }).toEqual({ stderr: "", last: { event: "exited", code: 0 } });
    const found = stdout.split("\n");
    const theirs = all.map((kind) => readlinkSync(`/proc/${first.state().pid}/ns/${linkOf(kind)}`));
    expect(all.filter((_, i) => found[i] === theirs[i])).toEqual(kinds);
    expect(found[all.length]).toBe("box");
    expect(found.at(-1)).toBe("sleep\u00001000\u0000");
  });

  runtimeTest("what ends with it is only itself", async () => {
    await using first = new Container(["sleep", "1000"]);
    await first.run();
    const { pid } = first.state();
    await using second = new Container(["sh", "-c", "kill -9 $$"], {
      helper,
      namespaces: joining(pid, ["user", "pid"]),
    });
    expect((await second.run()).last).toEqual({ event: "exited", code: 137, signal: 9 });
    expect(existsSync(`/proc/${pid}`)).toBe(true);
  });

  runtimeTest("exec joins them too, and files have their owners", async () => {
    await using first = new Container(["sleep", "1000"]);
    await first.run();
    await using second = new Container(["sleep", "1000"], {
      namespaces: joining(first.state().pid, ["user", "network", "uts"]),
    });
    expect((await second.run()).last).toMatchObject({ event: "started" });
    const script = "touch /f; chown app:staff /f; stat -c %U:%G /f; readlink /proc/self/ns/net";
    const { stdout } = await second.exec(["sh", "-c", script]);
    const network = readlinkSync(`/proc/${first.state().pid}/ns/net`);
    expect(stdout).toBe(`app:staff\n${network}\n`);
  });

  placeTest("of the parent's user namespace, with a user namespace that is new", async () => {
    await using place = await Place.make("--net", "--ipc", "--uts");
    const { pid } = place;
    const kinds = ["network", "ipc", "uts"];
    const nested = [
      { containerID: 0, hostID: 0, size: 1 },
      { containerID: 1, hostID: 1, size: 999 }, // a line must not cross one of the parent's
    ];
    const linux = { uidMappings: nested, gidMappings: nested };
    await using container = new Container(["sh", "-c", `${show}; cat /proc/self/uid_map`], {
      namespaces: joining(pid, kinds),
      linux,
      helper: { ...helper, idMapTools: null },
    });
    container.change((config) => delete config.hostname);
    const { stdout, stderr, last } = await container.run(place.helper([]));
    expect({ stderr, last }).toEqual({ stderr: "", last: { event: "exited", code: 0 } });
    const found = stdout.split("\n");
    const theirs = all.map((kind) => readlinkSync(`/proc/${pid}/ns/${linkOf(kind)}`));
    expect(all.filter((_, i) => found[i] === theirs[i])).toEqual(kinds);
    expect(found.at(-2)?.trim().split(/\s+/)).toEqual(["1", "1", "999"]);
  });

  placeTest("a mount namespace, in which the container has its own root", async () => {
    await using place = await Place.make("--mount");
    const { pid } = place;
    await using container = new Container(["sh", "-c", "ls /; cat /etc/passwd; touch /new"], {
      helper,
      namespaces: joining(pid, ["user", "mount"]),
    });
    const { stdout, stderr, last } = await container.run();
    expect({ stderr, last }).toEqual({ stderr: "", last: { event: "exited", code: 0 } });
    expect(stdout).toStartWith("bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp\nroot:x:0:0:");
    // whoever lives there sees what they saw
    expect(place.run("ls /")).toContain("usr");
    await place[Symbol.asyncDispose](); // the mounts are its
  });

  const hostile = [
    { what: "a file", make: (path: string) => writeFileSync(path, "") },
    { what: "a directory", make: (path: string) => symlinkSync("/etc", path) },
    { what: "a device", make: (path: string) => symlinkSync("/dev/zero", path) },
    { what: "nobody waits at a FIFO", make: (path: string) => spawnSync("mkfifo", [path]) },
    { what: "of another kind", make: (path: string) => symlinkSync("/proc/self/ns/mnt", path) },
    { what: "of /proc, but none", make: (path: string) => symlinkSync("/proc/self/stat", path) },
    { what: "leading nowhere", make: (path: string) => symlinkSync("/no/such", path) },
  ];
  for (const kind of ["network", "user", "pid", "time"]) {
    runtimeTest.each(hostile)(`a path that is no ${kind} namespace: $what`, async ({ make }) => {
      await using container = new Container(["true"], { namespaces: [{ type: "mount" }] });
      const path = join(container.base, "ns");
      make(path);
      container.change(
        (config) => (config.linux.namespaces = [{ type: "mount" }, { type: kind, path }]),
      );
      container.change((config) => delete config.hostname);
      const { last } = await container.run();
      expect(last).toMatchObject({ event: "failed" });
      expect(JSON.stringify(last)).toContain(path);
    });
  }
});

describe("what would be the host's is refused", () => {
  const without = (kind: string): { type: string }[] =>
    all.filter((type) => type !== kind).map((type) => ({ type }));
  const ours = (kind: string): { type: string; path?: string }[] => [
    ...without(kind),
    { type: kind, path: `/proc/self/ns/${linkOf(kind)}` },
  ];
  const cases: { what: string; options: ContainerOptions; says: string }[] = [
    { what: "a name", options: { namespaces: without("uts") }, says: "needs a uts namespace" },
    { what: "its name", options: { namespaces: ours("uts") }, says: "is the host's" },
    { what: "no mounts", options: { namespaces: without("mount") }, says: "mount namespace" },
    { what: "its mounts", options: { namespaces: ours("mount") }, says: "is the host's" },
    {
      what: "a sysctl",
      options: { namespaces: without("ipc"), linux: { sysctl: { "kernel.shmmax": "1" } } },
      says: "needs a ipc namespace",
    },
    {
      what: "its sysctl",
      options: { namespaces: ours("network"), linux: { sysctl: { "net.ipv4.ip_forward": "1" } } },
      says: "is the host's",
    },
    {
      what: "the same kind twice",
      options: { namespaces: [...without("x"), { type: "pid" }] },
      says: "pid is named twice",
    },
    {
      what: "a relative path",
      options: { namespaces: [...without("pid"), { type: "pid", path: "x" }] },
      says: "not absolute",
    },
  ];
  runtimeTest.each(cases)("$what", async ({ options, says }) => {
    await using container = new Container(["true"], options);
    const { last } = await container.run();
    expect(last).toMatchObject({ event: "failed" });
    expect(JSON.stringify(last)).toContain(says);
  });
});

describe("a time namespace", () => {
  const offsets = { monotonic: { secs: 1_000_000, nanosecs: 5 }, boottime: { secs: 2_000_000 } };
  const namespaces = [...all, "time"].map((type) => ({ type }));

  timeTest("runs ahead by the offsets, for exec as well", async () => {
    await using container = new Container(["sleep", "1000"], {
      namespaces,
      linux: { timeOffsets: offsets },
    });
    expect((await container.run()).last).toMatchObject({ event: "started" });
    const script =
      "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime; readlink /proc/self/ns/time";
    const { stdout } = await container.exec(["sh", "-c", script]);
    const lines = stdout.trim().split("\n");
    const words = lines.slice(0, 2).map((line) => line.split(/\s+/));
    expect(words).toEqual([
      ["monotonic", "1000000", "5"],
      ["boottime", "2000000", "0"],
    ]);
    expect(Number(lines[2])).toBeGreaterThan(2_000_000);
    expect(lines[3]).toBe(readlinkSync(`/proc/${container.state().pid}/ns/time`));
  });

  timeTest("is joined by path", async () => {
    await using first = new Container(["sleep", "1000"], {
      namespaces,
      linux: { timeOffsets: offsets },
    });
    await first.run();
    const { pid } = first.state();
    await using second = new Container(["cat", "/proc/self/timens_offsets"], {
      helper,
      namespaces: [...joining(pid, ["user"]), { type: "time", path: `/proc/${pid}/ns/time` }],
    });
    expect((await second.run()).stdout).toContain("2000000");
  });

  timeTest("is new in a user namespace that was joined", async () => {
    await using first = new Container(["sleep", "1000"]);
    await first.run();
    await using second = new Container(["cat", "/proc/self/timens_offsets"], {
      helper,
      namespaces: [...joining(first.state().pid, ["user", "pid"]), { type: "time" }],
      linux: { timeOffsets: offsets },
    });
    const { stdout, last } = await second.run();
    expect({ last }).toEqual({ last: { event: "exited", code: 0 } });
    expect(stdout).toContain("2000000");
  });

  timeTest.each([
    { timeOffsets: { realtime: { secs: 1 } }, says: "no clock" },
    { timeOffsets: { monotonic: { nanosecs: 1_000_000_000 } }, says: "more than a second" },
  ])("refuses $timeOffsets", async ({ timeOffsets, says }) => {
    await using container = new Container(["true"], { namespaces, linux: { timeOffsets } });
    expect(JSON.stringify((await container.run()).last)).toContain(says);
  });
});

describe("a runtime that is root already", () => {
  placeTest("needs no user namespace", async () => {
    await using place = await Place.make("--mount");
    const namespaces = all.filter((type) => type !== "user").map((type) => ({ type }));
    await using container = new Container(
      [
        "sh",
        "-c",
        "id -u; touch /x; chown 7:8 /x; stat -c %u:%g /x; ls /dev; echo x >/dev/null; hostname",
      ],
      { helper: { ...helper, idMapTools: null }, namespaces },
    );
    const { stdout, stderr, last } = await container.run(place.helper([]));
    expect({ stderr, last }).toEqual({ stderr: "", last: { event: "exited", code: 0 } });
    expect(stdout).toStartWith("0\n7:8\n");
    expect(stdout).toContain("urandom");
    expect(stdout).toEndWith("box\n");
  });

  runtimeTest("no pid namespace: its own processes end with it", async () => {
    const namespaces = all.filter((type) => type !== "pid").map((type) => ({ type }));
    await using container = new Container(["sh", "-c", "echo $$"], { helper, namespaces });
    const { stdout, last } = await container.run();
    expect(last).toEqual({ event: "exited", code: 0 });
    expect(Number(stdout)).toBeGreaterThan(1);
  });
});
