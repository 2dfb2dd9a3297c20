/** The other end of a console socket or a seccomp listener: takes the descriptors that a runtime sends. */
import { perlDescriptors, untilListening } from "../support/perl-descriptors.ts";

export interface Receiver {
  /** What the runtime sent with the descriptor; how many descriptors came is on the first line. */
  sent: Promise<string>;
  /** What is read from the first descriptor until its end. */
  written: Promise<string>;
}

/**
 * One connection, one message with descriptors, more text until its end; then the first descriptor is read until a
 * terminal's hang-up. "--" on a line of its own parts the two.
 */
const program = `
${perlDescriptors}
my $listener = listening($ARGV[0]);
alarm 10;
my ($peer, $text, @descriptors) = receive($listener);
print scalar(@descriptors), "\\n", $text;
while (sysread($peer, my $more, 65536)) { print $more }
print "\\n--\\n";
exit 0 unless @descriptors && $ARGV[1] eq "read";
open(my $master, "<&=", $descriptors[0]);
while (sysread($master, my $bytes, 4096)) { print $bytes }
`;

/** Listening when it returns. */
export async function receiveDescriptor(
  path: string,
  then: "read" | "leave" = "read",
): Promise<Receiver> {
  const child = Bun.spawn(["perl", "-e", program, path, then], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const all = new Response(child.stdout).text();
  await untilListening(path);
  const part = async (index: number): Promise<string> => (await all).split("\n--\n")[index] ?? "";
  return { sent: part(0), written: part(1) };
}
