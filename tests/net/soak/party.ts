/** Whoever takes part in the soak, inside the container or outside: servers for the others, and clients of theirs. */
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import type { Random } from "../../support/random.ts";
import { isReset, type Mode, modes, type Plan, playClient, playServer } from "./flow.ts";
import { piece } from "./pattern.ts";

export interface Report {
  flows: Record<string, number>;
  megabytes: number;
  datagrams: { sent: number; back: number };
  failures: string[];
}

export interface Route {
  name: string;
  host: string;
  port: number;
}

const patience_ms = 60_000;
/** A RST that is lost is not sent again: the other end may wait for ever. */
const reset_patience_ms = 3_000;
const failures_max = 10;
const sizes = [0, 1, 100, 5000, 70_000, 300_000, 2_000_000];

export function emptyReport(): Report {
  return { flows: {}, megabytes: 0, datagrams: { sent: 0, back: 0 }, failures: [] };
}

function fail(report: Report, what: string, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  if (report.failures.length < failures_max) report.failures.push(`${what}: ${text}`);
}

/** On every address of both versions, TCP and UDP. */
export async function serve(report: Report, port: number, random: Random): Promise<void> {
  for (const host of ["0.0.0.0", "::"]) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {}); // whoever reads or writes is told
      playServer(socket, random).catch((error: unknown) => {
        // The mode may be unknown here, so that the client alone says what should not have failed.
        if (/wrong bytes|instead of/.test(String(error))) fail(report, "server", error);
      });
    });
    await new Promise<void>((resolve) => server.listen({ port, host, ipv6Only: true }, resolve));
    const echo = createSocket({ type: host === "::" ? "udp6" : "udp4", ipv6Only: true });
    echo.on("error", () => {}); // of an answer to somebody who has left
    echo.on("message", (data, from) => echo.send(data, from.port, from.address));
    await new Promise<void>((resolve) => void echo.bind(port, host, resolve));
  }
}

/** Every mode on every route once, then at random until that time. */
export async function visit(
  report: Report,
  routes: Route[],
  random: Random,
  { until, clients }: { until: number; clients: number },
): Promise<void> {
  const first = routes.flatMap((route) => modes.map((mode) => ({ route, mode })));
  const next = (): { route: Route; mode: Mode } | undefined =>
    first.pop() ??
    (Date.now() < until ? { route: random.pick(routes), mode: random.pick(modes) } : undefined);
  const work = async (): Promise<void> => {
    for (let one = next(); one !== undefined; one = next()) {
      if (report.failures.length >= failures_max) return;
      await visitOne(report, one.route, one.mode, random);
    }
  };
  const talk = routes.map((route) => sendDatagrams(report, route, random, until));
  await Promise.all([...Array.from({ length: clients }, work), ...talk]);
}

async function visitOne(report: Report, route: Route, mode: Mode, random: Random): Promise<void> {
  const size = (): number => random.pick([...sizes, random.below(1_000_000)]);
  const plan: Plan = { seed: random.below(1 << 30), upBytes: size(), downBytes: size(), mode };
  const what = `${route.name}, ${mode}, ${plan.upBytes} up, ${plan.downBytes} down`;
  const socket = connect({ host: route.host, port: route.port, allowHalfOpen: true });
  socket.on("error", () => {}); // whoever reads is told
  const patience = isReset(plan) ? reset_patience_ms : patience_ms;
  const timer = setTimeout(() => socket.destroy(new Error("it has stalled")), patience);
  try {
    await connected(socket);
    await playClient(socket, plan, random);
  } catch (error) {
    const isExpected = isReset(plan) && !/wrong bytes/.test(String(error));
    if (!isExpected) fail(report, what, error);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  const key = `${route.name}, ${mode}`;
  report.flows[key] = (report.flows[key] ?? 0) + 1;
  if (!isReset(plan)) report.megabytes += (plan.upBytes + plan.downBytes) / 1e6;
}

async function connected(socket: Socket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed before it was connected")));
  });
}

/** They may be lost, but not be others than were sent. Until some have come back, and the time is over. */
async function sendDatagrams(
  report: Report,
  route: Route,
  random: Random,
  until: number,
): Promise<void> {
  const started = Date.now();
  let back = 0;
  while (back === 0 || Date.now() < until) {
    if (Date.now() - started > patience_ms && back === 0) {
      return fail(report, `${route.name}, datagrams`, "none has come back");
    }
    const socket = createSocket(route.host.includes(":") ? "udp6" : "udp4");
    socket.on("error", () => {}); // refused: its program does not listen yet
    await new Promise<void>((resolve) => socket.connect(route.port, route.host, () => resolve()));
    back += await exchange(report, route, socket, random);
    socket.close();
  }
}

/** The largest, of 65507 bytes, does not fit into a frame: it is cut on either way. */
const batch = 8;
const batch_ms_max = 300;

async function exchange(
  report: Report,
  route: Route,
  socket: DatagramSocket,
  random: Random,
): Promise<number> {
  const sent = Array.from({ length: batch }, () => {
    const bytes = random.pick([0, 1, 512, 1400, 9000, 65_507, 1 + random.below(20_000)]);
    return piece(random.below(1 << 30), 0, bytes);
  });
  let back = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, batch_ms_max);
    socket.on("message", (data) => {
      if (!sent.some((one) => one.equals(data))) {
        fail(report, `${route.name}, a datagram of ${data.length} bytes`, "nobody has sent that");
      }
      back += 1;
      if (back < batch) return;
      clearTimeout(timer);
      resolve();
    });
    for (const data of sent) socket.send(data);
  });
  report.datagrams.sent += batch;
  report.datagrams.back += back;
  return back;
}
