/**
 * `main.ts BASE`, in a namespace of its own, is a host whose name servers die, whose descriptors run out and whose
 * address changes under a container. What came of it is one line of JSON; see upset.test.ts.
 */
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { treeRoot } from "../../support/tree.ts";
import { until } from "../../support/wait.ts";
import { bareContainer, outside, outside6 } from "../bare-container.ts";
import { type Answer, framed, nameServer, question, unframe } from "./dns.ts";
import type { Request } from "./inside.ts";

const [base = ""] = process.argv.slice(2);
const port = 7007;
const dns = "10.0.2.3";
const servers = {
  silent: "192.0.2.11",
  good: "192.0.2.12",
  refuses: "192.0.2.13",
  nobody: "192.0.2.14",
};
/** Where everybody is, says the good one. */
const goodAddress = "192.0.2.15";
let count = 0;

/** Its own command line for each, so that one may have few descriptors. */
interface Inside {
  call<T>(op: Request["op"], request?: Partial<Request>): Promise<T>;
  end(): Promise<void>;
}

for (const address of [...Object.values(servers), goodAddress])
  ip("addr", "add", `${address}/32`, "dev", "ext0");
await nameServer(servers.silent, "silent");
await nameServer(servers.good, goodAddress);
await nameServer(servers.refuses, "refuse");
await serve();
const results = {
  ...(await names()),
  ...(await streams()),
  ...(await addresses()),
  ...(await descriptors()),
};
await Bun.write(Bun.stdout, `${JSON.stringify(results)}\n`);
process.exit();

function ip(...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...words]);
  if (exitCode !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr.toString()}`);
}

/** Greets everybody, on whatever address, and echoes datagrams. */
async function serve(): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => {}); // it has gone
    socket.end("welcome");
  });
  await new Promise<void>((resolve) => server.listen(port, "0.0.0.0", resolve));
  const patient = createServer((socket) => void socket.on("error", () => {}));
  await new Promise<void>((resolve) => patient.listen(port + 1, "0.0.0.0", resolve));
  const echo = createSocket("udp4");
  echo.on("error", () => {});
  echo.on("message", (data, from) => echo.send(data, from.port, from.address));
  await new Promise<void>((resolve) => void echo.bind(port, "0.0.0.0", resolve));
}

async function inside(network: Record<string, unknown>, before: string[] = []): Promise<Inside> {
  count += 1;
  const directory = join(base, String(count));
  const control = createServer();
  const controlPort = port + 10 + count;
  await new Promise<void>((resolve) => control.listen(controlPort, outside6, resolve));
  const script = join(import.meta.dir, "inside.ts");
  const words = [process.execPath, script, outside6, String(controlPort)];
  const shared = [process.execPath, treeRoot];
  const command = [...before, ...bareContainer(directory, words, { shared, network })];
  const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "inherit"] });
  const socket = await new Promise<Socket>((resolve, reject) => {
    control.once("connection", resolve);
    void child.exited.then(() => reject(new Error("the container has not begun")));
  });
  return {
    async call<T>(op: Request["op"], request: Partial<Request> = {}): Promise<T> {
      let text = "";
      const line = new Promise<string>((resolve, reject) => {
        const take = (data: Buffer): void => {
          text += data.toString();
          if (!text.endsWith("\n")) return;
          socket.off("data", take);
          resolve(text);
        };
        socket.on("data", take);
        socket.once("close", () => reject(new Error("the container has gone")));
      });
      socket.write(
        `${JSON.stringify({ host: "", port, count: 1, segments: [], ...request, op })}\n`,
      );
      return (JSON.parse(await line) as { value: T }).value;
    },
    async end(): Promise<void> {
      child.kill("SIGKILL");
      await child.exited;
      control.close();
    },
  };
}

async function names(): Promise<object> {
  const resolv = join(base, "resolv.conf");
  const write = (...list: string[]): void =>
    writeFileSync(resolv, list.map((one) => `nameserver ${one}\n`).join(""));
  write(servers.silent, servers.good);
  const container = await inside({ resolv });
  const ask = (): Promise<Answer | null> => container.call("ask", { host: dns });
  const afterSilence = await ask();
  const untilItIs = async (what: string, wanted: (answer: Answer) => boolean): Promise<Answer> =>
    await until(what, async () => {
      const answer = await ask();
      return answer !== null && wanted(answer) ? answer : undefined;
    });
  // The file is looked at again after a second.
  write(servers.silent);
  const allSilent = await untilItIs("nobody answers, and that is told", ({ code }) => code === 2);
  write(servers.nobody);
  const nobodyThere = await untilItIs("nobody is there", ({ code }) => code === 2);
  write(servers.refuses, servers.good);
  const afterRefusal = await untilItIs("the second one is asked", ({ code }) => code === 0);
  write(servers.nobody, servers.good);
  const afterNobody = await untilItIs("the second one is asked", ({ code }) => code === 0);
  write(servers.refuses);
  const refused = await untilItIs("the only one's refusal is passed on", ({ code }) => code === 5);
  await container.end();
  return { afterSilence, allSilent, nobodyThere, afterRefusal, afterNobody, refused };
}

/** Names over TCP, of ours and of others, and what a policy by name makes of them. */
async function streams(): Promise<object> {
  const own = "host.containers.internal";
  const container = await inside({
    ...{ servers: [servers.nobody, servers.good], names: [{ name: own, address: "10.0.2.2" }] },
    egress: {
      allow: [
        { name: "www.example.org", port: 0 },
        { cidr: `${outside6}/128`, port: 0 }, // what we say to each other
      ],
    },
  });
  const talk = async (...segments: Buffer[]): Promise<Answer[]> => {
    const hex = segments.map((segment) => segment.toString("hex"));
    const request = { host: dns, port: 53, segments: hex };
    return unframe(Buffer.from(await container.call<string>("talk", request), "hex"));
  };
  const ours = framed(question(1, own));
  const [head, rest] = [ours.subarray(0, 20), ours.subarray(20)];
  const inParts = await talk(head, rest);
  const notAllowed = await talk(framed(question(2, "www.example.com")));
  const before = await container.call<string>("read", { host: goodAddress });
  const several = await talk(framed(question(3, own), question(4), question(5, own)));
  const after = await container.call<string>("read", { host: goodAddress });
  const lie = Buffer.from([0, 5]);
  const lies = await talk(Buffer.concat([ours, lie, ours]));
  await container.end();
  return { inParts, notAllowed, several, opened: [before, after], lies };
}

async function addresses(): Promise<object> {
  const container = await inside({ mtu: 1500 });
  const read = (host: string): Promise<string> => container.call("read", { host });
  const gateway = "10.0.2.2";
  const before = [await read(gateway), await read(outside)];
  const echoes = [];
  for (const count of [1472, 1473, 9000, 65_507]) {
    echoes.push(await container.call<boolean>("echo", { host: outside, count }));
  }
  const renamed = "192.0.2.77";
  ip("addr", "del", `${outside}/24`, "dev", "ext0");
  ip("addr", "add", `${renamed}/24`, "dev", "ext0");
  const after = [await read(gateway), await read(renamed)];
  ip("addr", "add", `${outside}/24`, "dev", "ext0");
  await container.end();
  return { before, echoes, after };
}

async function descriptors(): Promise<object> {
  const wanted = 150;
  const container = await inside({}, ["prlimit", "--nofile=100:100"]);
  const held = await container.call<number>("hold", {
    host: outside,
    port: port + 1,
    count: wanted,
  });
  await container.call("drop");
  const greeting = await until("there is room again", async () => {
    const text = await container.call<string>("read", { host: outside });
    return text === "welcome" ? text : undefined;
  });
  await container.end();
  return { wasFull: held > 0 && held < wanted, greeting };
}
