/** Addresses and subnets: words in, records out; what is free, and what nobody can have. */
import { describe, expect, test } from "bun:test";
import { contains, formatIp, overlap, parseCidr, parseIp } from "../../src/network/ip.ts";
import {
  freeSubnet4,
  freeSubnet6,
  parseSubnets,
  refuseTaken,
  type TakenSubnet,
} from "../../src/network/subnets.ts";

interface Flags {
  subnet: string[];
  gateway: string[];
  ipRange: string[];
}

const none: Flags = { subnet: [], gateway: [], ipRange: [] };
const cidr = (text: string) => {
  const subnet = parseCidr(text);
  if (subnet === null) throw new Error(`${text} is no subnet`);
  return subnet;
};
const taken = (...texts: string[]): TakenSubnet[] =>
  texts.map((text) => ({ subnet: cidr(text), owner: "this host" }));

describe("addresses", () => {
  test.each([
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["10.89.0.1", "10.89.0.1"],
    ["::", "::"],
    ["FD00:0:0:0:0:0:0:1", "fd00::1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
  ])("%p is %p", (text, shown) => {
    const address = parseIp(text);
    expect(address === null ? null : formatIp(address)).toBe(shown);
  });

  test.each(["", "10.89.0", "10.89.0.256", "fe80::1%eth0", "a", "1.2.3.4/24"])(
    "%p is none",
    (text) => expect(parseIp(text)).toBeNull(),
  );

  test.each(["10.0.0.0", "10.0.0.0/33", "/8", "10.0.0.0/-1", "::/129", "10.0.0.0/8/8"])(
    "%p is no subnet",
    (text) => expect(parseCidr(text)).toBeNull(),
  );

  test("subnets hold what is in them, and meet where one is in the other", () => {
    expect(contains(cidr("10.0.0.0/8"), { family: 4, value: 10n << 24n })).toBe(true);
    expect(contains(cidr("10.0.0.0/8"), { family: 6, value: 10n << 24n })).toBe(false);
    expect(overlap(cidr("10.0.0.0/8"), cidr("10.255.255.0/24"))).toBe(true);
    expect(overlap(cidr("10.0.0.0/24"), cidr("10.0.1.0/24"))).toBe(false);
    expect(overlap(cidr("::/0"), cidr("0.0.0.0/0"))).toBe(false);
  });
});

describe("parseSubnets()", () => {
  test("fills in what is left open", () => {
    expect(parseSubnets(none)).toEqual({ subnet4: null, subnet6: null });
    expect(parseSubnets({ ...none, subnet: ["10.7.1.9/24", "FD12::9/64"] })).toEqual({
      subnet4: { subnet: "10.7.1.0/24", gateway: "10.7.1.1", range: null },
      subnet6: { subnet: "fd12::/64", gateway: "fd12::1", range: null },
    });
  });

  test("gateways and ranges belong to the subnet they lie in", () => {
    const flags = {
      subnet: ["10.7.1.0/24", "fd12::/64"],
      gateway: ["fd12::ffff", "10.7.1.254"],
      ipRange: ["fd12::100-fd12::1ff", "10.7.1.128/25"],
    };
    expect(parseSubnets(flags)).toEqual({
      subnet4: {
        ...{ subnet: "10.7.1.0/24", gateway: "10.7.1.254" },
        range: { first: "10.7.1.128", last: "10.7.1.254", asked: "10.7.1.128/25" },
      },
      subnet6: {
        ...{ subnet: "fd12::/64", gateway: "fd12::ffff" },
        range: { first: "fd12::100", last: "fd12::1ff", asked: "fd12::100-fd12::1ff" },
      },
    });
  });

  test.each<[Partial<Flags>, string]>([
    [{ subnet: ["x"] }, 'Invalid --subnet "x": it is no subnet'],
    [{ subnet: ["10.0.0.0/31"] }, "a network has /8 to /30"],
    [{ subnet: ["10.0.0.0/7"] }, "a network has /8 to /30"],
    [{ subnet: ["fd00::/127"] }, "a network has /8 to /126"],
    [{ subnet: ["127.1.0.0/16"] }, "no network can be there"],
    [{ subnet: ["224.0.0.0/24"] }, "no network can be there"],
    [{ subnet: ["fe80::/64"] }, "no network can be there"],
    [{ subnet: ["::ffff:0:0/96"] }, "no network can be there"],
    [{ subnet: ["10.1.0.0/16", "10.2.0.0/16"] }, "A network has one IPv4 subnet"],
    [{ gateway: ["10.0.0.1"] }, 'Invalid --gateway "10.0.0.1": it is in no subnet'],
    [{ subnet: ["10.1.0.0/16"], gateway: ["10.2.0.1"] }, "it is in no subnet"],
    [{ subnet: ["10.1.0.0/16"], gateway: ["10.1.0.0"] }, "it stands for the whole subnet"],
    [{ subnet: ["10.1.0.0/16"], gateway: ["10.1.255.255"] }, "it stands for the whole subnet"],
    [{ subnet: ["10.1.0.0/16"], gateway: ["gate"] }, "it is no address"],
    [{ subnet: ["10.1.0.0/16"], ipRange: ["10.0.0.0/8"] }, "it is in no subnet"],
    [{ subnet: ["10.1.0.0/16"], ipRange: ["10.1.0.0/8"] }, "it is in no subnet"],
    [{ subnet: ["10.1.0.0/16"], ipRange: ["10.1.0.9-10.1.0.2"] }, "it runs backwards"],
    [{ subnet: ["10.1.0.0/16"], ipRange: ["10.1.0.9-10.2.0.2"] }, "it is not in 10.1.0.0/16"],
    [{ subnet: ["10.1.0.0/16"], ipRange: ["10.1.0.0/32"] }, "no address is in it"],
    [{ subnet: ["10.1.0.0/16"], ipRange: ["1-2-3"] }, "it is no range"],
  ])("%p is refused", (flags, why) => {
    expect(() => parseSubnets({ ...none, ...flags })).toThrow(why);
  });
});

describe("a free subnet", () => {
  test("is podman's first, and the next one where somebody is", () => {
    expect(freeSubnet4([]).subnet).toBe("10.89.0.0/24");
    expect(freeSubnet4(taken("10.89.0.0/24", "10.89.1.128/25")).subnet).toBe("10.89.2.0/24");
    expect(freeSubnet4(taken("10.0.0.0/9", "10.128.0.0/10")).subnet).toBe("10.192.0.0/24");
    expect(freeSubnet4(taken("10.0.0.0/8", "172.16.0.0/14")).subnet).toBe("172.20.0.0/24");
    expect(() => freeSubnet4(taken("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))).toThrow(
      "There is no free subnet",
    );
  });

  test("of IPv6 is a unique local one", () => {
    const { subnet, gateway } = freeSubnet6([]);
    expect(subnet).toMatch(/^fd[0-9a-f]{2}:.*::\/64$/);
    expect(parseCidr(subnet)?.bits).toBe(64);
    expect(gateway).toBe(subnet.replace("::/64", "::1"));
  });

  test("of the user's own is refused where somebody is", () => {
    const [asked] = Object.values(parseSubnets({ ...none, subnet: ["10.7.0.0/16"] }));
    if (!asked) throw new Error("one was asked for");
    refuseTaken(asked, taken("10.8.0.0/16", "fd00::/8"));
    expect(() => refuseTaken(asked, taken("10.7.9.0/24"))).toThrow(
      "Cannot use --subnet 10.7.0.0/16: this host has 10.7.9.0/24",
    );
  });
});
