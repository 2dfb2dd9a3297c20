/**
 * A container between two pipes, as a shell makes them: its streams go straight into them and come straight from them.
 * Every byte arrives, whoever is slow, leaves or is killed.
 */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runBox } from "../support/boxes.ts";
import { processesOf } from "../support/leaks.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { tspodFile } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);

/** A line of shell in which $TSPOD is the file under test. */
const shell = (line: string) =>
  Bun.spawn(["bash", "-c", line], {
    cwd: shared.world.home,
    env: { ...shared.world.environment, TSPOD: tspodFile },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });

async function output(line: string): Promise<string> {
  const child = shell(line);
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(await child.exited, errors).toBe(0);
  return text.trim();
}

const monitorOf = (id: string): number =>
  (
    JSON.parse(
      readFileSync(join(shared.world.root, "run", id.slice(0, 24), "state.json"), "utf8"),
    ) as {
      monitorPid: number;
    }
  ).monitorPid;

/** All that is ours and native of the container, but its monitor: the client. */
const clientsOf = (id: string): number[] =>
  processesOf(shared.world.root)
    .filter(
      ({ pid, command }) =>
        / native run .*\b/.test(command) && command.includes(id) && pid !== monitorOf(id),
    )
    .map(({ pid }) => pid);

describe("every byte", () => {
  test.each([
    ["with its log", "run -i --name through", "tiny"],
    ["without one", "run -i --name through --log-driver=none", "tiny"],
    ["of one that removes itself", "run -i --rm", "tiny"],
  ])("goes in and comes out: %s", async (_, words, image) => {
    const made = await output(
      `head -c 5000000 /dev/urandom >bytes; sha256sum <bytes
       cat bytes | "$TSPOD" ${words} ${image} cat | sha256sum`,
    );
    const [given, got] = made.split("\n");
    expect(got).toBe(given);
    if (words.endsWith("through"))
      expect(await output('"$TSPOD" logs through | sha256sum')).toBe(given ?? "");
    await shared.world.tspod(["rm", "-f", "through"]);
  });

  test("goes in and comes out of exec", async () => {
    await using it = await runBox(shared.world);
    const made = await output(
      `head -c 5000000 /dev/urandom >bytes; sha256sum <bytes
       cat bytes | "$TSPOD" exec -i ${it.id} cat | sha256sum`,
    );
    expect(new Set(made.split("\n")).size).toBe(1);
  });

  test("output and errors go their own ways, and a file is as good as a pipe", async () => {
    const script = "seq 1 20000; seq 1 30000 >&2";
    const run = `"$TSPOD" run --rm tiny sh -c '${script}'`;
    expect(await output(`{ ${run} 2>errors; } | wc -l; wc -l <errors`)).toBe("20000\n30000");
    expect(await output(`{ ${run} >lines; } 2>&1 | wc -l; wc -l <lines`)).toBe("30000\n20000");
    expect(await output(`${run} 2>&1 | wc -l`)).toBe("50000");
  });

  test("is seen by whoever attaches as well", async () => {
    const script = "while ! [ -e /go ]; do sleep 0.02; done; seq 1 20000";
    const first = shell(`"$TSPOD" run --name seen tiny sh -c '${script}' | sha256sum`);
    await until("it runs", async () => (await ok("ps", "-q", "--filter", "name=seen")) !== "");
    const second = shell('"$TSPOD" attach --no-stdin seen | sha256sum');
    await ok("exec", "seen", "true");
    await until("both are there", () =>
      processesOf(shared.world.root).some(({ command }) => / native attach /.test(command)),
    );
    await ok("exec", "seen", "touch", "/go");
    const [one, other] = await Promise.all([first.stdout.text(), second.stdout.text()]);
    const expected = await output("seq 1 20000 | sha256sum");
    expect(one.trim()).toBe(expected);
    expect(await output('"$TSPOD" logs seen | sha256sum')).toBe(expected);
    expect(other.trim()).toBe(expected);
    await ok("rm", "seen");
  });
});

describe("the reader", () => {
  test("that reads nothing holds the container back, and nobody else; later it gets all of it", async () => {
    const child = shell(
      `mkfifo go; "$TSPOD" run --name slow tiny sh -c 'yes | head -c 3000000; echo over >/over' | { read line <go; wc -c; }`,
    );
    await until(
      "it has begun",
      async () => (await shared.world.tspod(["logs", "--tail", "1", "slow"])).stdout === "y\n",
    );
    expect((await shared.world.tspod(["exec", "slow", "cat", "/over"])).exitCode).toBe(1);
    await output("echo >go");
    expect((await child.stdout.text()).trim()).toBe("3000000");
    expect((await shared.world.tspod(["logs", "slow"])).stdout.length).toBe(3_000_000);
    await ok("rm", "-f", "slow");
  });

  test("that reads nothing does not keep the container from being stopped", async () => {
    const child = shell(
      `mkfifo stay; "$TSPOD" run --name stuck tiny yes | { read line <stay; wc -c; }`,
    );
    await until(
      "it runs",
      async () => (await shared.world.tspod(["logs", "--tail", "1", "stuck"])).stdout === "y\n",
    );
    await ok("stop", "-t", "0", "stuck");
    expect(await ok("inspect", "--format", "{{.State.Status}}", "stuck")).toBe("exited");
    await output("echo >stay");
    expect(Number(await child.stdout.text())).toBeGreaterThan(0);
    await ok("rm", "stuck");
  });

  test("that leaves is noticed by the container", async () => {
    // no signal kills a process 1 that does not ask for it: it sees EPIPE
    expect(
      await output('"$TSPOD" run --name left tiny yes | head -n 1; echo ${PIPESTATUS[0]}'),
    ).toBe("y\n1");
    await ok("rm", "left");
  });

  test.each(["export ended", "cp ended:/ -", "volume export filled", "save tiny"])(
    "of %s that has seen enough is no failure",
    async (words) => {
      await ok(
        "run",
        "--name",
        "ended",
        "-v",
        "filled:/v",
        "tiny",
        "sh",
        "-c",
        "seq 1 99999 >/v/x",
      );
      const line = `"$TSPOD" ${words} 2>said | head -c 100 | wc -c; echo ${"${PIPESTATUS[0]}"}; cat said`;
      expect(await output(line)).toBe("100\n0");
      await ok("rm", "-v", "ended");
      await ok("volume", "rm", "filled");
    },
  );

  test("gets the end when the client is killed; the container goes on, and its log", async () => {
    const script = "echo first; while ! [ -e /go ]; do sleep 0.02; done; seq 1 100000; echo last";
    const child = shell(`"$TSPOD" run --name orphan tiny sh -c '${script}' | cat`);
    const reader = child.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("first\n");
    const id = await ok("inspect", "--format", "{{.Id}}", "orphan");
    const clients = clientsOf(id);
    expect(clients.length).toBe(1);
    for (const pid of clients) process.kill(pid, "SIGKILL");
    expect((await reader.read()).done).toBe(true);
    await ok("exec", "orphan", "touch", "/go");
    await ok("wait", "orphan");
    expect((await shared.world.tspod(["logs", "--tail", "2", "orphan"])).stdout).toBe(
      "100000\nlast\n",
    );
    await ok("rm", "orphan");
  });
});

describe("the writer", () => {
  test("does not hold up a container that ends, nor is it held up by one that reads nothing more", async () => {
    expect(await output('yes | "$TSPOD" run -i --rm tiny echo done; echo ${PIPESTATUS[1]}')).toBe(
      "done\n0",
    );
    const child = shell(
      `{ head -c 3000000 /dev/zero; echo written >&2; } | "$TSPOD" run -i --name deaf tiny sh -c 'exec <&-; sleep 1000'`,
    );
    const reader = child.stderr.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("written\n");
    await ok("rm", "-f", "deaf");
    await child.exited;
  });

  test("waits for a container that reads nothing yet", async () => {
    const script = "while ! [ -e /go ]; do sleep 0.02; done; wc -c";
    const child = shell(
      `head -c 3000000 /dev/zero | "$TSPOD" run -i --name late tiny sh -c '${script}' | cat`,
    );
    await until("it runs", async () => (await ok("ps", "-q", "--filter", "name=late")) !== "");
    await ok("exec", "late", "touch", "/go");
    expect((await child.stdout.text()).trim()).toBe("3000000");
    await ok("rm", "late");
  });

  test.each(["</dev/zero", "< <(cat /dev/zero)"])(
    "that is gone costs nothing (%s)",
    async (source) => {
      const child = shell(`"$TSPOD" run -i --name idle tiny sleep 1000 ${source}`);
      const id = await until("it runs", () =>
        ok("ps", "-q", "--no-trunc", "--filter", "name=idle"),
      );
      for (const pid of clientsOf(id)) process.kill(pid, "SIGKILL");
      await child.exited;
      // it once looked at the dead client for ever
      let before = -1;
      await until("its monitor rests", async () => {
        const ticks = ticksOf(monitorOf(id));
        const rests = ticks === before;
        before = ticks;
        await ok("exec", "idle", "true");
        return rests;
      });
      await ok("rm", "-f", "idle");
    },
  );
});

/** Processor time of a process, in ticks. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

test("where there is no room for it the loss is told, and is no success", async () => {
  await using box = await runBox(shared.world, "echo of the log; exec sleep 1000");
  const foreground = ["exec it echo lost", "run --rm tiny echo lost", "run --rm -t tiny echo lost"];
  for (const words of [...foreground, "ps", "inspect it", "logs it", "events --stream=false"]) {
    const child = shell(`$TSPOD ${words.replace("it", box.id)} > /dev/full`);
    const said = await child.stderr.text();
    expect([words, await child.exited, said]).toEqual([
      words,
      125,
      "Error: Cannot write to standard output: no space is left where it goes\n" +
        "  free some space there, or choose another place\n",
    ]);
  }
});
