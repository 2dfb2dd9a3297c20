/** Addresses of a network that a program of the host's makes. */
import { expect, test } from "bun:test";
import { slirpAddresses } from "../../src/spec/index.ts";
import { toolForwarder } from "../../src/spec/tool.ts";

test("slirpAddresses() takes the last cidr=, as slirp4netns does", () => {
  expect(slirpAddresses([])).toEqual({
    ...{ address: "10.0.2.100", gateway: "10.0.2.2", dns: "10.0.2.3" },
  });
  expect(slirpAddresses(["cidr=10.0.0.0/8", "mtu=1500", "cidr=192.168.5.128/25"])).toEqual({
    ...{ address: "192.168.5.228", gateway: "192.168.5.130", dns: "192.168.5.131" },
  });
});

test("toolForwarder() is the one that pasta was told", () => {
  const of = (...options: string[]): string => toolForwarder({ tool: "pasta", options });
  expect(of()).toBe("169.254.1.1");
  expect(of("--dns-forward", "fd00::9", "--dns-forward", "10.1.1.1")).toBe("10.1.1.1");
  expect(of("--dns-forward", "fd00::9")).toBe("fd00::9");
  expect(toolForwarder({ tool: "slirp4netns", options: ["cidr=10.9.0.0/16"] })).toBe("10.9.0.3");
});
