/** --network, --ip, --mac-address, --network-alias, --egress: words in, plain data out. */
import { describe, expect, test } from "bun:test";
import {
  type AskedMode,
  parseAddress4,
  parseAddress6,
  parseEgress,
  parseMac,
  parseNetworkAlias,
  parseNetworkMode,
} from "../../src/network/index.ts";

describe("parseNetworkMode()", () => {
  test.each<[string, AskedMode["network"], AskedMode["options"]?]>([
    ["private", "private"],
    ["bridge", "private"],
    ["default", "private"],
    ["podman", "private"],
    ["host", "host"],
    ["none", "none"],
    ["container:web", { container: "web" }],
    ["ns:/proc/1/ns/net", { path: "/proc/1/ns/net" }],
    ["pasta", { tool: "pasta", options: [] }],
    ["pasta:-T,auto", { tool: "pasta", options: ["-T", "auto"] }],
    ["slirp4netns:mtu=1500", { tool: "slirp4netns", options: ["mtu=1500"] }],
    ["private:mtu=1500,host-loopback", "private", { mtu: 1500, reachesHostLoopback: true }],
    [
      "bridge:ip=10.0.2.7,ip6=fd00::7,mac=02:00:00:00:00:07,alias=a,alias=b",
      "private",
      { address4: "10.0.2.7", address6: "fd00::7", mac: "02:00:00:00:00:07", aliases: ["a", "b"] },
    ],
  ])("%p", (text, network, options = {}) => {
    expect(parseNetworkMode(text)).toEqual({ network, options });
  });

  test.each([
    ["", "it is neither a mode nor a network's name"],
    ["a b", "it is neither a mode nor a network's name"],
    ["net:color=red", '"color" is no option'],
    ["net:interface_name=lo", '"lo" is no interface\'s name'],
    ["alias=a", "it names no network"],
    ["name=a,name=b", "it names no single network"],
    ["host:x", "host takes no options"],
    ["none:", "none takes no options"],
    ["container", "it names no container"],
    ["container:", "it names no container"],
    ["ns:", "it names no absolute path"],
    ["ns:proc/1", "it names no absolute path"],
    ["private:mtu=99", '"99" is no MTU'],
    ["private:mtu=65521", '"65521" is no MTU'],
    ["private:color=red", '"color" is no option'],
    ["private:host-loopback=maybe", '"maybe" is neither true nor false'],
  ])("%p is refused", (text, why) => {
    expect(() => parseNetworkMode(text)).toThrow(`Invalid --network "${text}": ${why}`);
  });
});

describe("addresses", () => {
  test("are those of the private network that nobody has", () => {
    expect(parseAddress4("--ip", "10.0.2.77")).toBe("10.0.2.77");
    expect(parseAddress6("--ip6", "FD00:0::0:77")).toBe("fd00::77");
    expect(parseAddress6("--ip6", "fd00:0:0:0:1:2:3:4")).toBe("fd00::1:2:3:4");
    expect(parseMac("--mac-address", "02-AA-00-00-00-0F")).toBe("02:aa:00:00:00:0f");
    expect(parseNetworkAlias("db_1.example")).toBe("db_1.example");
  });

  test.each([
    "10.0.2.2",
    "10.0.2.3",
    "10.0.2.0",
    "10.0.2.1",
    "10.0.2.255",
    "10.0.3.4",
    "x",
    "fd00::7",
    "",
  ])("--ip %p is refused", (text) => {
    expect(() => parseAddress4("--ip", text)).toThrow(`Invalid --ip "${text}"`);
  });

  test.each([
    "fd00::2",
    "fd00::3",
    "fd00::",
    "fd00:0:0:1::1",
    "fe80::1",
    "fd00::7%eth0",
    "10.0.2.7",
    "",
  ])("--ip6 %p is refused", (text) => {
    expect(() => parseAddress6("--ip6", text)).toThrow(`Invalid --ip6 "${text}"`);
  });

  test.each([
    "",
    "02:00",
    "03:00:00:00:00:01",
    "ff:ff:ff:ff:ff:ff",
    "00:00:00:00:00:00",
    "g2:00:00:00:00:01",
  ])("--mac-address %p is refused", (text) => {
    expect(() => parseMac("--mac-address", text)).toThrow(`Invalid --mac-address "${text}"`);
  });

  test.each(["", "a b", "-a", "a.", "x\ny"])("--network-alias %p is refused", (text) => {
    expect(() => parseNetworkAlias(text)).toThrow("Invalid --network-alias");
  });
});

describe("parseEgress()", () => {
  test.each<[string[], unknown]>([
    [[], null],
    [["none"], { isLogged: false, allow: [] }],
    [["log"], { isLogged: true, allow: null }],
    [["none,log"], { isLogged: true, allow: [] }],
    [["allow=Example.org"], { isLogged: false, allow: [{ name: "example.org", port: 0 }] }],
    [
      ["allow=*.example.org:443", "allow=10.0.0.0/8", "allow=192.0.2.1:80", "log"],
      {
        isLogged: true,
        allow: [
          { name: "*.example.org", port: 443 },
          { cidr: "10.0.0.0/8", port: 0 },
          { cidr: "192.0.2.1/32", port: 80 },
        ],
      },
    ],
    [
      ["allow=2001:db8::/32", "allow=[2001:db8::1]:443"],
      {
        isLogged: false,
        allow: [
          { cidr: "2001:db8::/32", port: 0 },
          { cidr: "2001:db8::1/128", port: 443 },
        ],
      },
    ],
  ])("%p", (texts, expected) => {
    expect(parseEgress(texts)).toEqual(expected as ReturnType<typeof parseEgress>);
  });

  test.each<[string[], string]>([
    [["all"], 'Invalid --egress "all": it is no rule'],
    [["allow="], "it is no rule"],
    [["allow=a b"], "it is neither a network nor a name"],
    [["allow=*"], "it is neither a network nor a name"],
    [["allow=a.*.b"], "it is neither a network nor a name"],
    [["allow=10.0.0.0/33"], "an address has 32 bits"],
    [["allow=a.example:0"], '"0" is no port'],
    [["allow=a.example:65536"], '"65536" is no port'],
    [["allow=300.1.2.3"], "it is neither a network nor a name"],
    [["none", "allow=a.example"], "Cannot combine --egress none"],
    [
      Array.from({ length: 65 }, (_, i) => `allow=h${i}.example`),
      "65 rules of --egress are too many",
    ],
  ])("%p is refused", (texts, why) => {
    expect(() => parseEgress(texts)).toThrow(why);
  });
});
