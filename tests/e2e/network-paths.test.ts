/** `--network ns:PATH`: a network that somebody else has made, and that an ordinary user may join. */
import { describe, expect } from "bun:test";
import { readlinkSync } from "node:fs";
import { runBox } from "../support/boxes.ts";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);
const needed = [...registryPrograms, program("unshare", "util-linux")];
const test = testWith(...needed);

/** A process in a network of its own, and in a user namespace that its user owns. */
async function stranger(...mapping: string[]) {
  const process = Bun.spawn(["unshare", ...mapping, "--net", "sleep", "1000"]);
  const path = `/proc/${process.pid}/ns/net`;
  await until("it has a network of its own", () => {
    return readlinkSync(path) !== readlinkSync("/proc/self/ns/net");
  });
  return {
    path,
    pid: process.pid,
    network: readlinkSync(path),
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.exited;
    },
  };
}

const wholeMap = ["--map-root-user", "--map-auto"];
const look = ["readlink", "/proc/self/ns/net"];

describe.each(["tspod", "crun", "runc"])("--runtime %s", (runtime) => {
  const programs = runtime === "tspod" ? [] : [program(runtime)];
  testWith(...needed, ...programs)("is in a network of another user namespace", async () => {
    await using theirs = await stranger(...wholeMap);
    const flags = [`--runtime=${runtime}`, `--network=ns:${theirs.path}`];
    await using box = await runBox(
      shared.world,
      "touch /f && chown 7 /f && exec sleep 1000",
      ...flags,
    );
    const inside = (...words: string[]) => ok("exec", box.id, ...words);
    expect(await inside(...look)).toBe(theirs.network);
    expect(await inside("readlink", "/proc/self/ns/user")).toBe(
      readlinkSync(`/proc/${theirs.pid}/ns/user`),
    );
    await ok("restart", "-t", "0", box.id);
    expect(await inside(...look)).toBe(theirs.network);
    await until("it owns its files", async () => {
      return (await inside("stat", "-c", "%u", "/f")) === "7";
    });
  });

  testWith(...needed, ...programs)("one id is enough, though terminals have no group", async () => {
    await using theirs = await stranger("--map-root-user");
    const flags = [`--runtime=${runtime}`, `--network=ns:${theirs.path}`];
    expect(await ok("run", "--rm", ...flags, "tiny", ...look)).toBe(theirs.network);
  });
});

test("one id is enough", async () => {
  await using theirs = await stranger("--map-root-user");
  const flags = ["run", "--rm", `--network=ns:${theirs.path}`, "--cap-add=NET_ADMIN", "tiny"];
  const script = "ip link set lo up && ip addr show lo | grep -c LOOPBACK,UP";
  expect(await ok(...flags, "sh", "-c", `${script}; ${look.join(" ")}`)).toBe(
    `1\n${theirs.network}`,
  );
});

test("what cannot be joined is refused with a sentence", async () => {
  await using theirs = await stranger(...wholeMap);
  const cases: [string[], string][] = [
    [["--network=ns:/proc/self/ns/net"], "a user namespace that is not yours to be in"],
    [[`--network=ns:${theirs.path}`, "--userns=keep-id"], "that is not yours to be in"],
    [["--network=ns:/no/such/network"], '"/no/such/network": there is none'],
    [["--network=ns:/proc/self/ns/uts"], "is a namespace, but no network namespace"],
    [["--network=ns:/etc/passwd"], "Cannot join: /etc/passwd is no namespace"],
  ];
  for (const [flags, sentence] of cases) {
    const result = await shared.world.tspod(["run", "--rm", ...flags, "tiny", "true"]);
    expect(result).toMatchObject({ exitCode: 125, stdout: "" });
    expect(result.stderr).toContain(sentence);
  }
});
