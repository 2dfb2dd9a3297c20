/** Random connections and datagrams in all directions at once, every byte checked at both ends: see soak/main.ts. */
import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "../support/random.ts";
import { hostScript, unshareWords } from "./bare-container.ts";
import { namespaceTest } from "./namespace-test.ts";
import type { Report } from "./soak/party.ts";

/** TSPOD_SOAK=600 is ten minutes. */
const seconds = Number(process.env.TSPOD_SOAK ?? 3);

const soakTest = namespaceTest();

soakTest(
  `${seconds} seconds of everything at once`,
  async () => {
    const { seed } = random();
    const base = mkdtempSync(join(tmpdir(), "tspod-soak-"));
    try {
      const main = join(import.meta.dir, "soak/main.ts");
      const script = `${hostScript}\nexec "${process.execPath}" "${main}" host ${seconds} ${seed} "${base}"`;
      const child = Bun.spawn([...unshareWords, "bash", "-ec", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const text = await child.stdout.text();
      const { outer, inner } = JSON.parse(text) as { outer: Report; inner: Report };
      if (process.env.TSPOD_SOAK !== undefined) console.log(text);
      expect({ seed, outer: outer.failures, inner: inner.failures }).toEqual({
        ...{ seed, outer: [], inner: [] },
      });
    } finally {
      Bun.spawnSync(["chmod", "-R", "u+rwX", base]); // overlayfs leaves a directory that nobody may enter
      rmSync(base, { recursive: true, force: true });
    }
  },
  (seconds + 150) * 1000,
);
