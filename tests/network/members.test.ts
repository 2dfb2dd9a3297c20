/** Networks in a store: names, subnets and addresses are given out once, and come back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainUse } from "../../src/network/index.ts";
import {
  chooseMember,
  createNetwork,
  getNetwork,
  type NewNetwork,
  parseSubnets,
  pruneNetworks,
  removeNetwork,
} from "../../src/network/records.ts";
import { deleteContainer, insertContainer } from "../../src/store/containers.ts";
import { openDatabase } from "../../src/store/database.ts";
import { insertMember, listMembers, listNetworkRecords } from "../../src/store/networks.ts";
import { storePaths } from "../../src/store/paths.ts";

const root = mkdtempSync(join(tmpdir(), "tspod-networks-"));
const paths = storePaths({ TSPOD_ROOT: root }, 0);
let database: Database;
beforeAll(() => {
  database = openDatabase(paths);
  database.run("PRAGMA synchronous = OFF");
});
afterAll(() => {
  database.close();
  rmSync(root, { recursive: true });
});

const context = () => ({ paths, database, now: () => "2026-01-01T00:00:00Z" });
const usual: NewNetwork = {
  ...{ name: null, labels: {}, subnet4: null, subnet6: null, hasIpv6: false, isInternal: false },
  ...{ hasNames: true, servers: [], mtu: null, hasDefaultRoute: true, options: {} },
  interfaceName: "",
};
const create = (wanted: Partial<NewNetwork> = {}) =>
  createNetwork(context(), { ...usual, ...wanted }, { ignoresExisting: false });
const subnet = (text: string, ipRange: string[] = []) =>
  parseSubnets({ subnet: [text], gateway: [], ipRange });

let containers = 0;
function container(): string {
  const id = `${++containers}`.padStart(2, "0").repeat(32);
  insertContainer(database, {
    ...{ id, name: `c${containers}`, imageId: "", imageName: "", command: [], labels: {} },
    ...{ options: {}, autoRemove: false, createdAt: "", creator: "" },
  });
  return id;
}

function enter(name: string, use: Partial<ReturnType<typeof plainUse>> = {}, id = container()) {
  const network = getNetwork({ database }, name);
  const about = { containerId: id, interfaces: [] };
  const member = chooseMember(database, network, { ...plainUse(name), ...use }, about);
  insertMember(database, member);
  return member;
}

describe("createNetwork()", () => {
  test("finds names and subnets that nobody has", () => {
    const [one, two] = [create(), create({ hasIpv6: true })];
    expect([one.name, two.name]).toEqual(["tspod1", "tspod2"]);
    expect(one.subnet4.subnet).not.toBe(two.subnet4.subnet);
    expect(two.subnet6?.subnet).toStartWith("fd");
    expect(() => create({ name: "tspod1" })).toThrow('There is a network "tspod1" already');
    const again = createNetwork(context(), { ...usual, name: "tspod1" }, { ignoresExisting: true });
    expect(again.id).toBe(one.id);
    expect(() => create(subnet(two.subnet4.subnet))).toThrow('network "tspod2" has');
  });

  test("is found by name, id and the beginning of an id", () => {
    const { id } = create({ name: "found" });
    for (const wanted of ["found", id, id.slice(0, 20)]) {
      expect(getNetwork({ database }, wanted).name).toBe("found");
    }
    expect(() => getNetwork({ database }, "fond")).toThrow('Cannot find network "fond"');
    expect(() => getNetwork({ database }, "")).toThrow("Cannot find network");
    expect(() => create({ name: id })).toThrow("is the id of network");
  });
});

describe("chooseMember()", () => {
  test("gives the lowest free address, in the range, and again when it has come back", () => {
    create({ name: "small", ...subnet("10.250.0.0/29", ["10.250.0.3-10.250.0.4"]) });
    const [one, two] = [enter("small"), enter("small")];
    expect([one.address4, two.address4]).toEqual(["10.250.0.3", "10.250.0.4"]);
    expect(() => enter("small")).toThrow('Network "small" has no free address');
    expect(enter("small", { address4: "10.250.0.6" }).address4).toBe("10.250.0.6");
    deleteContainer(database, one.containerId);
    expect(enter("small").address4).toBe("10.250.0.3");
    expect(listMembers(database, getNetwork({ database }, "small").id)).toHaveLength(3);
  });

  test("gives each its own hardware address and interface", () => {
    create({ name: "mac1", hasIpv6: true });
    create({ name: "mac2" });
    const id = container();
    const [one, two] = [enter("mac1", {}, id), chooseIn("mac2", id, ["eth0"])];
    expect(one.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(one.mac).not.toBe(two.mac);
    expect(one.address6).toEndWith("::2");
    expect(two.address6).toBeNull();
    expect([one.interface, two.interface]).toEqual(["eth0", "eth1"]);
    expect(chooseIn("mac2", id, ["eth0"], { interface: "lan" }).interface).toBe("lan");
    expect(() => chooseIn("mac2", id, ["lan"], { interface: "lan" })).toThrow(
      'It has an interface "lan" already',
    );
    expect(() => enter("mac1", { mac: one.mac })).toThrow(`container "c${containers}" has it`);
  });

  test.each([
    [{ address4: "10.249.0.1" }, "it is the gateway's"],
    [{ address4: "10.249.0.0" }, "it stands for the whole subnet"],
    [{ address4: "10.249.0.255" }, "it stands for the whole subnet"],
    [{ address4: "10.248.0.7" }, "it is not in 10.249.0.0/24"],
    [{ address6: "fd00::7" }, 'network "asked" has no IPv6'],
  ])("%p is refused", (use, why) => {
    if (!listNetworkRecords(database).some(({ name }) => name === "asked")) {
      create({ name: "asked", ...subnet("10.249.0.0/24") });
    }
    expect(() => enter("asked", use)).toThrow(why);
  });

  test("says who has an address", () => {
    create({ name: "held", ...subnet("10.247.0.0/24") });
    enter("held", { address4: "10.247.0.9" });
    const name = `c${containers}`;
    expect(() => enter("held", { address4: "10.247.0.9" })).toThrow(
      `Cannot use 10.247.0.9 on network "held": container "${name}" has it`,
    );
  });
});

function chooseIn(
  name: string,
  id: string,
  interfaces: string[],
  use: Partial<ReturnType<typeof plainUse>> = {},
) {
  const network = getNetwork({ database }, name);
  const about = { containerId: id, interfaces };
  return chooseMember(database, network, { ...plainUse(name), ...use }, about);
}

test("a network goes when nobody is on it, and not before", () => {
  const network = create({ name: "used" });
  const { containerId } = enter("used");
  expect(() => removeNetwork(context(), network)).toThrow(
    `Network "used" is in use by container "c${containers}"`,
  );
  expect(pruneNetworks(context(), [network])).toEqual([]);
  deleteContainer(database, containerId);
  expect(pruneNetworks(context(), [network])).toEqual([network]);
  expect(() => removeNetwork(context(), network)).toThrow("has just been removed");
});
