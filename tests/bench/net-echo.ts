/** The small packets of the network benchmark: an echo server outside, and who asks it from inside. */
import { createSocket } from "node:dgram";
import { createServer, connect } from "node:net";
import { median } from "./measure.ts";

const rounds = 2000;
const connections = 1000;

export async function serveEcho(addresses: string[], port: number): Promise<void> {
  for (const address of addresses) {
    const server = createServer((client) => {
      client.setNoDelay(true);
      client.on("error", () => {}); // it has gone: so be it
      client.pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(port, address, resolve));
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("message", (data, from) => socket.send(data, from.port, from.address));
    await new Promise<void>((resolve) => void socket.bind(port, address, resolve));
  }
}

export async function measureInside(address: string, port: number): Promise<void> {
  const tell = (title: string, value: string): void => console.log(title.padEnd(28) + value);
  tell("one byte over TCP", `${(await tcpRoundTrip(address, port)).toFixed(0)} us`);
  tell("one byte over UDP", `${(await udpRoundTrip(address, port)).toFixed(0)} us`);
  tell("connections", `${(await connectionsPerSecond(address, port)).toFixed(0)} a second`);
  process.exit();
}

async function tcpRoundTrip(address: string, port: number): Promise<number> {
  const socket = connect(port, address);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.setNoDelay(true);
  return await medianUs(
    () => socket.write("x"),
    (done) => void socket.once("data", done),
  );
}

async function udpRoundTrip(address: string, port: number): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.connect(port, address, resolve));
  return await medianUs(
    () => socket.send("x"),
    (done) => void socket.once("message", done),
  );
}

async function medianUs(send: () => unknown, heard: (done: () => void) => void): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    const answer = new Promise<void>((resolve) => heard(resolve));
    send();
    await answer;
    times.push((performance.now() - started) * 1000);
  }
  return median(times);
}

/** Each with one byte there and back, one after the other. */
async function connectionsPerSecond(address: string, port: number): Promise<number> {
  const started = performance.now();
  for (let count = 0; count < connections; count += 1) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, address, () => socket.write("x"));
      socket.once("data", () => socket.end());
      socket.once("close", () => resolve());
      socket.once("error", reject);
    });
  }
  return (connections * 1000) / (performance.now() - started);
}
