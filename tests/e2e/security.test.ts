/** --cap-add, --cap-drop, --security-opt and --privileged, seen from inside. */
import { describe, expect } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const run = (...words: string[]) => shared.world.tspod(["run", "--rm", ...words]);
const out = async (...words: string[]) => {
  const { exitCode, stdout, stderr } = await run(...words);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return stdout.replace(/\n$/, "");
};
const sh = (flags: string, script: string) =>
  out(...flags.split(" ").filter(Boolean), "tiny", "sh", "-c", script);

/** /proc/self/status by name: "CapEff" -> "00000000800405fb". */
const readStatus = (text: string): Record<string, string> =>
  Object.fromEntries(text.split("\n").map((line) => line.split(":\t") as [string, string]));
const status = async (flags: string) => readStatus(await sh(flags, "cat /proc/self/status"));

const bit = (number: number): bigint => 1n << BigInt(number);
const chown = bit(0);
const netRaw = bit(13);
const sysAdmin = bit(21);
const setOf = (text: string | undefined): bigint => BigInt(`0x${text}`);
const none = 0n;
const everything = (1n << 41n) - 1n;

describe("capabilities", () => {
  test("the default set, in effect for root only", async () => {
    const root = await status("");
    expect(setOf(root["CapEff"])).toBe(setOf(root["CapBnd"]));
    expect(setOf(root["CapEff"]) & chown).toBe(chown);
    expect(setOf(root["CapEff"]) & (netRaw | sysAdmin)).toBe(none);
    expect(setOf((await status("-u app"))["CapEff"])).toBe(none);
  });

  test("--cap-drop all leaves none, --cap-add gives one back", async () => {
    const bare = await status("--cap-drop all");
    expect([bare["CapEff"], bare["CapBnd"]].map(setOf)).toEqual([none, none]);
    const one = await status("--cap-drop ALL --cap-add cap_chown");
    expect([one["CapEff"], one["CapBnd"]].map(setOf)).toEqual([chown, chown]);
    const script = "touch /f && chown 1:1 /f 2>/dev/null && echo yes || echo no";
    expect(await sh("--cap-drop chown", script)).toBe("no");
    expect(await sh("", script)).toBe("yes");
  });

  test("what is added by name is ambient for other users", async () => {
    const { CapAmb, CapEff, CapBnd } = await status("-u app --cap-add net_raw");
    expect([CapAmb, CapEff].map(setOf)).toEqual([netRaw, netRaw]);
    expect(setOf(CapBnd) & chown).toBe(chown);
  });

  test("exec has the container's, exec --privileged all", async () => {
    const { world } = shared;
    const id = await world.ok("run", "-d", "--cap-drop=all", "tiny", "sleep", "1000");
    const inside = async (...flags: string[]) =>
      setOf(readStatus(await world.ok("exec", ...flags, id, "cat", "/proc/self/status"))["CapEff"]);
    expect(await inside()).toBe(none);
    expect(await inside("--privileged")).toBe(everything);
    expect(await inside("--privileged", "-u", "app")).toBe(none);
    await world.ok("rm", "-f", id);
  });
});

describe("--security-opt", () => {
  test("no-new-privileges: a set-user-ID program gives nothing, in exec neither", async () => {
    const { world } = shared;
    // busybox's su says so before it asks anything
    for (const [flags, expected] of [
      [[], "incorrect password"],
      [["--security-opt=no-new-privileges"], "must be suid to work properly"],
    ] as const) {
      const id = await world.ok("run", "-d", ...flags, "tiny", "sleep", "1000");
      await world.ok("exec", id, "chmod", "4755", "/bin/busybox");
      const { stderr } = await world.tspod(["exec", "-u", "app", id, "su"]);
      expect(stderr).toContain(expected);
      await world.ok("rm", "-f", id);
    }
    expect((await status("--security-opt no-new-privileges:true"))["NoNewPrivs"]).toBe("1");
  });

  test("seccomp: the default, unconfined, a file", async () => {
    const script = "unshare -U true && echo made; grep Seccomp: /proc/self/status";
    expect(await sh("", `${script} 2>&1`)).toContain("Seccomp:\t2");
    expect(await sh("", `(${script}) 2>&1`)).toContain("Operation not permitted");
    expect(await sh("--security-opt seccomp=unconfined", script)).toBe("made\nSeccomp:\t0");
    const profile = join(shared.world.home, "profile.json");
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 };
    writeFileSync(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
    const flags = `--security-opt seccomp=${profile}`;
    expect(await sh(flags, "mkdir /x 2>&1 || true")).toContain("No space left on device");
  });

  test("seccomp: what cannot be used is said", async () => {
    const profile = join(shared.world.home, "wrong.json");
    writeFileSync(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [{}] }));
    for (const file of [profile, "/missing.json"]) {
      const { exitCode, stderr } = await run("--security-opt", `seccomp=${file}`, "tiny", "true");
      expect(exitCode).toBe(125);
      expect(stderr).toContain(file);
    }
  });

  test("mask, unmask and systempaths", async () => {
    expect(await sh("--security-opt mask=/etc/passwd", "wc -c < /etc/passwd")).toBe("0");
    const hidden = "stat -c %F /proc/interrupts; grep -o ' /proc/sys proc ro' /proc/mounts";
    expect(await sh("", `${hidden} || true`)).toBe("character special file\n /proc/sys proc ro");
    expect(await sh("--security-opt unmask=/proc/interrupts", `${hidden} || true`)).toBe(
      "regular empty file\n /proc/sys proc ro",
    );
    expect(await sh("--security-opt systempaths=unconfined", `${hidden} || true`)).toBe(
      "regular empty file",
    );
  });

  test("with the host's network nothing of its /sys is writable, whatever lies in it", async () => {
    const writable = "awk '$2 ~ \"^/sys\" && $4 !~ /^ro/ { print $2 }' /proc/mounts";
    expect(await sh("--network host", writable)).toBe("");
    expect(await sh("--network host --privileged", writable)).toContain("/sys");
  });

  test("proc-opts", async () => {
    const mount = await sh("--security-opt proc-opts=hidepid=2", "grep ' /proc ' /proc/mounts");
    expect(mount).toMatch(/hidepid=(2|invisible)/);
  });

  test("apparmor where the host has none is said", async () => {
    const hasAppArmor = await Bun.file("/sys/module/apparmor/parameters/enabled").exists();
    const { exitCode, stderr } = await run(
      "--security-opt=apparmor=no-such-profile",
      "tiny",
      "true",
    );
    expect(exitCode).toBe(125);
    if (!hasAppArmor) expect(stderr).toContain("does not have AppArmor on");
    expect(await out("--security-opt=apparmor=unconfined", "tiny", "echo", "ok")).toBe("ok");
  });
});

describe("--privileged", () => {
  test("all capabilities, no filter, nothing hidden, and it can mount", async () => {
    const { CapEff, CapBnd, Seccomp } = await status("--privileged");
    expect([CapEff, CapBnd].map(setOf)).toEqual([everything, everything]);
    expect(Seccomp).toBe("0");
    const script = `stat -c %F /proc/interrupts; mkdir /m; mount -t tmpfs tmpfs /m && echo mounted;
      awk '$2 == "/sys" {split($4, o, ","); print o[1]}' /proc/mounts | tail -1`;
    expect(await sh("--privileged", script)).toBe("regular empty file\nmounted\nrw");
  });

  test("less what is dropped by name", async () => {
    const { CapEff } = await status("--privileged --cap-drop sys_admin");
    expect(setOf(CapEff)).toBe(everything & ~sysAdmin);
  });

  test("is root of its user namespace, and the caller outside", async () => {
    const file = join(shared.world.home, "theirs");
    writeFileSync(file, "");
    await out("--privileged", "-v", `${file}:/f`, "tiny", "sh", "-c", "echo x > /f");
    expect(await Bun.file(file).text()).toBe("x\n");
    const outside = await sh(
      "--privileged",
      "echo 1 > /proc/sys/vm/drop_caches 2>&1; echo status $?",
    );
    expect(outside).not.toContain("status 0");
  });
});

test("a set-user-ID file of a container is within nobody else's reach", async () => {
  const { world } = shared;
  const script = "cp /bin/busybox /data/suid; cp /bin/busybox /suid; chmod 4755 /data/suid /suid";
  await world.ok("run", "--name", "leaves", "-v", "left:/data", "tiny", "sh", "-c", script);
  const found = Bun.spawnSync(["find", world.root, "-name", "suid", "-perm", "-4001"]);
  const files = found.stdout.toString().trim().split("\n");
  expect(files).toHaveLength(2); // in its layer and in the volume
  for (const file of files) {
    const above: string[] = [];
    for (let path = dirname(file); path.startsWith(world.root); path = dirname(path))
      above.push(path);
    expect(above.some((path) => (statSync(path).mode & 0o077) === 0)).toBe(true);
  }
  await world.ok("rm", "leaves");
});

test("inspect shows what was asked", async () => {
  const { world } = shared;
  const flags = ["--cap-add=net_raw", "--cap-drop", "chown", "--security-opt", "no-new-privileges"];
  const id = await world.ok("create", ...flags, "tiny", "true");
  const [{ HostConfig, EffectiveCaps, BoundingCaps }] = JSON.parse(await world.ok("inspect", id));
  expect(HostConfig).toMatchObject({
    ...{ CapAdd: ["CAP_NET_RAW"], CapDrop: ["CAP_CHOWN"], Privileged: false },
    SecurityOpt: ["no-new-privileges"],
  });
  expect(EffectiveCaps).toContain("CAP_NET_RAW");
  expect(BoundingCaps).not.toContain("CAP_CHOWN");
  await world.ok("rm", id);
});

test("contradictions and slips are refused in one sentence", async () => {
  for (const [flags, message] of [
    [["--cap-add=kill", "--cap-drop=kill"], 'Cannot both add and drop the capability "CAP_KILL"'],
    [["--cap-add=NET_ADMN"], 'did you mean "NET_ADMIN"'],
    [["--security-opt=secomp=unconfined"], 'did you mean "seccomp"'],
  ] as const) {
    const { exitCode, stderr } = await run(...flags, "tiny", "true");
    expect(exitCode).toBe(125);
    expect(stderr).toContain(message);
  }
});
