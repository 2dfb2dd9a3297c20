/**
 * The tests' registry is a real one: Debian's docker-registry on a free port of 127.0.0.1, filled by skopeo. One serves a
 * whole run: `npm test` starts it and names it in TSPOD_TEST_REGISTRY; a test started by hand makes its own.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBusyboxImages } from "./busybox-images.ts";
import { sharedImages } from "./requirements.ts";
import { until } from "./wait.ts";

export interface Registry extends Disposable {
  /** "127.0.0.1:port", plain HTTP. Everything lies under "library/". */
  address: string;
}

const variable = "TSPOD_TEST_REGISTRY";
let shared: Promise<Registry> | undefined;

/** The registry of this run. */
export function sharedRegistry(): Promise<Registry> {
  const address = process.env[variable];
  shared ??= address
    ? Promise.resolve({ address, [Symbol.dispose]: () => undefined })
    : startRegistry();
  return shared;
}

/** Start and fill one; disposing of it stops it and deletes what it holds. */
export async function startRegistry(): Promise<Registry> {
  const directory = mkdtempSync(join(tmpdir(), "tspod-registry-"));
  const log = join(directory, "log");
  writeFileSync(
    join(directory, "config.yml"),
    `version: 0.1
storage: { filesystem: { rootdirectory: ${directory}/storage }, delete: { enabled: true } }
http: { addr: "127.0.0.1:0", secret: tests }
`,
  );
  // a test run that is killed takes its registry with it (PR_SET_PDEATHSIG)
  const dieWithUs = ["setpriv", "--pdeathsig", "KILL", "--"];
  const serve = ["docker-registry", "serve", join(directory, "config.yml")];
  const server = Bun.spawn([...dieWithUs, ...serve], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(log),
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none" },
  });
  const stop = (): void => {
    server.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", stop);
  const address = await until("the registry listens", () =>
    existsSync(log) ? /listening on ([\d.:]+)/.exec(readFileSync(log, "utf8"))?.[1] : undefined,
  );
  await fill(address, directory);
  return { address, [Symbol.dispose]: stop };
}

async function fill(address: string, directory: string): Promise<void> {
  const layouts = join(directory, "layouts");
  const names = await writeBusyboxImages(layouts);
  for (const name of names) await copy(join(layouts, name), "latest", `${address}/library/${name}`);
  // so that the README's tour runs where the real one is not; it is pushed over this when it is
  await copy(join(layouts, "tiny"), "latest", `${address}/library/alpine`);
  rmSync(layouts, { recursive: true });
  for (const [name, tag] of [
    ["alpine", "3.20"],
    ["busybox", "latest"],
  ] as const) {
    const layout = join(sharedImages, name);
    if (!existsSync(layout)) continue;
    await copy(layout, tag, `${address}/library/${name}`);
    if (tag !== "latest") await copy(layout, tag, `${address}/library/${name}`, tag);
  }
}

async function copy(layout: string, from: string, to: string, tag = "latest"): Promise<void> {
  await Bun.$`skopeo --insecure-policy copy --quiet --all --dest-tls-verify=false \
    oci:${layout}:${from} docker://${to}:${tag}`.quiet();
}
