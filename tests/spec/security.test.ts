/** --privileged, --cap-add, --cap-drop and --security-opt: what they make of config.json. */
import { describe, expect, test } from "bun:test";
import type { SecurityOptions } from "../../src/spec/index.ts";
import {
  allCapabilities,
  boundingCapabilities,
  defaultCapabilities,
  defaultSecurity,
  processCapabilities,
} from "../../src/spec/index.ts";
import { build } from "./build-fixture.ts";

const secured = (asked: Partial<SecurityOptions>, user: string | null = null) =>
  build({ user, security: { ...defaultSecurity, ...asked } }).config;
const optionsOf = (asked: Partial<SecurityOptions>, destination: string) =>
  secured(asked).mounts.find((mount) => mount.destination === destination)?.options;

describe("capabilities", () => {
  const without =
    (...names: string[]) =>
    (list: readonly string[]) =>
      list.filter((name) => !names.includes(name));

  test.each<[string, Partial<SecurityOptions>, readonly string[]]>([
    ["nothing asked", {}, defaultCapabilities],
    ["one more", { capAdd: ["CAP_NET_RAW"] }, [...defaultCapabilities, "CAP_NET_RAW"]],
    ["one that is there", { capAdd: ["CAP_CHOWN"] }, defaultCapabilities],
    ["one less", { capDrop: ["CAP_CHOWN"] }, without("CAP_CHOWN")(defaultCapabilities)],
    ["none", { capDrop: ["ALL"] }, []],
    ["none but one", { capDrop: ["ALL"], capAdd: ["CAP_KILL"] }, ["CAP_KILL"]],
    ["all", { capAdd: ["ALL"] }, allCapabilities],
    ["all but one", { capAdd: ["ALL"], capDrop: ["CAP_BPF"] }, without("CAP_BPF")(allCapabilities)],
    ["privileged", { isPrivileged: true }, allCapabilities],
    [
      "privileged, less one",
      { isPrivileged: true, capDrop: ["CAP_SYS_ADMIN"] },
      without("CAP_SYS_ADMIN")(allCapabilities),
    ],
    ["privileged, none", { isPrivileged: true, capDrop: ["ALL"] }, []],
  ])("%s", (_, asked, expected) => {
    expect(boundingCapabilities({ ...defaultSecurity, ...asked }).sort()).toEqual(
      [...expected].sort(),
    );
  });

  test.each(["", "0", "root", "root:staff", "0:0", "00"])(
    "root as %p has them in effect",
    (user) => {
      const { effective, ambient } = processCapabilities(defaultSecurity, user);
      expect([effective.length, ambient]).toEqual([defaultCapabilities.length, []]);
    },
  );

  test.each(["app", "1000", "1000:0", "rooty", "01"])("%p has only what was added", (user) => {
    const asked = { ...defaultSecurity, capAdd: ["CAP_NET_RAW"] };
    const { ambient, inheritable, effective, bounding } = processCapabilities(asked, user);
    expect([ambient, inheritable, effective]).toEqual(Array(3).fill(["CAP_NET_RAW"]));
    expect(bounding).toHaveLength(defaultCapabilities.length + 1);
    const { effective: usual, permitted } = processCapabilities(defaultSecurity, user);
    expect([usual, permitted]).toEqual([[], []]); // a file with capabilities could keep them
  });
});

describe("seccomp", () => {
  test("is the default that goes with the capabilities", () => {
    const allowed = (asked: Partial<SecurityOptions>) =>
      secured(asked).linux.seccomp?.syscalls.find(({ action }) => action === "SCMP_ACT_ALLOW")
        ?.names;
    expect(allowed({})).not.toContain("mount");
    expect(allowed({ capAdd: ["CAP_SYS_ADMIN"] })).toContain("mount");
    expect(allowed({ isPrivileged: true, seccomp: { kind: "default" } })).toContain("mount");
  });

  test("is absent for unconfined and --privileged", () => {
    expect(secured({ seccomp: { kind: "unconfined" } }).linux.seccomp).toBeUndefined();
    expect(secured({ isPrivileged: true }).linux.seccomp).toBeUndefined();
  });

  test("is the user's profile, as far as it counts", () => {
    const text = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        { names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [], errnoRet: null },
        { name: "rmdir", action: "SCMP_ACT_ERRNO", excludes: { caps: ["CAP_CHOWN"] } },
      ],
    });
    expect(secured({ seccomp: { kind: "profile", name: "x", text } }).linux.seccomp).toEqual({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
    });
  });
});

describe("paths", () => {
  test("mask= hides one more, unmask= shows, with wildcards", () => {
    const masked = (asked: Partial<SecurityOptions>) => secured(asked).linux.maskedPaths ?? [];
    expect(masked({ mask: ["/etc/secret"] })).toContain("/etc/secret");
    expect(masked({ unmask: ["/proc/kcore"] })).not.toContain("/proc/kcore");
    expect(masked({ unmask: ["/proc/*"] }).filter((path) => path.startsWith("/proc/"))).toEqual([]);
    expect(masked({ unmask: ["/proc/*"] })).toContain("/sys/firmware");
  });

  test("unmask=ALL shows all, read-only ones too, but not what was masked by name", () => {
    const { maskedPaths, readonlyPaths } = secured({ unmask: ["ALL"], mask: ["/x"] }).linux;
    expect([maskedPaths, readonlyPaths]).toEqual([["/x"], []]);
  });

  test("--privileged masks nothing and leaves /sys writable", () => {
    const { maskedPaths, readonlyPaths } = secured({ isPrivileged: true }).linux;
    expect([maskedPaths, readonlyPaths]).toEqual([[], []]);
    expect(optionsOf({ isPrivileged: true }, "/sys")).not.toContain("ro");
    expect(optionsOf({ isPrivileged: true }, "/sys/fs/cgroup")).not.toContain("ro");
    expect(optionsOf({}, "/sys")).toContain("ro");
  });

  test("proc-opts= are options of /proc", () => {
    expect(optionsOf({ procOptions: ["hidepid=2"] }, "/proc")).toContain("hidepid=2");
  });
});

describe("the rest", () => {
  test("no-new-privileges and labels", () => {
    expect(secured({}).process.noNewPrivileges).toBeUndefined();
    const asked = {
      noNewPrivileges: true,
      apparmor: "mine",
      labels: ["type:spc_t", "level:s0:c1,c2"],
    };
    const { process, linux } = secured(asked);
    expect(process).toMatchObject({
      ...{ noNewPrivileges: true, apparmorProfile: "mine" },
      selinuxLabel: "system_u:system_r:spc_t:s0:c1,c2",
    });
    expect(linux.mountLabel).toBe("system_u:object_r:container_file_t:s0:c1,c2");
  });

  test("unconfined and disable leave no label", () => {
    const { process } = secured({ apparmor: "unconfined", labels: ["disable"] });
    expect([process.apparmorProfile, process.selinuxLabel]).toEqual([undefined, undefined]);
  });
});
