/** The other end of a console socket or a seccomp listener: takes the descriptors that a runtime sends. */
import { arch } from "node:os";
import { until } from "../support/wait.ts";
import { existsSync } from "node:fs";

export interface Receiver {
  /** What the runtime sent with the descriptor; how many descriptors came is on the first line. */
  sent: Promise<string>;
  /** What is read from the first descriptor until its end. */
  written: Promise<string>;
}

/** recvmsg(2), which neither Bun nor plain perl has. */
const recvmsg = arch() === "x64" ? 47 : 212;

/**
 * One connection, one message with descriptors, more text until its end; then the first descriptor is read until a
 * terminal's hang-up. "--" on a line of its own parts the two.
 */
const program = `
use IO::Socket::UNIX; $| = 1;
my $listener = IO::Socket::UNIX->new(Local => "$ARGV[0].new", Listen => 1) or die "listen: $!";
rename "$ARGV[0].new", $ARGV[0]; # it is there when somebody listens
alarm 10;
my $peer = $listener->accept() or die "accept: $!";
my ($text, $control) = ("\\0" x 65536, "\\0" x 256);
my $vector = pack("QQ", unpack("Q", pack("p", $text)), length $text);
my $header = pack("Q L x4 Q Q Q Q i x4", 0, 0, unpack("Q", pack("p", $vector)), 1, unpack("Q", pack("p", $control)), length $control, 0);
my $length = syscall(${recvmsg}, fileno($peer), $header, 0);
die "recvmsg: $!" if $length < 0;
my ($size, $level, $type) = unpack("Q i i", $control);
my @descriptors = $size > 16 ? unpack("i*", substr($control, 16, $size - 16)) : ();
print scalar(@descriptors), "\\n", substr($text, 0, $length);
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
  await until("somebody listens", () => existsSync(path));
  const part = async (index: number): Promise<string> => (await all).split("\n--\n")[index] ?? "";
  return { sent: part(0), written: part(1) };
}
