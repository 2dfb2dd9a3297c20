/**
 * Keys of the kernel (keyrings(7)): they belong to the user, and no namespace hides them. A container gets a session
 * keyring of its own, so that it possesses none of its caller's keys, whatever it may call.
 *
 * What stays the kernel's rule: who may call keyctl(2) at all may look at keys of its own user by their numbers. The
 * default profile forbids it.
 */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** Before whatever it starts: a session keyring with a secret in it, as a login has one. */
const callerWith = (talk: string, command: string): string => `#!/usr/bin/perl
my ($type, $name, $text) = ("user", "secret-of-the-caller", "SECRET");
syscall(250, 1, 0) > 0 or die "join: $!"; # KEYCTL_JOIN_SESSION_KEYRING
my $key = syscall(248, $type, $name, $text, 6, -3); $key > 0 or die "add_key: $!";
open(my $f, ">", "${talk}/keys"); print $f "$key ", syscall(250, 0, -3, 0), "\\n"; close $f;
select undef, undef, undef, 0.005 until -e "${talk}/go";
exec { "${command}" } "${command}", @ARGV; die $!;
`;

/** What somebody tries who may be the caller; -3 is the session keyring. */
const thief = (talk: string): string => `
my ($type, $name, $new, $text) = ("user", "secret-of-the-caller", "left-by-the-container", "x");
open(my $f, "<", "${talk}/keys"); my ($key, $session) = split " ", <$f>;
sub verdict { print "$_[0] ", $_[1] < 0 ? "refused" : "done", "\\n" }
verdict("search", syscall(250, 10, -3, $type, $name, 0)); # KEYCTL_SEARCH
verdict("request", syscall(249, $type, $name, 0, 0));
my $room = "\\0" x 64; verdict("read", syscall(250, 11, $key + 0, $room, 64)); # KEYCTL_READ
verdict("add", syscall(248, $type, $new, $text, 1, $session + 0));
verdict("unlink", syscall(250, 9, $key + 0, $session + 0)); # KEYCTL_UNLINK
my $mine = syscall(250, 0, -3, 0); print "session ", $mine == $session ? "the caller's" : "another", "\\n";
`;

const nothing = "search refused\nrequest refused\nread refused\nadd refused\nunlink refused\n";
const everything = nothing.replaceAll("refused", "done");

/** Adds keys until its user has no room for another one, and stays. */
const hoarder = `
my ($type, $text, $n) = ("user", "x", 0);
while (syscall(248, $type, my $name = "hoard-" . $n++, $text, 1, -3) > 0) { $n < 5000 or die "no quota" }
$!{EDQUOT} or die $!; open(my $f, ">", "/talk/ready"); close $f; sleep 1000;
`;

function withKeys(front: Front, seccomp: "default" | "unconfined"): Target {
  const linux = seccomp === "default" ? {} : { seccomp: undefined };
  const target = attack(front, ["/usr/bin/perl", "/talk/thief.pl"], { mounts: perlMounts, linux });
  writeFileSync(join(target.talk, "thief.pl"), thief("/talk"));
  const caller = join(target.base, "caller");
  writeFileSync(caller, callerWith(target.talk, target.helper), { mode: 0o755 });
  target.useHelper(caller);
  return target;
}

describe.each(fronts)("%s", (front) => {
  attackTest("the caller itself, as root of a user namespace, has it all", async () => {
    await using target = withKeys(front, "default");
    const { talk, base } = target;
    writeFileSync(join(talk, "direct"), callerWith(talk, "/usr/bin/unshare"));
    writeFileSync(join(base, "thief.pl"), thief(talk));
    writeFileSync(join(talk, "go"), "");
    const words = ["perl", join(talk, "direct"), "--map-root-user", "perl", join(base, "thief.pl")];
    expect(Bun.spawnSync(words).stdout.toString()).toBe(`${everything}session the caller's\n`);
  });

  attackTest.each(["default", "unconfined"] as const)(
    "with the %s profile the caller's keys are neither found, read nor changed",
    async (seccomp) => {
      await using target = withKeys(front, seccomp);
      writeFileSync(join(target.talk, "go"), "");
      const { output, refused } = await target.run();
      expect(refused).toBeUndefined();
      expect(output).toBe(`${nothing}session another\n`);
      expect(readFileSync(join(target.talk, "keys"), "utf8")).toMatch(/^\d+ \d+\n$/);
    },
  );

  attackTest("neither when another container has used up the room for keys", async () => {
    await using target = withKeys(front, "unconfined");
    await using other = attack(front, ["/usr/bin/perl", "/talk/hoarder.pl"], {
      ...{ mounts: perlMounts, linux: { seccomp: undefined } },
    });
    writeFileSync(join(other.talk, "hoarder.pl"), hoarder);
    const running = target.run();
    await until("the caller has its keys", () => existsSync(join(target.talk, "keys")));
    await other.background();
    await ready(other);
    writeFileSync(join(target.talk, "go"), "");
    const { output, refused } = await running;
    expect(refused).toBeUndefined();
    expect(output).toBe(`${nothing}session another\n`);
  });
});
