/** The command lines of pasta and slirp4netns. */
import { describe, expect, test } from "bun:test";
import { parsePublish, toolWords } from "../../src/network/index.ts";

describe("toolWords()", () => {
  test("of pasta: closed but for what is published, and its own options", () => {
    expect(toolWords({ tool: "pasta", options: [] }, []).join(" ")).toBe(
      "--foreground --config-net --quiet --pid /dev/stdout --dns-forward 169.254.1.1 --no-map-gw " +
        "-t none -u none -T none -U none {pid}",
    );
    const ports = ["127.0.0.1:8080:80", "0.0.0.0:53-54:53-54/udp"].map((text) =>
      parsePublish(text),
    );
    const words = toolWords({ tool: "pasta", options: ["--map-gw", "-T", "auto"] }, ports).join(
      " ",
    );
    expect(words).toContain("-t 127.0.0.1/8080:80 -u 0.0.0.0/53-54:53-54 -U none -T auto {pid}");
    expect(words).not.toContain("map-gw");
  });

  test("of slirp4netns: podman's words", () => {
    expect(toolWords({ tool: "slirp4netns", options: [] }, []).join(" ")).toBe(
      "--configure --ready-fd=1 --exit-fd=0 --enable-ipv6 --mtu=65520 --disable-host-loopback {pid} tap0",
    );
    const options = [
      "allow_host_loopback=true",
      "enable_ipv6=false",
      "port_handler=rootlesskit",
      "mtu=1500",
      "cidr=10.9.0.0/24",
    ];
    expect(toolWords({ tool: "slirp4netns", options }, []).join(" ")).toBe(
      "--configure --ready-fd=1 --exit-fd=0 --cidr=10.9.0.0/24 --mtu=1500 {pid} tap0",
    );
  });

  test.each([
    ...[
      "port_handler=x",
      "mtu=x",
      "allow_host_loopback=yes",
      "enable_ipv6=",
      "x",
      "outbound_addr=",
    ],
    ...["cidr=1.2.3", "cidr=10.0.0.0/26", "cidr=10.0.0.1/24", "cidr=fd00::/64", "cidr=256.0.0.0/8"],
  ])("slirp4netns:%s is refused", (option) => {
    expect(() => toolWords({ tool: "slirp4netns", options: [option] }, [])).toThrow(
      `Invalid --network "slirp4netns:${option}"`,
    );
  });
});
