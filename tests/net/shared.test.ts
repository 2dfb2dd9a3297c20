/** Containers on one network: they reach each other, by address and by name, and nobody else. */
import { describe, expect } from "bun:test";
import { until } from "../support/wait.ts";
import { networkTest } from "./network-fixture.ts";
import { member, resident, SharedNetwork } from "./shared-fixture.ts";

describe("members", () => {
  networkTest("they ping each other over both versions, and the gateway", async () => {
    await using network = new SharedNetwork();
    await using _server = await resident([network.entry(2)]);
    const targets = ["10.89.0.2", "fd89:0::2", "10.89.0.1", "fd89:0::1"];
    const script = targets.map((to) => `ping -c1 -W5 ${to}`).join("; ");
    await using client = member(script, [network.entry(3)]);
    const { stdout, stderr } = await client.run();
    expect(stderr).toBe("");
    expect(stdout.match(/ 0% packet loss/g)).toHaveLength(targets.length);
  });

  networkTest("names are resolved, and addresses back to names", async () => {
    await using network = new SharedNetwork();
    await using _server = await resident([network.entry(2, { names: ["db", "primary"] })]);
    const script = "for n in PRIMARY 10.89.0.2 fd89:0::2; do nslookup $n 10.89.0.1; done";
    await using client = member(script, [network.entry(3)]);
    const { stdout } = await client.run();
    expect(stdout).toContain("Address: 10.89.0.2");
    expect(stdout).toContain("Address: fd89::2");
    expect(stdout).toMatch(/2\.0\.89\.10\.in-addr\.arpa\s+name = db/);
  });

  networkTest("the process ends with the last, and others go on without the first", async () => {
    await using network = new SharedNetwork();
    let first: number | undefined;
    {
      await using _first = await resident([network.entry(2)]);
      first = network.pid();
      expect(first).toBeDefined();
    }
    await until("it has ended", () => network.pid() === undefined);
    await using _again = await resident([network.entry(2)]);
    expect(network.pid()).not.toBe(first);
  });
});
