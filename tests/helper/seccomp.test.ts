/** config.json's linux.seccomp: what is refused, the agent that is asked, and filters that are compiled once. */
import { describe, expect } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { defaultSeccomp } from "../../src/spec/seccomp.ts";
import { attached, Container, type ContainerOptions, runtimeTest } from "./runtime-fixture.ts";

const helper = { attach: attached };
const allow = { defaultAction: "SCMP_ACT_ALLOW" };
const refusing = (call: string, errnoRet: number): object => ({
  ...allow,
  syscalls: [{ names: [call], action: "SCMP_ACT_ERRNO", errnoRet }],
});

async function last(seccomp: object): Promise<string> {
  await using container = new Container(["true"], { linux: { seccomp } });
  return JSON.stringify((await container.run()).last);
}

describe("what is refused", () => {
  const rule = { names: ["mkdir"], action: "SCMP_ACT_ALLOW" };
  const cases: { seccomp: object; says: string }[] = [
    { seccomp: {}, says: "linux.seccomp: defaultAction is missing" },
    { seccomp: { defaultAction: 5 }, says: "linux.seccomp.defaultAction: a string is expected" },
    { seccomp: { defaultAction: "SCMP_ACT_MAYBE" }, says: "SCMP_ACT_MAYBE" },
    { seccomp: { ...allow, defaultErrnoRet: 1 }, says: "returns no errno" },
    { seccomp: { ...allow, syscalls: [{ ...rule, errnoRet: 3 }] }, says: "returns no errno" },
    { seccomp: { ...allow, syscalls: [{ ...rule, names: [] }] }, says: "names no calls" },
    { seccomp: { ...allow, architectures: ["amd64"] }, says: "no architecture" },
    { seccomp: { ...allow, flags: ["SECCOMP_FILTER_FLAG_X"] }, says: "FLAG_X" },
    { seccomp: { ...allow, listenerMetadata: "x" }, says: "without a listenerPath" },
    { seccomp: { defaultAction: "SCMP_ACT_NOTIFY" }, says: "needs a listenerPath" },
    {
      seccomp: { ...allow, syscalls: [{ ...rule, args: [{ index: 6, value: 0, op: "x" }] }] },
      says: "no argument 6",
    },
    {
      seccomp: { ...allow, syscalls: [{ ...rule, args: [{ index: 0, value: -1, op: "x" }] }] },
      says: "linux.seccomp.syscalls[0].args[0].value: -1 is no whole number",
    },
  ];
  runtimeTest.each(cases)("$says", async ({ seccomp, says }) => {
    expect(await last(seccomp)).toContain(says);
  });

  runtimeTest(
    "architectures of others, and flags that mean nothing here, are no harm",
    async () => {
      const seccomp = {
        ...allow,
        architectures: ["SCMP_ARCH_S390X", "SCMP_ARCH_RISCV64"],
        flags: ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        listenerPath: "/ignored/where/nothing/notifies",
      };
      expect(await last(seccomp)).toContain('"started"');
    },
  );
});

/** An agent that takes what comes, and so loses the descriptor: the kernel answers ENOSYS from then on. */
class Agent implements AsyncDisposable {
  readonly messages: string[] = [];
  readonly #server: Server;

  constructor(path: string) {
    this.#server = createServer((socket) => {
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("close", () => this.messages.push(text));
    });
    this.#server.listen(path);
    this.#server.on("listening", () => chmodSync(path, 0o777));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

describe("an agent", () => {
  const asking = (listenerPath: string): object => ({
    ...{ defaultAction: "SCMP_ACT_ALLOW", listenerPath, listenerMetadata: "meta=1" },
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
  });

  runtimeTest("gets the state of the container process, for exec as well", async () => {
    await using container = new Container(["sleep", "1000"]);
    const path = join(container.base, "agent.sock");
    await using agent = new Agent(path);
    container.change((config) => {
      config.linux.seccomp = asking(path);
      config.annotations = { "org.example.key": "value" };
    });
    expect((await container.run()).last).toMatchObject({ event: "started" });
    const outcome = await container.exec(["mkdir", "/x"]);
    expect(outcome.stderr).toContain("Function not implemented");
    const { pid } = container.state();
    const state = {
      ...{ ociVersion: "1.2.0", id: "c", status: "creating", pid, bundle: container.directory },
      annotations: { "org.example.key": "value" },
    };
    const [first = "", second = ""] = agent.messages;
    const process = { ociVersion: "1.2.0", fds: ["seccompFd"], metadata: "meta=1" };
    expect(JSON.parse(first)).toEqual({ ...process, pid, state });
    const started = outcome.events.find(({ event }) => event === "started");
    expect(JSON.parse(second)).toEqual({
      ...process,
      pid: started?.event === "started" ? started.pid : undefined,
      state: { ...state, status: "running" },
    });
  });

  runtimeTest("that is not there is an error, and nothing is left", async () => {
    await using container = new Container(["true"]);
    const path = join(container.base, "agent.sock");
    container.change((config) => (config.linux.seccomp = asking(path)));
    const outcome = await container.run();
    expect(JSON.stringify(outcome.last)).toContain("nobody takes notifications at listenerPath");
    expect(container.leftovers()).toEqual([]);
  });
});

describe("compiled filters are kept", () => {
  async function running(cache: string, options: ContainerOptions): Promise<string> {
    await using container = new Container(["sh", "-c", "mkdir /x 2>&1; true"], {
      ...options,
      helper: { ...helper, seccompCache: cache },
    });
    return (await container.run()).stdout;
  }

  const files = (cache: string): string[] =>
    readdirSync(cache).flatMap((version) =>
      readdirSync(join(cache, version)).map((name) => join(cache, version, name)),
    );

  runtimeTest("one for each profile, private to the user, not written again", async () => {
    await using place = new Container(["true"]);
    const cache = join(place.base, "cache/tspod/seccomp");
    const options = { linux: { seccomp: defaultSeccomp([], process.arch) } };
    await running(cache, options);
    const [file = "", ...others] = files(cache);
    expect(others).toEqual([]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    const { ino } = statSync(file);
    await running(cache, options);
    expect(files(cache).map((name) => statSync(name).ino)).toEqual([ino]);
    await running(cache, { linux: { seccomp: refusing("mkdir", 28) } });
    expect(files(cache)).toHaveLength(2);
  });

  runtimeTest("and used: what lies there is what is loaded", async () => {
    await using place = new Container(["true"]);
    const cache = join(place.base, "cache");
    const options = { linux: { seccomp: refusing("mkdir", 28) } };
    expect(await running(cache, options)).toContain("No space left");
    const [file = ""] = files(cache);
    const bytes = readFileSync(file);
    const code = bytes.indexOf(Buffer.from([0x06, 0, 0, 0, 28, 0, 5, 0])); // return ERRNO | 28
    expect(code).toBeGreaterThan(32);
    bytes.writeUInt16LE(30, code + 4);
    const instructions = bytes.readUInt32LE(12) * 8;
    bytes.writeBigUInt64LE(Bun.hash.xxHash64(bytes.subarray(32, 32 + instructions)), 24);
    writeFileSync(file, bytes);
    expect(await running(cache, options)).toContain("Read-only file system");
  });

  const damages = [
    { what: "a changed byte", damage: (bytes: Buffer) => bytes.fill(0xff, 40, 41) },
    { what: "a lost end", damage: (bytes: Buffer) => bytes.subarray(0, bytes.length - 5) },
    { what: "nothing", damage: () => Buffer.alloc(0) },
    { what: "nonsense", damage: () => Buffer.alloc(5000, "nonsense") },
  ];
  runtimeTest.each(damages)("$what in it is not believed, and replaced", async ({ damage }) => {
    await using place = new Container(["true"]);
    const cache = join(place.base, "cache");
    const options = { linux: { seccomp: refusing("mkdir", 28) } };
    await running(cache, options);
    const [file = ""] = files(cache);
    const before = readFileSync(file);
    writeFileSync(file, damage(Buffer.from(before)));
    expect(await running(cache, options)).toContain("No space left");
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  runtimeTest("a file that others may write to is not believed either", async () => {
    await using place = new Container(["true"]);
    const cache = join(place.base, "cache");
    const options = { linux: { seccomp: refusing("mkdir", 28) } };
    await running(cache, options);
    const [file = ""] = files(cache);
    chmodSync(file, 0o666);
    await running(cache, options);
    expect(statSync(file).mode & 0o777).toBe(0o600); // made anew
  });

  runtimeTest("where nothing can be kept, everything works", async () => {
    const options = { linux: { seccomp: refusing("mkdir", 28) } };
    for (const cache of ["/proc/no/such", "/dev/null/x", "relative"]) {
      expect(await running(cache, options)).toContain("No space left");
    }
  });
});
