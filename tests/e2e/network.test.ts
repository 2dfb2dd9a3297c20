/** The private network from the command line: real connections into containers, out of them, and through the host's tools. */
import { describe, expect } from "bun:test";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { fetchText } from "../support/fetch-text.ts";
import { type Box, runBox } from "../support/boxes.ts";
import { program, registryPrograms, testWith, tunDevice } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const shared = sharedWorld();
const ipv6 = (): string | undefined =>
  networkInterfaces()["lo"]?.some(({ address }) => address === "::1") === true
    ? undefined
    : "no IPv6 on loopback";
const needed = [...registryPrograms, tunDevice];
const test = testWith(...needed);
const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);

async function refused(exitCode: number, ...words: string[]): Promise<string> {
  const { stderr, ...result } = await shared.world.tspod(words);
  expect(result).toEqual({ exitCode, stdout: "" });
  return stderr;
}

/** Loopback addresses of their own: no other test has the port there. */
const at = (last: number): string => `127.42.2.${last}`;

const web = "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w";
const site = (...flags: string[]): Promise<Box> => runBox(shared.world, web, ...flags);

const answers = (address: string): Promise<unknown> =>
  until(`an answer from ${address}`, async () => (await fetchText(address)) === "hello\n");

describe("published ports", () => {
  test("lead into the container, and are free when it has ended", async () => {
    const box = await site("-p", `${at(1)}:8080:80`);
    await answers(`${at(1)}:8080`);
    expect(await refused(126, "run", "--rm", "-p", `${at(1)}:8080:80`, "tiny", "true")).toContain(
      `Cannot publish ${at(1)}:8080/tcp: container "`,
    );
    await box[Symbol.asyncDispose]();
    expect(await fetchText(`${at(1)}:8080`)).toBeNull();
    await ok("run", "--rm", "-p", `${at(1)}:8080:80`, "tiny", "true");
  });

  testWith(...needed, ipv6)(
    "of IPv6 lead there too, also to a program that knows IPv4 only",
    async () => {
      for (const listen of ["80", "0.0.0.0:80"]) {
        const script = web.replace("-p 80", `-p ${listen}`);
        await using box = await runBox(shared.world, script, "-p", "[::1]::80");
        await answers(await ok("port", box.id, "80"));
      }
    },
  );

  test("come and go while it runs, and are the same after a restart", async () => {
    await using box = await site();
    const added = await ok("port", "add", box.id, `${at(2)}::80`, `${at(2)}:9000-9001:79-80`);
    const [, random = ""] = /^80\/tcp -> (127\S+:\d+)$/m.exec(added) ?? [];
    await answers(random);
    await answers(`${at(2)}:9001`);
    await ok("port", "rm", box.id, `${at(2)}:9000-9001:79-80`);
    expect(await fetchText(`${at(2)}:9001`)).toBeNull();
    expect(await ok("port", "add", box.id, `${random}:80`)).toBe(`80/tcp -> ${random}`);
    await ok("restart", "-t", "0", box.id);
    expect(await ok("port", box.id)).toBe(`80/tcp -> ${random}`);
    await answers(random);
  });

  test("are refused in one sentence when they cannot be had", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, at(3), resolve));
    const { port } = server.address() as { port: number };
    const publish = (spec: string) => refused(126, "run", "--rm", "-p", spec, "tiny", "true");
    expect(await publish(`${at(3)}:${port}:80`)).toContain(
      `Cannot publish ${at(3)}:${port}/tcp: the port is in use`,
    );
    expect(await publish("192.0.2.199:8080:80")).toContain("this host has no such address");
    await using box = await site();
    expect(await refused(126, "port", "add", box.id, `${at(3)}:${port}:80`)).toContain("in use");
    expect(await ok("port", box.id)).toBe("");
    server.close();
    expect(await ok("ps", "-aq", "--no-trunc")).toBe(box.id);
  });
});

describe("from inside", () => {
  test("the host is reached by its address, its loopback only when that is asked for", async () => {
    const received: string[] = [];
    const server = createServer((client) => {
      client.on("data", (bytes) => void received.push(bytes.toString().trim()));
      client.on("error", () => undefined);
      client.end("from the host\n");
    });
    await new Promise<void>((resolve) => server.listen(0, at(4), resolve));
    const { port } = server.address() as { port: number };
    const ask = (...flags: string[]): Promise<string> => {
      const script = `echo to the host | nc -w 5 ${at(4)} ${port} || echo refused; nc -w 5 10.0.2.2 ${port} || echo none`;
      return ok("run", "--rm", ...flags, "tiny", "sh", "-c", script);
    };
    expect(await ask()).toBe("refused\nnone");
    expect(received).toEqual([]);
    server.close();
    const own = createServer((client) => void client.end("from loopback\n"));
    await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
    const { port: other } = own.address() as { port: number };
    const script = `nc -w 5 10.0.2.2 ${other}`;
    const flags = ["--network", "private:host-loopback"];
    expect(await ok("run", "--rm", ...flags, "tiny", "sh", "-c", script)).toBe("from loopback");
    own.close();
  });

  test("services of the host on its other addresses are found by name and address", async () => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === "IPv4" && !one.internal)?.address;
    if (address === undefined) return expect(address).toBeUndefined(); // a host with loopback only
    const server = createServer((client) => void client.end("from the host\n"));
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    const { port } = server.address() as { port: number };
    const script = `nc -w 5 ${address} ${port}; nslookup host.containers.internal | tail -n +3`;
    const said = await ok("run", "--rm", "tiny", "sh", "-c", script);
    expect(said).toStartWith("from the host\n");
    expect(said).toContain("10.0.2.2");
    server.close();
  });

  test("--ip, --ip6, --mac-address, mtu are those of its interface", async () => {
    const flags = ["--ip", "10.0.2.77", "--ip6", "fd00::77", "--mac-address", "02:00:00:00:00:77"];
    const script = "ip addr show eth0; ip route; cat /etc/hosts";
    const said = await ok(
      "run",
      "--rm",
      ...flags,
      "--network=private:mtu=1500",
      "tiny",
      "sh",
      "-c",
      script,
    );
    for (const word of ["10.0.2.77/24", "fd00::77/64", "02:00:00:00:00:77", "mtu 1500"]) {
      expect(said).toContain(word);
    }
    expect(said).toContain("default via 10.0.2.2 dev eth0");
    expect(said).toMatch(/^10\.0\.2\.77\t/m);
  });

  test("containers that share one network meet on its loopback", async () => {
    await using box = await site("-p", `${at(5)}:8080:80`);
    await answers(`${at(5)}:8080`);
    const script = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 127.0.0.1 80 | tail -n 1";
    const flags = ["--network", `container:${box.id}`];
    expect(await ok("run", "--rm", ...flags, "tiny", "sh", "-c", script)).toBe("hello");
  });

  test("--egress none reaches nobody", async () => {
    const own = createServer((client) => void client.end("reached\n"));
    await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
    const { port } = own.address() as { port: number };
    const ask = (...flags: string[]): Promise<string> => {
      const words = ["--network=private:host-loopback", ...flags, "tiny", "sh", "-c"];
      return ok("run", "--rm", ...words, `nc -w 5 10.0.2.2 ${port} || echo refused`);
    };
    expect(await ask("--egress", "none")).toBe("refused");
    expect(await ask("--egress", `allow=10.0.2.2:${port}`)).toBe("reached");
    own.close();
  });
});

describe("by the host's tools", () => {
  testWith(...needed, program("slirp4netns"))("slirp4netns", async () => {
    const options = "port_handler=slirp4netns,allow_host_loopback=true,cidr=10.78.0.0/24";
    await using box = await site(
      `--network=slirp4netns:${options}`,
      "-p",
      `${at(7)}:8080-8081:80-81`,
    );
    await answers(`${at(7)}:8080`);
    expect(await ok("port", box.id, "80")).toBe(`${at(7)}:8080`);
    const said = await ok(
      "exec",
      box.id,
      "sh",
      "-c",
      "ip -4 -o addr; cat /etc/hosts /etc/resolv.conf",
    );
    expect(said).toContain("10.78.0.100/24");
    expect(said).toContain("10.78.0.2\thost.containers.internal");
    expect(said).toContain("nameserver 10.78.0.3");
    const again = (...flags: string[]) =>
      shared.world.tspod(["run", "--rm", "--network=slirp4netns", ...flags, "tiny", "true"]);
    expect((await again("-p", `${at(7)}:8081:80`)).stderr).toContain(`container "`);
    expect((await again("-p", "[::1]:8081:80")).stderr).toContain("addresses of IPv4 only");
    const more = [`${at(7)}:9000:80`, `${at(7)}:9001-9002:80-81`];
    await ok("port", "add", box.id, ...more);
    await answers(`${at(7)}:9001`);
    expect(await refused(125, "port", "add", box.id, "[::1]:9001:80")).toContain("IPv4 only");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, at(7), resolve));
    const { port } = server.address() as { port: number };
    const added = ["port", "add", box.id, `${at(7)}:${port}:80`];
    expect(await refused(126, ...added)).toContain("the port is in use");
    server.close();
    await ok("port", "rm", box.id, `${at(7)}:9001-9002:80-81`);
    expect(await fetchText(`${at(7)}:9001`)).toBeNull();
    await ok("restart", "-t", "0", box.id);
    await answers(`${at(7)}:8080`);
    await answers(`${at(7)}:9000`);
    await ok("rm", "-f", "-t", "0", box.id);
    expect(await fetchText(`${at(7)}:8080`)).toBeNull();
    expect((await again("-p", `${at(7)}:8080:80`)).exitCode).toBe(0);
  });

  testWith(...needed, program("pasta", "passt"))("pasta", async () => {
    await using box = await site("--network=pasta", "-p", `${at(6)}:8080:80`);
    await answers(`${at(6)}:8080`);
    expect(await ok("inspect", "-f", "{{.HostConfig.NetworkMode}}", box.id)).toBe("pasta");
    expect(await refused(125, "port", "add", box.id, "8081:80")).toContain("only when it starts");
    await ok("rm", "-f", "-t", "0", box.id);
    expect(await fetchText(`${at(6)}:8080`)).toBeNull();
  });
});
