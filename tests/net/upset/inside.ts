/** What the container does when it is told to, a line of JSON at a time over a connection out of it. */
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { ask } from "./dns.ts";

export interface Request {
  op: "ask" | "talk" | "hold" | "drop" | "read" | "echo";
  host: string;
  port: number;
  count: number;
  /** Of a talk: in hexadecimal digits. */
  segments: string[];
}

const patience_ms = 3_000;
const held: Socket[] = [];

/** All that a server says; what went wrong otherwise. */
async function read(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  return await new Promise((resolve) => {
    let text = "";
    socket.on("data", (data) => void (text += data.toString()));
    socket.on("end", () => resolve(text));
    socket.on("error", (error) => resolve(error.message));
    socket.setTimeout(patience_ms, () => {
      socket.destroy();
      resolve("silence");
    });
  });
}

/** All that is said to these segments, each of which is sent on its own. */
async function talk(host: string, port: number, segments: string[]): Promise<string> {
  const socket = connect({ host, port, noDelay: true });
  const parts: Buffer[] = [];
  const end = new Promise<void>((resolve) => {
    socket.on("data", (part: Buffer) => void parts.push(part));
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
  });
  for (const segment of segments) {
    await new Promise<unknown>((resolve) => socket.write(Buffer.from(segment, "hex"), resolve));
  }
  socket.end();
  await end;
  return Buffer.concat(parts).toString("hex");
}

/** How many of so many connections came to be. They stay. */
async function hold(host: string, port: number, count: number): Promise<number> {
  const tries = Array.from({ length: count }, async () => {
    const socket = connect({ host, port });
    held.push(socket);
    return await new Promise<number>((resolve) => {
      socket.on("connect", () => resolve(1));
      socket.on("error", () => resolve(0));
      setTimeout(() => resolve(0), patience_ms);
    });
  });
  return (await Promise.all(tries)).reduce((sum, one) => sum + one, 0);
}

/** A datagram of that size there and back. */
async function echo(host: string, port: number, bytes: number): Promise<boolean> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const data = Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7) & 0xff));
  const back = await new Promise<Buffer | undefined>((resolve) => {
    socket.on("message", resolve);
    socket.on("error", () => resolve(undefined));
    setTimeout(() => resolve(undefined), patience_ms);
    socket.send(data, port, host);
  });
  socket.close();
  return back?.equals(data) === true;
}

async function answer({ op, host, port, count, segments }: Request): Promise<unknown> {
  switch (op) {
    case "talk":
      return await talk(host, port, segments);
    case "ask":
      return (await ask(host)) ?? null;
    case "hold":
      return await hold(host, port, count);
    case "drop":
      for (const socket of held.splice(0)) socket.destroy();
      return null;
    case "read":
      return await read(host, port);
    case "echo":
      return await echo(host, port, count);
  }
}

const [host = "", port = ""] = process.argv.slice(2);
const control = connect({ host, port: Number(port) });
let rest = "";
control.on("data", (data) => {
  rest += data.toString();
  const lines = rest.split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    void answer(JSON.parse(line) as Request).then((value) => {
      control.write(`${JSON.stringify({ value })}\n`);
    });
  }
});
control.on("close", () => process.exit());
