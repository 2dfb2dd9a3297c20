/** The flags of `tspod run`, one by one. */
import { describe, expect } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "configured"] });
const run = (...words: string[]) => shared.world.tspod(["run", "--rm", ...words]);
const out = async (...words: string[]) => {
  const { exitCode, stdout, stderr } = await run(...words);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return stdout.replace(/\n$/, "");
};

describe("environment", () => {
  test("-e KEY=value, -e KEY from the caller, -e of what is not set", async () => {
    const { stdout } = await shared.world.tspod(
      ["run", "--rm", "-e", "A=1 =2", "-e", "FROM_US", "--env=B=", "-e", "UNSET", "tiny", "env"],
      { environment: { FROM_US: "ours" } },
    );
    const lines = stdout.trim().split("\n");
    expect(lines).toEqual(expect.arrayContaining(["A=1 =2", "FROM_US=ours", "B="]));
    expect(lines.some((line) => line.startsWith("UNSET"))).toBe(false);
  });

  test("--env-file: comments, empty lines, values as they stand, -e wins", async () => {
    const file = join(shared.world.home, "variables");
    writeFileSync(file, '# comment\n\nA=from file\nQ="quoted"\nFROM_US\nB=file\n');
    const { stdout } = await shared.world.tspod(
      ["run", "--rm", "--env-file", file, "-e", "B=flag", "tiny", "env"],
      { environment: { FROM_US: "ours" } },
    );
    const lines = stdout.trim().split("\n");
    expect(lines).toEqual(
      expect.arrayContaining(["A=from file", 'Q="quoted"', "FROM_US=ours", "B=flag"]),
    );
  });

  test("the image's variables hold unless replaced", async () => {
    const lines = (await out("-e", "CHANGED=us", "--entrypoint", "env", "configured")).split("\n");
    expect(lines).toEqual(expect.arrayContaining(["FROM_IMAGE=yes", "CHANGED=us"]));
  });
});

describe("what is run", () => {
  test("the image's entrypoint and command", async () => {
    expect(await out("configured")).toBe("entry from-image");
    expect(await out("configured", "other", "--words")).toBe("entry other --words");
  });

  test("--entrypoint replaces both; empty removes it", async () => {
    expect(await out("--entrypoint", "/bin/pwd", "configured")).toBe("/srv/app");
    expect(await out("--entrypoint", "", "configured", "echo", "bare")).toBe("bare");
    expect(await out("--entrypoint", '["/bin/echo", "a b"]', "configured", "c")).toBe("a b c");
  });

  test("flags end at the image", async () => {
    expect(await out("tiny", "echo", "--rm", "-e", "--name=x")).toBe("--rm -e --name=x");
    expect(await out("--", "tiny", "echo", "x")).toBe("x");
  });

  test("-w, made when missing; the image's otherwise", async () => {
    expect(await out("-w", "/made/for/us", "tiny", "pwd")).toBe("/made/for/us");
    expect(await out("--entrypoint", "pwd", "configured")).toBe("/srv/app");
    expect((await run("-w", "relative", "tiny", "pwd")).exitCode).toBe(125);
  });
});

describe("-u", () => {
  test.each([
    ["1000", "1000:1000:1000 50"],
    ["app", "1000:1000:1000 50"],
    ["app:staff", "1000:50:50"],
    ["nobody", "65534:65534:65534"],
    ["4321:8765", "4321:8765:8765"],
    ["4321", "4321:0:0"],
    ["0", "0:0:0"],
  ])("%s is %s", async (user, expected) => {
    expect(await out("-u", user, "tiny", "sh", "-c", "echo $(id -u):$(id -g):$(id -G)")).toBe(
      expected,
    );
  });

  test("the image's user, with its home", async () => {
    expect(await out("--entrypoint", "sh", "configured", "-c", "id -un; echo $HOME")).toBe(
      "app\n/home/app",
    );
  });

  test("an unknown name is said", async () => {
    const { exitCode, stderr } = await run("-u", "ghost", "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("ghost");
  });

  test("other users have no capability", async () => {
    expect(await out("-u", "app", "tiny", "grep", "CapEff", "/proc/self/status")).toMatch(/0{16}$/);
  });
});

describe("names and files", () => {
  test("--name, --hostname, -l, --cidfile", async () => {
    const { world } = shared;
    const file = join(world.home, "cid");
    const words = [
      "--name",
      "web",
      "--hostname",
      "box",
      "-l",
      "a=1",
      "--label",
      "b",
      "--cidfile",
      file,
    ];
    const id = await world.ok("run", "-d", ...words, "tiny", "sleep", "1000");
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(readFileSync(file, "utf8").trim()).toBe(id);
    expect(await world.ok("exec", "web", "hostname")).toBe("box");
    const [inspected] = JSON.parse(await world.ok("inspect", "web"));
    expect(inspected.Id).toBe(id);
    expect(inspected.Config.Labels).toMatchObject({ a: "1", b: "" });
    expect(inspected.Config.Hostname).toBe("box");
    await world.ok("rm", "-f", "web");
  });

  test("--cidfile that exists is not overwritten", async () => {
    const file = join(shared.world.home, "taken");
    writeFileSync(file, "mine");
    const { exitCode, stderr } = await run("--cidfile", file, "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain(file);
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  test("without --name there is a name", async () => {
    const { world } = shared;
    const id = await world.ok("run", "-d", "tiny", "sleep", "1000");
    expect(await world.ok("ps", "--format", "{{.Names}}")).toMatch(/^[a-z]+_[a-z]+$/);
    await world.ok("rm", "-f", id.slice(0, 12));
  });
});

describe("mounts", () => {
  test("-v of a directory and a file, writable and :ro", async () => {
    const source = join(shared.world.home, "source");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "host\n");
    const script = "cat /in/file; echo inside > /in/new; echo x > /one 2>/dev/null || echo refused";
    const words = ["-v", `${source}:/in`, "-v", `${source}/file:/one:ro`];
    expect(await out(...words, "tiny", "sh", "-c", script)).toBe("host\nrefused");
    expect(readFileSync(join(source, "new"), "utf8")).toBe("inside\n");
  });

  test("-v of a relative path is a directory, not a volume", async () => {
    const { world } = shared;
    mkdirSync(join(world.home, "here"));
    const { stdout } = await world.tspod(
      ["run", "--rm", "-v", "./here:/in", "tiny", "sh", "-c", "touch /in/made && echo ok"],
      { directory: world.home },
    );
    expect(stdout).toBe("ok\n");
    expect(await Bun.file(join(world.home, "here/made")).exists()).toBe(true);
  });

  test("-v NAME:/path keeps what was written", async () => {
    await out("-v", "kept:/data", "tiny", "sh", "-c", "echo yes > /data/file");
    expect(await out("-v", "kept:/data", "tiny", "cat", "/data/file")).toBe("yes");
  });

  test("-v of a missing source is an error that names it", async () => {
    const missing = join(shared.world.home, "missing");
    const { exitCode, stderr } = await run("-v", `${missing}:/in`, "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain(missing);
  });

  test("--read-only, with --tmpfs where writing is wanted", async () => {
    const script = "touch /x 2>/dev/null || echo ro; touch /scratch/x && stat -f -c %T /scratch";
    expect(await out("--read-only", "--tmpfs", "/scratch", "tiny", "sh", "-c", script)).toBe(
      "ro\ntmpfs",
    );
  });

  test("--tmpfs with size and mode", async () => {
    const script = "df -k /t | awk 'NR==2 {print $2}'; stat -c %a /t";
    expect(await out("--tmpfs", "/t:size=1m,mode=700", "tiny", "sh", "-c", script)).toBe(
      "1024\n700",
    );
  });
});

describe("the rest", () => {
  test("--network none and host", async () => {
    expect(await out("--network", "none", "tiny", "ls", "/sys/class/net")).toBe("lo");
    const host = (await Bun.$`readlink /proc/self/ns/net`.text()).trim();
    expect(await out("--network=host", "tiny", "readlink", "/proc/self/ns/net")).toBe(host);
    const { exitCode, stderr } = await run("--network", "moon", "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("moon");
  });

  test("--init reaps what others leave", async () => {
    const script =
      "for i in 1 2 3; do sh -c 'true & exec sleep 0.01' & done; wait; sleep 0.05; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l; cat /proc/1/comm";
    const [zombies, first] = (await out("--init", "tiny", "sh", "-c", script)).split("\n");
    expect(zombies).toBe("0");
    expect(first).not.toBe("sh");
  });

  test("--stop-signal is what stop sends", async () => {
    const { world } = shared;
    const script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.01; done";
    const id = await world.ok("run", "-d", "--stop-signal", "SIGUSR1", "tiny", "sh", "-c", script);
    await world.ok("stop", "-t", "10", id);
    const [inspected] = JSON.parse(await world.ok("inspect", id));
    expect(inspected.State.ExitCode).toBe(42);
    await world.ok("rm", id);
  });

  test("--platform of what is here; of what is not, a sentence", async () => {
    const here = process.arch === "x64" ? "linux/amd64" : "linux/arm64";
    expect(await out("--platform", here, "tiny", "echo", "ok")).toBe("ok");
    const { exitCode, stderr } = await run("--platform", "linux/s390x", "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("linux/s390x");
  });

  test("--pull never, missing and always", async () => {
    expect(await out("--pull", "never", "tiny", "echo", "ok")).toBe("ok");
    expect(await out("--pull=always", "tiny", "echo", "ok")).toEndWith("ok");
    const { exitCode, stderr } = await run("--pull", "never", "layered", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain("layered");
  });

  test("-d prints the id and returns while it runs", async () => {
    const { world } = shared;
    const id = await world.ok("run", "-d", "--rm", "tiny", "sleep", "1000");
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await world.ok("ps", "-q", "--no-trunc")).toBe(id);
    await world.ok("kill", id);
  });
});
