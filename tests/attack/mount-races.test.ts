/**
 * Mounts, masks and devices redirected while they are made, by another container that shares a volume or the root file
 * system and exchanges directories for symlinks (CVE-2021-30465, CVE-2019-19921, CVE-2025-31133, CVE-2025-52565,
 * CVE-2025-52881).
 */
import { describe, expect } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { outsideOf, swapper } from "./swapping.ts";
import { attack, attackTest, fronts, type Target } from "./target.ts";

/** How often the victim is started: each start passes every step once. */
const starts = 30;

/** Every mount of the container but those of `volume`, whatever /proc is called at the moment. */
const listMounts = `
  while :; do cd /proc; [ -e self/mountinfo ] && break; cd /decoy; [ -e self/mountinfo ] && break; done
  cut -d' ' -f4,5 self/mountinfo | sed 's, /decoy, /proc,' | grep -v ' /shared' | sort`;
const victimWords = ["sh", "-c", listMounts];

async function mountsOf(target: Target): Promise<string> {
  const { output, refused } = await target.run();
  if (refused !== undefined) throw new Error(refused);
  return output;
}

describe.each(fronts)("%s", (front) => {
  attackTest("a volume of both in which other mounts lie", async () => {
    await using target = attack(front, victimWords);
    const outside = outsideOf(target);
    const shared = join(target.base, "shared");
    mkdirSync(join(shared, "link"), { recursive: true });
    symlinkSync(outside, join(shared, "evil"));
    target.configure(({ mounts, linux }) => {
      mounts.push(
        { destination: "/shared", source: shared, options: ["bind"] },
        { destination: "/shared/link/memory", type: "tmpfs" },
        { destination: "/shared/link/a/directory", source: "/usr", options: ["bind"] },
        { destination: "/shared/link/file", source: "/etc/hostname", options: ["bind", "ro"] },
      );
      linux.devices = [{ path: "/shared/link/fifo", type: "p" }];
      linux.maskedPaths = [...(linux.maskedPaths as string[]), "/shared/link/marker"];
      linux.readonlyPaths = [...(linux.readonlyPaths as string[]), "/shared/link"];
    });
    const honest = await mountsOf(target);
    await using attacker = await swapper(shared, ["link,evil"]);
    let refusals = 0;
    for (let i = 0; i < starts; i++) {
      const { output, refused } = await target.run();
      if (refused === undefined) expect(output).toBe(honest);
      else refusals++;
    }
    expect(attacker.isRunning()).toBe(true);
    expect(refusals).toBeGreaterThan(0); // it was met
    expect(readdirSync(outside)).toEqual(["marker"]);
  });
});

describe.each(fronts)("%s", (front) => {
  attackTest(
    "names exchanged elsewhere on the machine: a path with .. in it is still found",
    async () => {
      await using target = attack(front, ["stat", "-f", "-c", "%T", "/up/here"]);
      mkdirSync(join(target.image, "a/b/c"), { recursive: true });
      symlinkSync("a/b/c/../../../a/b/../b/../../a", join(target.image, "up"));
      target.configure(({ mounts }) => mounts.push({ destination: "/up/here", type: "tmpfs" }));
      const unrelated = join(target.base, "unrelated");
      for (const name of ["one", "other"]) mkdirSync(join(unrelated, name), { recursive: true });
      await using attacker = await swapper(unrelated, ["one,other"]);
      for (let i = 0; i < 20; i++) {
        const { output, refused } = await target.run();
        expect({ output, refused }).toEqual({ output: "tmpfs\n", refused: undefined });
      }
      expect(attacker.isRunning()).toBe(true);
    },
  );
});

/** Nobody but the OCI command line runs from a directory that others can have. */
describe("oci, whose root file system another container has as a volume", () => {
  attackTest("/proc exchanged for an empty directory: all is masked that should be", async () => {
    await using target = attack("oci", victimWords);
    const honest = await mountsOf(target);
    expect(honest).toMatch(/ \/proc\/keys\n/);
    mkdirSync(join(target.image, "decoy"));
    await using attacker = await swapper(target.image, ["proc,decoy"]);
    for (let i = 0; i < starts; i++) expect(await mountsOf(target)).toBe(honest);
    expect(attacker.isRunning()).toBe(true);
  });

  attackTest("devices, console and terminals exchanged for symlinks", async () => {
    await using target = attack("oci", victimWords, { terminal: true });
    const outside = outsideOf(target);
    target.configure((config) => {
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev");
    });
    const dev = join(target.image, "dev");
    for (const name of ["null", "console"]) writeFileSync(join(dev, name), "");
    for (const name of ["pts", "shm", "mqueue"]) mkdirSync(join(dev, name));
    const honest = await mountsOf(target);
    const elsewhere = {
      null: "/proc/self/attr/exec",
      console: "/proc/self/attr/current",
      pts: "/proc/self/fdinfo",
      shm: join(outside, "shm"),
      mqueue: join(outside, "marker"),
    };
    for (const [name, to] of Object.entries(elsewhere)) symlinkSync(to, join(dev, `evil-${name}`));
    const pairs = Object.keys(elsewhere).map((name) => `${name},evil-${name}`);
    await using attacker = await swapper(dev, pairs);
    let refusals = 0;
    for (let i = 0; i < starts; i++) {
      const { output, refused } = await target.run();
      if (refused === undefined) expect(onProc(output)).toEqual(onProc(honest));
      else refusals++;
    }
    expect(attacker.isRunning()).toBe(true);
    expect(refusals).toBeGreaterThan(0); // it was met
    expect(readdirSync(outside)).toEqual(["marker"]);
  });
});

/** Where /proc is covered. */
function onProc(mounts: string): string[] {
  return [...mounts.matchAll(/ (\/proc\/\S*)/g)].map(([, path]) => path ?? "");
}
