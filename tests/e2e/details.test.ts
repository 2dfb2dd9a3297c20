/** The smaller flags of run and create, each seen from inside a container. */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny", "configured"] });

const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);
const inside = (flags: string[], script: string, image = "tiny"): Promise<string> =>
  ok("run", "--rm", "--entrypoint", "sh", ...flags, image, "-c", script);

async function refused(...words: string[]): Promise<string> {
  const { exitCode, stderr } = await shared.world.tspod(words);
  expect(exitCode).toBe(125);
  return stderr;
}

describe("variables", () => {
  const environment = { MINE: "host", CHANGED: "host", https_proxy: "http://proxy.test:1" };
  const seen = async (...flags: string[]): Promise<string[]> => {
    const words = ["run", "--rm", ...flags, "--entrypoint", "env", "configured"];
    return (await shared.world.tspod(words, { environment })).stdout.trim().split("\n");
  };

  test("--env-host, and what goes before it", async () => {
    const lines = await seen("--env-host", "-e", "MINE=asked");
    expect(lines).toContain("MINE=asked");
    expect(lines).toContain("CHANGED=host");
    expect(lines).toContain("FROM_IMAGE=yes");
  });

  test("proxies are passed on unless that is turned off", async () => {
    expect(await seen()).toContain("https_proxy=http://proxy.test:1");
    expect(await seen()).not.toContain("MINE=host");
    expect(await seen("-e", "https_proxy=other")).toContain("https_proxy=other");
    expect((await seen("--http-proxy=false")).join()).not.toContain("proxy");
  });

  test("--env-merge, --unsetenv, --unsetenv-all", async () => {
    const merged = await seen(
      "--env-merge",
      "NEW=${FROM_IMAGE}-$CHANGED-${NONE}",
      "--unsetenv",
      "CHANGED",
    );
    expect(merged).toContain("NEW=yes-image-");
    expect(merged.join()).not.toContain("CHANGED=");
    const few = await shared.world.ok(
      "run",
      "--rm",
      "--unsetenv-all",
      "-e",
      "A=b",
      "--entrypoint",
      "/bin/env",
      "configured",
    );
    expect(few).not.toContain("FROM_IMAGE");
    expect(few).toContain("A=b");
  });
});

describe("/etc", () => {
  test("--add-host, --hosts-file, --no-hosts", async () => {
    const file = join(shared.world.home, "hosts");
    writeFileSync(file, "192.0.2.1 from-file");
    const added = await inside(
      ["--add-host", "db:192.0.2.7", "--add-host", "v6=[2001:db8::1]"],
      "cat /etc/hosts",
    );
    expect(added).toContain("192.0.2.7\tdb\n");
    expect(added).toContain("2001:db8::1\tv6\n");
    expect(added).toContain("localhost");
    const whole = await inside(["--hosts-file", file], "cat /etc/hosts");
    expect(whole).toContain("from-file\n");
    expect(whole).not.toContain("localhost");
    expect(await inside(["--no-hosts"], "test -e /etc/hosts || echo none")).toBe("none");
    expect(await refused("run", "--no-hosts", "--add-host", "a:192.0.2.1", "tiny")).toContain(
      "Cannot combine",
    );
    for (const bad of ["a", "a:b", ":192.0.2.1"]) {
      expect(await refused("run", "--add-host", bad, "tiny")).toContain("--add-host");
    }
  });

  test("--dns, --dns-search, --dns-option", async () => {
    const flags = [
      "--network=none",
      "--dns",
      "192.0.2.53",
      "--dns-search",
      "example.org",
      "--dns-opt",
      "ndots:3",
    ];
    expect(await inside(flags, "cat /etc/resolv.conf")).toBe(
      "search example.org\nnameserver 192.0.2.53\noptions ndots:3",
    );
    expect(await inside(["--dns=none"], "test -e /etc/resolv.conf || echo none")).toBe("none");
    expect(await refused("run", "--dns", "a.b", "tiny")).toContain("no address");
    expect(await refused("run", "--dns=none", "--dns-search", "x", "tiny")).toContain("--dns=none");
  });

  test("--domainname, --no-hostname, --tz", async () => {
    expect(await inside(["--domainname", "example.org"], "cat /proc/sys/kernel/domainname")).toBe(
      "example.org",
    );
    expect(await inside(["--no-hostname"], "test -e /etc/hostname || echo none")).toBe("none");
    expect(await refused("run", "--tz", "Mars/Olympus", "tiny")).toContain("no such zone");
    expect(await refused("run", "--tz", "../../../etc/passwd", "tiny")).toContain("no zone");
    if (existsSync("/etc/localtime")) {
      expect(await inside(["--tz", "local"], "head -c 4 /etc/localtime")).toBe("TZif");
    }
  });

  test("--passwd-entry, --group-entry, --hostuser", async () => {
    const entry = "$USERNAME:x:$UID:$GID:$NAME:/somewhere:/bin/sh";
    expect(
      await inside(["-u", "4321:4", "--passwd-entry", `x${entry}`], "id -un; tail -1 /etc/passwd"),
    ).toBe("x4321\nx4321:x:4321:4:container user:/somewhere:/bin/sh");
    expect(
      await inside(["-u", "app", "--passwd-entry", entry], "echo $HOME; grep -c ^app: /etc/passwd"),
    ).toBe("/somewhere\n1");
    expect(await inside(["--group-entry", "extra:x:77:"], "tail -1 /etc/group")).toBe(
      "extra:x:77:",
    );
    expect(await inside(["--hostuser", "daemon"], "grep -c ^daemon: /etc/passwd")).toBe("1");
    expect(await refused("run", "--hostuser", "no such", "tiny")).toContain("no such user");
    expect(await refused("run", "--passwd=false", "--hostuser", "root", "tiny")).toContain(
      "Cannot combine",
    );
  });
});

describe("labels and what is only written down", () => {
  test("--label-file and --annotation", async () => {
    const file = join(shared.world.home, "labels");
    writeFileSync(file, "# comment\n\na=file\nb = c\nbare\n");
    await ok(
      "create",
      "--name",
      "labelled",
      "--label-file",
      file,
      "-l",
      "a=flag",
      "--annotation",
      "x=y",
      "tiny",
    );
    expect(await ok("inspect", "-f", "{{json .Config.Labels}}", "labelled")).toContain(
      '"a":"flag"',
    );
    expect(await ok("inspect", "-f", "{{.Config.Annotations.x}}", "labelled")).toBe("y");
    await ok("rm", "labelled");
    expect(await refused("create", "--label-file", "/no/such", "tiny")).toContain("/no/such");
    expect(await refused("create", "--annotation", "x", "tiny")).toContain("--annotation");
    expect(await refused("create", "--expose", "0", "tiny")).toContain("no port");
  });
});

describe("life", () => {
  test("--replace takes the place of what runs", async () => {
    const first = await ok("run", "-d", "--name", "same", "tiny", "sleep", "1000");
    expect(await refused("run", "-d", "--name", "same", "tiny", "sleep", "1000")).toContain(
      "in use",
    );
    // what is wrong with the new one leaves the old one alone
    expect(
      await refused("run", "-d", "--replace", "--name", "same", "--secret", "none", "tiny"),
    ).toContain("none");
    expect(await ok("ps", "-q", "--no-trunc")).toBe(first);
    const second = await ok("run", "-d", "--replace", "--name", "same", "tiny", "sleep", "1000");
    expect(await ok("ps", "-q", "--no-trunc")).toBe(second);
    await ok("rm", "-f", "same");
    expect(await refused("run", "--replace", "tiny")).toContain("--name");
  });

  test("--pidfile and --conmon-pidfile", async () => {
    const [pid, monitor] = ["pid", "monitor"].map((name) => join(shared.world.home, name));
    await ok(
      "run",
      "-d",
      "--name",
      "pids",
      "--pidfile",
      `${pid}`,
      "--conmon-pidfile",
      `${monitor}`,
      "tiny",
      "sleep",
      "1000",
    );
    expect(readFileSync(`${pid}`, "utf8")).toBe(
      await ok("inspect", "-f", "{{.State.Pid}}", "pids"),
    );
    const name = readFileSync(`/proc/${readFileSync(`${monitor}`, "utf8")}/cmdline`, "utf8");
    expect(name).not.toContain("sleep");
    await ok("rm", "-f", "pids");
  });

  test("-a shows only what was asked for", async () => {
    const script = ["tiny", "sh", "-c", "cat; echo out; echo err >&2"];
    const run = (...flags: string[]) =>
      shared.world.tspod(["run", "--rm", ...flags, ...script], { stdin: "in\n" });
    expect(await run("-a", "stdout")).toMatchObject({ stdout: "out\n", stderr: "" });
    expect(await run("-a", "stderr")).toMatchObject({ stdout: "", stderr: "err\n" });
    expect(await run("-a", "stdin", "-a", "stdout")).toMatchObject({
      stdout: "in\nout\n",
      stderr: "",
    });
    expect(await refused("run", "-a", "stdlog", "tiny")).toContain("--attach");
    expect(await refused("run", "-d", "-a", "stdout", "tiny")).toContain("Cannot combine");
  });

  test("--read-only-tmpfs=false and --systemd=always", async () => {
    expect(
      await inside(
        ["--read-only", "--read-only-tmpfs=false"],
        "touch /tmp/x 2>&1 | grep -c Read-only",
      ),
    ).toBe("1");
    const script = "for d in /run /run/lock /tmp /var/log/journal; do stat -f -c %T $d; done";
    expect(await inside(["--systemd=always"], script)).toBe("tmpfs\ntmpfs\ntmpfs\ntmpfs");
    expect(await inside([], "stat -f -c %T /tmp")).not.toBe("tmpfs");
    expect(await refused("run", "--systemd=perhaps", "tiny")).toContain("--systemd");
    const size = "df -k /run | awk 'NR==2 {print $2}'";
    expect(await inside(["--systemd=always", "--shm-size-systemd=3m"], size)).toBe("3072");
  });
});

test("a flag that is known and not here says why; one that is not known, which is near", async () => {
  expect(await refused("run", "--pod", "x", "tiny")).toContain('"--pod": there are no pods');
  expect(await refused("run", "--link", "x", "tiny")).toContain("there are no links");
  expect(await refused("create", "--volumes-form", "x", "tiny")).toContain(
    'did you mean "--volumes-from"',
  );
});
