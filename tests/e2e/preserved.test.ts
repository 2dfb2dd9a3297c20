/** --preserve-fds and --preserve-fd: descriptors of the caller's that the program gets. */
import { describe, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { statusOf, tspodFile } from "../support/world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

/** A shell of the host that says `tspod`, which has its own files, and nothing of the test's, open. */
async function host(script: string) {
  const { world } = shared;
  const file = join(world.home, "told");
  writeFileSync(file, "told\n");
  const child = Bun.spawn(["bash", "-c", `tspod() { "${tspodFile}" "$@"; }; ${script}`], {
    cwd: world.home,
    env: world.environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { exitCode: statusOf(child as never), stdout, stderr };
}

const output = async (script: string) => {
  const { exitCode, stdout, stderr } = await host(script);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return stdout;
};

/** The caller's file at 3 and a pipe to `cat` at 4, which ends when nobody has the other end any more. */
const opened = "3<told 4> >(cat)";
const script = "'cat <&3; echo written >&4; echo /proc/self/fd/*'";

async function running(...flags: string[]) {
  const id = await shared.world.ok("run", "-d", ...flags, "tiny", "sleep", "1000");
  return { id, [Symbol.asyncDispose]: async () => void (await shared.world.ok("rm", "-f", id)) };
}

describe("run", () => {
  // sh opens the directory at its next free number
  const seen = ["0", "1", "2", "3", "4"].map((fd) => `/proc/self/fd/${fd}`).join(" ");

  test.each(["", "--init", "--name box", "--pid=host"])("%s passes them on", async (flags) => {
    const lines = (
      await output(`tspod run --rm ${flags} --preserve-fds 2 tiny sh -c ${script} ${opened} | cat`)
    ).split("\n");
    expect(lines).toContain("told");
    expect(lines).toContain("written");
    expect(lines.find((line) => line.startsWith("/proc"))).toStartWith(seen);
  });

  test("without it nothing is passed on", async () => {
    const { stdout } = await host(`tspod run --rm tiny sh -c 'cat <&3' ${opened}`);
    expect(stdout).toBe("");
  });

  test("into the background", async () => {
    const words = `-d --name back --preserve-fds 2 tiny sh -c 'cat <&3 >&4; sleep 1000'`;
    const { exitCode } = await host(`tspod run ${words} 3<told 4>copied`);
    expect(exitCode).toBe(0);
    const copied = join(shared.world.home, "copied");
    await until("it has copied", () => readFileSync(copied, "utf8") === "told\n");
    await shared.world.ok("stop", "-t", "0", "back");
    // they were of that start: another has none
    await shared.world.ok("start", "back");
    await until("it says so", async () =>
      (await shared.world.tspod(["logs", "back"])).stderr.includes("3"),
    );
    await shared.world.ok("rm", "-f", "back");
  });

  test.each(["", "--init"])("%s and nobody else holds them", async (flags) => {
    // the container runs until its input ends, which is after its descriptor was seen to be closed
    const program = "'echo last >&3; exec 3>&-; cat >/dev/null; echo over'";
    const child = `exec "${tspodFile}" run --rm -i ${flags} --preserve-fds 1 tiny sh -c ${program}`;
    const whole = `mkfifo in out; exec 9<>in; (${child} <in 3>out 9<&-) & cat <out; exec 9>&-; wait; rm in out`;
    expect(await output(whole)).toBe("last\nover\n");
  });

  test("--preserve-fd names them, with gaps", async () => {
    const words = "--preserve-fd 7,4 --preserve-fd 20";
    const inside =
      "'cat <&7; cat <&20; echo x >&4; for n in 3 5 6 8 19 21; do true <&$n && echo $n; done'";
    const text = await output(
      `tspod run --rm ${words} tiny sh -c ${inside} 3<told 4>copied 5<told 7<told 20<told 21<told; cat copied`,
    );
    expect(text).toBe("told\ntold\nx\n");
  });

  test.each([
    ["--preserve-fds 1", "", 3],
    ["--preserve-fds 2", "3<told", 4],
    ["--preserve-fds 2", "4<told", 3],
    ["--preserve-fd 9", "3<told 4<told", 9],
  ])("%s %s: what is not open is refused", async (flags, files, missing) => {
    const { exitCode, stdout, stderr } = await host(`tspod run --rm ${flags} tiny true ${files}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 125, stdout: "" });
    expect(stderr).toContain(`Cannot pass on descriptor ${missing}: it is not open`);
    expect(stderr.split("\n").filter((line) => line.startsWith("Error:"))).toHaveLength(1);
  });

  test.each(["--preserve-fds=-1", "--preserve-fds=x", "--preserve-fd=2", "--preserve-fd=4,"])(
    "%s is refused",
    async (flag) => {
      const { exitCode, stderr } = await shared.world.tspod(["run", flag, "tiny", "true"]);
      expect(exitCode).toBe(125);
      expect(stderr).toContain("Invalid --preserve-fd");
    },
  );
});

describe("exec", () => {
  test("passes them on, and nobody else holds them", async () => {
    await using box = await running();
    const words = `exec --preserve-fds 2 ${box.id} sh -c ${script} ${opened} | cat`;
    expect((await output(`tspod ${words}`)).split("\n")).toEqual(
      expect.arrayContaining(["told", "written"]),
    );
    const { exitCode, stderr } = await host(`tspod exec --preserve-fds 1 ${box.id} true`);
    expect(exitCode).toBe(125);
    expect(stderr).toContain("descriptor 3");
  });

  test("into the background", async () => {
    await using box = await running();
    await output(
      `tspod exec -d --preserve-fd 4,9 ${box.id} sh -c 'cat <&4 >&9' 4<told 9>background`,
    );
    const copied = join(shared.world.home, "background");
    await until("it has copied", () => readFileSync(copied, "utf8") === "told\n");
  });
});

describe.each(["crun", "runc"])("--runtime %s", (runtime) => {
  const test = testWith(...registryPrograms, program(runtime));

  test.each(["", "--init"])("%s run and exec pass them on", async (flags) => {
    const text = await output(
      `tspod run --rm --runtime ${runtime} ${flags} --preserve-fds 2 tiny sh -c ${script} ${opened} | cat`,
    );
    expect(text.split("\n")).toEqual(expect.arrayContaining(["told", "written"]));
    await using box = await running("--runtime", runtime, ...flags.split(" ").filter(Boolean));
    const further = await output(
      `tspod exec --preserve-fds 2 ${box.id} sh -c ${script} ${opened} | cat`,
    );
    expect(further.split("\n")).toEqual(expect.arrayContaining(["told", "written"]));
  });

  test("is given no gaps", async () => {
    const words = `run --rm --runtime ${runtime} --preserve-fd 4 tiny true 4<told`;
    const { exitCode, stderr } = await host(`tspod ${words}`);
    expect(exitCode).toBe(125);
    expect(stderr).toContain("follow one another from 3 on");
  });
});
