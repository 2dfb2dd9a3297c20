/** The floor under a pull: the same layers, all at once, from the same registry through gzip and tar in a user namespace. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeWorld } from "../support/world.ts";
import { command } from "./measure.ts";

const programs = ["curl", "gzip", "tar", "unshare"];

interface Manifest {
  layers: { digest: string }[];
}

/** Milliseconds for one round; undefined where a program is missing. `image` is "HOST:PORT/NAME:TAG". */
export async function unpackWithTar(image: string): Promise<number | undefined> {
  if (programs.some((name) => Bun.which(name) === null)) return undefined;
  await using world = await makeWorld({ registriesConf: "" });
  const [, host = "", name = "", tag = ""] = /^([^/]+)\/(.*):([^:]+)$/.exec(image) ?? [];
  const from = `http://${host}/v2/${name}`;
  const accept = "application/vnd.oci.image.manifest.v1+json";
  const response = await fetch(`${from}/manifests/${tag}`, { headers: { accept } });
  const { layers } = (await response.json()) as Manifest; // our own registry's
  const base = join(world.home, "unpacked");
  const pipes = layers.map(({ digest }, index) => {
    const directory = join(base, String(index));
    mkdirSync(directory, { recursive: true });
    return `curl -sf ${from}/blobs/${digest} | gzip -dc | tar -xf - -C ${directory} &`;
  });
  const script = `${pipes.join("\n")}\nwait`;
  const started = performance.now();
  await command(
    ["unshare", "--map-root-user", "--map-auto", "sh", "-c", script],
    world.environment,
  );
  const elapsedMs = performance.now() - started;
  rmSync(base, { recursive: true, force: true });
  return elapsedMs;
}
