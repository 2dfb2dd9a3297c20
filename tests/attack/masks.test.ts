/**
 * What hides the host's kernel: masked and read-only paths. Neither an image, nor a namespace made inside, nor every
 * capability that a container can have changes anything of the host through /proc and /sys.
 */
import { describe, expect } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allCapabilities, defaultCapabilities } from "../../src/spec/index.ts";
import { maskedPaths } from "../../src/spec/mounts.ts";
import { allNamespaces, type BundleOptions } from "../helper/runtime-bundle.ts";
import { attack, attackTest, fronts, inside, perlMounts } from "./target.ts";

/** What belongs to a namespace of the container, and to root in there. */
const namespaced =
  /^\/proc\/sys\/(net|user|fs\/mqueue)\/|^\/proc\/sys\/kernel\/((auto_)?msg|sem|shm|ns_last_pid|pid_max)|^\/sys\/devices\/virtual\/net\//;
const unmasked = { maskedPaths: [], readonlyPaths: [] };
const unconfined = { seccomp: undefined };

/** By number: 165 mount, 166 umount2, 428 open_tree, 442 mount_setattr. Each line that is printed is a way in. */
const uncover = `
my ($proc, $sys, $tmp, $file, $none, $procfs, $sysfs, $overlay, $data, $empty) =
  ("/proc", "/proc/sys", "/tmp", "/tmp/file", "none", "proc", "sysfs", "overlay", "lowerdir=/proc:/bin", "");
my $keys = "/proc/keys"; open(my $f, ">", $file); close $f; my $rw = pack("Q4", 0, 1, 0, 0);
sub tried { print "$_[0]\\n" if $_[1] >= 0 }
tried("unmounted", syscall(166, $keys, 0)); tried("detached", syscall(166, $keys, 2));
tried("unmounted sys", syscall(166, $sys, 2)); tried("moved", syscall(165, $keys, $file, $none, 8192, 0));
tried("remounted", syscall(165, $none, $sys, $none, 32 | 4096, 0));
tried("writable", syscall(442, -100, $sys, 0, $rw, 32)) unless $ENV{UNMASKED};
tried("bound", syscall(165, $proc, $tmp, $none, 4096, 0)); tried("cloned", syscall(428, -100, $proc, 1));
tried("layered", syscall(165, $overlay, $tmp, $overlay, 0, $data));
tried("a new proc", syscall(165, $procfs, $tmp, $procfs, 0, 0));
tried("a new sysfs", syscall(165, $sysfs, $tmp, $sysfs, 0, 0));
print "tried\\n";
`;

const nested =
  "unshare -Urmn /usr/bin/perl /talk/uncover.pl; unshare -Urmpf /usr/bin/perl /talk/uncover.pl";

describe.each(fronts)("%s", (front) => {
  const uncovered = async (options: BundleOptions): Promise<string[]> => {
    await using target = attack(front, ["sh", "-c", `${nested} 2>&1`], {
      ...options,
      mounts: perlMounts,
    });
    writeFileSync(join(target.talk, "uncover.pl"), uncover);
    return (await target.run()).output.trim().split("\n");
  };

  attackTest("the attack of a nested namespace works where nothing is masked", async () => {
    const ways = await uncovered({
      linux: { ...unmasked, ...unconfined },
      env: ["PATH=/bin", "UNMASKED=1"],
    });
    expect(ways).toContain("a new proc");
    expect(ways).toContain("bound");
    expect(ways).toContain("cloned");
  });

  attackTest.each([
    ["as usual, unconfined", { linux: unconfined }],
    ["with CAP_SYS_ADMIN", { capabilities: [...defaultCapabilities, "CAP_SYS_ADMIN"] }],
  ] as [string, BundleOptions][])("a nested namespace uncovers nothing, %s", async (_, options) => {
    expect(await uncovered(options)).toEqual(["tried", "tried"]);
  });

  attackTest(
    "with every capability and nothing masked: no file of the host's kernel opens for writing",
    async () => {
      const script = `
      mount -o remount,rw /sys; mount -o remount,rw /proc
      find /proc/sys /proc/sysrq-trigger /proc/irq /proc/bus /proc/fs /proc/acpi /proc/scsi /proc/kcore /proc/kmsg \
        /proc/timer_list /proc/mtrr /sys -type f 2>/dev/null |
      while read f; do { :; } 2>/dev/null >>$f && echo "open $f"; done`;
      const output = await inside(front, script, {
        capabilities: [...allCapabilities],
        linux: { ...unmasked, ...unconfined },
      });
      const opened = [...output.matchAll(/^open (.*)/gm)].map(([, path]) => path ?? "");
      expect(opened).toContain("/proc/sys/net/ipv4/ip_forward"); // of its own network
      expect(opened.filter((path) => !namespaced.test(path))).toEqual([]);
    },
  );

  attackTest.each(["file", "symlink"])(
    "an image's /dev/null that is a %s hides nothing",
    async (kind) => {
      const script = maskedPaths
        .map((path) => `[ -e ${path} ] && [ ! -d ${path} ] && stat -c '%F %t:%T' ${path}`)
        .join("\n");
      await using target = attack(front, ["sh", "-c", script]);
      target.configure((config) => {
        config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev");
      });
      mkdirSync(join(target.image, "dev"), { recursive: true });
      const [text, image] = [join(target.talk, "text"), join(target.image, "dev/null")];
      writeFileSync(text, "the image's\n");
      if (kind === "file") writeFileSync(image, "the image's\n");
      else symlinkSync("/talk/text", image);
      const { output, refused } = await target.run();
      expect(refused).toBeUndefined();
      expect(output).toMatch(/^(character special file 1:3\n)+$/);
      expect(readFileSync(text, "utf8")).toBe("the image's\n");
    },
  );

  attackTest(
    "the host's /sys in place of a new one: nothing mounted in it is writable",
    async () => {
      const script = "awk '$5 ~ \"^/sys\" { print $5, $6 }' /proc/self/mountinfo";
      const namespaces = allNamespaces
        .filter((type) => type !== "network")
        .map((type) => ({ type }));
      const mounts = (await inside(front, script, { namespaces })).trim().split("\n");
      expect(mounts.length).toBeGreaterThan(2);
      expect(mounts.filter((line) => !/ ro,nosuid,nodev,noexec/.test(line))).toEqual([]);
    },
  );
});
