/** --userns and the id maps, --pid, --ipc, --uts and --cgroupns as podman writes them. */
import { describe, expect, test } from "bun:test";
import { parseNamespaces } from "../../src/cli/options/namespace-values.ts";
import { type NamespaceFlags, namespaceOptions } from "../../src/cli/options/namespaces.ts";

const none: NamespaceFlags = {
  ...{ userns: null, uidmap: [], gidmap: [], subuidname: null, subgidname: null },
  ...{ pid: null, ipc: null, uts: null, cgroupns: null },
};
const parse = (flags: Partial<NamespaceFlags>) => parseNamespaces({ ...none, ...flags });

test("nothing asked is nothing recorded", async () => {
  expect(await namespaceOptions(none)).toEqual({});
  expect((await namespaceOptions({ ...none, pid: "host" })).namespaces?.pid).toBe("host");
});

describe("--userns", () => {
  const kept = { kind: "keep-id", uid: null, gid: null, size: null } as const;

  test.each<[string, object | null]>([
    ["", null],
    ["host", null],
    ["private", null],
    ["keep-id", kept],
    ["keep-id:uid=200", { ...kept, uid: 200 }],
    ["keep-id:uid=200,gid=300", { ...kept, uid: 200, gid: 300 }],
    ["keep-id:size=1000", { ...kept, size: 1000 }],
    ["nomap", { kind: "nomap" }],
    ["auto", { kind: "auto", size: null }],
    ["auto:size=2048", { kind: "auto", size: 2048 }],
    ["container:web", { kind: "container", container: "web" }],
  ])("%p", (text, expected) => {
    expect(parse({ userns: text })).toMatchObject({ usernsText: text, userns: expected as never });
  });

  test.each([
    ["keepid", "Invalid --userns"],
    ["keep-id:", '"" is no setting of keep-id'],
    ["keep-id:uid", "is no id"],
    ["keep-id:uid=-1", "is no id"],
    ["keep-id:uid=4294967295", "is no id"],
    ["nomap:size=1", '"size" is no setting of nomap'],
    ["auto:uidmapping=0:1:2", '"uidmapping" is no setting of auto'],
    ["container:", "Invalid --userns"],
  ])("%p is refused", (text, message) => {
    expect(() => parse({ userns: text })).toThrow(message);
  });
});

describe("--uidmap and --gidmap", () => {
  const line = (containerID: number, from: number, size: number, isHost = false) => ({
    ...{ containerID, from, size, isHost },
  });

  test("each is the other where only one is given", () => {
    const uid = [line(0, 1, 1000), line(1000, 0, 1)];
    const uidmap = ["0:1:1000", "1000:0"];
    expect(parse({ uidmap }).userns).toEqual({ kind: "maps", uid, gid: uid });
    const gidmap = ["0:@100000:5"];
    const gid = [line(0, 100_000, 5, true)];
    expect(parse({ gidmap }).userns).toEqual({ kind: "maps", uid: gid, gid });
    expect(parse({ uidmap, gidmap, userns: "private" }).userns).toEqual({ kind: "maps", uid, gid });
  });

  test.each(["", "0", "0:1:0", "0:1:2:3", "a:b:c", "-1:0:1", "0:4294967296:1", "+0:1:1"])(
    "%p is refused",
    (text) => {
      expect(() => parse({ uidmap: [text] })).toThrow("Invalid --uidmap");
    },
  );

  test("names of /etc/subuid stand for each other as well", () => {
    expect(parse({ subuidname: "me" }).userns).toEqual({ kind: "names", uid: "me", gid: "me" });
    expect(parse({ subuidname: "me", subgidname: "us" }).userns).toEqual({
      ...{ kind: "names", uid: "me", gid: "us" },
    });
  });
});

describe("--pid, --ipc, --uts, --cgroupns", () => {
  test("have their own, the host's, or another container's", () => {
    expect(parse({})).toMatchObject({
      ...{ pid: "private", ipc: "shareable", uts: "private", cgroup: "private" },
    });
    expect(parse({ pid: "host", ipc: "none", uts: "host", cgroupns: "host" })).toMatchObject({
      ...{ pid: "host", ipc: "none", uts: "host", cgroup: "host" },
    });
    const web = { container: "web" };
    expect(parse({ pid: "container:web", ipc: "container:web" })).toMatchObject({
      ...{ pid: web, ipc: web },
    });
  });

  test.each<[Partial<NamespaceFlags>, string]>([
    [{ pid: "shared" }, 'Invalid --pid "shared"'],
    [{ ipc: "container" }, 'Invalid --ipc "container"'],
    [{ uts: "container:" }, "Invalid --uts"],
  ])("%p is refused", (flags, message) => {
    expect(() => parse(flags)).toThrow(message);
  });
});

describe("what excludes each other is said in one sentence", () => {
  test.each<[Partial<NamespaceFlags>, string]>([
    [{ userns: "host", uidmap: ["0:0:1"] }, "Cannot combine --userns=host with --uidmap"],
    [{ userns: "keep-id", gidmap: ["0:0:1"] }, "Cannot combine --userns=keep-id with --gidmap"],
    [{ userns: "auto", subuidname: "x" }, "Cannot combine --userns=auto with --subuidname"],
    [{ subgidname: "x", uidmap: ["0:0:1"] }, "Cannot combine --uidmap with --subuidname"],
    [{ pid: "container:a", ipc: "container:b" }, "Cannot combine --pid=container:a with --ipc"],
    [{ pid: "container:a", userns: "keep-id" }, "Cannot combine --pid=container:a with --userns"],
    [{ uts: "container:a", uidmap: ["0:0:1"] }, "Cannot combine --uts=container:a with an id map"],
  ])("%p", (flags, message) => {
    expect(() => parse(flags)).toThrow(message);
  });

  test("the same container's user namespace goes with its others", () => {
    const flags = { pid: "container:a", userns: "container:a" };
    expect(parse(flags).userns).toEqual({ kind: "container", container: "a" });
  });
});
