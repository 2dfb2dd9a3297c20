/** events: what is told, in order, and that nothing is lost while somebody follows. */
import { expect } from "bun:test";
import { appendFileSync, renameSync } from "node:fs";
import { createBox, runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });

const past = (...words: string[]) => shared.world.ok("events", "--stream=false", ...words);

test("what happened, by time, kind, thing and label", async () => {
  const { world } = shared;
  {
    await using box = await createBox(world, "--name", "told", "-l", "tier=front", "tiny", "true");
    await world.ok("rename", "told", "retold");
    expect(box.id).toHaveLength(64);
  }
  const format = ["--format", "{{.Type}} {{.Status}} {{.Name}}"];
  const all = await past("-f", "type=container", ...format);
  expect(all.split("\n").filter((line) => / (re)?told$/.test(line))).toEqual([
    "container create told",
    "container rename retold",
    "container remove retold",
  ]);
  expect(await past("-f", "label=tier=front", ...format)).toBe("container create told");
  expect(await past("-f", "container=retold", "-f", "event=destroy", ...format)).toBe(
    "container remove retold",
  );
  expect(await past("-f", "image=tiny", "-f", "event=pull", ...format)).toMatch(/^image pull /);
  expect(await past("--since", "1h", "-f", "container=told", ...format)).toBe(
    "container create told",
  );
  expect(await past("--until", "-1h", ...format)).toBe("");
  expect(await past("-f", "container=told")).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z container create [0-9a-f]{64} \(image=tiny, name=told, tier=front\)$/,
  );
  const [line = ""] = (await past("--format", "json", "-f", "container=told")).split("\n");
  expect(JSON.parse(line)).toMatchObject({
    ...{ Type: "container", Status: "create", Action: "create", Name: "told", Image: "tiny" },
    Actor: { Attributes: { image: "tiny", name: "told", tier: "front" } },
  });
});

test("a further process is told when it begins and how it ended, also when nobody stays with it", async () => {
  const { world } = shared;
  await using box = await runBox(world, "sleep 1000");
  await world.ok(
    "exec",
    "-d",
    box.id,
    "sh",
    "-c",
    "while ! [ -e /go ]; do sleep 0.02; done; exit 3",
  );
  const told = () =>
    past("-f", `container=${box.id}`, "--format", '{{.Status}} {{index .Attributes "exitCode"}}');
  expect(await told()).toEndWith("exec ");
  await world.ok("exec", box.id, "touch", "/go");
  const ended = await until("it has ended", async () => /exec_died 3/.exec(await told()));
  expect(ended).toBeTruthy();
});

test("followed: each as it happens, also over a rotation, until somebody ends it", async () => {
  await using world = await makeWorld({ images: ["tiny"] });
  const follower = world.start(["events", "--format", "{{.Name}} {{.Status}}"]);
  const lines: string[] = [];
  const reading = (async () => {
    const decoder = new TextDecoder();
    let pending = "";
    for await (const chunk of follower.stdout) {
      const parts = (pending + decoder.decode(chunk, { stream: true })).split("\n");
      pending = parts.pop() ?? "";
      lines.push(...parts);
    }
  })();
  const file = `${world.root}/data/events.jsonl`;
  const write = (name: string): void => {
    const event = { time: new Date().toISOString(), type: "container", status: "start", name };
    appendFileSync(file, `${JSON.stringify(event)}\n`);
  };
  await until("it follows", () => {
    write("hello");
    return lines.includes("hello start");
  });
  const count = 500;
  for (let at = 0; at < count; at++) {
    write(`n${at}`);
    if (at % 100 === 50) renameSync(file, `${file}.1`);
    if (at % 100 === 50) await until("it has gone over", () => lines.includes(`n${at} start`));
  }
  await until("the last came", () => lines.includes(`n${count - 1} start`));
  const numbered = lines.filter((line) => /^n\d+ start$/.test(line));
  expect(numbered).toEqual(Array.from({ length: count }, (_, at) => `n${at} start`));
  follower.kill("SIGINT");
  await reading;
  expect(await follower.exited).not.toBe(0); // as any program that ^C ends
});

test("--until in the future ends it; a reader that goes away too", async () => {
  const { world } = shared;
  const started = performance.now();
  expect(await world.ok("events", "--until", "300ms")).toContain("container remove");
  expect(performance.now() - started).toBeGreaterThan(290);
  expect(await world.ok("events", "--since", "0s", "--until", "50ms")).toBe("");
  const follower = world.start(["events", "--since", "1h"]);
  const reader = follower.stdout.getReader();
  await reader.read();
  await reader.cancel();
  await using box = await runBox(world, "true");
  await until("it ends with the next event", async () => {
    await world.ok("rename", box.id, `x${performance.now()}`.replace(".", "-"));
    return follower.exitCode !== null || follower.signalCode !== null;
  });
});

test("an empty store, and lines that are none", async () => {
  await using world = await makeWorld();
  expect(await world.ok("events", "--stream=false")).toBe("");
  await world.ok("pull", "-q", "tiny");
  const file = `${world.root}/data/events.jsonl`;
  appendFileSync(file, 'garbage\n{"time":3}\n{"half":');
  const text = await world.ok("events", "--stream=false");
  expect(text.split("\n").every((line) => / (image|container) /.test(line))).toBe(true);
});
