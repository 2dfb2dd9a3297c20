/**
 * Our executable (CVE-2019-5736): it belongs to the user that container root is, so nothing but us keeps it from being
 * written through /proc/PID/exe of a process that runs it inside.
 */
import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultCapabilities } from "../../src/spec/index.ts";
import { until } from "../support/wait.ts";
import {
  attack,
  attackTest,
  type Front,
  fronts,
  perlMounts,
  ready,
  type Target,
} from "./target.ts";

/** Shared by all that may be tried with more rights than a container has by default. */
const rights: [string, string[]][] = [
  ["as usual", [...defaultCapabilities]],
  ["with CAP_SYS_PTRACE", [...defaultCapabilities, "CAP_SYS_PTRACE"]],
  [
    "with CAP_SYS_ADMIN and CAP_SYS_PTRACE",
    [...defaultCapabilities, "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"],
  ],
];

function plant(target: Target, name: string, text: string | Uint8Array): void {
  const file = join(target.image, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text, { mode: 0o755 });
}

/** An ELF file of nothing but an interpreter. */
function elfWith(interpreter: string): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64 bits, little-endian
  view.setUint16(16, 3, true); // ET_DYN
  view.setUint16(18, 62, true); // x86-64
  view.setUint32(20, 1, true);
  view.setBigUint64(32, 64n, true); // program headers follow
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 3, true); // PT_INTERP
  view.setBigUint64(72, 256n, true);
  view.setBigUint64(96, BigInt(interpreter.length + 1), true);
  bytes.set(new TextEncoder().encode(interpreter), 256);
  return bytes;
}

/**
 * Takes a handle on the file of our size that another process inside runs, ends that process, and tries to open the
 * handle for writing until it is told to stop: whoever else runs the file may have ended by then.
 */
const hunter = `
use Fcntl; my (%seen, @held); open(my $r, ">", "/talk/ready");
while (! -e "/talk/stop") {
  opendir(my $d, "/proc"); my @pids = grep { /^[0-9]+$/ && $_ != $$ } readdir $d; closedir $d;
  for my $pid (@pids) {
    my @s = stat "/proc/$pid/exe" or next;
    next unless $s[7] == SIZE;
    sysopen(my $h, "/proc/$pid/exe", 010000000) or next;
    push @held, $h if @held < 10; kill 9, $pid;
  }
  for my $h (@held) {
    sysopen(my $w, "/proc/self/fd/" . fileno $h, O_WRONLY) or next;
    syswrite $w, "OVERWRITTEN"; open(my $f, ">", "/talk/won");
  }
}
`;

/** A symlink that means an honest program until that is looked at (inotify(7) tells), and then our executable. */
const flipping = `
sub aim { symlink($_[0], "/next"); rename "/next", "/flip" }
my $name = "/honest"; my $number = syscall(253); syscall(254, $number, $name, 0x20); aim("honest");
open(my $watch, "<&=", $number);
for (;;) {
  symlink("/proc/self/exe", "/evil"); sysread($watch, my $events, 4096); rename "/evil", "/flip";
  select undef, undef, undef, 0.003; aim("honest");
}
`;

/** What our executable, run as "oci delete", would wait for. */
const locking = `
mkdir "/state", 0700; mkdir "/state/x", 0700; open(my $d, "<", "/state/x") or die; flock($d, 2) or die; sleep 600;
`;

describe.each(fronts)("%s", (front) => {
  attackTest("is not run as the program", async () => {
    await using target = attack(front, ["/proc/self/exe", "native", "true"]);
    expect((await target.run()).refused).toMatch(/EACCES|permission denied/);
  });

  const interpreters: [string, string | Uint8Array][] = [
    ["of a script", "#!/proc/self/exe\n"],
    ["of a script's script", "#!/bin/a-nested\n"],
    ["behind a symlink", "#!/bin/a-link\n"],
    ["as a thread's", "#!/proc/thread-self/exe\n"],
    ["of an ELF file", elfWith("/proc/self/exe")],
  ];
  attackTest.each(interpreters)("is not run as the interpreter %s", async (_, text) => {
    await using target = attack(front, ["/bin/script"]);
    plant(target, "bin/script", text);
    plant(target, "bin/a-nested", "#!/proc/self/exe\n");
    symlinkSync("/proc/self/exe", join(target.image, "bin/a-link"));
    expect((await target.run()).refused).toMatch(/EACCES|permission denied/i);
  });

  attackTest.each(rights)("is not written while exec joins, %s", async (_, capabilities) => {
    await using target = hostile(front, capabilities);
    const before = readFileSync(target.helper);
    await target.background();
    await ready(target);
    const programs = [["/flip", ...waiting], ["/script"], ["true"]];
    for (let i = 0; i < 24; i++) await target.exec(programs[i % programs.length] ?? []);
    await expectUnharmed(target, before);
  });

  attackTest("is not written while another container joins", async () => {
    await using target = hostile(front, [...defaultCapabilities]);
    const before = readFileSync(target.helper);
    await target.background();
    await ready(target);
    for (let i = 0; i < 12; i++) {
      await using other = attack(front, ["/theirs/flip", ...waiting]);
      other.useHelper(target.helper);
      other.configure((config) => {
        const [pid = 0] = target.pids();
        config.mounts.push({ destination: "/theirs", source: target.image, options: ["bind"] });
        for (const namespace of config.linux.namespaces) {
          if (/user|pid/.test(namespace.type)) namespace.path = `/proc/${pid}/ns/${namespace.type}`;
        }
        config.mounts = config.mounts.filter(({ type }) => type !== "sysfs" && type !== "mqueue");
        delete config.linux.uidMappings;
        delete config.linux.gidMappings;
      });
      const { output, refused } = await other.run();
      expect(`${output} ${refused}`).not.toMatch(/mount|namespace|setns/);
    }
    await expectUnharmed(target, before);
  });
});

/** A command line of ours that waits for the lock that `locking` holds. */
const waiting = ["oci", "--root", "/state", "delete", "--force", "x"];

function hostile(front: Front, capabilities: string[]): Target {
  const script = "for p in lock flip hunt; do /usr/bin/perl /$p.pl & done; wait $!";
  const target = attack(front, ["sh", "-c", script], { capabilities, mounts: perlMounts });
  plant(target, "hunt.pl", hunter.replace("SIZE", `${statSync(target.helper).size}`));
  plant(target, "flip.pl", flipping);
  plant(target, "lock.pl", locking);
  plant(target, "honest", readFileSync(Bun.which("busybox") ?? "/bin/busybox"));
  plant(target, "script", "#!/flip\n");
  return target;
}

async function expectUnharmed(target: Target, before: Uint8Array): Promise<void> {
  writeFileSync(join(target.talk, "stop"), "");
  await until("the hunt has ended", () => !target.isRunning());
  expect(existsSync(join(target.talk, "won"))).toBe(false);
  expect(readFileSync(target.helper).equals(before)).toBe(true);
}
