/** Containers on one network: they reach each other, by address and by name, and nobody else. */
import { describe, expect } from "bun:test";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { askNetwork, helperCommand } from "../../src/helper/index.ts";
import { fetchText } from "../support/fetch-text.ts";
import { until } from "../support/wait.ts";
import type { Container } from "../helper/runtime-fixture.ts";
import { freePort, networkTest, statusOf } from "./network-fixture.ts";
import { framed, question, unframe } from "./upset/dns.ts";
import { member, resident, SharedNetwork } from "./shared-fixture.ts";

/** What `sh -c script` says inside of a container that runs. */
async function say(container: Container, script: string): Promise<string> {
  const { stdout } = await container.exec(["sh", "-c", script]);
  return stdout.trim();
}

const reached = (to: string): string => `ping -c1 -W5 ${to} >/dev/null && echo reached`;
/** A frame to somebody who is not there is given up after three questions. */
const unreached = (to: string): string => `ping -c1 -W1 ${to} >/dev/null || echo nobody`;

describe("members", () => {
  networkTest("they ping each other over both versions, and the gateway", async () => {
    await using network = new SharedNetwork();
    await using _server = await resident([network.entry(2)]);
    const targets = ["10.89.0.2", "fd89:0::2", "10.89.0.1", "fd89:0::1"];
    const script = targets.map((to) => `ping -c1 -W5 ${to}`).join("; ");
    await using client = member(script, [network.entry(3)]);
    const { stdout, stderr } = await client.run();
    expect(stderr).toBe("");
    expect(stdout.match(/ 0% packet loss/g)).toHaveLength(targets.length);
  });

  networkTest("names are resolved, and addresses back to names", async () => {
    await using network = new SharedNetwork();
    await using _server = await resident([network.entry(2, { names: ["db", "primary"] })]);
    const script = "for n in PRIMARY 10.89.0.2 fd89:0::2; do nslookup $n 10.89.0.1; done";
    await using client = member(script, [network.entry(3)]);
    const { stdout } = await client.run();
    expect(stdout).toContain("Address: 10.89.0.2");
    expect(stdout).toContain("Address: fd89::2");
    expect(stdout).toMatch(/2\.0\.89\.10\.in-addr\.arpa\s+name = db/);
  });

  networkTest("names are resolved over TCP, too; of an internal network no others", async () => {
    await using network = new SharedNetwork();
    const change = { internal: true, isDefaultRoute: false };
    await using _server = await resident([network.entry(2, { ...change, names: ["db"] })]);
    const pointer = 12;
    const asked = [
      question(1, "db"),
      question(2, "2.0.89.10.in-addr.arpa", pointer),
      question(3, "www.example.org"),
    ];
    const bytes = [...framed(...asked)].map((byte) => `\\0${byte.toString(8)}`).join("");
    const script = `printf '%b' '${bytes}' | nc -w 5 10.89.0.1 53 | hexdump -ve '1/1 "%02x"'`;
    await using client = member(script, [network.entry(3, change)]);
    const { stdout } = await client.run();
    expect(unframe(Buffer.from(stdout, "hex"))).toEqual([
      { code: 0, address: "10.89.0.2" },
      { code: 0, address: "2.100.98.0" }, // the end of it is "db" as a name
      { code: 3, address: undefined },
    ]);
  });

  networkTest("a stream between two is whole", async () => {
    await using network = new SharedNetwork();
    await using server = await resident([network.entry(2)], "sleep 1000 | nc -l -p 80 >/tmp/got");
    const script = "head -c 20000000 /dev/zero | nc -w 20 10.89.0.2 80";
    await using client = member(script, [network.entry(3)]);
    await until("it listens", async () => (await say(server, "netstat -ltn")).includes(":80"));
    await client.run();
    const isWhole = async (): Promise<boolean> =>
      (await say(server, "wc -c </tmp/got")) === "20000000";
    expect(await until("all of it", isWhole)).toBe(true);
  });

  networkTest("a stream between two outlives the network's process", async () => {
    await using network = new SharedNetwork();
    await using server = await resident([network.entry(2)], "sleep 1000 | nc -l -p 80 >/tmp/got");
    await using client = await resident([network.entry(3)]);
    await until("it listens", async () => (await say(server, "netstat -ltn")).includes(":80"));
    const slowly = "for i in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/zero; usleep 100000; done";
    const sent = client.exec(["sh", "-c", `(${slowly}) | nc -w 20 10.89.0.2 80`]);
    const received = async (): Promise<number> => Number(await say(server, "wc -c </tmp/got"));
    await until("something of it", async () => (await received()) > 0);
    const pid = network.pid() ?? 0;
    process.kill(pid, "SIGKILL");
    await until("all of it", async () => (await received()) === 800_000);
    expect(network.pid()).not.toBe(pid);
    await say(client, "killall nc");
    await sent;
  });

  networkTest("what is taken is refused in a sentence, and nothing is left", async () => {
    await using network = new SharedNetwork();
    await using _first = await resident([network.entry(2)]);
    await using same = member("true", [network.entry(2, { mac: "02:89:00:00:00:99" })]);
    expect((await same.run()).last).toMatchObject({
      ...{ event: "failed", call: "network", detail: "the address 10.89.0.2 is taken on net0" },
    });
    await using alike = member("true", [network.entry(3, { mac: "02:89:00:00:00:02" })]);
    expect((await alike.run()).last).toMatchObject({
      detail: "the hardware address 02:89:00:00:00:02 is taken on net0",
    });
  });
});

describe("a hostile member", () => {
  networkTest("it is nobody else by address, nor by hardware address", async () => {
    await using network = new SharedNetwork();
    await using _victim = await resident([network.entry(2)]);
    await using other = await resident([network.entry(3)]);
    await using mallory = await resident([network.entry(4)]);
    const steal = "ip addr add 10.89.0.2/32 dev eth0; arping -q -U -c 1 -I eth0 10.89.0.2";
    await say(mallory, steal);
    expect(await say(other, reached("10.89.0.2"))).toBe("reached");
    const neighbour = await say(other, "ip neigh show 10.89.0.2");
    expect(neighbour).toContain("02:89:00:00:00:02");
    const disguise = "ip link set eth0 down; ip link set eth0 address 02:89:00:00:00:02";
    await say(mallory, `${disguise}; ip link set eth0 up`);
    expect(await say(mallory, unreached("10.89.0.3"))).toBe("nobody");
    expect(await say(other, reached("10.89.0.2"))).toBe("reached");
    expect(await say(other, "ip neigh show 10.89.0.2")).toContain("02:89:00:00:00:02");
  });

  networkTest("who floods everybody takes nothing from the others", async () => {
    await using network = new SharedNetwork();
    await using _server = await resident([network.entry(2)]);
    await using client = await resident([network.entry(3)]);
    const loud = "for i in 1 2 3 4; do ping -q -f 10.89.0.255 & done; wait";
    await using _mallory = await resident([network.entry(4)], `${loud} >/dev/null 2>&1`);
    for (let i = 0; i < 5; i += 1) expect(await say(client, reached("10.89.0.2"))).toBe("reached");
    expect(network.pid()).toBeDefined();
  });
});

describe("outside", () => {
  networkTest("the host is reached through the gateway, and a port from the host", async () => {
    const server = createServer((client) => void client.end("outside\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using network = new SharedNetwork();
    const hostPort = freePort();
    const ports = [
      ...[{ protocol: "tcp" as const, hostAddress: "127.0.0.1", hostPort, containerPort: 80 }],
    ].map((one) => ({ ...one, count: 1 }));
    const script = "while :; do echo inside | nc -l -p 80 || true; done";
    await using _server = await resident([network.entry(2, { ports })], script);
    await using client = member(`nc 10.89.0.1 ${port} </dev/null`, [network.entry(3)]);
    expect((await client.run()).stdout).toBe("outside\n");
    expect(await until("an answer", () => answerOf(hostPort))).toBe("inside\n");
    server.close();
  });

  networkTest("a port added live reaches a program that listens for itself only", async () => {
    await using network = new SharedNetwork();
    const script = "echo inside >/tmp/it; exec httpd -f -p 127.0.0.1:80 -h /tmp";
    await using server = await resident([network.entry(2)], script);
    const hostPort = freePort();
    const port = { protocol: "tcp" as const, hostAddress: "127.0.0.1", hostPort };
    const add = { ...port, containerPort: 80, count: 1 };
    expect(await askNetwork(helperCommand(), server.runtimeDir, { add })).toEqual({ ok: true });
    const answer = () => fetchText(`127.0.0.1:${hostPort}/it`);
    expect(await until("an answer", answer)).toBe("inside\n");
  });

  networkTest(
    "who ends has said all it has said, and its port is free, though others stay",
    async () => {
      let received = 0;
      const server = createServer((client) => {
        client.on("data", ({ length }) => (received += length));
        client.on("end", () => client.end());
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      await using network = new SharedNetwork();
      await using _other = await resident([network.entry(2)]);
      const hostPort = freePort();
      const one = {
        protocol: "tcp" as const,
        hostAddress: "127.0.0.1",
        containerPort: 80,
        count: 1,
      };
      const script = `head -c 5000000 /dev/zero | nc -w 10 10.89.0.1 ${port}`;
      await using talker = member(script, [network.entry(3, { ports: [{ ...one, hostPort }] })]);
      expect((await talker.run()).status).toBe(0);
      using again = Bun.listen({ hostname: "127.0.0.1", port: hostPort, socket: { data() {} } });
      expect(again.port).toBe(hostPort);
      await until("all of it", () => received === 5_000_000);
      server.close();
    },
  );

  networkTest("of an internal network nothing is reached but its members", async () => {
    const server = createServer((client) => void client.end("outside\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using network = new SharedNetwork();
    const internal = { internal: true, isDefaultRoute: false };
    await using _server = await resident([network.entry(2, internal)]);
    const script = [
      `nc 10.89.0.1 ${port} </dev/null || echo refused`,
      "ip route | grep -c default || true",
      "nslookup example.org 10.89.0.1 | grep -c NXDOMAIN || true",
      reached("10.89.0.2"),
    ].join("; ");
    await using client = member(script, [network.entry(3, internal)]);
    expect((await client.run()).stdout).toBe("refused\n0\n2\nreached\n");
    server.close();
  });
});

async function answerOf(port: number): Promise<string> {
  const client = connect({ port, host: "127.0.0.1" });
  let text = "";
  return await new Promise((resolve) => {
    client.on("data", (part: Buffer) => (text += part.toString()));
    client.on("error", () => resolve(""));
    client.on("close", () => resolve(text));
  });
}

describe("several networks", () => {
  networkTest("who is on both sees both, and names of both; nobody sees through", async () => {
    await using left = new SharedNetwork(1);
    await using right = new SharedNetwork(2);
    await using a = await resident([left.entry(2, { names: ["a"] })]);
    await using c = await resident([right.entry(2, { names: ["c"] })]);
    await using b = await resident([
      left.entry(3, { names: ["b"] }),
      right.entry(3, { names: ["b"], interface: "eth1", isDefaultRoute: false }),
    ]);
    expect(await say(b, "nslookup c 10.89.1.1")).toContain("10.89.2.2");
    expect(await say(b, `${reached("10.89.1.2")}; ${reached("10.89.2.2")}`)).toBe(
      "reached\nreached",
    );
    expect(await say(a, unreached("10.89.2.2"))).toBe("nobody");
    expect(await say(a, "nslookup -type=a c 10.89.1.1")).not.toContain("10.89.2.2");
    expect(await say(c, "nslookup -type=a b 10.89.2.1")).toContain("10.89.2.3");
    expect(await say(c, "nslookup -type=a b 10.89.2.1")).not.toContain("10.89.1.3");
    process.kill(left.pid() ?? 0, "SIGKILL");
    await until("the one that was lost knows the other's names again", async () =>
      (await say(b, "nslookup -type=a c 10.89.1.1")).includes("10.89.2.2"),
    );
  });

  networkTest("one is connected and disconnected while it runs", async () => {
    await using left = new SharedNetwork(1);
    await using right = new SharedNetwork(2);
    await using other = await resident([right.entry(2, { names: ["other"] })]);
    const first = left.entry(3, { names: ["b"] });
    const second = right.entry(3, {
      ...{ names: ["b"], interface: "eth1", isDefaultRoute: false },
    });
    await using b = await resident([first]);
    b.amend({ networks: [first, second] });
    expect(await b.control({ op: "connect", network: second.id })).toMatchObject({ ok: true });
    expect(await b.control({ op: "connect", network: second.id })).toMatchObject({
      ...{ ok: false, errno: "EEXIST" },
    });
    expect(await say(b, reached("10.89.2.2"))).toBe("reached");
    expect(await say(b, "nslookup other 10.89.1.1")).toContain("10.89.2.2");
    // What is left becomes the way out.
    b.amend({ networks: [{ ...second, isDefaultRoute: true }] });
    expect(await b.control({ op: "disconnect", network: first.id })).toMatchObject({ ok: true });
    expect(await b.control({ op: "disconnect", network: first.id })).toMatchObject({
      ...{ ok: false, errno: "ENOENT" },
    });
    expect(await say(b, "ip route | grep default")).toContain("default via 10.89.2.1 dev eth1");
    expect(await say(b, "ip link | grep -c eth0")).toBe("0");
    expect(await say(other, "nslookup -type=a b 10.89.2.1")).toContain("10.89.2.3");
    b.amend({ networks: [{ ...second, isDefaultRoute: true, names: ["renamed"] }] });
    expect(await b.control({ op: "rename", name: "renamed" })).toMatchObject({ ok: true });
    await until("the other knows its new name", async () =>
      (await say(other, "nslookup -type=a renamed 10.89.2.1")).includes("10.89.2.3"),
    );
  });
});

describe("the process", () => {
  networkTest("it has no privilege, a filter, and little memory", async () => {
    await using network = new SharedNetwork();
    await using _one = await resident([network.entry(2)]);
    const pid = await until("it is in its cage", () =>
      statusOf(network.pid() ?? 0).Seccomp === "2" ? network.pid() : undefined,
    );
    expect(statusOf(pid)).toMatchObject({
      ...{ CapEff: "0000000000000000", CapPrm: "0000000000000000", NoNewPrivs: "1" },
    });
    expect(Number.parseInt(statusOf(pid).RssAnon ?? "", 10)).toBeLessThan(1024); // KiB
  });

  networkTest("it ends with the last, and another begins with the next", async () => {
    await using network = new SharedNetwork();
    let first: number | undefined;
    {
      await using _first = await resident([network.entry(2)]);
      first = network.pid();
      expect(first).toBeDefined();
    }
    await until("it has ended", () => network.pid() === undefined);
    await using _again = await resident([network.entry(2)]);
    expect(network.pid()).not.toBe(first);
  });

  networkTest("it outlives who came first; killed, it is replaced and all are back", async () => {
    await using network = new SharedNetwork();
    await using b = await resident([network.entry(3)]);
    await using c = await resident([network.entry(4)]);
    {
      await using _a = await resident([network.entry(2)]);
    }
    expect(await say(b, reached("10.89.0.4"))).toBe("reached");
    for (let i = 0; i < 2; i += 1) {
      const pid = await until("it is there", () => network.pid());
      process.kill(pid, "SIGKILL");
      await until("another is there", () => (network.pid() ?? pid) !== pid);
      await until("they reach each other again", async () => {
        const there = (await say(b, reached("10.89.0.4"))) === "reached";
        return there && (await say(c, reached("10.89.0.3"))) === "reached";
      });
    }
  });

  networkTest("a monitor that is killed takes only its own container away", async () => {
    await using network = new SharedNetwork();
    await using a = await resident([network.entry(2)]);
    await using b = await resident([network.entry(3)]);
    const pid = network.pid();
    process.kill(a.state().monitorPid, "SIGKILL");
    await until("its name is gone", async () =>
      (await say(b, "nslookup -type=a c2 10.89.0.1")).includes("10.89.0.2") ? false : true,
    );
    await using _again = await resident([network.entry(2)]);
    expect(await say(b, reached("10.89.0.2"))).toBe("reached");
    expect(network.pid()).toBe(pid);
    rmSync(a.runtimeDir, { recursive: true }); // what whoever comes next finds and removes
  });
});
