/** Ports of the host that are left to us: free, kept apart, and written down for every address. */
import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { parsePublish, settlePorts } from "../../src/network/index.ts";

const parse = (...texts: string[]) => texts.map((text) => parsePublish(text));
const around = { hasIpv6: false, taken: [] };

async function listening(): Promise<AsyncDisposable & { port: number }> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as { port: number };
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

test("what is given stays, on all addresses of both kinds", async () => {
  expect(
    await settlePorts(parse("8080:80", "127.0.0.1:1:2/udp"), { ...around, hasIpv6: true }),
  ).toEqual([...parse("0.0.0.0:8080:80", "[::]:8080:80", "127.0.0.1:1:2/udp")]);
  expect(await settlePorts(parse("8080:80"), around)).toEqual(parse("0.0.0.0:8080:80"));
});

test("random ports are free ones, of tcp and udp, one by one and in rows", async () => {
  const settled = await settlePorts(
    parse("127.0.0.1::80", "127.0.0.1::81/udp", "127.0.0.1::82-84"),
    around,
  );
  expect(settled.map(({ containerPort, count }) => [containerPort, count])).toEqual([
    [80, 1],
    [81, 1],
    [82, 3],
  ]);
  for (const { hostPort } of settled) expect(hostPort).toBeGreaterThan(1023);
});

test("of a range the first that nobody has: neither a program nor a container", async () => {
  await using server = await listening();
  const { port } = server;
  const taken = parse(`${port + 1}:1`);
  const [found] = await settlePorts(parse(`127.0.0.1:${port}-${port + 40}:80`), {
    ...around,
    taken,
  });
  expect(found?.hostPort).toBeGreaterThan(port + 1);
  expect(found?.choices).toBeUndefined();
  const full = settlePorts(parse(`127.0.0.1:${port}-${port + 1}:80`), { ...around, taken });
  expect(full).rejects.toThrow("a port of the range could not be found that is free");
});

test("two of one command never get the same", async () => {
  await using server = await listening();
  const texts = ["a", "b"].map(
    (_, index) => `127.0.0.1:${server.port}-${server.port + 40}:${80 + index}`,
  );
  const [one, other] = await settlePorts(parse(...texts), around);
  expect(one?.hostPort).not.toBe(other?.hostPort as number);
});
