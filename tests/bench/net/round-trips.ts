/** Small packets, asked for from inside: how long one takes there and back, and how many connections there are a second. */
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { median } from "../measure.ts";

const rounds = 1000;
const connections = 400;

/** Microseconds, the median. */
export async function tcpRoundTrip(address: string, port: number): Promise<number> {
  const socket = connect(port, address);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.setNoDelay(true);
  const us = await medianUs(
    () => socket.write("x"),
    (done) => void socket.once("data", done),
  );
  socket.destroy();
  return us;
}

/** Microseconds, the median. */
export async function udpRoundTrip(address: string, port: number): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.connect(port, address, resolve));
  const us = await medianUs(
    () => socket.send("x"),
    (done) => void socket.once("message", done),
  );
  socket.close();
  return us;
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

/** Each with one byte there and back, one after the other: how many a second. */
export async function connectionsPerSecond(address: string, port: number): Promise<number> {
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

const held: Socket[] = [];

/** So many connections that stay; zero: those end. How many there are. */
export async function hold(address: string, port: number, count: number): Promise<number> {
  if (count === 0) for (const socket of held.splice(0)) socket.destroy();
  while (held.length < count) {
    const socket = connect(port, address);
    held.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
  }
  return held.length;
}
