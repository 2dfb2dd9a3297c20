/** Device nodes: none is made inside, with whatever rights, and one that can be made leads to no device. */
import { describe, expect } from "bun:test";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { allCapabilities } from "../../src/spec/index.ts";
import { attack, attackTest, fronts, perlMounts } from "./target.ts";

/** mknod(2) is 133, and the kernel's number of a device 256 * major + minor; a whiteout of an overlay is 0:0. */
const making = `
my %devices = (memory => [020666, 0x101], null => [020666, 0x103], disk => [060666, 0x800], loop => [060666, 0x700],
  fuse => [020666, 0xae5], tun => [020666, 0xac8], whiteout => [020666, 0], nothing => [060666, 0]);
for my $directory ("/", "/dev/", "/dev/shm/", "/talk/", "/fresh/") {
  for my $name (sort keys %devices) {
    my ($mode, $number) = @{$devices{$name}}; my $path = "$directory$name.node";
    syscall(133, $path, $mode, $number) == 0 or next;
    my $opens = open(my $f, "+<", $path) ? "opens" : "does not open"; print "$name $opens\\n"; unlink $path;
  }
}
print "tried\\n";
`;

describe.each(fronts)("%s", (front) => {
  const made = async (prefix: string): Promise<string[]> => {
    const script = `mkdir /fresh; ${prefix} sh -c 'mount -t tmpfs t /fresh; /usr/bin/perl /talk/making.pl'`;
    await using target = attack(front, ["sh", "-c", script], {
      ...{ capabilities: [...allCapabilities], mounts: perlMounts, linux: { seccomp: undefined } },
    });
    writeFileSync(join(target.talk, "making.pl"), making);
    const { output } = await target.run();
    return [...new Set(output.trim().split("\n"))];
  };

  attackTest("with every capability and no filter, in any file system", async () => {
    expect(await made("")).toEqual(["whiteout does not open", "tried"]);
  });

  attackTest("in a user namespace of one's own", async () => {
    expect(await made("unshare -Urm")).toEqual(["whiteout does not open", "tried"]);
  });

  attackTest("every node that a container has is one of the default devices", async () => {
    const script =
      "find / -xdev -type b -o -type c | sort; find /dev -type b -o -type c | sort | grep -v /dev/pts/";
    await using target = attack(front, ["sh", "-c", script], {
      capabilities: [...allCapabilities],
    });
    const names = ["full", "null", "random", "tty", "urandom", "zero"].map(
      (name) => `/dev/${name}`,
    );
    expect((await target.run()).output.trim().split("\n")).toEqual(names);
  });
});
