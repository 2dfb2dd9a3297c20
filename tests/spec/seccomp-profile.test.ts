/** Seccomp profiles of the user's: Docker's and Podman's files give what these engines make of them. */
import { describe, expect, test } from "bun:test";
import { seccompFromProfile } from "../../src/spec/seccomp-profile.ts";
import { testWith } from "../support/requirements.ts";
import { publishedList, readPublished, readPublishedText, select } from "./published-profile.ts";

const circumstances = {
  capabilities: ["CAP_CHOWN"],
  architecture: "x64",
  kernel: "6.1.0-18-amd64",
};
const convert = (profile: unknown, kernel = circumstances.kernel) =>
  seccompFromProfile(
    { name: "mine.json", text: typeof profile === "string" ? profile : JSON.stringify(profile) },
    { ...circumstances, kernel },
  );

describe.each(["docker", "podman"] as const)("%s's own file", (publisher) => {
  const test = testWith(publishedList(publisher));

  test.each([[[]], [["CAP_SYS_ADMIN"]]])("with %p", (capabilities) => {
    const text = readPublishedText(publisher);
    const profile = seccompFromProfile({ name: "x", text }, { ...circumstances, capabilities });
    const selected = select(readPublished(publisher), {
      ...{ capabilities, architecture: "amd64", kernel: "6.1" },
    });
    expect(profile.syscalls).toEqual(selected.syscalls);
    expect(profile.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
  });
});

test("OCI's form stays as it is, flags and unknown fields included", () => {
  const profile = {
    ...{ defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 1, architectures: ["SCMP_ARCH_X86_64"] },
    ...{ flags: ["SECCOMP_FILTER_FLAG_LOG"], listenerPath: "/run/x", future: 1 },
    syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 5 }],
  };
  expect(convert(profile) as object).toEqual(profile);
});

test("minKernel counts from that version on", () => {
  const rule = { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } };
  const profile = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [rule] };
  const counts = (kernel: string) => convert(profile, kernel).syscalls.length;
  expect(["3.19.0", "4.7.9", "4.8.0-rc1", "4.10.0", "5.0"].map(counts)).toEqual([0, 0, 1, 1, 1]);
});

test.each<[string, unknown, string]>([
  ["no JSON", "{", "it is no JSON"],
  ["a list", [], "it is no object"],
  ["null", null, "it is no object"],
  ["nothing in it", {}, "it has no defaultAction"],
  ["syscalls of another kind", { defaultAction: "x", syscalls: {} }, "its syscalls are no list"],
  ["a rule without names", { defaultAction: "x", syscalls: [{ action: "y" }] }, "is no rule"],
  ["a rule of null", { defaultAction: "x", syscalls: [null] }, "is no rule"],
  [
    "both ways to say the architecture",
    { defaultAction: "x", architectures: ["a"], archMap: [{ architecture: "b" }] },
    "both architectures and archMap",
  ],
])("%s is refused by its file's name", (_, profile, why) => {
  expect(() => convert(profile)).toThrow(`Cannot use the seccomp profile "mine.json"`);
  expect(() => convert(profile)).toThrow(why);
});
