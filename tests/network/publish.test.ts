/** -p as docker and podman read it, and which ports are in each other's way. */
import { describe, expect, test } from "bun:test";
import { areRivals, distinctPorts, exposedPorts, parsePublish } from "../../src/network/index.ts";
import type { PublishedPort } from "../../src/spec/index.ts";

const port = (differs: Partial<PublishedPort>): PublishedPort => ({
  ...{ protocol: "tcp", hostAddress: "", hostPort: 0, containerPort: 80, count: 1 },
  ...differs,
});

describe("parsePublish()", () => {
  test.each<[string, Partial<PublishedPort>]>([
    ["80", {}],
    ["80/udp", { protocol: "udp" }],
    ["80/TCP", {}],
    ["8080:80", { hostPort: 8080 }],
    [":80", {}],
    ["0:80", {}],
    [":8080:80", { hostPort: 8080 }],
    ["127.0.0.1:8080:80", { hostAddress: "127.0.0.1", hostPort: 8080 }],
    ["127.0.0.1::80", { hostAddress: "127.0.0.1" }],
    ["[::1]:8080:80/udp", { hostAddress: "::1", hostPort: 8080, protocol: "udp" }],
    ["[2001:DB8:0::1]::80", { hostAddress: "2001:db8::1" }],
    ["[::]:8080:80", { hostAddress: "::", hostPort: 8080 }],
    ["8000-8002:80-82", { hostPort: 8000, count: 3 }],
    ["80-82", { count: 3 }],
    ["8000-8010:80", { hostPort: 8000, choices: 11 }],
    ["65535:65535", { hostPort: 65_535, containerPort: 65_535 }],
  ])("%p", (text, expected) => {
    expect(parsePublish(text)).toEqual(port(expected));
  });

  test.each([
    ["", "the container's port is missing"],
    ["8080:", "the container's port is missing"],
    ["x", '"x" is no port'],
    ["-1", '"-1" is no port'],
    ["80:x", '"x" is no port'],
    ["0", "no port of a container is 0"],
    ["80:0", "no port of a container is 0"],
    ["65536", "65536 is no port"],
    ["99999999999", '"99999999999" is no port'],
    ["82-80", '"82-80" runs backwards'],
    ["0-2:0-2", "no port of a container is 0"],
    ["0-2:1-3", "a range begins with 1 at least"],
    ["8000-8001:80-82", "2 ports of the host for 3 of the container"],
    ["1:2:3", '"1" is no address'],
    ["localhost:80:80", '"localhost" is no address'],
    ["1.2.3.4:5:6:7", "it has one part too many"],
    ["::1:8080:80", "an IPv6 address stands in brackets"],
    ["[::1]:80", "with an address there are two ports"],
    ["[::1]:1:2:3", "it has one part too many"],
    ["[::1%lo]:1:2", "an address of one link only"],
    ["[::ffff:127.0.0.1]:1:2", "it is an IPv4 address"],
    ["[]:1:2", '"" is no address'],
    ["80/sctp", "SCTP is not passed on"],
    ["80/icmp", '"icmp" is no protocol'],
    ["80/", '"" is no protocol'],
    ["80 ", '"80 " is no port'],
    ["٨٠", '"٨٠" is no port'],
  ])("%p is refused", (text, why) => {
    expect(() => parsePublish(text)).toThrow(`Invalid -p "${text}": ${why}`);
  });
});

describe("areRivals()", () => {
  test.each<[string, string, boolean]>([
    ["80:80", "80:81", true],
    ["80:80", "80:80/udp", false],
    ["127.0.0.1:80:80", "80:80", true],
    ["127.0.0.1:80:80", "127.0.0.2:80:80", false],
    ["127.0.0.1:80:80", "0.0.0.0:80:80", true],
    ["127.0.0.1:80:80", "[::]:80:80", false],
    ["[::1]:80:80", "[::]:80:80", true],
    ["8000-8010:1-11", "8010:1", true],
    ["8000-8010:1-11", "8011:1", false],
    ["80", "80", false],
    ["8000-8010:80", "8000:80", false],
  ])("%p and %p: %p", (one, other, expected) => {
    expect(areRivals(parsePublish(one), parsePublish(other))).toBe(expected);
    expect(areRivals(parsePublish(other), parsePublish(one))).toBe(expected);
  });
});

test("distinctPorts() takes what is said twice once, and refuses two for one port of the host", () => {
  const parse = (...texts: string[]) => distinctPorts(texts.map((text) => parsePublish(text)));
  expect(parse("80:80", "80:80", "80", "80")).toHaveLength(3);
  expect(() => parse("80:80", "80:81")).toThrow("Cannot publish 0.0.0.0:80/tcp twice");
  expect(() => parse("1000-3999:1000-3999")).toThrow("Cannot publish so many ports: 6000 sockets");
  expect(parse("0.0.0.0:1000-3999:1000-3999")).toHaveLength(1);
  expect(() => parse("[::1]:80:80/udp", "[::]:70-90:1-21/udp")).toThrow(
    "Cannot publish [::]:70-90/udp twice",
  );
});

test("exposedPorts() are those that are not published, but for SCTP", () => {
  const exposed = ["80/tcp", "53/udp", "9/sctp", "80/tcp", "443/tcp"];
  expect(exposedPorts(exposed, [port({ containerPort: 443 })])).toEqual([
    port({}),
    port({ containerPort: 53, protocol: "udp" }),
  ]);
});
