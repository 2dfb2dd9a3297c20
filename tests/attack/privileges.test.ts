/**
 * Programs that give rights: set-user-ID files and files with capabilities, which an image brings or a container makes.
 * With no-new-privileges they give nothing, to the first process and to exec; without, no more than the container has.
 */
import { describe, expect } from "bun:test";
import { defaultCapabilities, defaultSecurity, processCapabilities } from "../../src/spec/index.ts";
import { attack, attackTest, type Front, fronts, perlMounts, type Target } from "./target.ts";

/** 188 is setxattr(2); the value is vfs_cap_data of revision 2, CAP_CHOWN in effect (capabilities(7)). */
const make = `
  mkdir /rights; cp /usr/bin/cat /rights/suid; cp /usr/bin/cat /rights/sgid; cp /usr/bin/cat /rights/caps
  chmod 4755 /rights/suid; chmod 2755 /rights/sgid
  /usr/bin/perl -e 'my ($file, $name, $value) = ("/rights/caps", "security.capability", pack("V5", 0x2000001, 1, 0, 0, 0));
    syscall(188, $file, $name, $value, length $value, 0) == 0 or die $!'`;

const user = { uid: 1000, gid: 1000 };
const files = ["suid", "sgid", "caps"] as const;

/** Who a program is and what it may: its ids in effect, and its capabilities. */
interface Rights {
  uid: string;
  gid: string;
  capabilities: bigint;
}

function rightsOf(status: string): Rights {
  if (!status.includes("CapEff")) throw new Error(status);
  const field = (name: string): string[] =>
    new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1]?.split("\t") ?? [];
  const [, uid = ""] = field("Uid");
  const [, gid = ""] = field("Gid");
  return { uid, gid, capabilities: BigInt(`0x${field("CapEff")[0]}`) };
}

const none: Rights = { uid: "1000", gid: "1000", capabilities: 0n };

async function prepared(front: Front): Promise<Target> {
  const target = attack(front, ["sh", "-ec", make], { mounts: perlMounts });
  const { output, status } = await target.run();
  expect({ output, status }).toEqual({ output: "", status: 0 });
  return target;
}

/** As the first process, one after another. */
async function ofFirst(target: Target, noNewPrivileges: boolean): Promise<Rights[]> {
  const all: Rights[] = [];
  for (const file of files) {
    const args = [`/rights/${file}`, "/proc/self/status"];
    const capabilities = processCapabilities(defaultSecurity, "1000");
    const process = { args, user, noNewPrivileges, capabilities };
    target.configure((config) => Object.assign(config.process, process));
    all.push(rightsOf((await target.run()).output));
  }
  return all;
}

async function ofExec(target: Target, noNewPrivileges: boolean): Promise<Rights[]> {
  const idle = { args: ["sleep", "1000"], user: { uid: 0, gid: 0 } };
  target.configure(({ process }) => Object.assign(process, idle));
  await target.background();
  const all: Rights[] = [];
  const capabilities = [...defaultCapabilities];
  for (const file of files) {
    const args = [`/rights/${file}`, "/proc/self/status"];
    all.push(rightsOf((await target.exec(args, { user, noNewPrivileges, capabilities })).output));
  }
  return all;
}

describe.each(fronts)("%s", (front) => {
  const ways: [string, typeof ofFirst][] = [
    ["the first process", ofFirst],
    ["exec", ofExec],
  ];
  attackTest.each(ways)(
    "%s without no-new-privileges: the container's rights and no more",
    async (_, run) => {
      await using target = await prepared(front);
      const [suid, sgid, caps] = await run(target, false);
      expect(suid).toMatchObject({ uid: "0", gid: "1000" });
      expect(sgid).toEqual({ uid: "1000", gid: "0", capabilities: 0n });
      expect(caps).toMatchObject({ uid: "1000", gid: "1000" });
      const sysAdmin = 1n << 21n;
      for (const rights of [suid, caps]) {
        expect(rights?.capabilities).toBeGreaterThan(0n);
        expect((rights?.capabilities ?? sysAdmin) & sysAdmin).toBe(0n);
      }
    },
  );

  attackTest.each(ways)("%s with no-new-privileges: nothing", async (_, run) => {
    await using target = await prepared(front);
    expect(await run(target, true)).toEqual([none, none, none]);
  });
});
