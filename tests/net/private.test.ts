/** The private network seen from inside and outside: streams, datagrams, names, published ports, and the process itself. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer, connect, type Socket } from "node:net";
import { askNetwork, helperCommand } from "../../src/helper/index.ts";
import { fetchText } from "../support/fetch-text.ts";
import { until } from "../support/wait.ts";
import {
  freePort,
  networked,
  networkPid,
  networkTest,
  pattern,
  sha256,
  statusOf,
} from "./network-fixture.ts";

const megabytes = 1 << 20;

/** A server on our loopback; `serve` gets each client, half open as TCP has it. */
async function withServer<T>(
  serve: (client: Socket) => void,
  use: (port: number) => Promise<T>,
  host = "127.0.0.1",
): Promise<T> {
  const server = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  try {
    return await use(typeof address === "object" && address !== null ? address.port : 0);
  } finally {
    server.close();
  }
}

/** What this machine has chosen is allowed to everybody on it. */
function hostsControl(): string {
  return readFileSync("/proc/sys/net/ipv4/tcp_congestion_control", "utf8").trim();
}

/** All that comes until the end of it. The other direction stays as it is. */
async function collect(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  return await new Promise((resolve, reject) => {
    socket.on("data", (part: Buffer) => void parts.push(part));
    socket.on("end", () => resolve(Buffer.concat(parts)));
    socket.on("error", reject);
  });
}

/** In the middle of a stream that flows. False: nobody has answered. */
async function resetInTheMiddle(host: string, port: number): Promise<boolean> {
  const client = connect({ port, host });
  let left = 3 * megabytes;
  return await new Promise((resolve) => {
    client.on("data", ({ length }) => {
      left -= length;
      if (left > 0) return;
      client.resetAndDestroy();
      resolve(true);
    });
    client.on("error", () => resolve(false));
    client.on("close", () => resolve(false));
  });
}

describe("outwards", () => {
  networkTest.each([
    ["4", "127.0.0.1", "10.0.2.2"],
    ["6", "::1", "fd00::2"],
  ])("a stream arrives whole, to its end, over IPv%s", async (_version, host, gateway) => {
    const sent = pattern(8 * megabytes);
    await withServer(
      (client) => void client.end(sent),
      async (port) => {
        await using container = networked(`nc ${gateway} ${port} < /dev/null | sha256sum`);
        const { stdout } = await container.run();
        expect(stdout.split(" ")[0]).toBe(sha256(sent));
      },
      host,
    );
  });

  const control = "net.ipv4.tcp_congestion_control";
  networkTest.each([
    ["reno", undefined],
    ["what the container's sysctl says", hostsControl()],
  ])("its own TCP, which only we ever hear, is controlled by %s", async (name, wanted) => {
    const options = wanted === undefined ? {} : { linux: { sysctl: { [control]: wanted } } };
    await using container = networked(`sysctl -n ${control}`, {}, options);
    expect((await container.run()).stdout).toBe(`${wanted ?? name}\n`);
  });

  networkTest("what is sent arrives, and the answer after the end of it, too", async () => {
    const received = Promise.withResolvers<Buffer>();
    await withServer(
      (client) => {
        void collect(client).then((bytes) => {
          received.resolve(bytes);
          client.end(`${bytes.length}\n`);
        });
      },
      async (port) => {
        const script = `head -c 5000000 /dev/zero | nc -w 10 10.0.2.2 ${port}`;
        await using container = networked(script);
        const { stdout } = await container.run();
        expect(stdout).toBe("5000000\n");
        expect((await received.promise).every((byte) => byte === 0)).toBe(true);
      },
    );
  });

  networkTest(
    "nobody listens: refused at once; the loopback is not to be had by any name",
    async () => {
      await withServer(
        (client) => void client.end("secret"),
        async (port) => {
          const tries = ["10.0.2.2", "fd00::2"].map(
            (to) => `nc ${to} ${port} </dev/null || echo refused`,
          );
          await using container = networked(tries.join("; "), { hostLoopback: false });
          const { stdout } = await container.run();
          expect(stdout).toBe("refused\nrefused\n");
        },
      );
      await using container = networked(`nc 10.0.2.2 ${freePort()} </dev/null || echo refused`);
      expect((await container.run()).stdout).toBe("refused\n");
    },
  );

  networkTest(
    "the gateway answers pings of both versions, and a hop too many is told",
    async () => {
      const script =
        "ping -c1 -W5 10.0.2.2; ping -c1 -W5 fd00::2; traceroute -n -m1 -q1 -w5 192.0.2.9";
      await using container = networked(script);
      const { stdout } = await container.run();
      expect(stdout.match(/ 0% packet loss/g)).toHaveLength(2);
      expect(stdout).toMatch(/ 1 {2}10\.0\.2\.2 /);
    },
  );
});

describe("names", () => {
  networkTest("its own are answered by the forwarder, also without any server", async () => {
    const names = [
      { name: "host.containers.internal", address: "10.0.2.2" },
      { name: "host.containers.internal", address: "fd00::2" },
    ];
    const script = "nslookup host.containers.internal 10.0.2.3";
    await using container = networked(script, { names, servers: ["127.0.0.1"] });
    const { stdout } = await container.run();
    expect(stdout).toContain("10.0.2.2");
    expect(stdout).toContain("fd00::2");
  });
});

describe("published ports", () => {
  networkTest(
    "a client gets through, and the port is free once the container has ended",
    async () => {
      const hostPort = freePort();
      const ports = [
        { protocol: "tcp", hostAddress: "127.0.0.1", hostPort, containerPort: 80, count: 1 },
      ];
      await using container = networked("nc -l -p 80 -e cat; sleep 1000", { ports });
      const started = container.start();
      await started.started;
      const sent = Buffer.from(pattern(3 * megabytes));
      // The port is bound before the program runs: until that listens, a client is reset.
      const back = await until("the echo", async () => {
        const client = connect({ port: hostPort, host: "127.0.0.1", allowHalfOpen: true });
        client.end(sent);
        return await collect(client).catch(() => undefined);
      });
      expect(sha256(back)).toBe(sha256(sent));
      await container.control({ op: "stop", signal: 9, timeoutMs: 1 });
      await started.outcome;
      using again = Bun.listen({ hostname: "127.0.0.1", port: hostPort, socket: { data() {} } });
      expect(again.port).toBe(hostPort);
    },
  );

  networkTest("clients that reset their connections disturb nobody else", async () => {
    const hostPort = freePort();
    const doors = [80, 81, 82, 83];
    const ports = doors.map((containerPort, i) => ({
      ...{ protocol: "tcp", hostAddress: `127.0.3.${i + 1}`, hostPort, containerPort, count: 1 },
    }));
    const serve = (door: number): string =>
      `while :; do nc -l -p ${door} </dev/zero >/dev/null || true; done`;
    const script = doors.map((door) => `(${serve(door)}) &`).join(" ");
    await using container = networked(`${script} wait`, { ports });
    const started = container.start();
    await started.started;
    const pid = await networkPid(container);
    const annoy = async ({ hostAddress }: { hostAddress: string }): Promise<void> => {
      for (let i = 0; i < 30; i += 1) {
        await until("something of the stream", () => resetInTheMiddle(hostAddress, hostPort));
      }
    };
    await Promise.all(ports.map(annoy));
    expect(await networkPid(container)).toBe(pid);
    await container.control({ op: "stop", signal: 9, timeoutMs: 1 });
    await started.outcome;
  });

  networkTest(
    "one that is in use is an error before anything runs, with nothing left",
    async () => {
      using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const one = { protocol: "tcp", hostAddress: "127.0.0.1", containerPort: 80, count: 1 };
      const ports = [
        { ...one, hostPort: freePort() },
        { ...one, hostPort: taken.port },
      ];
      await using container = networked("echo ran", { ports });
      const { last, stdout } = await container.run();
      expect(last).toEqual({
        event: "failed",
        call: "publish",
        detail: `127.0.0.1:${taken.port}/tcp`,
        errno: "EADDRINUSE",
      });
      expect(stdout).toBe("");
      expect(container.leftovers()).toEqual([]);
    },
  );
});

describe("a program that listens for itself only", () => {
  networkTest.each([
    ["127.0.0.1", "127.0.0.1"],
    ["127.0.0.1", "[::1]"],
    ["[::1]", "[::1]"],
  ])("on %s is reached by a client of %s, through a port added live", async (inner, outer) => {
    const port = {
      ...{ protocol: "tcp" as const, hostAddress: outer.replace(/[[\]]/g, "") },
      ...{ hostPort: freePort(), containerPort: 80, count: 1 },
    };
    await using container = networked(`exec httpd -f -p ${inner}:80 -h /etc`);
    const started = container.start();
    await started.started;
    await askNetwork(helperCommand(), container.runtimeDir, { add: port });
    const answer = () => fetchText(`${outer}:${port.hostPort}/passwd`);
    const text = await until("the answer", answer); // it may not listen yet
    expect(text).toStartWith("root:");
    await container.control({ op: "stop", signal: 9, timeoutMs: 1 });
    await started.outcome;
  });
});

describe("the process", () => {
  networkTest("it has no privilege and a filter, and is replaced when it is killed", async () => {
    await withServer(
      (client) => void client.end("still here\n"),
      async (port) => {
        const script = `read -r line; nc 10.0.2.2 ${port} </dev/null`;
        const options = {
          helper: {
            stdinOpen: true,
            attach: { stdin: true, detachKeys: [], sigProxy: true, passthrough: false },
          },
        };
        await using container = networked(script, {}, options);
        const started = container.start({ stdin: "pipe" });
        await started.started;
        const pid = await networkPid(container);
        await until("it is in its cage", () => statusOf(pid).Seccomp === "2");
        expect(statusOf(pid)).toMatchObject({
          ...{ CapEff: "0000000000000000", CapPrm: "0000000000000000", NoNewPrivs: "1" },
          ...{ Seccomp: "2" },
        });
        // The first is replaced at once, the next ones later and later: but they are.
        let last = pid;
        for (let deaths = 0; deaths < 3; deaths += 1) {
          process.kill(last, "SIGKILL");
          await until("there is another", async () => (await networkPid(container)) !== last);
          last = await networkPid(container);
        }
        const { stdin } = started.process;
        if (typeof stdin !== "object") throw new Error("no pipe");
        void stdin.write("go\n");
        void stdin.end();
        const { stdout, status } = await started.outcome;
        expect({ stdout, status }).toEqual({ stdout: "still here\n", status: 0 });
      },
    );
  });
});
