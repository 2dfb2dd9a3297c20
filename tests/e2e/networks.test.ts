/** Networks as records: made, shown, used, left and removed, as podman's and docker's users know it. */
import { describe, expect } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBox, inspectOne } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);
const lines = (text: string): string[] => text.split("\n").filter(Boolean);

const refused = (...words: string[]): Promise<string> => refusedWith(125, ...words);

async function refusedWith(exitCode: number, ...words: string[]): Promise<string> {
  const result = await shared.world.tspod(words);
  expect({ ...result, stderr: "" }).toEqual({ exitCode, stdout: "", stderr: "" });
  expect(lines(result.stderr)).toHaveLength(2); // what, and what to do next
  return result.stderr;
}

interface Inspected {
  [field: string]: unknown;
  Id: string;
  subnets: { subnet: string; gateway: string }[];
}

async function inspectNetwork(name: string): Promise<Inspected> {
  const [found] = JSON.parse(await ok("network", "inspect", name)) as Inspected[];
  if (found === undefined) throw new Error(`inspect says nothing of ${name}`);
  return found;
}

const containerFile = (id: string, name: string): string =>
  readFileSync(join(shared.world.root, "data/containers", id, name), "utf8");

describe("tspod network", () => {
  test("create, inspect, ls, exists, rm", async () => {
    const flags = ["--subnet", "10.201.7.9/24", "--ip-range", "10.201.7.128/25", "--label", "a=b"];
    expect(await ok("network", "create", "-d", "bridge", "--internal", ...flags, "first")).toBe(
      "first",
    );
    const found = await inspectNetwork("first");
    const lease_range = { start_ip: "10.201.7.128", end_ip: "10.201.7.254" };
    expect(found).toMatchObject({
      ...{ name: "first", id: found.Id, driver: "bridge", internal: true, dns_enabled: true },
      subnets: [{ subnet: "10.201.7.0/24", gateway: "10.201.7.1", lease_range }],
      ...{ ipv6_enabled: false, labels: { a: "b" }, containers: {}, Scope: "local" },
      IPAM: {
        Config: [{ Subnet: "10.201.7.0/24", Gateway: "10.201.7.1", IPRange: "10.201.7.128/25" }],
      },
    });
    expect(await ok("inspect", "--type", "network", "-f", "{{.Name}}", "first")).toBe("first");
    const short = found.Id.slice(0, 12);
    const list = ["network", "ls", "-f", "label=a=b"];
    expect(await ok(...list, "--format", "{{.ID}} {{.Name}} {{.Driver}}")).toBe(
      `${short} first bridge`,
    );
    expect(await ok(...list, "-q", "-f", `id=${short}`, "-f", "name=^fir")).toBe("first");
    expect(await ok(...list, "-q", "-f", "dangling=false")).toBe("");
    expect(await ok(...list, "-q", "-f", "type=custom", "-f", "scope=local")).toBe("first");
    for (const other of ["type=builtin", "scope=swarm"]) {
      expect(await ok(...list, "-q", "-f", other)).toBe("");
    }
    expect((await shared.world.tspod(["network", "exists", short])).exitCode).toBe(0);
    expect(await ok("network", "rm", short)).toBe("first");
    expect((await shared.world.tspod(["network", "exists", "first"])).exitCode).toBe(1);
    expect(await refusedWith(1, "network", "rm", "first")).toContain("Cannot find network");
    expect(await ok("network", "rm", "-f", "first")).toBe("");
  });

  test("twenty at once have twenty subnets", async () => {
    const count = 20;
    await Promise.all(Array.from({ length: count }, () => ok("network", "create", "--label=many")));
    const all = lines(await ok("network", "ls", "-q", "-f", "label=many"));
    const format = "{{range .Subnets}}{{.Subnet}}{{end}}";
    const subnets = lines(await ok("network", "inspect", "-f", format, ...all));
    expect(all).toHaveLength(count);
    expect(new Set(subnets).size).toBe(count);
    const pruned = await ok("network", "prune", "-f", "--filter", "label=many");
    expect(lines(pruned)).toEqual(["Deleted Networks:", ...all]);
  });

  test.each<[string[], string]>([
    [["create", "host"], "it is a mode of --network"],
    [["create", "a b"], "Invalid network name"],
    [["create", "-d", "macvlan"], 'Cannot use the network driver "macvlan"'],
    [["create", "-d", "moon"], 'There is no network driver "moon"'],
    [["create", "-o", "mtu=9"], 'Invalid -o "mtu=9"'],
    [["create", "-o", "vlan=9"], "there is no such option"],
    [["create", "-o", "com.docker.network.bridge.enable_icc=false"], "that cannot be had"],
    [["create", "--subnet", "127.0.0.0/8"], "no network can be there"],
    [["create", "--gateway", "10.1.1.1"], "it is in no subnet of this network"],
    [["create", "--dns", "x"], 'Invalid --dns "x"'],
    [["create", "--internal", "--dns", "1.1.1.1"], "Cannot combine --dns with --internal"],
    [["create", "--ipam-driver", "dhcp"], 'There is no --ipam-driver "dhcp"'],
    [["create", "--interface-name", "a/b"], 'Invalid --interface-name "a/b"'],
    [["rm", "-t", "1", "none"], "--time is for --force"],
    [["create", "--ipv4=false"], "every network has IPv4 addresses"],
    [["create", "--dns", "1.1.1.1,1.1.1.2", "--dns=1.1.1.3,1.1.1.4"], "3 name servers at most"],
    [["create", "--subnets", "10.1.1.0/24"], 'did you mean "--subnet"'],
    [["update", "none"], "There is nothing to change"],
    [["update", "none", "--dns-add", "1.1.1.1"], 'Cannot find network "none"'],
    [["update", "none", "--dns-drop", "one"], 'Invalid --dns-drop "one"'],
    [["connect", "none", "nobody"], 'Cannot find network "none"'],
    [["disconnect", "bridge", "nobody"], "a private network is one container's own"],
    [["ls", "-f", "color=red"], 'Unknown filter "color"'],
    [["ls", "-f", "dangling=perhaps"], 'Invalid filter "dangling=perhaps"'],
    [["ls", "-f", "type=none"], 'Invalid filter "type=none"'],
    [["prune", "-f", "--filter", "name=x"], 'Unknown filter "name"'],
  ])("network %p is refused", async (words, why) => {
    expect(await refused("network", ...words)).toContain(why);
  });
});

describe("network update", () => {
  const serversOf = async (name: string): Promise<unknown> =>
    (await inspectNetwork(name)).network_dns_servers;

  test("changes whom it asks, now and for those that come", async () => {
    await ok("network", "create", "--dns", "192.0.2.1", "asks");
    await using box = await createBox(shared.world, "--network=asks", "tiny", "sleep", "1000");
    await using own = await createBox(shared.world, "--network=asks", "--dns=::1", "tiny", "true");
    await ok("start", box.id);
    const servers = (id: string): unknown =>
      JSON.parse(containerFile(id, "helper.json")).networks[0].servers;
    const flags = ["--dns-drop=192.0.2.1,192.0.2.9", "--dns-add", "2001:db8::1,192.0.2.2"];
    expect(await ok("network", "update", ...flags, "asks")).toBe("asks");
    expect(await serversOf("asks")).toEqual(["2001:db8::1", "192.0.2.2"]);
    expect(servers(box.id)).toEqual(["2001:db8::1", "192.0.2.2"]);
    expect(servers(own.id)).toEqual(["::1"]);
    const many = ["--dns-add=192.0.2.2,192.0.2.3,192.0.2.4"];
    expect(await refused("network", "update", "asks", ...many)).toContain("3 name servers at most");
    await ok("network", "update", "--dns-drop=2001:db8::1", "--dns-drop=192.0.2.2", "asks");
    expect(await serversOf("asks")).toBeUndefined();
    expect(servers(box.id)).toEqual([]);
    const events = await ok("events", "--stream=false", "-f=event=update", "--format={{.Name}}");
    expect(lines(events)).toEqual(["asks", "asks"]);
    await ok("network", "rm", "-f", "-t0", "asks");
  });

  test("gives none to an internal one", async () => {
    await ok("network", "create", "--internal", "shut");
    const words = ["network", "update", "shut", "--dns-add=192.0.2.1"];
    expect(await refused(...words)).toContain("it is internal");
    await ok("network", "rm", "shut");
  });
});

describe("a container on networks", () => {
  test("has an address in each, is in their way, and gives all back", async () => {
    await ok("network", "create", "--subnet", "10.202.1.0/24", "one");
    await ok("network", "create", "--subnet", "10.202.2.0/24", "--internal", "two");
    const flags = ["--network", "one:alias=www", "--network", "two", "--network-alias", "all"];
    {
      await using box = await createBox(shared.world, ...flags, "--hostname", "h", "tiny", "true");
      const { NetworkSettings, HostConfig, Name } = await inspectOne(shared.world, box.id);
      expect(HostConfig).toMatchObject({ NetworkMode: "one" });
      const short = box.id.slice(0, 12);
      expect(NetworkSettings).toMatchObject({
        IPAddress: "",
        Networks: {
          one: { Aliases: ["www", "all", short], DNSNames: [Name, "www", "all", short, "h"] },
          two: { Aliases: ["all", short], IPAMConfig: null },
        },
      });
      expect(containerFile(box.id, "hosts")).toEndWith(
        [
          `10.202.1.2\th ${Name} www all ${short}`,
          `10.202.2.2\th ${Name} all ${short}`,
          "10.202.1.1\thost.containers.internal host.docker.internal\n",
        ].join("\n"),
      );
      expect(containerFile(box.id, "resolv.conf")).toContain("nameserver 10.202.1.1\n");
      const { networks } = JSON.parse(containerFile(box.id, "helper.json"));
      expect(networks).toMatchObject([
        { network: "one", interface: "eth0", address4: "10.202.1.2/24", isDefaultRoute: true },
        { network: "two", interface: "eth1", address4: "10.202.2.2/24", internal: true },
      ]);
      expect(await ok("ps", "-a", "-f", "network=two", "--format", "{{.Networks}}")).toBe(
        "one,two",
      );
      const { Id } = await inspectNetwork("one");
      expect(await ok("ps", "-aq", "-f", `network=${Id.slice(0, 9)}`)).toBe(short);
      expect(await ok("network", "prune", "-f")).toBe("");
      expect(await refusedWith(2, "network", "rm", "one")).toContain(
        `Network "one" is in use by container "${Name}"`,
      );
    }
    expect(await ok("network", "rm", "one", "two")).toBe("one\ntwo");
  });

  test.each<[string[], string]>([
    [["--network", "nowhere"], 'Cannot find network "nowhere"'],
    [["--network", "hots"], 'did you mean "host"?'],
    [["--network", "there", "--network", "there"], 'Network "there" is given twice'],
    [["--network", "there", "--network", "host"], "Cannot combine --network=there with"],
    [["--network", "there", "--ip", "10.203.0.1"], "it is the gateway's"],
    [["--network", "there", "--ip", "10.9.9.9"], "it is not in 10.203.0.0/24"],
    [["--network", "there", "--ip6", "fd00::9"], 'network "there" has no IPv6'],
  ])("%p is refused, and nothing stays", async (flags, why) => {
    await ok("network", "create", "--ignore", "--subnet", "10.203.0.0/24", "there");
    expect(await refused("create", ...flags, "tiny")).toContain(why);
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("has interfaces called as it was asked, and numbers for the others", async () => {
    for (const name of ["lan", "wan"]) await ok("network", "create", name);
    const flags = ["--network=lan", "--network=wan:interface_name=eth0"];
    await using box = await createBox(shared.world, ...flags, "tiny");
    const { networks } = JSON.parse(containerFile(box.id, "helper.json"));
    expect(networks).toMatchObject([
      { network: "lan", interface: "eth1" },
      { network: "wan", interface: "eth0" },
    ]);
    expect(
      await refused("create", flags[1] ?? "", "--network=lan:interface_name=eth0", "tiny"),
    ).toContain('It has an interface "eth0" already');
    await ok("network", "rm", "-f", "lan", "wan");
  });

  test("many at once have addresses of their own", async () => {
    await ok("network", "create", "crowd");
    const count = 8;
    const ids = await Promise.all(
      Array.from({ length: count }, () => ok("create", "--network", "crowd", "tiny", "true")),
    );
    const addresses = ids.map((id) => {
      const { networks } = JSON.parse(containerFile(id, "helper.json"));
      const [{ address4 }] = networks as [{ address4: string }];
      expect(containerFile(id, "hosts")).toContain(`\n${address4.replace("/24", "")}\t`);
      return address4;
    });
    expect(new Set(addresses).size).toBe(count);
    expect(await ok("network", "rm", "-f", "crowd")).toBe("crowd");
    expect(await ok("ps", "-aq")).toBe("");
  });

  test("comes to another one and leaves, and is called otherwise", async () => {
    for (const name of ["home", "work"]) await ok("network", "create", name);
    const mine = "192.0.2.1\tmine\n"; // written by somebody inside
    await using box = await createBox(shared.world, "--name=it", "--network=home", "tiny", "true");
    appendFileSync(join(shared.world.root, "data/containers", box.id, "hosts"), mine);
    await ok("network", "connect", "--alias", "boss", "work", "it");
    expect(await refused("network", "connect", "work", "it")).toContain('is on network "work" al');
    expect(await ok("ps", "-a", "--format", "{{.Networks}}")).toBe("home,work");
    await ok("rename", "it", "he");
    const entries = () => JSON.parse(containerFile(box.id, "helper.json")).networks as object[];
    const short = box.id.slice(0, 12);
    expect(entries()).toMatchObject([
      { network: "home", names: ["he", short], isDefaultRoute: true },
      { network: "work", names: ["he", "boss", short], isDefaultRoute: false },
    ]);
    await ok("network", "disconnect", "home", "he");
    expect(entries()).toMatchObject([{ network: "work", interface: "eth1", isDefaultRoute: true }]);
    expect(containerFile(box.id, "hosts")).toMatch(RegExp(`\\n10[.0-9]+\\t${short} he boss\\n10`));
    expect(lines(containerFile(box.id, "hosts"))).toHaveLength(5);
    await ok("network", "disconnect", "work", "he");
    expect(entries()).toEqual([]);
    expect(containerFile(box.id, "hosts")).toEndWith(`\n127.0.0.1\t${short} he\n${mine}`);
    expect(await refused("network", "disconnect", "work", "he")).toContain('is not on network "wo');
    const events = ["events", "--stream=false", "-f", "type=network", "--format", "{{.Status}}"];
    expect(lines(await ok(...events, "-f", "network=home"))).toEqual(["create", "disconnect"]);
    await ok("network", "connect", "home", "he");
    expect(entries()).toMatchObject([{ network: "home", interface: "eth0" }]);
    await using other = await createBox(shared.world, "--network=none", "tiny", "true");
    expect(await refused("network", "connect", "home", other.id)).toContain("--network=none");
  });

  test("a connect that was killed leaves nothing to a private one: its next start mends it", async () => {
    await ok("network", "create", "half");
    await using box = await createBox(shared.world, "--name=alone", "tiny", "true");
    const file = join(shared.world.root, "data/containers", box.id, "helper.json");
    const before = readFileSync(file, "utf8");
    await ok("network", "connect", "half", "alone");
    const after = readFileSync(file, "utf8");
    expect(JSON.parse(after)).toMatchObject({ network: {}, networks: [{ network: "half" }] });
    await ok("network", "disconnect", "half", "alone");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(before));
    writeFileSync(file, after); // the row was not written
    expect((await shared.world.tspod(["system", "check"])).exitCode).toBe(1);
    await ok("start", "-a", "alone");
    expect(JSON.parse(readFileSync(file, "utf8")).networks).toBeUndefined();
  });

  test("is prepared as the store says: system check sees to it", async () => {
    await ok("network", "create", "checked");
    await using box = await createBox(shared.world, "--name=odd", "--network=checked", "tiny");
    expect(await ok("system", "check")).toEndWith("all is well");
    const file = join(shared.world.root, "data/containers", box.id, "helper.json");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace(/"10\.[0-9.]+\/24"/, '"10.9.9.9/24"'));
    mkdirSync(join(shared.world.root, "run/networks/gone"), { recursive: true });
    const { exitCode, stdout } = await shared.world.tspod(["system", "check"]);
    expect({ exitCode, found: lines(stdout).slice(1) }).toEqual({
      exitCode: 1,
      found: [
        'Container "odd" is prepared for other networks than it is on; --repair mends it',
        `${shared.world.root}/run/networks/gone belongs to no network; --repair mends it`,
      ],
    });
    await ok("system", "check", "--repair");
    expect(readFileSync(file, "utf8")).toBe(before);
    expect(await ok("system", "check")).toEndWith("all is well");
    await ok("network", "rm", "-f", "checked");
  });

  test("without a way out has no ports, and is told so", async () => {
    await ok("network", "create", "--internal", "vault");
    const { stderr } = await shared.world.tspod([
      "create",
      "--name=closed",
      "--network=vault",
      "-p",
      "80:80",
      "tiny",
      "true",
    ]);
    expect(stderr).toContain('No port is published: network "vault" is internal');
    expect(await ok("port", "closed")).toBe("");
    expect(await ok("system", "prune", "-f")).toContain("Deleted Networks:\n");
  });
});
