/**
 * A seccomp agent (config-linux.md#seccomp): takes the descriptor of a filter that notifies, with the state of the
 * container process, and answers one call of each with an error of the test's. Like receive.ts of the conformance rules,
 * but it answers.
 */
import { perlDescriptors, untilListening } from "../support/perl-descriptors.ts";

/** SECCOMP_IOCTL_NOTIF_RECV and _SEND with struct seccomp_notif (80 bytes) and struct seccomp_notif_resp (24). */
const program = `
${perlDescriptors}
my $listener = listening(shift);
alarm 30;
my @kept;
for my $errno (@ARGV) {
  my ($peer, $json, @descriptors) = receive($listener);
  while (sysread($peer, my $more, 65536)) { $json .= $more }
  print scalar(@descriptors), " $json\\n";
  open(my $filter, "+<&=", $descriptors[0]) or die "open: $!";
  push @kept, $filter;
  my $call = "\\0" x 80;
  ioctl($filter, 0xc0502100, $call) or die "receive: $!";
  my ($id, $pid, $flags, $number) = unpack("Q L L l", $call);
  my $answer = pack("Q q l L", $id, 0, -$errno, 0);
  ioctl($filter, 0xc0182101, $answer) or die "send: $!";
  print "$pid\\n";
}
`;

export interface Notified {
  descriptors: number;
  state: unknown;
  /** Who made the call. */
  pid: number;
}

export interface Agent extends AsyncDisposable {
  /** One for each errno it was given, once all are answered. */
  notified: Promise<Notified[]>;
}

/** Listening when it returns; answers the first call of the n-th filter with the n-th of `errnos`, 0 being success. */
export async function seccompAgent(path: string, errnos: readonly number[]): Promise<Agent> {
  const child = Bun.spawn(["perl", "-e", program, path, ...errnos.map(String)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const output = child.stdout.text();
  await untilListening(path);
  return {
    notified: output.then(parse),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child.exited;
    },
  };
}

function parse(output: string): Notified[] {
  const pairs = [...output.matchAll(/^(\d+) (\{.*\})\n(\d+)$/gm)];
  return pairs.map(([, descriptors, state = "", pid]) => ({
    descriptors: Number(descriptors),
    state: JSON.parse(state) as unknown,
    pid: Number(pid),
  }));
}
