/** Abstract unix sockets (unix(7)): they belong to the network namespace, so only a shared one reaches the host's. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { allCapabilities } from "../../src/spec/index.ts";
import { allNamespaces } from "../helper/runtime-bundle.ts";
import { attack, attackTest, fronts, perlMounts } from "./target.ts";

const name = `attacked-${process.pid}`;
const address = `use Socket; my $a = sockaddr_un("\\0${name}"); socket(my $s, AF_UNIX, SOCK_STREAM, 0);`;
const listening = `${address} bind($s, $a) && listen($s, 9) or die $!; $| = 1; print "listens"; sleep 1000`;
const connecting = `${address} print connect($s, $a) ? "connected" : "refused"`;

/** Somebody of the host who trusts whoever can connect. */
const listener = Promise.withResolvers<Bun.Subprocess>();

beforeAll(async () => {
  const child = Bun.spawn(["perl", "-e", listening], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("listens");
  listener.resolve(child);
});

afterAll(async () => (await listener.promise).kill());

describe.each(fronts)("%s", (front) => {
  const connect = async (namespaces: string[]): Promise<string> => {
    await using target = attack(front, ["/usr/bin/perl", "-e", connecting], {
      ...{ mounts: perlMounts, capabilities: [...allCapabilities] },
      namespaces: namespaces.map((type) => ({ type })),
    });
    target.configure((config) => {
      config.mounts = config.mounts.filter(({ type }) => type !== "sysfs");
    });
    return (await target.run()).output;
  };

  attackTest("with the host's network they are reached, with its own they are not", async () => {
    expect(await connect(allNamespaces.filter((type) => type !== "network"))).toBe("connected");
    expect(await connect(allNamespaces)).toBe("refused");
  });
});
