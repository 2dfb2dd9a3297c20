/** --cap-add, --cap-drop and --security-opt as docker and podman write them. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { securityOptions } from "../../src/cli/options/security.ts";
import { parseCapabilities, parseSecurity } from "../../src/cli/options/security-values.ts";

const none = { privileged: false, capAdd: [], capDrop: [], securityOpt: [] };
const parse = (...securityOpt: string[]) => parseSecurity({ ...none, securityOpt });

test("nothing asked is nothing recorded", async () => {
  expect(await securityOptions(none)).toEqual({});
});

describe("parseCapabilities()", () => {
  test.each<[string[], string[]]>([
    [["NET_ADMIN"], ["CAP_NET_ADMIN"]],
    [["cap_net_admin", "CAP_NET_ADMIN", "net_admin"], ["CAP_NET_ADMIN"]],
    [["sys_time,kill"], ["CAP_KILL", "CAP_SYS_TIME"]],
    [["all"], ["ALL"]],
    [
      ["ALL", "bpf"],
      ["ALL", "CAP_BPF"],
    ],
  ])("%p is %p", (words, expected) => {
    expect(parseCapabilities("--cap-add", words)).toEqual(expected);
  });

  test.each([
    ["NET_ADMN", 'did you mean "NET_ADMIN"?'],
    ["", "capabilities(7) lists them"],
    ["everything at once", "capabilities(7) lists them"],
  ])("refuses %p", (word, next) => {
    expect(() => parseCapabilities("--cap-drop", [word])).toThrow(
      expect.objectContaining({ message: `Unknown capability "${word}" for --cap-drop`, next }),
    );
  });

  test("added and dropped at once is a contradiction", () => {
    const both = { ...none, capAdd: ["kill"], capDrop: ["CAP_KILL"] };
    expect(() => parseSecurity(both)).toThrow('Cannot both add and drop the capability "CAP_KILL"');
    expect(() => parseSecurity({ ...none, capAdd: ["all"], capDrop: ["all"] })).toThrow('"ALL"');
  });
});

describe("--security-opt", () => {
  test.each<[string, object]>([
    ["no-new-privileges", { noNewPrivileges: true }],
    ["no-new-privileges:true", { noNewPrivileges: true }],
    ["no-new-privileges=false", { noNewPrivileges: false }],
    ["seccomp=unconfined", { seccomp: { kind: "unconfined" } }],
    ["seccomp:unconfined", { seccomp: { kind: "unconfined" } }],
    ["seccomp=default", { seccomp: { kind: "default" } }],
    ["apparmor=unconfined", { apparmor: "unconfined" }],
    ["apparmor:unconfined", { apparmor: "unconfined" }],
    ["label=disable", { labels: ["disable"] }],
    ["label:disable", { labels: ["disable"] }],
    ["mask=/a:/b/c", { mask: ["/a", "/b/c"] }],
    ["unmask=ALL", { unmask: ["ALL"] }],
    ["unmask=all", { unmask: ["ALL"] }],
    ["unmask=/proc/*:/sys/firmware", { unmask: ["/proc/*", "/sys/firmware"] }],
    ["systempaths=unconfined", { unmask: ["ALL"] }],
    ["proc-opts=nosuid,hidepid=2", { procOptions: ["nosuid", "hidepid=2"] }],
  ])("%s", (text, expected) => {
    expect(parse(text)).toMatchObject({ ...expected, securityOpt: [text] });
  });

  test("several add up, and a later one wins where only one can be", () => {
    const options = parse("mask=/a", "mask=/b", "seccomp=unconfined", "seccomp=default");
    expect(options).toMatchObject({ mask: ["/a", "/b"], seccomp: { kind: "default" } });
  });

  test("seccomp=FILE is read, whatever is in it", () => {
    const path = join(mkdtempSync(join(tmpdir(), "tspod-")), "profile.json");
    writeFileSync(path, "{}");
    const { seccomp } = parse(`seccomp=${path}`);
    expect(seccomp).toEqual({ kind: "profile", name: path, text: "{}" });
    expect(() => parse("seccomp=/missing.json")).toThrow(/"\/missing.json": ENOENT/);
  });

  test.each([
    ["seccomp", "give it a value"],
    ["seccomp=", "give it a value"],
    ["no-new-privileges=maybe", "true or false"],
    ["no-new-privilege", 'did you mean "no-new-privileges"?'],
    ["systempaths=confined", "systempaths=unconfined"],
    ["mask=proc/kcore", "not an absolute path"],
    ["unmask=/a::/b", "not an absolute path"],
    ["label=colour:red", "label=disable"],
    ["", "use one of"],
  ])("%p is refused", (text, next) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ next: expect.stringContaining(next) }),
    );
  });
});
