/** What the program needs of Bun, C library and C++ library works in a fused executable, not only in plain Bun. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeBuild } from "../../zig/single-file/build-info.ts";
import { targets } from "../../zig/single-file/musl-bun.ts";
import { buildProgram } from "../../zig/single-file/release.ts";
import { program, testWith } from "../support/requirements.ts";

const target = targets.find(({ name }) => name === process.arch);
const directory = mkdtempSync(join(tmpdir(), "tspod-probe-"));
const probe = join(directory, "probe");

beforeAll(async () => {
  if (!target) throw new Error(`No release is made for ${process.arch}`);
  const work = join(directory, "work");
  mkdirSync(work);
  const info = await describeBuild("release", "");
  writeFileSync(
    probe,
    await buildProgram(target, info, work, join(import.meta.dir, "runtime-probe.ts")),
  );
  chmodSync(probe, 0o755);
}, 300_000);

afterAll(() => rmSync(directory, { recursive: true }));

async function run(command: string[], environment: Record<string, string> = {}): Promise<unknown> {
  const child = Bun.spawn(command, {
    env: { PATH: process.env.PATH ?? "", TMPDIR: directory, ...environment },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

const expected = {
  gzip: 1e5,
  brotli: 1e5,
  zstd: 1e5,
  sha256: "ba7816bf",
  sqlite: 499500,
  intl: ["Donnerstag, 1. Januar 1970", "10M", "azä", "few", "a, b, and c", 5],
  spawn: ["child\n", 0],
  "spawn /proc/self/exe": "child\n",
  "native verb": 0,
  "soft limit of files": "300",
  files: ["a", "b"],
  "sockets, threads and parsing": 20,
  "unix socket": "u",
  packages: [42, "k", ["a"], { a: { b: 1 } }],
  "code from strings": "EvalError",
  "stack trace": "TypeError: on purpose",
  "garbage collection": 3e5,
  "name resolution": "127.0.0.1",
};

describe("a fused program", () => {
  test("does what plain Bun does, and leaves the limits alone", async () => {
    expect(await run(["sh", "-c", "ulimit -Sn 300; exec $0", probe])).toEqual(expected);
  }, 30_000);

  testWith(program("unshare", "util-linux"), program("ip", "iproute2"))(
    "asks the name server of /etc/resolv.conf",
    async () => {
      const resolvConf = join(directory, "resolv.conf");
      writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
      const script = "ip link set lo up; mount --bind $1 /etc/resolv.conf; ulimit -Sn 300; exec $0";
      const enter = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-ec", script];
      const results = await run([...enter, probe, resolvConf], { PROBE_NAME: "probe.example" });
      expect(results).toEqual({ ...expected, "name server": "192.0.2.7" });
    },
    30_000,
  );
});
