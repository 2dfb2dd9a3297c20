/** An attacker that exchanges two names of a directory it shares with its victim, as fast as it can, until it ends. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attack, perlMounts, ready, type Target } from "./target.ts";

/** renameat2(2) with RENAME_EXCHANGE: both names are there at every moment, and what they mean is never the same for long. */
const swap = `
my @pairs = map { [map { "/theirs/$_" } split /,/] } @ARGV;
sub exchange { my ($one, $other) = @_; syscall(316, -100, $one, -100, $other, 2) == 0 or die "renameat2: $!" }
exchange(@$_) for @pairs; open(my $f, ">", "/talk/ready"); close $f;
for (;;) { exchange(@$_) for @pairs }
`;

/** It is at work when this returns. `pairs`: names in `directory`, "one,other". */
export async function swapper(directory: string, pairs: string[]): Promise<Target> {
  const mounts = [...perlMounts, { destination: "/theirs", source: directory, options: ["bind"] }];
  const attacker = attack("oci", ["/usr/bin/perl", "/talk/swap.pl", ...pairs], { mounts });
  writeFileSync(join(attacker.talk, "swap.pl"), swap);
  await attacker.background();
  await ready(attacker);
  return attacker;
}

/** A directory of the host beside the containers, where they would come out. */
export function outsideOf(target: Target): string {
  const outside = join(target.base, "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "marker"), "outside\n");
  return outside;
}
