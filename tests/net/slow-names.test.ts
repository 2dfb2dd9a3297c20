/**
 * A container that asks at once finds the names of all its networks, though one of them takes its time to tell them: that
 * one is played by a program of ours, which speaks as net/members.zig does.
 */
import { expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { untilListening } from "../support/perl-descriptors.ts";
import { program, testWith, tunDevice } from "../support/requirements.ts";
import { mapping } from "../helper/runtime-fixture.ts";
import { networked } from "./network-fixture.ts";
import { member, SharedNetwork } from "./shared-fixture.ts";

const test = testWith(
  program("perl"),
  program("busybox", "busybox-static"),
  () => mapping.limitation,
  tunDevice,
);

/** Longer than a program needs to ask, shorter than a monitor's patience (memberships.zig). */
const slownessMs = 100;

/** One member is let in. When it wants to hear names, they come late: "c" is 10.89.2.2. */
const slowNetwork = `
use IO::Socket::UNIX; use Socket;
my $listener = IO::Socket::UNIX->new(Type => SOCK_SEQPACKET, Local => "$ARGV[0].new", Listen => 1) or die "listen: $!";
rename "$ARGV[0].new", $ARGV[0];
my $member = $listener->accept() or die "accept: $!";
my $word;
while (defined recv($member, $word, 131072, 0) and length $word) {
  send($member, '{"ok":true}', 0) if $word =~ /^\\{/;
  if ($word eq "N") {
    select(undef, undef, undef, ${slownessMs / 1000});
    send($member, "n" . pack("C/a C/a", "c", pack("C4", 10, 89, 2, 2)), 0);
  }
}
send($member, "e", 0);
`;

async function play(network: SharedNetwork): Promise<AsyncDisposable> {
  mkdirSync(network.directory, { recursive: true });
  const words = ["perl", "-e", slowNetwork, network.socket];
  const child = Bun.spawn(words, { stdio: ["ignore", "ignore", "inherit"] });
  await untilListening(network.socket);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

test("its own network has them before its program may ask", async () => {
  await using slow = new SharedNetwork(2);
  await using _played = await play(slow);
  await using one = networked("nslookup -type=a c 10.0.2.3");
  one.amend({ networks: [slow.entry(3, { interface: "eth1", isDefaultRoute: false })] });
  expect((await one.run()).stdout).toContain("Address: 10.89.2.2");
});

test("so has another one that it is on", async () => {
  await using left = new SharedNetwork(1);
  await using slow = new SharedNetwork(2);
  await using _played = await play(slow);
  const entries = [left.entry(3), slow.entry(3, { interface: "eth1", isDefaultRoute: false })];
  await using one = member("nslookup -type=a c 10.89.1.1", entries);
  expect((await one.run()).stdout).toContain("Address: 10.89.2.2");
});
