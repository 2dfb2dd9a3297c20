/** pull's flags, and what registries.conf, policy.json and the proxy variables make of a name. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { sharedRegistry } from "../support/debian-registry.ts";
import { faultyRegistry } from "../support/faulty-registry.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { expectSentence } from "../support/sentence.ts";
import { makeWorld, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);
const canRun = registryPrograms.every((requirement) => requirement() === undefined);

let world: World;
let address = "";
const mine = `pull-${process.pid}-${Date.now()}`;

beforeAll(async () => {
  if (!canRun) return;
  ({ address } = await sharedRegistry());
  world = await makeWorld({ images: ["tiny"] });
  for (const tag of ["a", "b"])
    await world.ok("push", "-q", "tiny", `${address}/${mine}/tags:${tag}`);
}, 60_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

/** Something in ~/.config/containers, for one test. */
function configured(name: string, text: string): Disposable {
  const path = join(world.home, ".config/containers", name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return { [Symbol.dispose]: () => rmSync(path) };
}

const namesOf = (own: World): Promise<string> =>
  own.ok("images", "--format", "{{.Repository}}:{{.Tag}}");

describe("pull", () => {
  test("--all-tags: each of them, once", async () => {
    const id = await world.ok("pull", "-q", "--all-tags", `docker://${address}/${mine}/tags`);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const names = await namesOf(world);
    for (const tag of ["a", "b"]) expect(names).toContain(`${address}/${mine}/tags:${tag}`);
    expectSentence(await world.tspod(["pull", "-a", `${address}/${mine}/tags:a`]), "without a tag");
    expectSentence(await world.tspod(["pull", "-a", `${address}/${mine}/none`]), `${mine}/none`);
  });

  test("--arch and --all-platforms of an index", async () => {
    await using own = await makeWorld();
    await own.ok("pull", "-q", "--arch", "s390x", "elsewhere");
    const [image] = JSON.parse(await own.ok("inspect", "elsewhere")) as { Architecture: string }[];
    expect(image?.Architecture).toBe("s390x");
    const all = await own.tspod(["pull", "--all-platforms", "elsewhere"]);
    expectSentence(all, "linux/riscv64"); // its tag has nothing for this machine, and the others are here
    expect((await own.ok("images", "-aq", "--no-trunc")).split("\n").length).toBe(2);
  });

  test("--progress: a line of JSON for each change, for whoever reads it; plain lines; nothing", async () => {
    await using own = await makeWorld();
    const { stdout, stderr } = await own.tspod(["pull", "--progress=json", "layered"]);
    const lines = stderr.trimEnd().split("\n");
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told[0]).toEqual({ status: "pulling", reference: "docker.io/library/layered:latest" });
    const ofLast = told.filter(({ id }) => id === told.at(-1)?.id);
    const { total } = ofLast[0] ?? {};
    expect(ofLast.at(0)).toMatchObject({ status: "queued", current: 0 });
    expect(ofLast.at(-1)).toMatchObject({ status: "done", current: total, total });
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
    const pushed = await own.tspod(["push", "--progress=json", "layered", `${address}/${mine}/p`]);
    expect(pushed.stderr).toContain(
      `{"status":"pushing","reference":"${address}/${mine}/p:latest"}`,
    );
    expect(pushed.stderr).toContain('"status":"done"');
    const silent = await own.tspod(["pull", "--progress", "none", "tiny"]);
    expect(silent).toMatchObject({ exitCode: 0, stderr: "" });
    expectSentence(await own.tspod(["pull", "--progress", "fancy", "tiny"]), "fancy", /use one of/);
    expectSentence(await own.tspod(["push", "--progress", "fancy", "tiny"]), "fancy");
  });

  test("--policy: missing asks nobody, newer goes on with what is here, never says so", async () => {
    await using registry = await faultyRegistry(() => undefined);
    const conf = `[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "${registry.address}"\n`;
    await using own = await makeWorld({ registriesConf: conf });
    expectSentence(await own.tspod(["pull", "--policy", "never", "tiny"]), "never");
    expect(registry.requests).toEqual([]);
    const id = await own.ok("pull", "-q", "--policy", "missing", "tiny");
    const count = registry.requests.length;
    expect(await own.ok("pull", "-q", "--policy", "missing", "tiny")).toBe(id);
    expect(registry.requests.length).toBe(count);
    await own.ok("pull", "-q", "tiny");
    expect(registry.requests.length).toBe(count + 1);
  });

  test("--retry and --retry-delay", async () => {
    let count = 0;
    await using registry = await faultyRegistry(() => {
      count += 1;
      return new Response("no", { status: 503 });
    });
    const result = await world.tspod([
      ...["pull", "--retry", "2", "--retry-delay", "1ms"],
      `${registry.address}/library/tiny`,
    ]);
    expectSentence(result, "503");
    expect(count).toBe(3);
  });

  test.each([
    [["--all-platforms", "--all-tags"], "--all-tags"],
    [["--all-platforms", "--arch", "arm64"], "a platform"],
    [["--platform", "linux/arm64", "--arch", "arm64"], "--platform"],
    [["--policy", "sometimes"], "always, missing"],
    [["--retry", "many"], "--retry"],
    [["--retry-delay", "soon"], "soon"],
    [["--creds", ":x"], "no user"],
    [["--cert-dir", "/nowhere"], "/nowhere"],
  ])("%j is refused", async (flags, why) => {
    expectSentence(await world.tspod(["pull", ...flags, `${address}/library/layered`]), why);
  });
});

describe("names without a registry", () => {
  test("an alias, also from a drop-in: pulled, run, and asked for no more", async () => {
    using _ = configured(
      "registries.conf.d/50-names.conf",
      `[aliases]\n"short" = "${address}/library/configured"\n`,
    );
    await world.ok("pull", "-q", "short:latest");
    expect(await namesOf(world)).toContain(`${address}/library/configured:latest`);
    const { stdout, stderr } = await world.tspod(["run", "--rm", "short"]);
    expect([stdout, stderr]).toEqual(["entry from-image\n", ""]);
  });

  test("the search list, in its order; a name that is nowhere", async () => {
    const list = `["127.0.0.1:9", "${address}/library"]`;
    using _ = configured("registries.conf.d/60.conf", `unqualified-search-registries = ${list}\n`);
    await world.ok("pull", "-q", "commandless");
    expect(await namesOf(world)).toContain(`${address}/library/commandless:latest`);
    expectSentence(await world.tspod(["pull", "nowhere"]), "anywhere", "127.0.0.1:9", address);
  });
});

describe("policy.json", () => {
  const accept = [{ type: "insecureAcceptAnything" }];
  const policy = (docker: object, fallback: object[] = accept): string =>
    JSON.stringify({ default: fallback, transports: { docker } });

  test.each([
    ["the image", (at: string) => `${at}/library/layered:latest`],
    ["its repository", (at: string) => `${at}/library/layered`],
    ["what it lies in", (at: string) => `${at}/library`],
    ["its registry", (at: string) => at],
    ["all registries", () => ""],
  ])("that rejects %s", async (_, scope) => {
    using __ = configured("policy.json", policy({ [scope(address)]: [{ type: "reject" }] }));
    expectSentence(await world.tspod(["pull", `${address}/library/layered`]), "rejects");
  });

  test("rejects all but some; wants signatures; is broken", async () => {
    {
      const scopes = { [`${address}/library`]: accept };
      using _ = configured("policy.json", policy(scopes, [{ type: "reject" }]));
      await world.ok("pull", "-q", `${address}/library/layered`);
      expectSentence(await world.tspod(["pull", `${address}/${mine}/tags:a`]), "default");
      // what is here is the user's
      expect(await world.ok("run", "--rm", "tiny", "echo", "here")).toBe("here");
    }
    {
      using _ = configured("policy.json", policy({}, [{ type: "signedBy" }]));
      expectSentence(await world.tspod(["pull", `${address}/library/layered`]), "signature");
    }
    using _ = configured("policy.json", "{");
    expectSentence(await world.tspod(["pull", `${address}/library/layered`]), "not JSON");
  });
});

describe("a proxy", () => {
  test("is used as the variables say, for plain HTTP and for TLS", async () => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      const [, path] = /^http:\/\/registry\.test(\/.*)/.exec(request.url ?? "") ?? [];
      fetch(`http://${address}${path}`, {
        headers: { accept: request.headers.accept ?? "*/*" },
        decompress: false,
      }).then(
        async (answer) => {
          response.writeHead(answer.status, Object.fromEntries(answer.headers));
          response.end(new Uint8Array(await answer.arrayBuffer()));
        },
        () => response.destroy(),
      );
    });
    server.on("connect", (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      const { port } = new URL(`http://${address}`);
      const other = connect(Number(port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        other.pipe(socket);
        socket.pipe(other);
      });
      other.on("error", () => socket.destroy());
      socket.on("error", () => other.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo; // listening on TCP
    const proxy = `http://127.0.0.1:${port}`;
    const environment = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
    try {
      const name = "registry.test/library/volumes";
      const pulled = await world.tspod(["pull", "-q", "--tls-verify=false", name], { environment });
      expect([pulled.exitCode, pulled.stderr]).toEqual([0, ""]);
      expect(seen[0]).toBe("CONNECT registry.test:443");
      expect(
        seen.filter((one) => one.startsWith("GET http://registry.test/v2/")).length,
      ).toBeGreaterThan(3);
      seen.length = 0;
      const around = { ...environment, NO_PROXY: "registry.test" };
      expectSentence(await world.tspod(["pull", name], { environment: around }), "registry.test");
      expect(seen).toEqual([]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

test("nothing is left of what was refused", () => {
  expect(readdirSync(join(world.root, "data/ingest"))).toEqual([]);
});
