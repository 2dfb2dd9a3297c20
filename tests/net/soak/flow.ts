/** One connection of the soak, at both ends: what is agreed in its first bytes is sent, read, checked and ended. */
import type { Socket } from "node:net";
import type { Random } from "../../support/random.ts";
import { delay } from "../../support/wait.ts";
import { Checker, piece, piece_bytes_max } from "./pattern.ts";

export const modes = [
  "ask, then the answer",
  "both at once",
  "slow client",
  "slow server",
  "client resets",
  "server resets",
  "server speaks first and ends",
] as const;
export type Mode = (typeof modes)[number];

export interface Plan {
  seed: number;
  upBytes: number;
  downBytes: number;
  mode: Mode;
}

const header_bytes = 13;
/** Of the two directions of one connection. */
const downSeed = (plan: Plan): number => plan.seed + 31337;

export const isReset = ({ mode }: Plan): boolean => mode.endsWith("resets");

function encode(plan: Plan): Buffer {
  const header = Buffer.alloc(header_bytes);
  header.writeUInt32BE(plan.seed, 0);
  header.writeUInt32BE(plan.upBytes, 4);
  header.writeUInt32BE(plan.downBytes, 8);
  header.writeUInt8(modes.indexOf(plan.mode), 12);
  return header;
}

function decode(header: Buffer): Plan {
  const mode = modes[header.readUInt8(12)];
  if (mode === undefined) throw new Error("a header that makes no sense");
  return {
    ...{ seed: header.readUInt32BE(0), upBytes: header.readUInt32BE(4) },
    ...{ downBytes: header.readUInt32BE(8), mode },
  };
}

/** Throws when what comes is not what was agreed, or the connection fails though nobody resets it. */
export async function playClient(socket: Socket, plan: Plan, random: Random): Promise<void> {
  const checker = new Checker(downSeed(plan), plan.downBytes);
  const slow = plan.mode === "slow client" ? random : undefined;
  const stop = plan.mode === "client resets" ? random.below(plan.downBytes + 1) : undefined;
  socket.write(encode(plan));
  if (stop === 0) return void socket.resetAndDestroy();
  const reading = read(socket, checker, { slow, stop });
  if (plan.mode === "server speaks first and ends") await reading;
  const writing = write(socket, plan.seed, plan.upBytes, random).then(() => void socket.end());
  writing.catch(() => {}); // when it is not waited for, or the other has failed before
  await Promise.all([reading, plan.mode === "client resets" ? undefined : writing]);
}

/** The other end. Returns what was agreed. */
export async function playServer(socket: Socket, random: Random): Promise<Plan | undefined> {
  const { header, rest } = await readHeader(socket);
  if (header === undefined) return undefined; // nobody who wanted something
  const plan = decode(header);
  const checker = new Checker(plan.seed, plan.upBytes);
  const slow = plan.mode === "slow server" ? random : undefined;
  const stop = plan.mode === "server resets" ? random.below(plan.upBytes + 1) : undefined;
  if (stop === 0) {
    socket.resetAndDestroy();
    return plan;
  }
  checker.take(rest);
  const reading = read(socket, checker, { slow, stop });
  if (plan.mode === "ask, then the answer") await reading;
  const writing = write(socket, downSeed(plan), plan.downBytes, random).then(() => socket.end());
  writing.catch(() => {}); // as above
  await Promise.all([reading, plan.mode === "server resets" ? undefined : writing]);
  return plan;
}

async function readHeader(socket: Socket): Promise<{ header?: Buffer; rest: Buffer }> {
  let got = Buffer.alloc(0);
  return await new Promise((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      got = Buffer.concat([got, chunk]);
      if (got.length < header_bytes) return;
      socket.pause();
      socket.off("data", take);
      resolve({ header: got.subarray(0, header_bytes), rest: got.subarray(header_bytes) });
    };
    socket.on("data", take);
    socket.on("error", reject);
    socket.on("close", () => resolve({ rest: got }));
  });
}

interface Manner {
  /** Looks away between reads. */
  slow: Random | undefined;
  /** Resets the connection after that many bytes. */
  stop: number | undefined;
}

const looks_away_max = 40;
const away_ms_max = 8;

async function read(socket: Socket, checker: Checker, { slow, stop }: Manner): Promise<void> {
  let away = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on("data", (chunk: Buffer) => {
      try {
        checker.take(chunk);
      } catch (error) {
        socket.destroy();
        reject(error as Error);
        return;
      }
      if (stop !== undefined && checker.place >= stop) {
        socket.resetAndDestroy();
        resolve();
      } else if (slow !== undefined && away < looks_away_max) {
        away += 1;
        socket.pause();
        void delay(slow.below(away_ms_max)).then(() => socket.resume());
      }
    });
    socket.on("end", () => {
      try {
        if (stop === undefined) checker.end();
        resolve();
      } catch (error) {
        reject(error as Error);
      }
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${checker.place} bytes`)));
    socket.resume();
  });
}

async function write(socket: Socket, seed: number, bytes: number, random: Random): Promise<void> {
  for (let place = 0; place < bytes;) {
    const length = Math.min(bytes - place, 1 + random.below(piece_bytes_max));
    const hasRoom = socket.write(piece(seed, place, length));
    place += length;
    if (hasRoom) continue;
    await new Promise<void>((resolve, reject) => {
      socket.once("drain", resolve);
      socket.once("close", () => reject(new Error("closed while it was written to")));
    });
  }
}
