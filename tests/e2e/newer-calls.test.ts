/**
 * System calls that a seccomp profile does not know: ENOSYS, which makes a libc fall back to older ones, where EPERM would
 * make it fail. Perl of the host makes them, seen from inside by chroot.
 */
import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms, program("perl"), program("crun"));
const chroot = { names: ["chroot"], action: "SCMP_ACT_ALLOW" };
const shared = sharedWorld({ images: ["tiny"] });

const eperm = 1;
const enosys = 38;
const clone3 = 435;
const swapon = process.arch === "x64" ? 167 : 224;
/** No call had such a number when the profile was written; the other will be one some day. */
const unassigned = 400; // between the old tables' ends and the numbers all architectures share
const newer = 9999;

/** The errno of each call inside. */
async function errnos(calls: number[], ...flags: string[]): Promise<number[]> {
  const script = "for (@ARGV) { $! = 0; syscall($_ + 0, 0, 0, 0); print $! + 0, ' ' }";
  const perl = ["chroot", "/host", "perl", "-e", script, ...calls.map(String)];
  const words = ["run", "--rm", "-v", "/:/host:ro", ...flags, "tiny", ...perl];
  return (await shared.world.ok(...words)).trim().split(" ").map(Number);
}

describe.each(["tspod", "crun"])("--runtime %s", (runtime) => {
  const flag = `--runtime=${runtime}`;

  test("the default profile: what it does not know, and clone3, do not exist", async () => {
    const calls = [clone3, unassigned, newer, swapon];
    expect(await errnos(calls, flag)).toEqual([enosys, enosys, enosys, eperm]);
  });
});

test.each([{}, { defaultErrnoRet: eperm }])(
  "a profile that refuses with EPERM (%j): what is above all it names does not exist",
  async (errno) => {
    const { defaultErrnoRet: _, ...rest } = defaultSeccomp([], process.arch);
    const file = join(shared.world.home, "profile.json");
    writeFileSync(
      file,
      JSON.stringify({ ...rest, ...errno, syscalls: [chroot, ...rest.syscalls] }),
    );
    const flags = ["--security-opt", `seccomp=${file}`];
    expect(await errnos([unassigned, newer, swapon], ...flags)).toEqual([eperm, enosys, eperm]);
  },
);
