/** Namespaces of a container: which are new, whose are joined, and what goes with them. */
import { describe, expect, test } from "bun:test";
import { defaultNamespaces, type NamespaceOptions } from "../../src/spec/index.ts";
import { build, host } from "./build-fixture.ts";

const other = { container: "0".repeat(64) };
const made = (asked: Partial<NamespaceOptions>, more: Parameters<typeof build>[0] = {}) =>
  build({ ...more, namespaces: { ...defaultNamespaces, ...asked } });
const find = (asked: Partial<NamespaceOptions>, type: string) =>
  made(asked).config.linux.namespaces.find((namespace) => namespace.type === type);

describe("namespaces", () => {
  test.each(["pid", "ipc", "uts", "cgroup"] as const)("%s: own, the host's, another's", (kind) => {
    expect(find({}, kind)).toEqual({ type: kind });
    expect(find({ [kind]: "host" }, kind)).toBeUndefined();
    expect(find({ [kind]: other }, kind)).toEqual({ type: kind, path: `/proc/0/ns/${kind}` });
  });

  test("whoever joins one is in that container's user namespace, whose map is there", () => {
    const { linux } = made({ pid: other }).config;
    expect(linux.namespaces).toContainEqual({ type: "user", path: "/proc/0/ns/user" });
    expect([linux.uidMappings, linux.gidMappings]).toEqual([undefined, undefined]);
    expect(made({ pid: "host" }).config.linux.uidMappings).toEqual(host.mapping.uid);
  });
});

describe("what goes with them", () => {
  const shm = (asked: Partial<NamespaceOptions>) =>
    made(asked).config.mounts.find(({ destination }) => destination === "/dev/shm");

  test("/dev/shm is where the IPC namespace is", () => {
    expect(shm({})?.type).toBe("tmpfs");
    expect(shm({ ipc: "none" })).toBeUndefined();
    expect(shm({ ipc: "host" })).toMatchObject({ type: "bind", source: "/dev/shm" });
    expect(shm({ ipc: other })).toMatchObject({ type: "bind", source: "/proc/0/root/dev/shm" });
  });

  test("the host name is set only where it is the container's own", () => {
    expect(made({ uts: "private" }, { hostname: "box" }).config.hostname).toBe("box");
    expect(made({ uts: "host" }).config.hostname).toBeUndefined();
    expect(made({ uts: "host" }).files["hostname"]).toBe("myhost\n");
    expect(() => made({ uts: "host" }, { hostname: "box" })).toThrow(
      "Cannot combine --hostname with --uts=host",
    );
  });
});

describe("the groups that may ping", () => {
  const line = (containerID: number, hostID: number, size: number) => ({
    containerID,
    hostID,
    size,
  });
  const range = (gid: (typeof host.mapping)["gid"]) =>
    build({}, {}, { mapping: { ...host.mapping, gid } }).config.linux.sysctl;

  test.each([
    ["the caller and his", [line(0, 1000, 1), line(1, 100_000, 65_536)], "0 65536"],
    ["one", [line(0, 1000, 1)], "0 0"],
    ["one that is not 0", [line(5, 1000, 1)], "5 5"],
    ["kept", [line(0, 100_000, 7), line(7, 1000, 1), line(8, 100_007, 100)], "7 107"],
    ["a caller above his own", [line(0, 900_000, 1), line(1, 100_000, 65_536)], "1 65536"],
  ])("%s", (_, map, expected) => {
    expect(range(map)).toEqual({ "net.ipv4.ping_group_range": expected });
  });
});
