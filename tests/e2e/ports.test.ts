/** Published ports as people see them: ps, port, inspect, filters; what is refused; networks of other containers. */
import { describe, expect, test } from "bun:test";
import { createBox, inspectOne, runBox } from "../support/boxes.ts";
import { sharedWorld } from "../support/shared-world.ts";

const shared = sharedWorld();
const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);

async function refused(exitCode: number, ...words: string[]): Promise<string> {
  const result = await shared.world.tspod(words);
  expect({ ...result, stderr: "" }).toEqual({ exitCode, stdout: "", stderr: "" });
  expect(result.stderr.trim().split("\n")).toHaveLength(2); // what, and what to do next
  return result.stderr;
}

/** Loopback addresses of their own: no other test has the port there. */
const at = (last: number): string => `127.42.1.${last}`;

describe("a container with ports", () => {
  test("they are shown by port, ps and inspect, and stay the same", async () => {
    const flags = [
      "-p",
      `${at(1)}:8080:80`,
      "-p",
      `${at(1)}:9000-9001:90-91/udp`,
      "-p",
      `${at(1)}::22`,
    ];
    await using box = await createBox(
      shared.world,
      ...flags,
      "--expose",
      "443",
      "tiny",
      "sleep",
      "1000",
    );
    const random = (await ok("port", box.id, "22")).split(":")[1] ?? "";
    expect(Number(random)).toBeGreaterThan(1023);
    expect(await ok("port", box.id)).toBe(
      [
        `22/tcp -> ${at(1)}:${random}`,
        `80/tcp -> ${at(1)}:8080`,
        `90/udp -> ${at(1)}:9000`,
        `91/udp -> ${at(1)}:9001`,
      ].join("\n"),
    );
    expect(await ok("port", box.id, "91/udp")).toBe(`${at(1)}:9001`);
    expect(await ok("ps", "-a", "--format", "{{.Ports}}", "-f", `id=${box.id}`)).toBe("");
    await ok("start", box.id);
    expect(await ok("ps", "--format", "{{.Ports}}", "-f", `id=${box.id}`)).toBe(
      `443/tcp, ${at(1)}:${random}->22/tcp, ${at(1)}:8080->80/tcp, ${at(1)}:9000-9001->90-91/udp`,
    );
    const { NetworkSettings, HostConfig, Config } = await inspectOne(shared.world, box.id);
    const bound = (port: string) => [{ HostIp: at(1), HostPort: port }];
    const ports = { "22/tcp": bound(random), "80/tcp": bound("8080") };
    expect(NetworkSettings).toMatchObject({ Ports: { ...ports, "443/tcp": null } });
    expect(HostConfig).toMatchObject({ NetworkMode: "private", PortBindings: ports });
    expect(Object.keys(Config["ExposedPorts"] as object)).toContain("443/tcp");
  });

  test("filters find them", async () => {
    const flags = ["-p", `${at(2)}:8080:80`, "--expose", "7000-7002/udp", "--label", "filtered"];
    await using box = await createBox(shared.world, ...flags, "tiny", "sh");
    const found = async (...filters: string[]): Promise<boolean> => {
      const words = [...filters, "label=filtered"].flatMap((filter) => ["-f", filter]);
      return (await ok("ps", "-aq", "--no-trunc", ...words)) === box.id;
    };
    expect(await found("publish=80")).toBe(true);
    expect(await found("publish=70-90/tcp")).toBe(true);
    expect(await found("publish=80/udp")).toBe(false);
    expect(await found("publish=8080")).toBe(false);
    expect(await found("expose=7001/udp")).toBe(true);
    expect(await found("expose=80")).toBe(true);
    expect(await found("expose=7003/udp")).toBe(false);
    expect(await found("network=bridge")).toBe(true);
    expect(await found("network=host")).toBe(false);
  });

  test("add and rm change them for every start from now on", async () => {
    await using box = await createBox(shared.world, "tiny", "sh");
    expect(await ok("port", "add", box.id, `${at(3)}:8080:80`, `${at(3)}:53:53/udp`)).toBe(
      `53/udp -> ${at(3)}:53\n80/tcp -> ${at(3)}:8080`,
    );
    expect(await ok("port", "add", box.id, `${at(3)}:8080:80`)).toBe(`80/tcp -> ${at(3)}:8080`);
    expect(await refused(126, "port", "add", box.id, `${at(3)}:8080:81`)).toContain("already");
    expect(await ok("port", "rm", box.id, "53/udp")).toBe(`53/udp -> ${at(3)}:53`);
    expect(await ok("port", box.id)).toBe(`80/tcp -> ${at(3)}:8080`);
    expect(await refused(125, "port", "rm", box.id, "81:80")).toContain("not published like that");
    expect(await refused(125, "port", box.id, "53/udp")).toContain("tspod port add");
  });

  test("-P publishes what is exposed", async () => {
    await using box = await createBox(
      shared.world,
      "-P",
      "--expose",
      "80",
      "--expose",
      "9/sctp",
      "tiny",
    );
    const lines = (await ok("port", box.id)).split("\n");
    expect(lines[0]).toMatch(/^80\/tcp -> 0\.0\.0\.0:\d+$/);
    expect(lines.filter((line) => !line.startsWith("80/tcp -> "))).toEqual([]);
  });
});

describe("what is refused, in one sentence", () => {
  test.each<[number, string[], string]>([
    [125, ["-p", "80:x"], 'Invalid -p "80:x"'],
    [125, ["-p", "80/sctp"], "SCTP is not passed on"],
    [125, ["-p", "80:80", "-p", "80:81"], "Cannot publish 0.0.0.0:80/tcp twice"],
    [125, ["--network", "moon"], 'Cannot find network "moon"'],
    [125, ["--network", "container:nobody"], 'Cannot find container "nobody"'],
    [125, ["--network", "host", "--ip", "10.0.2.9"], "Cannot combine --ip with --network=host"],
    [125, ["--ip", "192.0.2.1"], 'Invalid --ip "192.0.2.1"'],
    [125, ["--mac-address", "x"], 'Invalid --mac-address "x"'],
    [125, ["--egress", "some"], 'Invalid --egress "some"'],
    [125, ["--network", "none", "--add-host", "a:host-gateway"], 'Cannot add the host "a"'],
  ])("%i %p", async (exitCode, flags, message) => {
    expect(await refused(exitCode, "run", "--rm", ...flags, "tiny", "true")).toContain(message);
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("port with words that are none", async () => {
    await using box = await createBox(shared.world, "tiny", "sh");
    expect(await refused(125, "port", box.id, "x")).toContain('Invalid port "x"');
    expect(await refused(125, "port", box.id, "80", "81")).toContain('"81" is one too many');
    expect(await refused(125, "port", "add", box.id, "80:x")).toContain('Invalid port "80:x"');
    expect(await refused(125, "port", "add", "nobody", "80")).toContain(
      'Cannot find container "nobody"',
    );
    await using hosts = await createBox(shared.world, "--network=host", "tiny", "sh");
    expect(await refused(125, "port", "add", hosts.id, "80")).toContain("no network of its own");
  });

  test("what podman drops with a word is dropped with a word", async () => {
    const { stderr, exitCode } = await shared.world.tspod([
      ...["run", "--rm", "--network=host", "-p", "80:80", "tiny", "true"],
    ]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: "Warning: No port is published with --network=host: its ports are the host's own\n",
    });
  });
});

describe("--network container:NAME", () => {
  test("has the other's network, names and host name", async () => {
    await using box = await runBox(shared.world, "exec sleep 1000", "--add-host", "db:192.0.2.7");
    const script = "readlink /proc/self/ns/net; cat /etc/hosts /etc/resolv.conf; hostname";
    const mine = await ok(
      "run",
      "--rm",
      "--network",
      `container:${box.id}`,
      "tiny",
      "sh",
      "-c",
      script,
    );
    expect(mine).toBe(await ok("exec", box.id, "sh", "-c", script));
    expect(mine).toContain("192.0.2.7\tdb");
  });

  test("needs the other to run, and keeps it from being removed", async () => {
    await using box = await createBox(shared.world, "--name", "first", "tiny", "sleep", "1000");
    const words = ["--network=container:first", "--name", "second", "tiny", "sleep", "1000"];
    await using second = await createBox(shared.world, ...words);
    expect(await refused(125, "start", second.id)).toContain('container "first", whose namespaces');
    expect(await refused(125, "rm", box.id)).toContain("first");
    await ok("start", "first");
    await ok("start", "second");
    const [one, other] = [
      await inspectOne(shared.world, "first"),
      await inspectOne(shared.world, "second"),
    ];
    expect(other.HostConfig["NetworkMode"]).toBe(`container:${one.Id}`);
  });
});
