/** Published ports in docker's forms. */
import { expect, test } from "bun:test";
import { formatHostPort, formatPorts, parsePublish, portMap } from "../../src/network/index.ts";

const parse = (...texts: string[]) => texts.map((text) => parsePublish(text));

test.each<[string[], string[], string]>([
  [[], [], ""],
  [["0.0.0.0:8080:80"], [], "0.0.0.0:8080->80/tcp"],
  [
    ["[::]:8080:80", "0.0.0.0:8080:80", "127.0.0.1:53:53/udp"],
    [],
    "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 127.0.0.1:53->53/udp",
  ],
  [["0.0.0.0:8000-8002:90-92"], [], "0.0.0.0:8000-8002->90-92/tcp"],
  [
    ["0.0.0.0:81:81", "0.0.0.0:80:80", "0.0.0.0:82:82", "0.0.0.0:90:83"],
    [],
    "0.0.0.0:80-82->80-82/tcp, 0.0.0.0:90->83/tcp",
  ],
  [
    ["0.0.0.0:8080:80"],
    ["80/tcp", "443/tcp", "444/tcp", "9/sctp"],
    "9/sctp, 443-444/tcp, 0.0.0.0:8080->80/tcp",
  ],
])("formatPorts() of %p and %p", (ports, exposed, expected) => {
  expect(formatPorts(parse(...ports), exposed)).toBe(expected);
});

test("formatHostPort() says where", () => {
  expect(parse("80:80", "[::1]:8000-8001:1-2/udp").map(formatHostPort)).toEqual([
    "0.0.0.0:80/tcp",
    "[::1]:8000-8001/udp",
  ]);
});

test("portMap() is docker's, in order of the container's ports", () => {
  const ports = parse("0.0.0.0:9000-9001:81-82", "[::]:9000:81", "127.0.0.1:1:9/udp");
  expect(portMap(ports, ["443/tcp", "81/tcp"])).toEqual({
    "9/udp": [{ HostIp: "127.0.0.1", HostPort: "1" }],
    "81/tcp": [
      { HostIp: "0.0.0.0", HostPort: "9000" },
      { HostIp: "::", HostPort: "9000" },
    ],
    "82/tcp": [{ HostIp: "0.0.0.0", HostPort: "9001" }],
    "443/tcp": null,
  });
  expect(Object.keys(portMap(ports))).toEqual(["9/udp", "81/tcp", "82/tcp"]);
});
