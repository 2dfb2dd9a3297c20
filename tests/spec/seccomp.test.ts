/** The default seccomp profile's verdicts. */
import { describe, expect, test } from "bun:test";
import { defaultCapabilities } from "../../src/spec/index.ts";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";

function verdict(call: string, capabilities: readonly string[]): string[] {
  const profile = defaultSeccomp(capabilities, "x64");
  const rules = profile.syscalls.filter(({ names }) => names.includes(call));
  if (rules.length === 0) return [`default ${profile.defaultErrnoRet}`];
  return rules.map(({ action, errnoRet, args }) =>
    [action.replace("SCMP_ACT_", ""), errnoRet, args === undefined ? undefined : "args"]
      .filter((part) => part !== undefined)
      .join(" "),
  );
}

describe("defaultSeccomp()", () => {
  test.each([
    ["read", ["ALLOW"]],
    ["ptrace", ["ALLOW"]],
    ["mount", ["ERRNO 1"]],
    ["keyctl", ["ERRNO 1"]],
    ["io_uring_setup", ["ERRNO 1"]],
    ["clone", ["ALLOW args", ...Array.from({ length: 7 }, () => "ERRNO 1 args")]],
    ["clone3", ["ERRNO 38"]],
    ["a_call_of_the_future", ["default 38"]],
    ["chroot", ["ALLOW"]],
  ])("%s: %p for an ordinary container", (call, wanted) => {
    expect(verdict(call, defaultCapabilities)).toEqual(wanted);
  });

  test.each([
    ["mount", ["ALLOW"]],
    ["clone", ["ALLOW"]],
    ["clone3", ["ALLOW"]],
    ["keyctl", ["ERRNO 1"]],
  ])("%s: %p with CAP_SYS_ADMIN", (call, wanted) => {
    expect(verdict(call, ["CAP_SYS_ADMIN"])).toEqual(wanted);
  });

  test("no call is both allowed and refused without a condition", () => {
    const { syscalls } = defaultSeccomp(defaultCapabilities, "arm64");
    const plain = syscalls.filter(({ args }) => args === undefined).flatMap(({ names }) => names);
    expect(new Set(plain).size).toBe(plain.length);
  });
});
