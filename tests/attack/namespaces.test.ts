/**
 * Namespaces named by hostile paths: whatever lies there, the start is refused with a sentence, and nobody waits for it.
 * What counts is the one descriptor that was opened, however often the name means something else.
 */
import { describe, expect } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { testWith } from "../support/requirements.ts";
import { swapper } from "./swapping.ts";
import {
  attack,
  attackRequirements,
  type Front,
  fronts,
  type Result,
  type Target,
} from "./target.ts";

const test = testWith(...attackRequirements, () =>
  process.getuid?.() === 0 ? "real root may join what it likes" : undefined,
);

function joinBy(target: Target, type: string, path: string): void {
  target.configure(({ linux }) => {
    linux.namespaces = linux.namespaces.filter((namespace) => namespace.type !== type);
    linux.namespaces.push({ type, path });
    if (type !== "user") return;
    delete linux.uidMappings;
    delete linux.gidMappings;
  });
}

/** A sentence, by the runtime itself: it was neither killed nor did anything run. */
function expectRefused({ refused, status }: Result, front: Front, says: RegExp): void {
  expect(refused).toMatch(says);
  expect(status).toBe(front === "run" ? 125 : 1);
}

/** Files of /proc/self/ns by the kind they are. */
const ours: [string, string, RegExp][] = [
  ["user", "user", /EPERM|not permitted/], // it gives no rights to anything else
  ["pid", "pid", /EPERM|not permitted/],
  ["mount", "mnt", /the mount namespace to join is the host's/],
  ["uts", "uts", /the uts namespace to join is the host's/],
  ["ipc", "ipc", /EPERM|not permitted/],
  ["network", "net", /EPERM|not permitted/],
  ["cgroup", "cgroup", /EPERM|not permitted/],
];

const absent = /ENOENT|no such file/;
const hostile: [string, (directory: string) => Promise<string> | string, RegExp][] = [
  ["a FIFO", (base) => made(base, (path) => Bun.spawnSync(["mkfifo", path])), /is no namespace/],
  ["a file", (base) => made(base, (path) => writeFileSync(path, "")), /is no namespace/],
  ["a directory", (base) => made(base, (path) => mkdirSync(path)), /is no namespace/],
  ["a socket", (base) => listening(join(base, "hostile")), /is no namespace/],
  ["a device", () => "/dev/zero", /is no namespace/],
  ["all namespaces", () => "/proc/self/ns", /is no namespace/],
  ["our executable", () => "/proc/self/exe", /is no namespace/],
  ["nothing", () => "/no/such/namespace", absent],
  ["a dangling symlink", (base) => link(base, "/no/such/namespace"), absent],
  ["a symlink to itself", (base) => link(base, "hostile"), /ELOOP|too many/i],
  ["a symlink to another kind", (base) => link(base, "/proc/self/ns/uts"), /but no network names/],
  ["a symlink to the mounts", (base) => link(base, "/proc/self/ns/mnt"), /but no network names/],
  ["a symlink to somebody's", (base) => link(base, "/proc/1/ns/net"), /EACCES|permission denied/],
];

function made(base: string, make: (path: string) => unknown): string {
  make(join(base, "hostile"));
  return join(base, "hostile");
}

const link = (base: string, to: string): string => made(base, (path) => symlinkSync(to, path));

async function listening(path: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const server = createServer().listen(path, () => resolve(path));
  server.unref();
  return await promise;
}

describe.each(fronts)("%s", (front) => {
  test.each(ours)("the runtime's own %s namespace", async (type, file, says) => {
    await using target = attack(front, ["echo", "INSIDE"]);
    joinBy(target, type, `/proc/self/ns/${file}`);
    expectRefused(await target.run(), front, says);
  });

  test.each(hostile)("%s", async (_, make, says) => {
    await using target = attack(front, ["echo", "INSIDE"]);
    mkdirSync(target.image, { recursive: true });
    joinBy(target, "network", await make(target.image));
    expectRefused(await target.run(), front, says);
  });

  test("a symlink that is exchanged for a FIFO while it is opened", async () => {
    await using target = attack(front, ["echo", "INSIDE"]);
    const names = join(target.base, "names");
    mkdirSync(names);
    symlinkSync("/proc/self/ns/net", join(names, "link"));
    Bun.spawnSync(["mkfifo", join(names, "fifo")]);
    joinBy(target, "network", join(names, "link"));
    await using attacker = await swapper(names, ["link,fifo"]);
    const seen = new Set<string>();
    for (let i = 0; i < 24; i++) {
      const result = await target.run();
      expectRefused(result, front, /is no namespace|EPERM|not permitted/);
      seen.add(/is no namespace/.exec(result.refused ?? "")?.[0] ?? "a namespace");
    }
    expect(attacker.isRunning()).toBe(true);
    expect([...seen].sort()).toEqual(["a namespace", "is no namespace"]); // it was met in both
  });
});
