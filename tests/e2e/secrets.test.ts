/** Secrets: kept, given as files and variables, and nowhere to be found afterwards. */
import { describe, expect } from "bun:test";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const secret = "hunter2-and-more";

const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);
const run = (flags: string[], script: string): Promise<string> =>
  ok("run", "--rm", ...flags, "tiny", "sh", "-c", script);

async function make(name: string, data: string | Uint8Array = secret): Promise<string> {
  const { stdout } = await shared.world.tspod(["secret", "create", name, "-"], { stdin: data });
  return stdout.trim();
}

async function refused(...words: string[]): Promise<string> {
  const { exitCode, stderr } = await shared.world.tspod(words);
  expect(exitCode).toBe(125);
  return stderr;
}

/** Files below the store that have it in them, but for the database. */
async function filesWith(text: string, directory: string): Promise<string[]> {
  const found = await Bun.$`grep -rl -- ${text} ${directory}`.quiet().nothrow().text();
  return found.split("\n").filter((path) => path !== "" && !/tspod\.db(-wal)?$/.test(path));
}

describe("tspod secret", () => {
  test("create, ls, inspect, rm", async () => {
    const id = await make("first");
    expect(id).toMatch(/^[0-9a-f]{25}$/);
    expect(await ok("secret", "ls", "--format", "{{.ID}} {{.Name}} {{.Driver}}")).toBe(
      `${id} first file`,
    );
    const shown = await ok("secret", "inspect", "first");
    expect(shown).not.toContain(secret);
    expect(JSON.parse(shown)).toMatchObject([{ ID: id, Spec: { Name: "first", Labels: {} } }]);
    expect(
      await ok("secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", id.slice(0, 8)),
    ).toBe(secret);
    expect(await refused("secret", "create", "first", "/etc/passwd")).toContain("already");
    expect(await ok("secret", "create", "--replace", "first", "/etc/passwd")).not.toBe(id);
    expect((await shared.world.tspod(["secret", "exists", "first"])).exitCode).toBe(0);
    await ok("secret", "rm", "first");
    expect((await shared.world.tspod(["secret", "exists", "first"])).exitCode).toBe(1);
    expect(await refused("secret", "rm", "first")).toContain('Cannot find secret "first"');
    expect(await refused("secret", "inspect", "first")).toContain('Cannot find secret "first"');
  });

  test("from a variable, a file, nothing, too much, under no name", async () => {
    const environment = { TOKEN: secret };
    const { exitCode } = await shared.world.tspod(["secret", "create", "--env", "var", "TOKEN"], {
      environment,
    });
    expect(exitCode).toBe(0);
    expect(
      await ok("secret", "inspect", "--showsecret", "--format", "{{.SecretData}}", "var"),
    ).toBe(secret);
    expect(await refused("secret", "create", "--env", "none", "NO_SUCH")).toContain("NO_SUCH");
    expect(await refused("secret", "create", "none", "/no/such")).toContain("/no/such");
    expect(await refused("secret", "create", "none", "/dev/null")).toContain("is empty");
    expect(await refused("secret", "create", "none", "/dev/zero")).toContain(
      "more than 512000 bytes",
    );
    expect(await refused("secret", "create", "a/b", "/etc/passwd")).toContain(
      "Invalid secret name",
    );
    await ok("secret", "rm", "var");
  });
});

/** In the stead of the one of that name; `${#TOKEN}` is how long it is. */
async function expectVariable(...flags: string[]): Promise<void> {
  await make("token");
  const asked = ["--health-cmd", "echo ${#TOKEN} $A", "--health-interval=disable"];
  const given = ["--secret", "token,type=env,target=TOKEN", "-e", "TOKEN=other", "-e", "A=b"];
  const command = ["tiny", "sh", "-c", "echo ${#TOKEN} $A; exec sleep 1000"];
  const id = await ok("run", "-d", ...flags, ...asked, ...given, ...command);
  const wanted = `${secret.length} b`;
  expect(await ok("exec", id, "sh", "-c", "echo ${#TOKEN} $A")).toBe(wanted);
  await ok("healthcheck", "run", id);
  const { Log } = JSON.parse(await ok("inspect", "--format", "{{json .State.Health}}", id));
  expect(Log[0].Output).toBe(`${wanted}\n`);
  await ok("stop", "-t", "0", id);
  expect(await ok("logs", id)).toBe(wanted);
  await ok("rm", id);
  await ok("secret", "rm", "token");
}

describe("--secret", () => {
  test("is a file of memory in /run/secrets, with its owner and mode", async () => {
    await make("plain");
    const script =
      "cat /run/secrets/plain; stat -c ' %a %u:%g' /run/secrets/plain; stat -f -c %T /run/secrets; touch /run/secrets/plain 2>&1 | grep -c Read-only";
    expect(await run(["--secret", "plain"], script)).toBe(`${secret} 444 0:0\ntmpfs\n1`);
    const words = "plain,target=deep/name,uid=1000,gid=50,mode=0400";
    for (const userns of [[], ["--userns=keep-id:uid=7,gid=7"], ["--userns=nomap"]]) {
      const flags = [...userns, "-u", "1000:50", "--secret", words];
      expect(
        await run(flags, "cat /run/secrets/deep/name; stat -c ' %a %u:%g' /run/secrets/deep/name"),
      ).toBe(`${secret} 400 1000:50`);
    }
    expect(
      await run(["--read-only", "--secret", "plain,target=/etc/my.key"], "cat /etc/my.key"),
    ).toBe(secret);
    await ok("secret", "rm", "plain");
  });

  test("is a variable, of the program and of exec, and of nobody who inspects", async () => {
    await make("token");
    const flags = ["--secret", "token,type=env,target=TOKEN", "-e", "TOKEN=other", "-e", "A=b"];
    await ok(
      "run",
      "-d",
      "--name",
      "env",
      ...flags,
      "tiny",
      "sh",
      "-c",
      "echo $TOKEN; exec sleep 1000",
    );
    expect(await ok("exec", "env", "sh", "-c", "echo $TOKEN $A")).toBe(`${secret} b`);
    expect(await ok("logs", "env")).toBe(secret);
    expect(await ok("inspect", "env")).not.toContain(secret);
    await ok("rm", "-f", "env");
    await ok("secret", "rm", "token");
  });

  describe.each(["crun", "runc"])("under %s", (runtime) => {
    const testUnder = testWith(...registryPrograms, program(runtime));
    testUnder("is a variable of the program, of exec and of the health check", async () => {
      await expectVariable("--runtime", runtime);
    });
  });

  test("is a variable of the health check", async () => {
    await expectVariable();
  });

  test("lies in nobody's directory, and goes with the container", async () => {
    await make("hidden");
    const { root } = shared.world;
    const flags = ["--secret", "hidden", "--secret", "hidden,type=env,target=H"];
    await ok(
      "create",
      "--name",
      "holder",
      ...flags,
      "tiny",
      "sh",
      "-c",
      "cat /run/secrets/hidden; echo $H",
    );
    expect(await filesWith(secret, join(root, "data"))).toEqual([]);
    expect(await filesWith(secret, join(root, "run"))).not.toEqual([]);
    expect(statSync(join(root, "run/secrets")).mode & 0o777).toBe(0o700);
    // a reboot
    rmSync(join(root, "run"), { recursive: true });
    await ok("cp", "/etc/hostname", "holder:/here");
    expect(await ok("diff", "holder")).toBe("A /here");
    expect(await ok("start", "-a", "holder")).toBe(`${secret}${secret}`);
    expect(await ok("start", "-a", "holder")).toBe(`${secret}${secret}`);
    await ok("secret", "rm", "hidden");
    expect(await ok("start", "-a", "holder")).toBe(`${secret}${secret}`);
    rmSync(join(root, "run"), { recursive: true });
    expect(await refused("start", "holder")).toContain('its secret "hidden" is gone');
    await ok("rm", "holder");
    expect(
      existsSync(join(root, "run/secrets")) ? readdirSync(join(root, "run/secrets")) : [],
    ).toEqual([]);
  });

  test("bytes of all kinds; none of them in a variable", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await make("bytes", bytes);
    const file = join(shared.world.home, "bytes");
    writeFileSync(file, bytes);
    expect(
      await run(
        ["--secret", "bytes", "-v", `${file}:/f`],
        "cmp /f /run/secrets/bytes && echo same",
      ),
    ).toBe("same");
    expect(await refused("run", "--rm", "--secret", "bytes,type=env", "tiny")).toContain(
      "zero byte",
    );
    expect(await ok("ps", "-aq")).toBe("");
    await ok("secret", "rm", "bytes");
  });

  test.each([
    ["none", 'Cannot find secret "none"'],
    ["x,type=disk", "mount or env"],
    ["x,target=../y", "is no file"],
    ["x,mode=9", "octal"],
    ["x,uid=who", "is no uid"],
    ["x,type=env,mode=400", "no mode"],
    ["x,y=z", "not known"],
    ["target=x", "no name"],
  ])("%p is refused", async (text, sentence) => {
    expect(await refused("run", "--rm", "--secret", text, "tiny")).toContain(sentence);
  });

  test("two at one place are refused", async () => {
    await make("one");
    await make("two");
    const flags = ["--secret", "one,target=x", "--secret", "two,target=x"];
    expect(await refused("run", "--rm", ...flags, "tiny")).toContain("Two secrets");
    await ok("secret", "rm", "-a");
  });
});
