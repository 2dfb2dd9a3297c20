/** What this host says of cgroups; parsers by their text. */
import { describe, expect, test } from "bun:test";
import { hostCgroup, removeGroup } from "../../src/host/index.ts";
import { parseOutsideRoot, parseOwnGroup } from "../../src/host/cgroup.ts";

describe("parseOwnGroup()", () => {
  test.each([
    ["0::/\n", "/"],
    ["4:memory:/x\n1:name=systemd:/y\n0::/user.slice/a b\n", "/user.slice/a b"],
    ["4:memory:/x\n", null],
    ["0::/../elsewhere\n", null],
    ["0::/gone (deleted)\n", null],
    ["", null],
  ])("%j is %j", (text, expected) => {
    expect(parseOwnGroup(text)).toBe(expected);
  });
});

test("parseOutsideRoot() is who root of a user namespace is outside of it", () => {
  expect(
    parseOutsideRoot("         0       1000          1\n         1     100000      65536\n"),
  ).toBe(1000);
  expect(parseOutsideRoot("         0          0 4294967295\n")).toBe(0);
  expect(parseOutsideRoot("1000 1000 1\n")).toBe(0);
});

test("hostCgroup() names a manager, and controllers only where there is one", () => {
  const found = hostCgroup(process.env);
  expect(["systemd", "cgroupfs", "none"]).toContain(found.manager);
  if (found.manager === "none") expect(found.controllers).toEqual([]);
  if (found.version === "none" || found.version === "v1") expect(found.manager).toBe("none");
});

test("removeGroup() touches nothing but cgroups", () => {
  removeGroup("/nonexistent");
  removeGroup(import.meta.dir);
  expect(Bun.file(import.meta.path).size).toBeGreaterThan(0);
});
