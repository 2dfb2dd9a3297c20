/** logs: drivers, rotation, what is chosen of it, and that no byte is lost. */
import { describe, expect } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Box, runBox } from "../support/boxes.ts";
import { random } from "../support/random.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);
const tspod = (...words: string[]) => shared.world.tspod(words);

const box = (flags: string[], script: string): Promise<Box> =>
  runBox(shared.world, script, ...flags);

async function ended(flags: string[], script: string): Promise<Box> {
  const it = await box(flags, script);
  await ok("wait", it.id);
  return it;
}

const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");

const logFile = (id: string): string => join(shared.world.root, "data/containers", id, "log");

describe("what is chosen", () => {
  test("--tail from the end, over pieces of lines, and with -f what comes after", async () => {
    await using it = await box(
      [],
      "seq 5000; printf half; trap 'echo more; exit' TERM; touch /ready; while :; do sleep 0.05; done",
    );
    await until("it has written", async () => (await tspod("logs", it.id)).stdout.endsWith("half"));
    const tail = async (count: number) =>
      (await tspod("logs", "--tail", String(count), it.id)).stdout;
    expect(await tail(0)).toBe("");
    expect(await tail(3)).toBe("4999\n5000\nhalf");
    expect(await tail(4001)).toBe(`${numbers(1001, 5000)}half`);
    const follower = shared.world.start(["logs", "-f", "--tail", "1", it.id]);
    const reader = follower.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("half");
    await ok("stop", it.id);
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("more\n");
    expect((await reader.read()).done).toBe(true);
    expect(await follower.exited).toBe(0);
  });

  test("--since, --until and -t agree on the times", async () => {
    await using it = await ended([], "echo one; sleep 0.05; echo two >&2");
    const { stdout, stderr } = await tspod("logs", "-t", it.id);
    const [first = "", second = ""] = [stdout.split(" ")[0], stderr.split(" ")[0]];
    expect(`${first}${second}`).toMatch(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z){2}$/);
    expect(await tspod("logs", "--since", second, it.id)).toMatchObject({
      stdout: "",
      stderr: "two\n",
    });
    expect(await tspod("logs", "--until", first, it.id)).toMatchObject({
      stdout: "one\n",
      stderr: "",
    });
    expect(await tspod("logs", "--since", "1h", it.id)).toMatchObject({
      stdout: "one\n",
      stderr: "two\n",
    });
    expect(await tspod("logs", "--details", it.id)).toMatchObject({ exitCode: 0, stdout: "one\n" });
    expect((await tspod("logs", "--since", "soon", it.id)).exitCode).toBe(125);
  });

  test("-f ends with --until, though the container goes on", async () => {
    await using it = await box([], "echo now; sleep 1000");
    await until("it has written", async () => (await tspod("logs", it.id)).stdout === "now\n");
    const soon = new Date(Date.now() + 300).toISOString();
    expect(await tspod("logs", "-f", "--until", soon, it.id)).toMatchObject({
      exitCode: 0,
      stdout: "now\n",
    });
  });

  test("several containers, by names and in colours; the latest", async () => {
    await using one = await ended(["--name", "log-one"], "echo 1");
    await using two = await ended(["--name", "log-two"], "echo 2");
    const { stdout } = await tspod("logs", "log-one", "log-two");
    expect(stdout).toBe(`${one.id.slice(0, 12)} 1\n${two.id.slice(0, 12)} 2\n`);
    expect(
      (await tspod("logs", "--names", "-f", "log-one", "log-two")).stdout.split("\n").sort(),
    ).toEqual([...["", "log-one 1", "log-two 2"]]);
    expect((await tspod("logs", "--color", "--names", "log-one")).stdout).toBe(
      "\x1b[31mlog-one\x1b[0m 1\n",
    );
    expect((await tspod("logs", "--latest")).stdout).toBe("2\n");
    expect((await tspod("logs")).exitCode).toBe(125);
  });

  test("-f ends with the container, also when that is removed", async () => {
    await using it = await box(["--rm"], "echo here; sleep 1000");
    const follower = shared.world.start(["logs", "-f", it.id]);
    const reader = follower.stdout.getReader();
    await reader.read();
    reader.releaseLock();
    await ok("rm", "-f", it.id);
    expect(await follower.exited).toBe(0);
  });

  test("-f goes on over restarts", async () => {
    await using it = await box(["--restart=on-failure:2"], "echo again; exit 1");
    expect((await tspod("logs", "-f", it.id)).stdout).toBe("again\n".repeat(3));
  });
});

describe("exactness", () => {
  test("random bytes of any line length come back as they were, from the log and from attach", async () => {
    const { below, seed } = random();
    const bytes = Buffer.alloc(3_000_000);
    for (let at = 0; at < bytes.length;) {
      const length = [1, 100, 5000, 200_000][below(4)] ?? 1;
      for (const end = Math.min(bytes.length, at + length); at < end; at++) bytes[at] = below(256);
    }
    const directory = mkdtempSync(join(tmpdir(), "tspod-bytes-"));
    try {
      writeFileSync(join(directory, "bytes"), bytes);
      const child = shared.world.start([
        ...["run", "--name", "exact", "-v", `${directory}:/d:ro`, "tiny", "cat", "/d/bytes"],
      ]);
      const attached = Buffer.from(await child.stdout.bytes());
      const logs = shared.world.start(["logs", "exact"]);
      const logged = Buffer.from(await logs.stdout.bytes());
      const digest = (data: Buffer) => createHash("sha256").update(data).digest("hex");
      expect([digest(attached), digest(logged)], `seed ${seed}`).toEqual([
        digest(bytes),
        digest(bytes),
      ]);
    } finally {
      rmSync(directory, { recursive: true });
      await tspod("rm", "-f", "exact");
    }
  });

  test("a large log is whole, from its end, while it is written, and for who has soon seen enough", async () => {
    const script =
      "seq 200000; seq 5 >&2; while ! [ -e /go ]; do sleep 0.02; done; seq 200001 200100";
    await using it = await box([], script);
    await until("it has written", async () => {
      const { stdout, stderr } = await tspod("logs", "--tail", "6", it.id);
      return stderr.endsWith("5\n") && stdout.endsWith("200000\n");
    });
    const follower = shared.world.start(["logs", "-f", it.id]);
    const followed = follower.stdout.text();
    await ok("exec", it.id, "touch", "/go");
    const all = { exitCode: 0, stdout: numbers(1, 200_100), stderr: numbers(1, 5) };
    expect((await followed) === all.stdout).toBe(true);
    expect(Bun.deepEquals(await tspod("logs", it.id), all)).toBe(true);
    const { stdout } = await tspod("logs", "--tail", "150000", it.id);
    expect(stdout === numbers(50_106, 200_100)).toBe(true);
    const impatient = shared.world.start(["logs", it.id]);
    const reader = impatient.stdout.getReader();
    await reader.read();
    await reader.cancel();
    expect([await impatient.exited, await impatient.stderr.text()]).toEqual([0, ""]);
  });

  test("an attached client that does not read is dropped; the container is not held up", async () => {
    await using it = await box(
      [],
      "while ! [ -e /go ]; do sleep 0.02; done; yes | head -c 3000000; echo done",
    );
    const stuck = shared.world.start(["attach", "--no-stdin", it.id]); // nobody reads its output
    await until("it is attached", async () => (await ok("exec", it.id, "true")) === "");
    await ok("exec", it.id, "touch", "/go");
    expect(await ok("wait", it.id)).toBe("0");
    expect((await tspod("logs", "--tail", "1", it.id)).stdout).toBe("done\n");
    stuck.kill("SIGKILL");
    await stuck.exited;
  });
});

describe("rotation", () => {
  const rotated = ["--log-opt", "max-size=10k", "--log-opt", "max-file=3"];

  test("keeps as many files as asked for, each within its size; logs reads all of them", async () => {
    await using it = await ended(rotated, "seq 100000 100999");
    const path = logFile(it.id);
    for (const name of [path, `${path}.1`, `${path}.2`]) {
      expect(statSync(name).size).toBeLessThanOrEqual(10_240);
    }
    expect(existsSync(`${path}.3`)).toBe(false);
    const { stdout } = await tspod("logs", it.id);
    const first = Number(stdout.split("\n")[0]);
    expect(stdout).toBe(numbers(first, 100_999));
    expect(first).toBeLessThan(100_800);
    expect((await tspod("logs", "--tail", "300", it.id)).stdout).toBe(numbers(100_700, 100_999));
  });

  test("-f loses no line over many of them", async () => {
    const many = ["--log-opt", "max-size=10k", "--log-opt", "max-file=1000"];
    const script =
      "while ! [ -e /go ]; do sleep 0.02; done; for i in 1 2 3 4 5; do seq 1 2000; sleep 0.05; done";
    await using it = await box(many, script);
    const follower = shared.world.start(["logs", "-f", it.id]);
    await ok("exec", it.id, "touch", "/go");
    expect(await follower.stdout.text()).toBe(numbers(1, 2000).repeat(5));
  });

  test("json-file is docker's format", async () => {
    await using it = await ended(
      ["--log-driver=json-file"],
      "printf 'a\"<\\n'; echo é >&2; printf end",
    );
    const lines = readFileSync(logFile(it.id), "utf8").trim().split("\n");
    expect(lines[0]).toMatch(/^\{"log":"a\\"\\u003c\\n","stream":"stdout","time":"[^"]+Z"\}$/);
    expect(await tspod("logs", it.id)).toMatchObject({ stdout: 'a"<\nend', stderr: "é\n" });
    const { HostConfig } = JSON.parse(await ok("inspect", it.id))[0];
    expect(HostConfig.LogConfig).toMatchObject({ Type: "json-file" });
  });

  test("a path of one's own", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tspod-log-"));
    try {
      await using it = await ended(["--log-opt", `path=${directory}/mine`], "echo there");
      expect(readFileSync(join(directory, "mine"), "utf8")).toEndWith(" stdout F there\n");
      expect((await tspod("logs", it.id)).stdout).toBe("there\n");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("none and passthrough", () => {
  test("keep nothing, and say so", async () => {
    await using it = await ended(["--log-driver=none"], "echo unseen");
    const { exitCode, stderr } = await tspod("logs", it.id);
    expect(exitCode).toBe(125);
    expect(stderr).toContain('its log driver is "none"');
    expect(existsSync(logFile(it.id))).toBe(false);
    const attached = await tspod(
      "run",
      "--rm",
      "--name",
      "seen",
      "--log-driver=none",
      "tiny",
      "echo",
      "seen",
    );
    expect(attached.stdout).toBe("seen\n");
  });

  test("passthrough: the container has the caller's streams", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tspod-log-"));
    try {
      const result = await shared.world.tspod(
        [
          "run",
          "--rm",
          "-i",
          "--log-driver=passthrough",
          "tiny",
          "sh",
          "-c",
          "cat; echo err >&2; exit 3",
        ],
        { stdin: "typed\n" },
      );
      expect(result).toEqual({ exitCode: 3, stdout: "typed\n", stderr: "err\n" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test.each([
    [["--log-driver=passthrough", "-t"], "Cannot combine --log-driver=passthrough with --tty"],
    [["--log-driver=fluentd"], 'Cannot log with "fluentd"'],
    [["--log-opt", "max-size=1"], "too small"],
    [["--log-opt", "max-size=x"], "max-size"],
    [["--log-opt", "max-file=0"], 'max-file "0"'],
    [["--log-opt", "nonsense=1"], 'Unknown --log-opt "nonsense=1"'],
    [["--log-opt", "path=here"], "absolute"],
    [["--log-driver=none", "--log-opt", "max-size=1m"], 'means nothing to the log driver "none"'],
  ])("%j is refused", async (flags, message) => {
    const { exitCode, stderr } = await tspod("run", ...flags, "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain(message);
  });
});
