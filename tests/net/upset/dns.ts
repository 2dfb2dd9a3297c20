/** As much of DNS as the tests need: questions, and name servers that answer them, or do not. */
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Socket as Stream } from "node:net";

export interface Answer {
  code: number;
  address: string | undefined;
}

/** In seconds a libc would wait: none of ours may take as long. */
const patience_ms = 5_000;

export function question(id: number, name = "www.example.org", type = 1): Buffer {
  const labels = name
    .split(".")
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const head = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

/** Undefined: nobody has answered in time. */
export async function ask(server: string): Promise<Answer | undefined> {
  const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
  try {
    const id = Math.floor(Math.random() * 65536);
    const answer = await new Promise<Buffer | undefined>((resolve) => {
      setTimeout(() => resolve(undefined), patience_ms);
      socket.on("message", resolve);
      socket.on("error", () => resolve(undefined));
      socket.send(question(id), 53, server);
    });
    if (answer === undefined || answer.readUInt16BE(0) !== id) return undefined;
    return read(answer);
  } finally {
    socket.close();
  }
}

function read(answer: Buffer): Answer {
  const hasAddress = answer.readUInt16BE(6) > 0;
  const address = hasAddress ? [...answer.subarray(-4)].join(".") : undefined;
  return { code: answer.readUInt8(3) & 0xf, address };
}

/** As they go over a stream, with their length before each. */
export function framed(...messages: Buffer[]): Buffer {
  const parts = messages.map((message) => [
    Buffer.from([message.length >> 8, message.length & 0xff]),
    message,
  ]);
  return Buffer.concat(parts.flat());
}

/** What was said over a stream. */
export function unframe(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const end = at + 2 + bytes.readUInt16BE(at);
    answers.push(read(bytes.subarray(at + 2, end)));
    at = end;
  }
  return answers;
}

/** Says that everything is at that address; "refuse" refuses, "silent" does nothing. */
export async function nameServer(at: string, what: string): Promise<Socket> {
  const answer = (query: Buffer): Buffer => {
    const record = Buffer.from([
      0xc0,
      12,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      9,
      0,
      4,
      ...what.split(".").map(Number),
    ]);
    const isRefused = what === "refuse";
    const answer = Buffer.concat(isRefused ? [query] : [query, record]);
    answer.writeUInt8(0x81, 2);
    answer.writeUInt8(isRefused ? 0x85 : 0x80, 3);
    answer.writeUInt16BE(isRefused ? 0 : 1, 6);
    return answer;
  };
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    if (what !== "silent") socket.send(answer(query), from.port, from.address);
  });
  // Every question comes whole: who passes it on has nothing else to say.
  const streams = createServer((client: Stream) => {
    client.on("error", () => {}); // it has gone
    client.on("data", (query: Buffer) => {
      if (what !== "silent") client.write(framed(answer(query.subarray(2))));
    });
  });
  await new Promise<void>((resolve) => void streams.listen(53, at, resolve));
  await new Promise<void>((resolve) => void socket.bind(53, at, resolve));
  return socket;
}
