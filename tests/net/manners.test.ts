/** What programs expect of a network besides that their bytes arrive: manners/main.ts plays it. */
import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../support/requirements.ts";
import { hostScript, outside, unshareWords } from "./bare-container.ts";
import { namespaceTest } from "./namespace-test.ts";

interface Outcome {
  urgent: string;
  urgentHeard: string;
  published: { answers: string[]; heard: string };
  alive: string;
  large: string;
  large6: string;
  multicast: string;
  groupHeard: number;
  down: string;
  crowd: string;
  full: string;
  hops: string[];
}

let played: Promise<Outcome> | undefined;

/** Once for all tests of this file. */
function play(): Promise<Outcome> {
  played ??= playOnce();
  return played;
}

async function playOnce(): Promise<Outcome> {
  const base = mkdtempSync(join(tmpdir(), "tspod-manners-"));
  try {
    const main = join(import.meta.dir, "manners/main.ts");
    const script = `${hostScript}\nexec "${process.execPath}" "${main}" "${base}"`;
    const child = Bun.spawn([...unshareWords, "bash", "-ec", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    return JSON.parse(await child.stdout.text()) as Outcome; // main.ts has it
  } finally {
    Bun.spawnSync(["chmod", "-R", "u+rwX", base]); // overlayfs leaves a directory that nobody may enter
    rmSync(base, { recursive: true, force: true });
  }
}

const timeoutMs = 120_000;
const perl = program("perl");
const mannersTest = (name: string, check: (outcome: Outcome) => void): void =>
  namespaceTest(perl)(name, async () => check(await play()), timeoutMs);

mannersTest("urgent data goes out as such, and comes in in line", ({ urgent, urgentHeard }) =>
  expect({ urgent, urgentHeard }).toEqual({ urgent: "abc!def", urgentHeard: "! abcdef" }),
);

mannersTest("urgent data through a published port goes in line, or as over the TAP", (outcome) =>
  expect(outcome.published).toEqual({
    // a client that does not ask for what is urgent does not find it among the rest
    answers: ["abc!def", "abcdef"],
    heard: "abc!def abc!def ",
  }),
);

mannersTest("a container's kernel that asks whether the far end is there is answered", (outcome) =>
  expect(outcome.alive).toBe("alive"),
);

mannersTest("what a narrow part of the way takes is told to the container's kernel", (outcome) => {
  expect(outcome.large).toBe("too long, 1300, 1400");
  expect(outcome.large6).toBe("too long, 1300, 1400");
});

mannersTest("nobody outside hears what is for everybody", ({ multicast, groupHeard }) =>
  expect({ multicast, groupHeard }).toEqual({ multicast: "then x", groupHeard: 0 }),
);

mannersTest("a stream outlives its interface's going down", ({ down }) =>
  expect(down).toBe(`${4 << 20} whole`),
);

mannersTest("two thousand connections at once are all answered", ({ crowd }) =>
  expect(crowd).toBe("2000"),
);

const crowdAsked = (): string | undefined =>
  process.env["TSPOD_CROWD"] === undefined
    ? "no TSPOD_CROWD, which has 8,193 connections take ten seconds"
    : undefined;

namespaceTest(perl, crowdAsked)(
  "as many connections as there is room for, and the next when one has ended",
  async () => expect((await play()).full).toBe("waits, in, 8191"),
  timeoutMs,
);

namespaceTest(perl, program("busybox", "busybox-static"))(
  "traceroute finds the gateway, and behind it whom it asks for",
  async () => expect((await play()).hops).toEqual(["10.0.2.2", outside]),
  timeoutMs,
);
