# What programs in the container do, one word each; the outcome is the standard output.
use strict;
use warnings;
use Socket qw(:all);
$| = 1;
alarm 60; # whatever hangs is an outcome, too

my ($what, $host, $port) = @ARGV;
our $family = $host =~ /:/ ? AF_INET6 : AF_INET;

sub address { my ($h, $p) = @_; return $family == AF_INET6 ? pack_sockaddr_in6($p, inet_pton(AF_INET6, $h)) : pack_sockaddr_in($p, inet_aton($h)) }
sub stream { socket(my $s, $family, SOCK_STREAM, 0) or die; connect($s, address($host, $port)) or die "connect: $!"; return $s }
sub all_of { my ($s) = @_; my ($text, $part) = (""); $text .= $part while sysread($s, $part, 65536); return $text }
sub urgently { my ($s) = @_; send($s, "abc", 0); send($s, "!", MSG_OOB); send($s, "def", 0) }
sub writable { my ($s, $seconds) = @_; vec(my $set = "", fileno($s), 1) = 1; return select(undef, $set, undef, $seconds) }
sub readable { my ($s, $seconds) = @_; vec(my $set = "", fileno($s), 1) = 1; return select($set, undef, undef, $seconds) }

my %do = (
  # Sends urgent data, and reads some.
  urgent => sub { my $s = stream(); urgently($s); shutdown($s, 1); print all_of($s) },
  # The other way round: who comes is sent some, after it has said all.
  serve => sub {
    socket(my $l, AF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($l, pack_sockaddr_in($port, INADDR_ANY)) or die "bind: $!"; listen($l, 8);
    for (1 .. 2) { accept(my $s, $l); my $heard = all_of($s); urgently($s); shutdown($s, 1); close $s; print "$heard " }
  },
  # Its kernel asks again and again whether the far end is still there, and gives up after two silences.
  alive => sub {
    my $s = stream();
    setsockopt($s, SOL_SOCKET, SO_KEEPALIVE, 1);
    setsockopt($s, IPPROTO_TCP, $_->[0], pack("i", $_->[1])) for [TCP_KEEPIDLE, 1], [TCP_KEEPINTVL, 1], [TCP_KEEPCNT, 2];
    until (asked() >= 4) { next unless readable($s, 0.1); sysread($s, my $x, 1); print "lost: $!"; return }
    print "alive";
  },
  # A datagram that a part of the way does not take whole; the kernel learns what it takes.
  large => sub {
    socket(my $s, $family, SOCK_DGRAM, 0); connect($s, address($host, $port)) or die "connect: $!";
    my ($level, $mtu) = $family == AF_INET6 ? (IPPROTO_IPV6, 24) : (IPPROTO_IP, 14);
    send($s, "x" x 1400, 0); readable($s, 10);
    my $got = recv($s, my $data, 65536, MSG_DONTWAIT); my $error = $!{EMSGSIZE} ? "too long" : "$!";
    print defined $got ? "answered" : $error, ", ", unpack("i", getsockopt($s, $level, $mtu)), ", ";
    send($s, "x" x 1400, 0); readable($s, 10); recv($s, $data, 65536, 0); print length $data;
  },
  # Nobody hears that, and what comes after it works.
  multicast => sub {
    for (["224.0.0.251", AF_INET], ["ff02::fb", AF_INET6], ["255.255.255.255", AF_INET]) {
      socket(my $m, $_->[1], SOCK_DGRAM, 0); setsockopt($m, SOL_SOCKET, SO_BROADCAST, 1);
      local $family = $_->[1]; send($m, "hear me", 0, address($_->[0], $port));
    }
    socket(my $s, $family, SOCK_DGRAM, 0); send($s, "x", 0, address($host, $port)); readable($s, 10);
    recv($s, my $data, 10, 0); print "then $data";
  },
  # Its interface goes away in the middle of a stream, and comes back.
  down => sub {
    my $s = stream(); my $head; sysread($s, $head, 65536);
    system "ip link set eth0 down; ip link set eth0 up; ip route add default via 10.0.2.2";
    my $text = $head . all_of($s); print length $text, $text =~ /^(abcdefgh)*$/ ? " whole" : " broken";
  },
  # So many connections at once, each of which says something.
  crowd => sub {
    my @all = map { stream() } 1 .. 2000;
    syswrite($_, "x") for @all;
    my $answers = grep { sysread($_, my $x, 1) } @all;
    print $answers;
  },
  # As many as there is room for, and one more: that waits until one of them has ended.
  full => sub {
    my @all = map { stream() } 1 .. 8192;
    socket(my $late, $family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect($late, address($host, $port));
    print writable($late, 0.5) ? "in, " : "waits, ";
    close pop @all;
    print writable($late, 30) && getpeername($late) ? "in, " : "never, ";
    syswrite($_, "x") for @all;
    print scalar grep { sysread($_, my $x, 1) } @all;
  },
);
sub asked { open(my $f, "<", "/proc/net/netstat") or die; my ($names, $numbers) = grep { /^TcpExt/ } <$f>; my %n; @n{split " ", $names} = split " ", $numbers; return $n{TCPKeepAlive} }
$do{$what}->();
