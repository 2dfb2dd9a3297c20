/** Completion: what may stand at the cursor, decided from the commands' own tables. */
import { describe, expect, test } from "bun:test";
import { loadCommand, splitCommand } from "../../src/cli/commands.ts";
import { completeCommand, type Names } from "../../src/cli/completion/candidates.ts";
import { random } from "../support/random.ts";

const names: Names = {
  containers: () => [
    ["web", "alpine"],
    ["worker", "tiny"],
  ],
  running: () => [["web", "alpine"]],
  images: () => [
    ["alpine", ""],
    ["localhost/hello", ""],
  ],
  volumes: () => [["data", ""]],
  networks: () => [["backend", ""]],
  secrets: () => [["token", ""]],
};

/** The words offered at the end of the line, or what kind of path is. */
async function offered(line: string): Promise<string[] | string> {
  const { path, rest: typed } = splitCommand(line.split(" "));
  const [name = "", verb] = path;
  const command = await loadCommand(name, verb);
  if (command === null) throw new Error(`no command ${name}`);
  const answer = completeCommand(command, typed, names);
  return answer.kind === "words" ? answer.words.map(([word]) => word) : answer.kind;
}

describe("completeCommand()", () => {
  test.each([
    ["run ", ["alpine", "localhost/hello"]],
    ["run al", ["alpine"]],
    ["run --rm -it al", ["alpine"]],
    ["run --name al", []],
    ["run --name x al", ["alpine"]],
    ["run -ite A=1 al", ["alpine"]],
    ["run -eA=1 al", ["alpine"]],
    ["run -- al", ["alpine"]],
    ["run --entry", ["--entrypoint"]],
    ["run --pull n", ["never", "newer"]],
    ["run --network b", ["backend"]],
    ["network rm ", ["backend"]],
    ["network connect ", ["backend"]],
    ["network connect backend w", ["web", "worker"]],
    ["run --net=no", ["--net=none"]],
    ["run --pull=n", ["--pull=never", "--pull=newer"]],
    ["run --env-file ", "files"],
    ["run -v ", "directories"],
    ["run alpine ", "files"],
    ["run alpine --r", "files"],
    ["run --stop-signal T", ["TERM"]],
    ["stop w", ["web"]],
    ["rm w", ["web", "worker"]],
    ["rm web w", ["worker"]],
    ["logs web ", ["worker"]],
    ["logs --ta", ["--tail"]],
    ["inspect ", ["web", "worker", "alpine", "localhost/hello"]],
    ["rmi loc", ["localhost/hello"]],
    ["completion f", ["fish"]],
    ["version ", []],
    ["run --no-such=", []],
  ])("%p", async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });

  test("a single dash offers the long flags, a letter the short ones", async () => {
    expect(await offered("run -")).toContain("--rm");
    expect(await offered("run -i")).toEqual(["-i"]);
  });
});

test("completeCommand() answers whatever has been typed", async () => {
  const dice = random(11);
  const pieces = [
    "-",
    "--",
    "=",
    "-it",
    "--name",
    "--pull",
    "--env-file",
    "web",
    "alpine",
    "é",
    " ",
  ];
  const kinds = new Set<string>();
  const commands = await Promise.all(
    ["run", "exec", "rm", "logs", "version"].map((name) => loadCommand(name)),
  );
  for (let round = 0; round < 5000; round++) {
    const command = dice.pick(commands);
    if (command === null) throw new Error("a command is gone");
    const typed = Array.from({ length: dice.below(6) }, () =>
      Array.from({ length: dice.below(3) }, () => dice.pick(pieces)).join(""),
    );
    const answer = completeCommand(command, typed, names);
    kinds.add(answer.kind);
    if (answer.kind !== "words") continue;
    for (const [word] of answer.words) expect(word).toStartWith(typed.at(-1) ?? "");
  }
  expect([...kinds].sort()).toEqual(["files", "words"]);
});
