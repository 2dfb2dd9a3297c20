/**
 * What the runtime writes below /proc goes to the kernel and nowhere else, whatever lies there in the container
 * (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
 */
import { describe, expect } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultCapabilities } from "../../src/spec/index.ts";
import { swapper } from "./swapping.ts";
import { attack, attackTest, fronts, ready } from "./target.ts";

/** Everything a runtime might write to, as files that would take it. */
const files = [
  ...["self/attr/exec", "self/attr/current", "self/attr/apparmor/exec", "self/oom_score_adj"],
  ...["self/uid_map", "self/gid_map", "self/setgroups", "self/timens_offsets"],
  ...["sys/kernel/shm_rmid_forced", "sys/net/ipv4/ip_forward"],
];

function makeDecoy(directory: string): void {
  for (const file of files) {
    mkdirSync(join(directory, file, ".."), { recursive: true });
    writeFileSync(join(directory, file), "");
  }
}

const written = (directory: string): string[] =>
  files.filter((file) => readFileSync(join(directory, file), "utf8") !== "");

describe.each(fronts)("%s", (front) => {
  attackTest("exec writes nothing to what a container has put on its /proc", async () => {
    const capabilities = [...defaultCapabilities, "CAP_SYS_ADMIN"];
    const script = "mount --rbind /talk/decoy /proc; touch /talk/ready; exec sleep 1000";
    await using target = attack(front, ["sh", "-c", script], { capabilities });
    const decoy = join(target.talk, "decoy");
    makeDecoy(decoy);
    await target.background();
    await ready(target);
    const asked = { capabilities, oomScoreAdj: 777 };
    const { output, refused } = await target.exec(
      ["sh", "-c", "umount /proc; cat /proc/self/oom_score_adj"],
      asked,
    );
    expect(refused).toBeUndefined();
    expect(output).toBe("777\n");
    expect(written(decoy)).toEqual([]);
  });
});

attackTest("oci: kernel parameters while /proc is exchanged", async () => {
  const script =
    "cat /proc/sys/kernel/shm_rmid_forced /decoy/sys/kernel/shm_rmid_forced 2>/dev/null; true";
  await using target = attack("oci", ["sh", "-c", script]);
  const decoy = join(target.image, "decoy");
  makeDecoy(decoy);
  target.configure(({ linux }) => (linux["sysctl"] = { "kernel.shm_rmid_forced": "1" }));
  const names = join(target.image);
  await using attacker = await swapper(names, ["proc,decoy"]);
  for (let i = 0; i < 20; i++) {
    const { output, refused } = await target.run();
    expect(refused).toBeUndefined();
    expect(output).toMatch(/^(1\n)*$/);
  }
  expect(attacker.isRunning()).toBe(true);
  await attacker.kill();
  const copies = ["proc", "decoy"].filter(
    (name) => readdirSync(join(target.image, name)).length > 0,
  );
  expect(copies.flatMap((name) => written(join(target.image, name)))).toEqual([]);
  expect(copies).toHaveLength(1);
});
