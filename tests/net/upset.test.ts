/** A host whose name servers die, whose address changes and whose descriptors run out: upset/main.ts plays it. */
import { describe, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../support/requirements.ts";
import { hostScript, unshareWords } from "./bare-container.ts";
import { namespaceTest } from "./namespace-test.ts";

let played: Promise<Record<string, unknown>> | undefined;

/** Once for all tests of this file. */
function play(): Promise<Record<string, unknown>> {
  played ??= playOnce();
  return played;
}

async function playOnce(): Promise<Record<string, unknown>> {
  const base = mkdtempSync(join(tmpdir(), "tspod-upset-"));
  try {
    const main = join(import.meta.dir, "upset/main.ts");
    const script = `${hostScript}\nexec "${process.execPath}" "${main}" "${base}"`;
    const child = Bun.spawn([...unshareWords, "bash", "-ec", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    return JSON.parse(await child.stdout.text()) as Record<string, unknown>; // main.ts has it
  } finally {
    Bun.spawnSync(["chmod", "-R", "u+rwX", base]); // overlayfs leaves a directory that nobody may enter
    rmSync(base, { recursive: true, force: true });
  }
}

const upsetTest = namespaceTest(program("prlimit", "util-linux"));
const good = { code: 0, address: "192.0.2.15" };
const timeoutMs = 120_000;

describe("name servers", () => {
  upsetTest(
    "one that is silent, refuses or is not there is left for the next one",
    async () => {
      const { afterSilence, afterRefusal, afterNobody } = await play();
      expect({ afterSilence, afterRefusal, afterNobody }).toEqual({
        ...{ afterSilence: good, afterRefusal: good, afterNobody: good },
      });
    },
    timeoutMs,
  );

  upsetTest(
    "that none answers is said before libc's patience ends, also after resolv.conf has changed",
    async () => {
      const { allSilent, nobodyThere, refused } = await play();
      expect({ allSilent, nobodyThere, refused }).toEqual({
        ...{ allSilent: { code: 2 }, nobodyThere: { code: 2 }, refused: { code: 5 } },
      });
    },
    timeoutMs,
  );
});

describe("names over TCP", () => {
  const own = { code: 0, address: "10.0.2.2" };

  upsetTest(
    "those of ours and of others, in parts, several at once, and after a length that lies none",
    async () => {
      const { inParts, several, lies } = await play();
      expect({ inParts, several, lies }).toEqual({
        ...{ inParts: [own], several: [own, good, own], lies: [own] },
      });
    },
    timeoutMs,
  );

  upsetTest(
    "--egress refuses a name there, too, and lets in where one leads that it allows",
    async () => {
      const { notAllowed, opened } = await play();
      expect(notAllowed).toEqual([{ code: 5 }]);
      expect(opened).toEqual([expect.not.stringMatching("welcome"), "welcome"]);
    },
    timeoutMs,
  );
});

upsetTest(
  "the host is reached by its new address as it was by the old, also as the gateway",
  async () => {
    const { before, after } = await play();
    expect({ before, after }).toEqual({
      before: ["welcome", "welcome"],
      after: ["welcome", "welcome"],
    });
  },
  timeoutMs,
);

upsetTest(
  "datagrams larger than the MTU of 1500 get there and back",
  async () => expect((await play()).echoes).toEqual([true, true, true, true]),
  timeoutMs,
);

upsetTest(
  "without descriptors connections wait or fail, and the network goes on when there are some",
  async () => {
    const { wasFull, greeting } = await play();
    expect({ wasFull, greeting }).toEqual({ wasFull: true, greeting: "welcome" });
  },
  timeoutMs,
);
