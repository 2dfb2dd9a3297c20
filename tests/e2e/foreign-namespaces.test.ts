/** --ipc, --pid and --uts=container:ID, whichever runtime has made the one container and the other. */
import { describe, expect } from "bun:test";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);

const runtimes = ["tspod", "crun", "runc"];
const pairs = runtimes.flatMap((one) => runtimes.map((other) => [one, other] as const));

describe.each(pairs)("--runtime %s in a container of %s", (runtime, other) => {
  const needed = [runtime, other].filter((name) => name !== "tspod");
  const test = testWith(...registryPrograms, ...needed.map((name) => program(name)));
  const words = (...flags: string[]) => ["run", "--rm", `--runtime=${runtime}`, ...flags, "tiny"];

  async function box(script: string, ...flags: string[]) {
    const made = ["run", "-d", `--runtime=${other}`, ...flags, "tiny", "sh", "-c", script];
    const id = await ok(...made);
    return { id, [Symbol.asyncDispose]: async () => void (await ok("rm", "-f", id)) };
  }

  test("its memory, its processes and its name", async () => {
    await using theirs = await box("echo theirs > /dev/shm/f; exec sleep 1000", "-h", "abox");
    await until(
      "it has written",
      async () => (await ok("exec", theirs.id, "ls", "/dev/shm")) === "f",
    );
    const flags = ["ipc", "pid", "uts"].map((kind) => `--${kind}=container:${theirs.id}`);
    const look =
      "cat /dev/shm/f; hostname; touch /dev/shm/ours; tr '\\0' ' ' </proc/1/cmdline; echo; readlink /proc/self/ns/ipc";
    const space = await ok("exec", theirs.id, "readlink", "/proc/self/ns/ipc");
    expect(await ok(...words(...flags), "sh", "-c", look)).toBe(
      `theirs\nabox\nsleep 1000 \n${space}`,
    );
    expect(await ok("exec", theirs.id, "ls", "/dev/shm")).toBe("f\nours");
  });

  test("nothing but memory, if that container is hostile", async () => {
    const hostile = "umount /dev/shm; mount --bind /etc /dev/shm; exec sleep 1000";
    await using theirs = await box(hostile, "--privileged");
    await until("it has done that", async () =>
      (await ok("exec", theirs.id, "ls", "/dev/shm")).includes("passwd"),
    );
    const refused = await shared.world.tspod([
      ...words(`--ipc=container:${theirs.id}`),
      ...["ls", "/dev/shm"],
    ]);
    expect(refused).toMatchObject({ exitCode: 125, stdout: "" });
    expect(refused.stderr).toContain("is no memory that can be shared");
  });
});
