/** What the store remembers of ports that speak plain HTTP: nobody is greeted in TLS twice, and a port may change its mind. */
import { describe, expect } from "bun:test";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { scriptedImage, startScriptedRegistry } from "../support/scripted-registry.ts";
import { startSecuredRegistry } from "../support/secured-registry.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms, program("openssl"));

interface Relay extends Disposable {
  address: string;
  /** Where the next connections lead: "127.0.0.1:5000". */
  target: string;
  /** How connections began: "TLS", or the first word of a request. */
  greetings: string[];
}

describe("a port that has spoken plain HTTP", () => {
  test("is not greeted in TLS again: a pull of what is present is one request", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    using relay = await startRelay(registry.address);
    await using world = await makeWorld({ registriesConf: "" });
    await world.ok("pull", "-q", `${relay.address}/team/app:1`);
    expect(relay.greetings.filter((word) => word === "TLS").length).toBe(1);
    relay.greetings.length = registry.requests.length = 0;
    await world.ok("pull", "-q", `${relay.address}/team/app:1`);
    expect(relay.greetings).toEqual(["GET"]);
    expect(registry.requests.map(({ path }) => path)).toEqual(["/v2/team/app/manifests/1"]);
  });

  test("may speak TLS the next time, and plain HTTP after that", async () => {
    await using plain = await startScriptedRegistry(await scriptedImage());
    using secured = await startSecuredRegistry("tls");
    using relay = await startRelay(plain.address);
    await using world = await makeWorld({ registriesConf: "" });
    world.environment.SSL_CERT_FILE = secured.authority;
    const pull = (): Promise<string> => world.ok("pull", "-q", `${relay.address}/team/app:1`);
    const id = await pull();
    relay.target = secured.address;
    const other = await pull();
    expect(other).not.toBe(id);
    relay.greetings.length = 0;
    expect(await pull()).toBe(other);
    expect(relay.greetings).not.toContain("GET");
    relay.target = plain.address;
    expect(await pull()).toBe(id);
  });

  test("and is gone is said to be unreachable", async () => {
    const registry = await startScriptedRegistry(await scriptedImage());
    await using world = await makeWorld({ registriesConf: "" });
    const name = `${registry.address}/team/app:1`;
    await world.ok("pull", "-q", name);
    await registry[Symbol.asyncDispose]();
    const { exitCode, stderr } = await world.tspod(["pull", name]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 125,
      stderr: expect.stringMatching(/Cannot reach .*: the connection was refused/),
    });
  });
});

async function startRelay(target: string): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const [host = "", port = ""] = relay.target.split(":");
    const onward = connect(Number(port), host);
    for (const each of [socket, onward]) {
      sockets.add(each);
      each.on("error", () => undefined); // whoever breaks off has a reason
    }
    socket.once("data", (chunk) => {
      relay.greetings.push(chunk[0] === 0x16 ? "TLS" : (chunk.toString().split(" ")[0] ?? ""));
    });
    socket.pipe(onward).pipe(socket);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  const relay: Relay = {
    ...{ address: `127.0.0.1:${port}`, target, greetings: [] },
    [Symbol.dispose]() {
      for (const each of sockets) each.destroy();
      server.close();
    },
  };
  return relay;
}
