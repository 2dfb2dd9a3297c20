/** As much of DNS as the tests need: a question asked over UDP, and name servers that answer it, or do not. */
import { createSocket, type Socket } from "node:dgram";

export interface Answer {
  code: number;
  address: string | undefined;
}

/** In seconds a libc would wait: none of ours may take as long. */
const patience_ms = 5_000;

function question(id: number): Buffer {
  const labels = ["www", "example", "org"].map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
  );
  const head = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
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
    const hasAddress = answer.readUInt16BE(6) > 0;
    const address = hasAddress ? [...answer.subarray(-4)].join(".") : undefined;
    return { code: answer.readUInt8(3) & 0xf, address };
  } finally {
    socket.close();
  }
}

/** Says that everything is at that address; "refuse" refuses, "silent" does nothing. */
export async function nameServer(at: string, what: string): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    if (what === "silent") return;
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
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => void socket.bind(53, at, resolve));
  return socket;
}
