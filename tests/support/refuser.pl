# Follows a process that runs and has the kernel refuse some of its calls, as a host without memory for them would:
#
#   perl refuser.pl FILE ERRNO EVERY PID CALL...   of EVERY of these calls two in a row end with -ERRNO and do nothing
#
# strace(1) makes a call void by another number, which a seccomp filter kills the process for. Here it keeps its number and
# loses its first argument, a descriptor, and what the kernel says to that is exchanged. Ends with the process, or by
# SIGTERM: then FILE gets "CALL<tab>HOW MANY<tab>HOW MANY REFUSED" for each. x86-64 only.
use strict;
use warnings;
require "sys/syscall.ph";

use constant {
    GETREGS => 12, SETREGS => 13, TRACE_SYSCALL => 24, SEIZE => 0x4206, INTERRUPT => 0x4207, LISTEN => 0x4208,
    GET_SYSCALL_INFO => 0x420e, SYSGOOD => 1, EVENT_STOP => 128, SIGTRAP => 5, WALL => 0x40000000,
    # struct user_regs_struct: its size, and where the result and the first argument are, in words
    REGISTERS => 27, RESULT => 10, FIRST_ARGUMENT => 14,
};

my ($file, @numbers) = splice(@ARGV, 0, 4);
my ($errno, $every, $pid) = map { int } @numbers; # syscall() passes on what has been a string as a pointer
my @names = @ARGV;
my %name = map { no strict "refs"; (&{"main::SYS_$_"}() => $_) } @names;
my (%count, %refused);
my $is_refused = 0;

sub ptrace {
    my ($request, $address) = @_;
    return syscall(&SYS_ptrace, $request, $pid, $address, $_[2]); # which the kernel may write to
}

sub change {
    my ($register, $value) = @_;
    my $bytes = "\0" x (8 * REGISTERS);
    ptrace(GETREGS, 0, $bytes) == 0 or die "PTRACE_GETREGS: $!";
    my @registers = unpack("q*", $bytes);
    $registers[$register] = $value;
    $bytes = pack("q*", @registers);
    ptrace(SETREGS, 0, $bytes) == 0 or die "PTRACE_SETREGS: $!";
}

$SIG{TERM} = sub {
    open(my $out, ">", "$file.tmp") or die "$file: $!";
    printf $out "%s\t%d\t%d\n", $_, $count{$_} // 0, $refused{$_} // 0 for @names;
    close($out);
    rename("$file.tmp", $file);
    exit 0;
};

ptrace(SEIZE, 0, SYSGOOD) == 0 or die "PTRACE_SEIZE: $!";
ptrace(INTERRUPT, 0, 0);
syswrite(STDOUT, "follows\n");
while (1) {
    my $status = "\0" x 4;
    my $who = syscall(&SYS_wait4, $pid, $status, WALL, 0);
    next if $who < 0 && $!{EINTR};
    $status = unpack("L", $status);
    last if $who < 0 || ($status & 0xff) != 0x7f; # it has ended
    my ($signal, $event) = (($status >> 8) & 0xff, $status >> 16);
    my $is_call = $signal == (SIGTRAP | 0x80);
    atCall() if $is_call;
    my $is_group_stop = $event == EVENT_STOP && $signal != SIGTRAP;
    ptrace($is_group_stop ? LISTEN : TRACE_SYSCALL, 0, $is_call || $event != 0 ? 0 : $signal);
}

sub atCall {
    my $info = "\0" x 88;
    ptrace(GET_SYSCALL_INFO, 88, $info) > 0 or return;
    my ($op, $call) = unpack("C x23 Q", $info);
    if ($op == 2) { # its end
        change(RESULT, -$errno) if $is_refused;
        $is_refused = 0;
        return;
    }
    my $name = $op == 1 ? $name{$call} // return : return;
    return if $count{$name}++ % $every < $every - 2;
    $refused{$name} += 1;
    $is_refused = 1;
    change(FIRST_ARGUMENT, -1);
}
