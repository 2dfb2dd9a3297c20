/** config.json as an enemy writes it: whatever it holds, it is refused with one sentence that names the place, or it runs. */
import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HelperEvent } from "../../src/helper/contract.ts";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";
import { chance, mutate, mutateJson } from "../support/fuzz.ts";
import { attached, Container, type Outcome, runtimeTest } from "./runtime-fixture.ts";

const helper = { attach: attached };

/** Something of everything that the specification has and this runtime honours. */
const rich = {
  process: {
    consoleSize: { height: 24, width: 80 },
    user: { uid: 0, gid: 0, umask: 18, additionalGids: [5] },
    rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 0 }],
    noNewPrivileges: true,
    oomScoreAdj: 100,
    scheduler: { policy: "SCHED_OTHER", nice: 19, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
    ioPriority: { class: "IOPRIO_CLASS_BE", priority: 7 },
    execCPUAffinity: { initial: "0", final: "0" },
  },
  linux: {
    sysctl: { "net.ipv4.ip_forward": "1" },
    devices: [{ path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 438, uid: 0, gid: 0 }],
    rootfsPropagation: "private",
    personality: { domain: "LINUX", flags: [] },
    cgroupsPath: "/x",
    seccomp: defaultSeccomp([], process.arch),
  },
  mounts: [{ destination: "/t", type: "tmpfs", source: "t", options: ["size=64k", "nosuid"] }],
};

function richContainer(): Container {
  const container = new Container(["true"], { helper, ...rich });
  container.change((config) => (config.annotations = { "org.example": "x" }));
  return container;
}

const textOf = (container: Container): string => {
  let text = "";
  container.change((config) => (text = JSON.stringify(config)));
  return text;
};

async function runText(container: Container, text: string): Promise<Outcome> {
  writeFileSync(join(container.directory, "config.json"), text);
  return await container.run();
}

/** What a crash would not give: an end of its own and, when it was no success, one sentence or one errno. */
function expectManners({ events, status, last }: Outcome, what: string): void {
  const endings = events.filter(({ event }) => event === "failed" || event === "exited");
  expect({ what, endings: endings.length }).toEqual({ what, endings: 1 });
  if (last?.event !== "failed") return;
  expect({ what, status }).toEqual({ what, status: 125 });
  expect(last.call).not.toBe("");
  expect(last.detail.length + last.errno.length).toBeGreaterThan(0);
  expect(last.detail).not.toContain("\n");
}

const detailOf = (last: HelperEvent | undefined): string =>
  last?.event === "failed" ? last.detail : JSON.stringify(last);

describe("every field of another type", () => {
  /** Paths of all values, with a value of another type for each. */
  function* wrongs(value: unknown, path: string): Generator<{ path: string; wrong: unknown }> {
    yield { path, wrong: wrongFor(value) };
    if (Array.isArray(value)) {
      const [first] = value as unknown[]; // one stands for all
      if (first !== undefined) yield* wrongs(first, `${path}[0]`);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        yield* wrongs(member, path === "" ? name : `${path}.${name}`);
      }
    }
  }

  function wrongFor(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        return 7;
      case "number":
        return "7";
      case "boolean":
        return 1;
      default:
        return Array.isArray(value) ? {} : [];
    }
  }

  function replaced(value: unknown, path: string, wrong: unknown): unknown {
    if (path === "") return wrong;
    const copy = structuredClone(value);
    const names = path.match(/[^.[\]]+/g) ?? [];
    // "net.ipv4.ip_forward" and "org.example" are names with dots in them
    const parent = /^(linux\.sysctl|annotations)\.(.+)$/.exec(path);
    const steps = parent ? [...(parent[1] ?? "").split("."), parent[2] ?? ""] : names;
    let place = copy as Record<string, unknown>;
    for (const name of steps.slice(0, -1)) place = place[name] as Record<string, unknown>; // they come from `wrongs`
    place[steps.at(-1) ?? ""] = wrong;
    return copy;
  }

  runtimeTest("is named", async () => {
    await using container = richContainer();
    const config = JSON.parse(textOf(container)) as unknown;
    let count = 0;
    for (const { path, wrong } of wrongs(config, "")) {
      const outcome = await runText(container, JSON.stringify(replaced(config, path, wrong)));
      expectManners(outcome, path);
      const detail = detailOf(outcome.last);
      expect(`${path}: ${detail}`).toMatch(/config\.json:\d+:\d+: /);
      expect(detail).toContain(path === "" ? "an object is expected" : `: ${path}: `);
      expect(detail).toMatch(/ is expected, not |is no whole number/);
      count += 1;
    }
    expect(count).toBeGreaterThan(70);
  });
});

describe("numbers", () => {
  const cases = [
    { path: "process.user.uid", value: "-1" },
    { path: "process.user.uid", value: "4294967296" },
    { path: "process.user.uid", value: "1.5" },
    { path: "process.user.gid", value: "1e400" },
    { path: "process.user.additionalGids[0]", value: "99999999999999999999999999" },
    { path: "process.consoleSize.height", value: "65536" },
    { path: "process.rlimits[0].soft", value: "18446744073709551616" },
    { path: "process.oomScoreAdj", value: "-2147483649" },
    { path: "linux.uidMappings[0].size", value: "-65536" },
    { path: "linux.devices[0].major", value: "9223372036854775808" },
  ];
  runtimeTest.each(cases)("$path: $value", async ({ path, value }) => {
    await using container = richContainer();
    const marker = "@here@";
    container.change((config) => {
      let place = config as Record<string, unknown>;
      const steps = path.match(/[^.[\]]+/g) ?? [];
      for (const name of steps.slice(0, -1)) place = place[name] as Record<string, unknown>;
      place[steps.at(-1) ?? ""] = marker;
    });
    const text = textOf(container).replace(`"${marker}"`, value);
    const { last } = await runText(container, text);
    expect(detailOf(last)).toContain(`: ${path}: ${value.slice(0, 40)} is no whole number`);
  });
});

describe("text", () => {
  const cases = [
    { what: "nothing", text: () => "", says: "the text ends too early" },
    { what: "no JSON", text: () => "hello", says: "no value begins here" },
    { what: "half of it", text: (all: string) => all.slice(0, all.length / 2), says: "too early" },
    { what: "too much of it", text: (all: string) => `${all}{}`, says: "something follows" },
    {
      what: "a key twice",
      text: (all: string) =>
        all.replace('"process":', '"process":{"args":["x"],"cwd":"/"},"process":'),
      says: "process: it is given twice",
    },
    {
      what: "nested a hundred thousand times",
      text: (all: string) => all.replace("{", `{"x":${"[".repeat(100_000)},`),
      says: "nested too deeply",
    },
    {
      what: "nested where something is expected",
      text: (all: string) => all.replace('"args":[', `"args":${"[".repeat(5000)}`),
      says: "process.args[0]: a string is expected, not a list",
    },
    {
      what: "larger than any",
      text: (all: string) => all.replace("{", `{"x":"${"y".repeat(5_000_000)}",`),
      says: "is larger than",
    },
    {
      what: "a NUL byte in a string",
      text: (all: string) => all.replace('"/x"', String.raw`"/x\u0000/../../y"`),
      says: "linux.cgroupsPath: a NUL byte",
    },
    {
      what: "a NUL byte in a name",
      text: (all: string) => all.replace('"org.example"', String.raw`"org\u0000example"`),
      says: "a NUL byte",
    },
    {
      what: "a raw NUL byte",
      text: (all: string) => all.replace('"/x"', '"/x\0"'),
      says: "control character",
    },
    {
      what: "bytes that are no UTF-8",
      text: (all: string) => Buffer.from(all.replace('"/x"', '"/x\u00ff"'), "latin1"),
      says: "is no UTF-8",
    },
  ];
  runtimeTest.each(cases)("$what", async ({ text, says }) => {
    await using container = richContainer();
    const content = text(textOf(container));
    writeFileSync(join(container.directory, "config.json"), content);
    const outcome = await container.run();
    expectManners(outcome, says);
    expect(detailOf(outcome.last)).toContain(says);
  });
});

describe("too much of everything", () => {
  runtimeTest("thousands of variables, words and mounts are carried", async () => {
    const many = Array.from({ length: 3000 }, (_, i) => i);
    await using container = new Container(
      ["sh", "-c", 'env | grep -c ^V; echo $#; grep -c " /m/" /proc/mounts', "sh"].concat(
        many.map((i) => `word${i}`),
      ),
      {
        helper,
        env: ["PATH=/bin", ...many.map((i) => `V${i}=x`)],
        mounts: many.slice(0, 1000).map((i) => ({
          ...{ destination: `/m/${i}`, type: "tmpfs", source: "m", options: ["size=4k"] },
        })),
      },
    );
    expect((await container.run()).stdout).toBe("3000\n3000\n1000\n");
  });

  runtimeTest("more than the kernel takes is an error of the kernel", async () => {
    const huge = "x".repeat(200_000); // MAX_ARG_STRLEN is 128 KiB
    await using container = new Container(["true", huge], { helper });
    const outcome = await container.run();
    expect(outcome.last).toMatchObject({ event: "failed", call: "execve", errno: "E2BIG" });
  });

  const groups = Array.from({ length: 70_000 }, (_, i) => i);
  const lines = Array.from({ length: 400 }, (_, i) => ({ containerID: i, hostID: i, size: 1 }));
  const cases = [
    { what: "groups", options: { process: { user: { additionalGids: groups } } }, says: "groups" },
    { what: "id mappings", options: { linux: { uidMappings: lines } }, says: "id mappings" },
  ];
  runtimeTest.each(cases)("$what", async ({ options, says }) => {
    await using container = new Container(["true"], options);
    expect(detailOf((await container.run()).last)).toContain(says);
  });
});

describe("at random", () => {
  const rounds = 120;
  runtimeTest(
    "values of other kinds",
    async () => {
      await using container = richContainer();
      const config = JSON.parse(textOf(container)) as unknown;
      for (let seed = 0; seed < rounds; seed++) {
        const text = JSON.stringify(mutateJson(config, chance(seed)));
        expectManners(await runText(container, text), `seed ${seed}`);
      }
    },
    120_000,
  );

  runtimeTest(
    "characters",
    async () => {
      await using container = richContainer();
      const text = textOf(container);
      for (let seed = 0; seed < rounds; seed++) {
        expectManners(await runText(container, mutate(text, chance(seed))), `seed ${seed}`);
      }
    },
    120_000,
  );
});
