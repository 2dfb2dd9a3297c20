/**
 * Not a test but the program that runtime.test.ts fuses: it uses what tspod needs of its runtime and prints one JSON
 * object, name -> result. Started with "child" it only says so.
 */
import { Database } from "bun:sqlite";
import { Cli, Command } from "clipanion";
import ky from "ky";
import { createHash } from "node:crypto";
import { lookup } from "node:dns/promises";
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { parse } from "smol-toml";
import { extract, pack } from "tar-stream";

const checks: Record<string, () => unknown> = {
  gzip: () => gunzipSync(gzipSync("x".repeat(1e5))).length,
  brotli: () => brotliDecompressSync(brotliCompressSync("y".repeat(1e5))).length,
  zstd: () => zstdDecompressSync(zstdCompressSync("z".repeat(1e5))).length,
  sha256: () => createHash("sha256").update("abc").digest("hex").slice(0, 8),
  sqlite: () => {
    using database = new Database(":memory:");
    database.run("create table t (a integer)");
    for (let i = 0; i < 1000; i++) database.run("insert into t values (?)", [i]);
    return database.query<{ sum: number }, []>("select sum(a) as sum from t").get()?.sum;
  },
  /** ICU is C++ with std::call_once, maps, hash tables and dynamic_cast. */
  intl: () => [
    new Intl.DateTimeFormat("de-DE", { dateStyle: "full", timeZone: "Asia/Tokyo" }).format(0),
    new Intl.NumberFormat("en", { notation: "compact" }).format(1e7),
    ["z", "ä", "a"].sort(new Intl.Collator("sv").compare).join(""),
    new Intl.PluralRules("ru").select(3),
    new Intl.ListFormat("en").format(["a", "b", "c"]),
    [...new Intl.Segmenter("en", { granularity: "word" }).segment("a b c")].length,
  ],
  spawn: async () => {
    const child = Bun.spawn([process.execPath, "child"], { stdout: "pipe" });
    return [await child.stdout.text(), await child.exited];
  },
  "spawn /proc/self/exe": () => Bun.spawnSync(["/proc/self/exe", "child"]).stdout.toString(),
  "native verb": () => Bun.spawnSync(["/proc/self/exe", "native", "true"]).exitCode,
  "soft limit of files": () => Bun.spawnSync(["sh", "-c", "ulimit -Sn"]).stdout.toString().trim(),
  files: () => {
    const directory = mkdtempSync(join(tmpdir(), "probe-"));
    for (const name of ["b", "a"]) writeFileSync(join(directory, name), name);
    const names = readdirSync(realpathSync(directory)).sort();
    rmSync(directory, { recursive: true });
    return names;
  },
  "sockets, threads and parsing": async () => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (r) => Response.json(r.url),
    });
    const bodies = await Promise.all(
      Array.from({ length: 20 }, (_, i) => fetch(`${server.url}${i}`).then((r) => r.json())),
    );
    return new Set(bodies).size;
  },
  "unix socket": async () => {
    const unix = join(tmpdir(), `probe-${process.pid}.sock`);
    using _server = Bun.serve({ unix, fetch: () => new Response("u") });
    return (await fetch("http://x/", { unix })).text();
  },
  /** None of them may need code made out of strings: the program refuses that. */
  packages: async () => {
    class Hello extends Command {
      static override paths = [["hello"]];
      execute = async () => 42;
    }
    const cli = new Cli();
    cli.register(Hello);
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("k") });
    const archive = pack();
    archive.entry({ name: "a" }, "content");
    archive.finalize();
    const names: string[] = [];
    for await (const entry of archive.pipe(new PassThrough()).pipe(extract())) {
      names.push(entry.header.name);
      entry.resume();
    }
    return [
      await cli.run(["hello"]),
      await ky(String(server.url)).text(),
      names,
      parse("[a]\nb = 1"),
    ];
  },
  "code from strings": () => {
    try {
      return new Function("return 1")() as unknown;
    } catch (error) {
      return (error as Error).name;
    }
  },
  "stack trace": () => {
    try {
      throw new TypeError("on purpose");
    } catch (error) {
      return String(error);
    }
  },
  "garbage collection": () => {
    const kept = Array.from({ length: 3e5 }, (_, i) => ({ i }));
    Bun.gc(true);
    return kept.length;
  },
  "name resolution": async () => (await lookup("localhost", { family: 4 })).address,
  ...(process.env.PROBE_NAME && {
    "name server": async () => {
      using _server = await startNameServer();
      return (await lookup(process.env.PROBE_NAME ?? "", { family: 4 })).address;
    },
  }),
};

/** RFC 1035: answers every question with one address, 192.0.2.7, or none when it is not of type A. */
async function startNameServer(): Promise<Disposable> {
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 53,
    socket: {
      data: (self, query, port, address) => {
        const isAddress = query[query.length - 3] === 1;
        const head = Buffer.concat([
          query.subarray(0, 2),
          Buffer.from([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
        ]);
        if (!isAddress) head[7] = 0;
        const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
        self.send(
          Buffer.concat([head, query.subarray(12), Buffer.from(isAddress ? answer : [])]),
          port,
          address,
        );
      },
    },
  });
  return { [Symbol.dispose]: () => socket.close() };
}

if (process.argv[2] === "child") {
  console.log("child");
} else {
  const results: Record<string, unknown> = {};
  for (const [name, check] of Object.entries(checks)) {
    try {
      results[name] = await check();
    } catch (error) {
      results[name] = `failed: ${String(error)}`;
    }
  }
  console.log(JSON.stringify(results));
  process.exit(0);
}
