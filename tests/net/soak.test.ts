/** Random connections and datagrams in all directions at once, every byte checked at both ends: see soak/main.ts. */
import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tracerPrograms } from "../support/faults.ts";
import { random } from "../support/random.ts";
import type { Requirement } from "../support/requirements.ts";
import { hostScript, unshareWords } from "./bare-container.ts";
import { namespaceTest } from "./namespace-test.ts";
import type { Report } from "./soak/party.ts";

/** TSPOD_SOAK=600 is ten minutes. */
const seconds = Number(process.env.TSPOD_SOAK ?? 3);

interface Reports {
  outer: Report;
  inner: Report;
  /** Of each call: how many there were, and how many of them the kernel refused. */
  refused?: Record<string, [number, number]>;
}

/** `every`: the kernel has no buffers for two in so many calls. */
async function soak(seed: number, every?: number): Promise<Reports> {
  const base = mkdtempSync(join(tmpdir(), "tspod-soak-"));
  try {
    const main = join(import.meta.dir, "soak/main.ts");
    const words = ["host", seconds, seed, base, ...(every === undefined ? [] : [every])];
    const script = `${hostScript}\nexec "${process.execPath}" "${main}" ${words.join(" ")}`;
    const child = Bun.spawn([...unshareWords, "bash", "-ec", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const text = await child.stdout.text();
    if (process.env.TSPOD_SOAK !== undefined) console.log(text);
    return JSON.parse(text) as Reports; // main.ts has it
  } finally {
    Bun.spawnSync(["chmod", "-R", "u+rwX", base]); // overlayfs leaves a directory that nobody may enter
    rmSync(base, { recursive: true, force: true });
  }
}

const timeoutMs = (seconds + 150) * 1000;

namespaceTest()(
  `${seconds} seconds of everything at once`,
  async () => {
    const { seed } = random();
    const { outer, inner } = await soak(seed);
    expect({ seed, outer: outer.failures, inner: inner.failures }).toEqual({
      ...{ seed, outer: [], inner: [] },
    });
  },
  timeoutMs,
);

const x64: Requirement = () =>
  process.arch === "x64" ? undefined : "this host has other registers than x86-64";

namespaceTest(...tracerPrograms, x64)(
  "the same on a host without memory: no byte is lost for calls that end with ENOBUFS",
  async () => {
    const { seed } = random();
    const { outer, inner, refused } = await soak(seed, 41);
    expect({ seed, outer: outer.failures, inner: inner.failures }).toEqual({
      ...{ seed, outer: [], inner: [] },
    });
    const total = (calls: string[]): number =>
      calls.reduce((sum, call) => sum + (refused?.[call]?.[1] ?? 0), 0);
    for (const calls of [
      ["sendto", "sendmsg", "sendmmsg"],
      ["recvfrom", "recvmsg", "recvmmsg"],
      ["splice"],
    ]) {
      expect({ calls, refused: total(calls) > 10 }).toEqual({ calls, refused: true });
    }
  },
  timeoutMs,
);
