/**
 * The runtime's own processes: nobody inside traces them, reads their memory, or goes through them to what they have
 * open: neither the monitor nor whatever enters a container by exec, not even where --pid=host shows them all. (Signals,
 * priorities and limits are the kernel's gift to whoever has the same user id: they go with --pid=host.)
 */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allCapabilities } from "../../src/spec/index.ts";
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

/** What can be done to a process: the names of what worked. 101 ptrace, 310 process_vm_readv, 434 pidfd_open, 438 pidfd_getfd. */
const deeds = `
use Fcntl;
sub leave { syscall(101, 17, $_[0], 0, 0); kill 18, $_[0] } # it may have stopped for something else than us
sub deeds {
  my ($pid) = @_; my (%won, $room); my $p = "/proc/$pid";
  if (syscall(101, 16, $pid, 0, 0) == 0) { $won{attach} = 1; waitpid($pid, 0); leave($pid) }
  if (syscall(101, 0x4206, $pid, 0, 0) == 0) { $won{seize} = 1; syscall(101, 0x4207, $pid, 0, 0); waitpid($pid, 0); leave($pid) }
  my $buffer = "x" x 8; my $local = pack("QQ", unpack("Q", pack("p", $buffer)), 8); my $remote = pack("QQ", 0x400000, 8);
  $! = 0; syscall(310, $pid, $local, 1, $remote, 1, 0); $won{memory} = 1 unless $!{EPERM} || $!{ESRCH};
  for my $name ("mem", "environ", "maps", "auxv", "syscall") {
    my $flags = $name eq "mem" ? O_RDWR : O_RDONLY; sysopen(my $f, "$p/$name", $flags) or next;
    $won{$name} = 1 if $name eq "mem" || sysread($f, $room, 64);
  }
  for my $name ("exe", "cwd", "root", "ns/mnt", "ns/user", "fd/0", "fd/3") { $won{$name} = 1 if defined readlink "$p/$name" }
  for my $name ("root/.", "cwd/.") { $won{"$name/"} = 1 if opendir(my $d, "$p/$name") }
  my $pidfd = syscall(434, $pid, 0);
  if ($pidfd >= 0) {
    for (0 .. 9) { my $fd = syscall(438, $pidfd, $_, 0); if ($fd >= 0) { $won{getfd} = 1; syscall(3, $fd) } }
    syscall(3, $pidfd);
  }
  return sort keys %won;
}
sub comm { open(my $f, "<", "/proc/$_[0]/comm") or return ""; my $line = <$f> // ""; chomp $line; $line }
`;

const peeping = `${deeds}
my $child = fork; if ($child == 0) { sleep 1000; exit } print "own: ", join(" ", deeds($child)), "\n"; kill 9, $child;
print "$_: ", join(" ", deeds($_)), "\n" for @ARGV;
`;

/**
 * Every process that still is ours: its name changes with execve, so what was done before the name is looked at again was
 * done to us.
 */
const hunting = `${deeds}
my (%won, $met); open(my $r, ">", "/talk/ready"); close $r;
while (! -e "/talk/stop") {
  opendir(my $d, "/proc"); my @pids = grep { /^[0-9]+$/ && $_ != $$ } readdir $d; closedir $d;
  for my $pid (@pids) {
    next unless comm($pid) eq "helper"; $met++;
    my @deeds = deeds($pid); next unless comm($pid) eq "helper"; $won{$_} = 1 for @deeds;
  }
}
open(my $f, ">", "/talk/result"); print $f "met ", $met ? "some" : "none", ": ", join(" ", sort keys %won), "\n"; close $f;
sleep 1000;
`;

type Space = "its own" | "the host's";

function container(
  front: Front,
  space: Space,
  capabilities: readonly string[],
  file: string,
): Target {
  const namespaces = ["user", "pid", "mount", "uts", "ipc", "network", "cgroup"]
    .filter((type) => space === "its own" || type !== "pid")
    .map((type) => ({ type }));
  const target = attack(front, ["/usr/bin/perl", `/talk/${file}`], {
    ...{ mounts: perlMounts, capabilities: [...capabilities], namespaces },
  });
  writeFileSync(join(target.talk, "hunting.pl"), hunting);
  writeFileSync(join(target.talk, "peeping.pl"), peeping);
  return target;
}

describe.each(fronts)("%s", (front) => {
  attackTest(
    "--pid=host: neither the caller's processes nor the monitor are looked into",
    async () => {
      await using target = container(front, "the host's", allCapabilities, "hunting.pl");
      await target.background();
      await ready(target);
      const others = [process.pid, ...target.pids().slice(1)].map(String);
      const words = ["/usr/bin/perl", "/talk/peeping.pl", ...others];
      const { output } = await target.exec(words, { capabilities: [...allCapabilities] });
      const [own = "", ...rest] = output.trim().split(/ *\n/);
      for (const deed of ["attach", "mem", "environ", "root/./", "getfd"])
        expect(own).toContain(deed);
      expect(rest).toEqual(others.map((pid) => `${pid}:`));
    },
  );

  const cases: [Space, string, readonly string[]][] = [
    ["its own", "with every capability", allCapabilities],
    ["the host's", "with every capability", allCapabilities],
  ];
  attackTest.each(cases)(
    "exec, pids %s, %s: nobody is met on the way",
    async (space, _, rights) => {
      await using target = container(front, space, rights, "hunting.pl");
      await target.background();
      await ready(target);
      for (let i = 0; i < 16; i++) expect((await target.exec(["true"])).refused).toBeUndefined();
      writeFileSync(join(target.talk, "stop"), "");
      const result = join(target.talk, "result");
      await until("the hunt has ended", () => existsSync(result) && readFileSync(result, "utf8"));
      expect(readFileSync(result, "utf8")).toBe("met some: \n");
    },
  );
});
