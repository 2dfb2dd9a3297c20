/** Containers on networks that were created: whom they reach, whom they find by name, and how that changes as they run. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fetchText } from "../support/fetch-text.ts";
import { type Box, runBox } from "../support/boxes.ts";
import { processesOf } from "../support/leaks.ts";
import { reboot } from "../support/reboot.ts";
import { program, registryPrograms, testWith, tunDevice } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";

const test = testWith(...registryPrograms, tunDevice);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]): Promise<string> => shared.world.ok(...words);

/** A container that says its name to whoever asks. */
const server = (name: string, ...flags: string[]): Promise<Box> => {
  const script = `mkdir /w; echo "this is ${name}" > /w/index.html; exec httpd -f -p 80 -h /w`;
  return runBox(shared.world, script, "--name", name, ...flags);
};

/** Busybox's own resolver, then the address: a static program cannot ask libc. Who has just begun is asked again. */
const call = `call() {
  to=$(nslookup "$1" | awk '/^Name:/ { found = 1 } found && /^Address/ && $NF !~ /:/ { print $NF; exit }')
  if [ -z "$to" ]; then echo "$1: no such name"; return; fi
  until said=$(printf "GET / HTTP/1.0\\n\\n" | nc -w 5 "$to" 80 2>/dev/null | tail -n 1); [ -n "$said" ]; do :; done
  echo "$1: $said"
}
`;
const asking = (...names: string[]): string =>
  `${call}${names.map((name) => `call ${name}; `).join("")}`;
const ask = (network: string[], ...names: string[]): Promise<string> =>
  ok(
    "run",
    "--rm",
    ...network.map((name) => `--network=${name}`),
    "tiny",
    "sh",
    "-c",
    asking(...names),
  );
const askFrom = (id: string, ...names: string[]): Promise<string> =>
  ok("exec", id, "sh", "-c", asking(...names));

async function makeNetworks(...names: string[]): Promise<AsyncDisposable> {
  for (const name of names) await ok("network", "create", "--ipv6", name);
  return { [Symbol.asyncDispose]: async () => void (await ok("network", "rm", "-f", ...names)) };
}

const networkProcesses = (): number[] =>
  processesOf(shared.world.root)
    .filter(({ command }) => /native network /.test(command))
    .map(({ pid }) => pid);

describe("on one network", () => {
  test("they find each other by name, alias, id and host name; elsewhere nobody does", async () => {
    await using _networks = await makeNetworks("near", "far");
    await using db = await server("db", "--network=near:alias=pg", "--hostname=store");
    const names = ["db", "PG", db.id.slice(0, 12), "store"];
    expect(await ask(["near"], ...names)).toBe(
      names.map((name) => `${name}: this is db`).join("\n"),
    );
    expect(await ask(["far"], "db")).toBe("db: no such name");
    expect(await ask(["far", "near"], "db")).toBe("db: this is db");
    expect(await ask(["near", "far"], "db")).toBe("db: this is db");
  });

  test("published ports lead to them, and there is a way out", async () => {
    await using _networks = await makeNetworks("open");
    await using box = await server("web", "--network=open", "-p", "127.42.3.1::80");
    expect(await get(await ok("port", box.id, "80"))).toBe("this is web\n");
    expect(await ok("exec", box.id, "ip", "route")).toContain("default via");
    const added = await ok("port", "add", box.id, "127.42.3.2::80");
    expect(await get(added.replace("80/tcp -> ", ""))).toBe("this is web\n");
  });

  test("an internal one has no way out, and names of its own only", async () => {
    await ok("network", "create", "--internal", "vault");
    await using keys = await server("keys", "--network=vault");
    expect(await ask(["vault"], "keys", "example.org")).toBe(
      "keys: this is keys\nexample.org: no such name",
    );
    expect(await ok("exec", keys.id, "ip", "route")).not.toContain("default");
    expect(await ok("network", "rm", "-f", "vault")).toBe("vault");
  });
});

describe.each(["crun", "runc"])("of --runtime %s", (runtime) => {
  const foreign = testWith(...registryPrograms, tunDevice, program(runtime));
  const flag = `--runtime=${runtime}`;

  foreign("has a private network, and its ports", async () => {
    await using box = await server("alone", flag, "-p", "127.42.3.5::80");
    const address = await ok("port", box.id, "80");
    expect(await get(address)).toBe("this is alone\n");
    const look =
      "ip -4 -o addr show eth0; ls /sys/class/net; cat /proc/sys/net/ipv4/ping_group_range";
    const said = await ok("exec", box.id, "sh", "-c", look);
    expect(said).toContain("10.0.2.100/24");
    expect(said).toContain("eth0\nlo\n");
    expect(said).toMatch(/^0\s+\d{5,}$/m);
    await ok("restart", "-t0", "alone");
    expect(await get(address)).toBe("this is alone\n");
    await ok("rm", "-f", "-t0", "alone");
    expect(await fetchText(address)).toBeNull();
  });

  foreign("is on a network with others, comes to another one and leaves it", async () => {
    await using _networks = await makeNetworks("east", "west");
    await using box = await server("guest", flag, "--network=east:alias=visitor");
    await using _boss = await server("boss", "--network=west");
    expect(await ask(["east"], "visitor")).toBe("visitor: this is guest");
    await ok("network", "connect", "west", "guest");
    expect(await askFrom(box.id, "boss")).toBe("boss: this is boss");
    await ok("network", "disconnect", "west", "guest");
    expect(await askFrom(box.id, "boss")).toBe("boss: no such name");
  });
});

describe("while it runs", () => {
  test("a container comes to a network, is called otherwise, and leaves", async () => {
    await using _networks = await makeNetworks("home", "work");
    await using box = await server("it", "--network=home");
    await using _boss = await server("boss", "--network=work");
    expect(await askFrom(box.id, "boss")).toBe("boss: no such name");
    await ok("network", "connect", "--alias=clerk", "work", "it");
    expect(await askFrom(box.id, "boss")).toBe("boss: this is boss");
    expect(await ask(["work"], "it", "clerk")).toBe("it: this is it\nclerk: this is it");
    await ok("rename", "it", "she");
    expect(await ask(["work"], "she", "it")).toBe("she: this is it\nit: no such name");
    await ok("network", "disconnect", "work", "she");
    expect(await askFrom(box.id, "boss")).toBe("boss: no such name");
    expect(await ask(["work"], "she")).toBe("she: no such name");
    expect(await ok("exec", box.id, "ip", "addr")).not.toContain("eth1");
    await ok("restart", "-t0", "she");
    expect(await ask(["home"], "she")).toBe("she: this is it");
  });

  test("a container with a private network comes to others, and keeps its way out and its ports", async () => {
    await using _networks = await makeNetworks("home");
    await using _boss = await server("boss", "--network=home");
    await using box = await server("it", "-p", "127.42.3.4::80");
    const address = await ok("port", box.id, "80");
    await ok("network", "connect", "--alias=clerk", "home", "it");
    const route = async () => (await ok("exec", box.id, "ip", "route")).match(/default.*/)?.[0];
    const modes =
      "{{.HostConfig.NetworkMode}} {{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}";
    const holds = async () => {
      expect(await askFrom(box.id, "boss")).toBe("boss: this is boss");
      expect(await ask(["home"], "it", "clerk")).toBe("it: this is it\nclerk: this is it");
      expect(await route()).toContain("10.0.2.2 dev eth0");
      expect(await get(address)).toBe("this is it\n");
      expect((await ok("inspect", "-f", modes, "it")).trim()).toBe("private home private");
    };
    await holds();
    await ok("restart", "-t0", "it");
    await holds();
    await ok("network", "disconnect", "home", "it");
    expect(await askFrom(box.id, "boss")).toBe("boss: no such name");
    expect(await ok("exec", box.id, "cat", "/etc/resolv.conf")).toContain("nameserver 10.0.2.3");
    expect(await get(address)).toBe("this is it\n");
    expect((await ok("inspect", "-f", modes, "it")).trim()).toBe("private private");
  });

  test("a private one that comes to an internal network knows its names, and the world's", async () => {
    await ok("network", "create", "--internal", "vault");
    await using _boss = await server("boss", "--network=vault");
    await using box = await server("it");
    for (let round = 0; round < 2; round++) {
      await ok("network", "connect", "vault", "it");
      expect(await askFrom(box.id, "boss")).toBe("boss: this is boss");
      await ok("restart", "-t0", "it");
      expect(await askFrom(box.id, "boss")).toBe("boss: this is boss");
      await ok("network", "disconnect", "vault", "it");
      expect(await askFrom(box.id, "boss")).toBe("boss: no such name");
    }
    await ok("network", "rm", "-f", "vault");
  });

  test("the way out and the ports go to the next network when the first is left", async () => {
    await using _networks = await makeNetworks("one", "two");
    await using box = await server("both", "--network=one,two", "-p", "127.42.3.3::80");
    const address = await ok("port", box.id, "80");
    await ok("network", "disconnect", "one", "both");
    const { networks } = JSON.parse(
      readFileSync(join(shared.world.root, "data/containers", box.id, "helper.json"), "utf8"),
    );
    expect(networks).toMatchObject([{ network: "two", isDefaultRoute: true }]);
    expect(await ok("exec", box.id, "ip", "route")).toContain("default via");
    expect(await get(address)).toBe("this is both\n");
    await ok("network", "disconnect", "two", "both");
    expect(await ok("exec", box.id, "ip", "route")).toBe("");
    await ok("network", "connect", "one", "both");
    expect(await ask(["one"], "both")).toBe("both: this is both");
    expect(await get(address)).toBe("this is both\n");
  });

  test("a network whose process is killed is there again", async () => {
    await using _networks = await makeNetworks("frail");
    await using _one = await server("one", "--network=frail");
    await using two = await server("two", "--network=frail");
    const before = networkProcesses();
    expect(before).toHaveLength(1);
    for (const pid of before) process.kill(pid, "SIGKILL");
    await until("they find each other", async () => {
      const { stdout } = await shared.world.tspod(["exec", two.id, "sh", "-c", asking("one")]);
      return stdout === "one: this is one\n";
    });
    expect(networkProcesses()).not.toEqual(before);
  });

  test("after a reboot they are on it again", async () => {
    await using _networks = await makeNetworks("lasting");
    await using one = await server("early", "--network=lasting", "--restart=always");
    await reboot(shared.world);
    expect(await ok("start", "--all-restartable")).toBe(one.id);
    expect(await ask(["lasting"], "early")).toBe("early: this is early");
  });
});

/** What it says there, once it listens. */
async function get(address: string): Promise<string> {
  let said: string | null = null;
  await until(`an answer from ${address}`, async () => (said = await fetchText(address)) !== null);
  return said ?? "";
}
