/**
 * Ports of a running container whose network slirp4netns makes, over its API socket (slirp4netns(1)): what our own network
 * process is asked, in its words.
 */
import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { constants } from "node:os";
import { basename, dirname } from "node:path";
import type { PortForward, PortReply, PortRequest } from "../helper/index.ts";

/** It answers at once, or it is stuck. */
const patienceMs = 5000;

/** Null: nobody listens there. */
export async function askSlirp(path: string, request: PortRequest): Promise<PortReply | null> {
  const list = async (): Promise<Listed[] | null> => {
    const answer = await call(path, { execute: "list_hostfwd" });
    return answer === null ? null : (answer.entries ?? answer.return?.entries ?? []);
  };
  if ("add" in request) return add(path, request.add);
  const entries = await list();
  if (entries === null) return null;
  if ("list" in request) return { ok: true, ports: entries.map(asForward) };
  const wanted = each(request.remove);
  const found = entries.filter((entry) => wanted.some((one) => isSame(asForward(entry), one)));
  for (const { id } of found) await call(path, { execute: "remove_hostfwd", arguments: { id } });
  return found.length > 0 ? { ok: true } : { ok: false, errno: constants.errno.ENOENT, detail: "" };
}

/** All or none. What one cannot be for is found out by binding it first: slirp4netns does not say. */
async function add(path: string, port: PortForward): Promise<PortReply | null> {
  const done: PortForward[] = [];
  for (const one of each(port)) {
    const errno = await tryBind(one);
    const { protocol: proto, hostAddress: host_addr, hostPort, containerPort } = one;
    const where = { proto, host_addr, host_port: hostPort, guest_port: containerPort };
    const answer =
      errno === null ? await call(path, { execute: "add_hostfwd", arguments: where }) : undefined;
    if (answer === null) return null;
    if (answer !== undefined && answer.error === undefined) {
      done.push(one);
      continue;
    }
    for (const earlier of done) await askSlirp(path, { remove: earlier });
    const detail = `${host_addr}:${hostPort}/${proto}`;
    return { ok: false, errno: errno ?? constants.errno.EADDRINUSE, detail }; // somebody was faster
  }
  return { ok: true };
}

function each(port: PortForward): PortForward[] {
  return Array.from({ length: port.count }, (_, index) => ({
    ...port,
    hostPort: port.hostPort + index,
    containerPort: port.containerPort + index,
    count: 1,
  }));
}

interface Listed {
  id: number;
  proto: "tcp" | "udp";
  host_addr: string;
  host_port: number;
  guest_port: number;
}

const asForward = ({ proto, host_addr, host_port, guest_port }: Listed): PortForward => ({
  ...{ protocol: proto, hostAddress: host_addr, hostPort: host_port },
  ...{ containerPort: guest_port, count: 1 },
});

const isSame = (one: PortForward, other: PortForward): boolean =>
  one.protocol === other.protocol &&
  one.hostAddress === other.hostAddress &&
  one.hostPort === other.hostPort &&
  one.containerPort === other.containerPort;

/** The number of what is in the way; null: nothing is. */
async function tryBind({ protocol, hostAddress, hostPort }: PortForward): Promise<number | null> {
  const where = { hostname: hostAddress, port: hostPort };
  try {
    if (protocol === "tcp") {
      Bun.listen({ ...where, exclusive: true, socket: { data() {} } }).stop(true);
    } else {
      (await Bun.udpSocket(where)).close();
    }
    return null;
  } catch (error) {
    const { code } = error as { code?: keyof typeof constants.errno }; // a system call's
    return (code === undefined ? undefined : constants.errno[code]) ?? constants.errno.EADDRINUSE;
  }
}

interface Answer {
  /** Here in slirp4netns 1.2, below `return` by its manual. */
  entries?: Listed[];
  return?: { entries?: Listed[] };
  error?: { desc?: string };
}

/** One connection a request, which is answered when our side is closed. Null: nobody listens there, or answers. */
async function call(path: string, request: object): Promise<Answer | null> {
  // a path of any length has a short name by way of its directory (unix(7): 108 bytes)
  const directory = openDirectory(dirname(path));
  if (directory === null) return null;
  try {
    const text = await exchange(
      `/proc/self/fd/${directory}/${basename(path)}`,
      JSON.stringify(request),
    );
    return text === "" ? null : (JSON.parse(text) as Answer); // the host's own program's
  } catch {
    return null; // it has ended, or says what makes no sense
  } finally {
    closeSync(directory);
  }
}

function openDirectory(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    return null; // the container has ended
  }
}

function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({ path });
    socket.setTimeout(patienceMs, () => socket.destroy(new Error("no answer")));
    socket.on("connect", () => socket.end(request));
    socket.on("data", (part: Buffer) => (text += part.toString()));
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}
