/** `outside.ts ADDRESS...`: the servers that are asked from inside: an echo over TCP and UDP, HTTP, names. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { outer } from "./ports.ts";

const addresses = process.argv.slice(2);
for (const address of addresses) {
  const server = createServer((client) => {
    client.setNoDelay(true);
    client.on("error", () => {}); // it has gone: so be it
    client.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(outer.echo, address, resolve));
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => {}); // who has asked is gone
  socket.on("message", (data, from) => socket.send(data, from.port, from.address));
  await new Promise<void>((resolve) => void socket.bind(outer.echo, address, resolve));
}
Bun.serve({ port: outer.http, hostname: "0.0.0.0", fetch: () => new Response("hello\n") });
await serveNames(addresses[0] ?? "");
console.log("ready");

/** Every name is at one address. */
async function serveNames(address: string): Promise<void> {
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 198, 51, 100, 1]);
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  socket.on("message", (query, from) => {
    // The question alone: what follows it (EDNS) is not answered.
    let end = 12;
    while ((query[end] ?? 0) !== 0) end += (query[end] ?? 0) + 1;
    const answer = Buffer.concat([query.subarray(0, end + 5), record]);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(1, 6);
    answer.writeUInt16BE(0, 10);
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => void socket.bind(53, address, resolve));
}
