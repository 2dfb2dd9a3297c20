/** Devices, groups, limits and kernel parameters in config.json and helper.json. */
import { describe, expect, test } from "bun:test";
import { formatRuntimeSpec } from "../../src/oci/config-json.ts";
import { defaultNamespaces, defaultSetup, type SetupOptions } from "../../src/spec/index.ts";
import { build } from "./build-fixture.ts";

const made = (asked: Partial<SetupOptions>, more: Parameters<typeof build>[0] = {}) =>
  build({ ...more, setup: { ...defaultSetup, ...asked } });
const mountAt = (destination: string, ...given: Parameters<typeof made>) =>
  made(...given).config.mounts.filter((mount) => mount.destination === destination);

test("nothing asked is docker's defaults", () => {
  const { process } = build({}).config;
  expect(process.user).toEqual({ uid: 0, gid: 0, umask: 0o022 });
  expect(process.rlimits).toBeUndefined();
  expect(made({})).toEqual(build({}));
  expect(mountAt("/dev/shm", {})[0]?.options).toContain("size=67108864");
});

describe("groups", () => {
  test("numbers are config.json's, names the helper's to look up", () => {
    const { config, helper } = made({ groups: ["0", "audio"] });
    expect(config.process.user.additionalGids).toEqual([0]);
    expect([helper.groups, helper.keepGroups]).toEqual([["audio"], undefined]);
    expect(() => made({ groups: ["4000000000"] })).toThrow(
      "Cannot be in the group 4000000000: no id of yours is that inside",
    );
  });

  test("keep-groups", () => {
    const { config, helper } = made({ keepGroups: true }, { labels: { a: "b" } });
    expect(helper.keepGroups).toBe(true);
    expect(config.annotations).toEqual({ a: "b", "run.oci.keep_original_groups": "1" });
  });
});

test("limits; unlimited is the specification's largest number", () => {
  const { config } = made({
    ulimits: [
      { name: "nofile", soft: 10, hard: 20 },
      { name: "core", soft: 0, hard: null },
    ],
  });
  expect(config.process.rlimits).toEqual([
    { type: "RLIMIT_NOFILE", soft: 10, hard: 20 },
    { type: "RLIMIT_CORE", soft: 0, hard: Infinity },
  ]);
  const text = formatRuntimeSpec(config);
  expect(text).toContain('{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}');
  expect(formatRuntimeSpec(JSON.parse(text))).toBe(text);
});

describe("devices", () => {
  const one = { source: "/dev/a", destination: "/dev/b", permissions: "rwm" };

  test("are bound, those asked for instead of those of --privileged", () => {
    const options = ["bind", "rprivate", "nosuid", "noexec"];
    const asked = { devices: [one], hostDevices: ["/dev/b", "/dev/c"] };
    expect(mountAt("/dev/b", asked)).toEqual([
      { destination: "/dev/b", type: "bind", source: "/dev/a", options },
    ]);
    expect(mountAt("/dev/c", asked)[0]?.source).toBe("/dev/c");
  });

  test("come after /dev, and before volumes", () => {
    const { mounts } = made({ devices: [one] }).config;
    const places = mounts.map(({ destination }) => destination);
    expect(places.indexOf("/dev/b")).toBeGreaterThan(places.indexOf("/dev"));
  });
});

describe("kernel parameters", () => {
  test("are added to ours, and replace them", () => {
    const ping = "net.ipv4.ping_group_range";
    const set = (sysctls: Record<string, string>) => made({ sysctls }).config.linux.sysctl;
    expect(Object.keys(set({ "kernel.msgmax": "1" }) ?? {})).toEqual([ping, "kernel.msgmax"]);
    expect(set({ [ping]: "1 0" })).toEqual({ [ping]: "1 0" });
  });

  const ofOther = { container: "x" };
  test.each([
    ["net.core.somaxconn", { network: "host" } as const, "--network=host"],
    ["kernel.sem", { namespaces: { ...defaultNamespaces, ipc: "host" } } as const, "--ipc=host"],
    ["kernel.sem", { namespaces: { ...defaultNamespaces, ipc: ofOther } }, "--ipc=container:x"],
    ["kernel.domainname", { namespaces: { ...defaultNamespaces, uts: "host" } } as const, "--uts"],
  ])("%p of others is refused", (name, more, flag) => {
    expect(() => made({ sysctls: { [name]: "1" } }, more)).toThrow(
      `Cannot set "${name}" with ${flag}`,
    );
    expect(made({ sysctls: { [name]: "1" } }).config.linux.sysctl?.[name]).toBe("1");
  });
});

describe("/dev/shm", () => {
  test("has the size asked for", () => {
    expect(mountAt("/dev/shm", { shmSizeBytes: 1000 })[0]?.options).toContain("size=1000");
    expect(mountAt("/dev/shm", { shmSizeBytes: 0 })[0]?.options).toContain("size=0");
  });

  test.each(["host", "none"] as const)("of --ipc=%s has no size of its own", (ipc) => {
    const namespaces = { ...defaultNamespaces, ipc };
    expect(() => made({ shmSizeBytes: 1 }, { namespaces })).toThrow(
      `Cannot combine --shm-size with --ipc=${ipc}`,
    );
  });
});

test("umask", () => {
  expect(made({ umask: 0o077 }).config.process.user.umask).toBe(0o077);
});
