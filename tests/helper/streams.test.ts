/** Standard streams and the log: exact bytes, whatever the container writes and however slowly it is read. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { helperCommand } from "../../src/helper/index.ts";
import { attached, Container, runtimeTest } from "./runtime-fixture.ts";
import { until } from "../support/wait.ts";

const withStdin = { stdinOpen: true, attach: { ...attached, stdin: true } };

interface LogLine {
  stream: string;
  tag: string;
  text: Buffer;
}

/** CRI lines: `<time> <stream> <tag> <text>`. */
function parseLog(bytes: Buffer): LogLine[] {
  const lines: LogLine[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    const line = bytes.subarray(at, end);
    const head = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) /.exec(
      line.subarray(0, 64).toString("latin1"),
    );
    if (head === null) throw new Error(`not a log line: ${line.toString()}`);
    const [whole, , stream = "", tag = ""] = head;
    lines.push({ stream, tag, text: line.subarray(whole.length) });
    at = end + 1;
  }
  return lines;
}

function logged(bytes: Buffer, stream: string): Buffer {
  const lines = parseLog(bytes).filter((line) => line.stream === stream);
  const newline = Buffer.from("\n");
  return Buffer.concat(lines.flatMap(({ tag, text }) => (tag === "F" ? [text, newline] : [text])));
}

describe("output", () => {
  for (const passthrough of [false, true]) {
    runtimeTest(`stdout and stderr stay apart, passthrough ${passthrough}`, async () => {
      const attach = { ...attached, passthrough };
      await using container = new Container(["sh", "-c", "echo out; echo err >&2"], {
        helper: { attach },
      });
      const { stdout, stderr } = await container.run();
      expect({ stdout, stderr }).toEqual({ stdout: "out\n", stderr: "err\n" });
    });

    runtimeTest(`20 MB arrive whole and in order, passthrough ${passthrough}`, async () => {
      const attach = { ...attached, passthrough };
      await using container = new Container(["seq", "2800000"], { helper: { attach } });
      const { stdout, last } = await container.run();
      expect(last).toEqual({ event: "exited", code: 0 });
      const expected = Bun.spawnSync(["seq", "2800000"]).stdout.toString();
      expect(Bun.hash(stdout)).toBe(Bun.hash(expected));
    });
  }

  runtimeTest("a reader that goes away ends the writer, as in a pipe", async () => {
    await using container = new Container(["sh", "-c", "yes; exit 7"], {
      helper: { attach: attached },
    });
    const events = `${container.base}/events`;
    const command = [...helperCommand(), "run", container.directory].join(" ");
    const pipeline = Bun.spawn(["sh", "-c", `${command} 3>${events} | head -n 1`], {
      ...{ stdin: "ignore", stdout: "pipe" },
    });
    expect(await new Response(pipeline.stdout).text()).toBe("y\n");
    await pipeline.exited;
    await until("the container has ended", () => readFileSync(events, "utf8").includes("exited"));
    expect(readFileSync(events, "utf8")).toContain('{"event":"exited","code":7}');
  });

  runtimeTest(
    "a log on a full disk costs lines, not the container, nor time afterwards",
    async () => {
      await using container = new Container(["sh", "-c", "seq 200000; sleep 1000"]);
      container.amend({ log: { driver: "k8s-file", path: "/dev/full" } });
      await container.run();
      const { monitorPid } = container.state();
      const isAtRest = (): boolean =>
        container.leftovers().some((line) => line.startsWith("process") && line.endsWith(" sleep"));
      await until("the container sleeps", isAtRest);
      const ticks = (): string =>
        readFileSync(`/proc/${monitorPid}/stat`, "utf8").split(" ").slice(13, 15).join(" ");
      await container.control({ op: "ping" }); // it has come to rest
      const before = ticks();
      for (let i = 0; i < 20; i++) await container.control({ op: "ping" });
      expect(Number(ticks().split(" ")[0]) - Number(before.split(" ")[0])).toBeLessThan(3);
    },
  );

  runtimeTest("without a descriptor for events nothing takes its place", async () => {
    await using container = new Container(["echo", "fine"], { helper: { attach: attached } });
    const command = [...helperCommand(), "run", container.directory];
    const child = Bun.spawn(["sh", "-c", `exec ${command.join(" ")} 3>&-`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(await new Response(child.stdout).text()).toBe("fine\n");
    expect(await child.exited).toBe(0);
  });

  runtimeTest("the log holds every byte: binary, long lines, no newline at the end", async () => {
    const script =
      "head -c 300000 /dev/zero; echo; printf 'a\\n\\nb'; head -c 200000 /dev/urandom | tee /dev/shm/x; cat /dev/shm/x >&2";
    await using container = new Container(["sh", "-c", script], {
      helper: { attach: attached, log: { driver: "k8s-file", path: "" } },
    });
    const helperFile = `${container.directory}/helper.json`;
    const helper = JSON.parse(readFileSync(helperFile, "utf8")) as { log: { path: string } };
    helper.log.path = container.log;
    await Bun.write(helperFile, JSON.stringify(helper));
    await container.run();
    const log = readFileSync(container.log);
    const [out, err] = [logged(log, "stdout"), logged(log, "stderr")];
    const head = Buffer.concat([Buffer.alloc(300_000), Buffer.from("\na\n\nb")]);
    expect(err.length).toBe(200_000);
    expect(out.equals(Buffer.concat([head, err]))).toBe(true);
  });
});

describe("standard input", () => {
  runtimeTest("arrives whole, and its end ends it", async () => {
    const input = crypto.getRandomValues(new Uint8Array(65_536));
    await using container = new Container(["sh", "-c", "wc -c; cat >/dev/null; echo done"], {
      helper: withStdin,
    });
    const { stdout } = await container.run({ stdin: input });
    expect(stdout).toBe("65536\ndone\n");
  });

  runtimeTest("is /dev/null when it is not open", async () => {
    await using container = new Container(["sh", "-c", "wc -c; readlink /proc/self/fd/0"], {
      helper: { attach: attached },
    });
    expect((await container.run({ stdin: new Uint8Array(10) })).stdout).toBe("0\n/dev/null\n");
  });

  runtimeTest("goes both ways at once without standing still", async () => {
    const input = new Uint8Array(8_000_000).fill(65);
    await using container = new Container(["cat"], { helper: withStdin });
    const { stdout, last } = await container.run({ stdin: input });
    expect(last).toEqual({ event: "exited", code: 0 });
    expect(stdout.length).toBe(input.length);
  });

  runtimeTest("a program that reads none of it ends as usual", async () => {
    await using container = new Container(["true"], { helper: withStdin });
    const { last } = await container.run({ stdin: new Uint8Array(3_000_000) });
    expect(last).toEqual({ event: "exited", code: 0 });
  });
});

describe("signals", () => {
  for (const passthrough of [false, true]) {
    runtimeTest(`to the client go to the container, passthrough ${passthrough}`, async () => {
      const script = "trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.05; done";
      await using container = new Container(["sh", "-c", script], {
        helper: { attach: { ...attached, passthrough } },
      });
      const run = container.start();
      await run.started;
      // before the trap is set it is ignored: process 1 has no default actions
      const ended = Bun.spawn(["sh", "-c", `while kill -USR1 ${run.pid} 2>&-; do sleep 0.1; done`]);
      const { stdout, last } = await run.outcome;
      await ended.exited;
      expect(stdout).toContain("got");
      expect(last).toEqual({ event: "exited", code: 9 });
    });
  }

  runtimeTest("SIGKILL to the container is told as a signal", async () => {
    await using container = new Container(["sleep", "1000"], { helper: { attach: attached } });
    const run = container.start();
    await run.started;
    await until("it answers", () => container.control({ op: "signal", signal: 9 }));
    expect((await run.outcome).last).toEqual({ event: "exited", code: 137, signal: 9 });
  });

  runtimeTest("stdin that nobody reads does not hold back a signal", async () => {
    const script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    await using container = new Container(["sh", "-c", script], { helper: withStdin });
    const run = container.start({ stdin: new Uint8Array(4_000_000) });
    await run.started;
    const ended = Bun.spawn(["sh", "-c", `while kill -TERM ${run.pid} 2>&-; do sleep 0.1; done`]);
    expect((await run.outcome).last).toEqual({ event: "exited", code: 5 });
    await ended.exited;
  });
});
