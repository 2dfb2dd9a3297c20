/** `tspod images` of a store with 500 of them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { print } from "../driver/steps.ts";
import { writeLayout } from "../support/oci-image.ts";
import { makeWorld, tspodFile } from "../support/world.ts";
import { interleave } from "./measure.ts";

const imageCount = 500;
const rounds = 21;

export async function measureListed(): Promise<void> {
  await using world = await makeWorld({ registriesConf: "" });
  const layout = join(world.home, "layout");
  await writeImages(layout);
  await world.ok("load", "-q", "-i", layout);
  const listings = [[], ["-q"], ["--format", "json"], ["-f", "label=number=3"]];
  const candidates = listings.map((words) => ({
    name: ["images", ...words].join(" "),
    run: async (): Promise<void> => {
      const child = Bun.spawn([tspodFile, "images", ...words], {
        ...{ env: world.environment, stdin: "ignore", stdout: "ignore", stderr: "inherit" },
      });
      if ((await child.exited) !== 0) throw new Error(`images ${words.join(" ")} failed`);
    },
  }));
  for (const { name, medianMs, fastestMs } of await interleave(candidates, rounds)) {
    const times = `${medianMs.toFixed(1)} ms, fastest ${fastestMs.toFixed(1)}`;
    print(`${name}, ${imageCount} images: ${times} (goal 50)`);
  }
}

/** Each with a name of its own, and one layer that all have. */
async function writeImages(directory: string): Promise<void> {
  mkdirSync(directory);
  const base = [{ path: "f", content: "all have it" }];
  const images = Array.from({ length: imageCount }, (_, number) => ({
    layers: [base, [{ path: "number", content: `${number}` }]],
    config: { Cmd: ["sh"], Labels: { number: `${number}` } },
  }));
  await writeLayout(directory, images);
  const read = (path: string) =>
    JSON.parse(readFileSync(join(directory, path), "utf8")) as { manifests: { digest: string }[] };
  const [index] = read("index.json").manifests;
  const { manifests } = read(join("blobs", (index?.digest ?? "").replace(":", "/")));
  const named = manifests.map((manifest, number) => ({
    ...{ ...manifest, platform: undefined },
    annotations: {
      "org.opencontainers.image.ref.name": `localhost/team-${number % 50}/app:v${number}`,
    },
  }));
  const text = JSON.stringify({ schemaVersion: 2, manifests: named });
  writeFileSync(join(directory, "index.json"), text);
}
