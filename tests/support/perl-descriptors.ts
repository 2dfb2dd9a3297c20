/** Descriptors over a unix socket, for programs in perl that a test starts: Bun has no word for them. */
import { existsSync } from "node:fs";
import { arch } from "node:os";
import { until } from "./wait.ts";

/** recvmsg(2), which plain perl has not either. */
const recvmsg = arch() === "x64" ? 47 : 212;

/**
 * `listening($path)` is a socket, and $path is there when somebody listens. `receive($socket)` takes a connection: the
 * connection, the first message's text (more may follow on it), and the descriptors that came with that.
 */
export const perlDescriptors = `
use IO::Socket::UNIX; $| = 1;
sub listening {
  my $listener = IO::Socket::UNIX->new(Local => "$_[0].new", Listen => 8) or die "listen: $!";
  rename "$_[0].new", $_[0];
  return $listener;
}
sub receive {
  my $peer = $_[0]->accept() or die "accept: $!";
  my ($text, $control) = ("\\0" x 65536, "\\0" x 256);
  my $vector = pack("QQ", unpack("Q", pack("p", $text)), length $text);
  my $header = pack("Q L x4 Q Q Q Q i x4", 0, 0, unpack("Q", pack("p", $vector)), 1, unpack("Q", pack("p", $control)), length $control, 0);
  my $length = syscall(${recvmsg}, fileno($peer), $header, 0);
  die "recvmsg: $!" if $length < 0;
  my ($size) = unpack("Q", $control);
  my @descriptors = $size > 16 ? unpack("i*", substr($control, 16, $size - 16)) : ();
  return ($peer, substr($text, 0, $length), @descriptors);
}
`;

/** Once `listening(path)` has returned in it. */
export async function untilListening(path: string): Promise<void> {
  await until("somebody listens", () => existsSync(path));
}
