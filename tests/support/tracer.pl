# Follows a program and all it starts, and either tells each call that changes something another process can see, or
# kills the process that makes a chosen one before the call is carried out. strace(1) counts calls by thread and cannot
# choose a process: which of several it would hit depends on who is first.
#
#   perl tracer.pl FILE - PROGRAM...            appends "PROCESS<tab>NUMBER<tab>CALL" to FILE for every such call
#   perl tracer.pl FILE PROCESS NUMBER PROGRAM...  kills the first process of that name to make its NUMBERth, and tells it
#
# A process is named after its program's words; the one that is followed first is "main", and one that was forked is its
# parent's name and a "+" until it executes something. The program takes this process's place: the tracer is a child of
# nobody's, and ends when all it follows have.
use strict;
use warnings;
use POSIX ();
require "sys/syscall.ph";

use constant {
    TRACE_SYSCALL => 24, DETACH => 17, SEIZE => 0x4206, INTERRUPT => 0x4207, LISTEN => 0x4208, GET_SYSCALL_INFO => 0x420e,
    # PTRACE_O_TRACE: SYSGOOD, FORK, VFORK, CLONE, EXEC
    OPTIONS => 0x1f, EVENT_EXEC => 4, EVENT_STOP => 128, SIGTRAP => 5, WALL => 0x40000000,
};

my ($file, $target, @program) = @ARGV;
my $number = $target eq "-" ? 0 : shift @program;

# Everything it asks for that another process can see, or that goes on without it: to have waited for somebody, too, for a
# kill then lets that one work on alone. Nothing here are locks, which end with their owner; what only this process sees
# (descriptors, polls, its limits and privileges); fsync(2), which makes a difference to a power cut alone.
my %changing = map { $_ => sub { 1 } } qw(
    rename renameat renameat2 mkdir mkdirat unlink unlinkat rmdir link linkat symlink symlinkat mknod mknodat
    ftruncate truncate fallocate chmod fchmod fchmodat chown fchown lchown fchownat utimensat setxattr lsetxattr fsetxattr
    removexattr lremovexattr fremovexattr mount umount2 move_mount mount_setattr fsmount open_tree pivot_root setns unshare
    fork vfork execve execveat bind listen connect accept4 setsid setpgid setresuid setresgid waitid wait4 exit_group
    copy_file_range sendfile splice flock keyctl bpf
);
# a descriptor that only wakes a thread of the same process
my $told = sub { (readlink("/proc/$_[0]/fd/$_[1][0]") // "") !~ /^anon_inode:\[(?:eventfd|timerfd)\]/ };
$changing{$_} = $told for qw(write writev pwrite64 pwritev pwritev2 sendto sendmsg sendmmsg);
# O_CREAT, O_TRUNC, __O_TMPFILE, O_WRONLY
my $opens = sub { ($_[0] & 020001100) != 0 || ($_[0] & 3) == 1 };
$changing{open} = sub { $opens->($_[1][1]) };
$changing{openat} = sub { $opens->($_[1][2]) };
$changing{openat2} = sub { $opens->(word($_[0], $_[1][2])) };
# CLONE_THREAD
$changing{clone} = sub { ($_[1][0] & 0x10000) == 0 };
$changing{clone3} = sub { (word($_[0], $_[1][0]) & 0x10000) == 0 };
# a signal 0 only asks
$changing{$_} = sub { $_[1][1] != 0 } for qw(kill pidfd_send_signal);
$changing{tgkill} = sub { $_[1][2] != 0 };
# TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FS_IOC_GETFLAGS
my %asking = map { $_ => 1 } 0x5401, 0x540f, 0x5413, 0x541b, 0x5421, 0x5451, 0x80086601;
$changing{ioctl} = sub { !$asking{$_[1][1]} };

my %calls; # number -> name, of those that this architecture has
for my $name (keys %changing) {
    my $call = eval { no strict "refs"; &{"main::SYS_$name"}() };
    $calls{$call} = $name if defined $call;
}

sub word { # 64 bits of a process's memory
    my ($pid, $address) = @_;
    open(my $memory, "<", "/proc/$pid/mem") or return 0;
    sysseek($memory, $address, 0);
    my $length = sysread($memory, my $bytes, 8) // 0;
    return $length == 8 ? unpack("Q", $bytes) : 0;
}

sub ptrace {
    my ($request, $pid, $address) = @_;
    return syscall(&SYS_ptrace, $request, $pid, $address, $_[3]); # which the kernel may write to
}

pipe(my $ready, my $start) or die "pipe: $!";
my $followed = $$;
my $between = fork() // die "fork: $!";
if ($between == 0) {
    fork() and POSIX::_exit(0);
    POSIX::setsid();
    follow();
    POSIX::_exit(0);
}
waitpid($between, 0);
close($start);
sysread($ready, my $go, 1) == 1 or die "nobody follows";
close($ready);
exec { $program[0] } @program or die "$program[0]: $!";

sub follow {
    open(my $out, ">>", $file) or die "$file: $!";
    ptrace(SEIZE, $followed, 0, OPTIONS) == 0 or die "ptrace: $!";
    ptrace(INTERRUPT, $followed, 0, 0);
    my (%process, %name, %count, $is_done); # thread -> process; process -> name, calls so far
    my $has_begun = 0;
    while (1) {
        my $status = "\0" x 4;
        my $pid = syscall(&SYS_wait4, -1, $status, WALL, 0);
        last if $pid < 0 && !$!{EINTR};
        next if $pid < 0;
        $status = unpack("L", $status);
        if (($status & 0xff) != 0x7f) { # it has ended
            delete $process{$pid};
            delete $name{$pid};
            delete $count{$pid};
            next;
        }
        my ($signal, $event) = (($status >> 8) & 0xff, $status >> 16);
        if ($pid == $followed && !$has_begun) {
            $has_begun = 1;
            syswrite($start, "x");
            close($start);
            close($ready);
        }
        my ($leader, $parent) = $process{$pid} ? ($process{$pid}) : origin($pid);
        $process{$pid} = $leader;
        $name{$leader} //= ($name{$parent // 0} // "") . "+" if $leader != $followed;
        $name{$leader} = $leader == $followed ? "main" : program($leader) if $event == EVENT_EXEC;
        my $is_call = $signal == (SIGTRAP | 0x80);
        if ($is_call && !$is_done && defined $name{$leader} && (my $call = entered($pid))) {
            my $nth = ++$count{$leader};
            my $is_it = $number == $nth && $name{$leader} eq $target;
            syswrite($out, "$name{$leader}\t$nth\t$call\n") if $number == 0 || $is_it;
            if ($is_it) {
                $is_done = 1;
                kill("KILL", $leader);
                next;
            }
        }
        # what is neither an event of tracing nor a group's stop is a signal to be had
        my $deliver = $is_call || $event != 0 ? 0 : $signal;
        my $is_group_stop = $event == EVENT_STOP && $signal != SIGTRAP;
        my $request = $is_done ? DETACH : $is_group_stop ? LISTEN : TRACE_SYSCALL;
        ptrace($request, $pid, 0, $deliver);
    }
}

sub origin { # the process of a thread that is seen for the first time, and that one's parent
    my ($pid) = @_;
    open(my $status, "<", "/proc/$pid/status") or return ($pid, 0);
    local $/;
    my $text = <$status> // "";
    return (($text =~ /^Tgid:\s+(\d+)/m)[0] // $pid, ($text =~ /^PPid:\s+(\d+)/m)[0] // 0);
}

sub program {
    my ($pid) = @_;
    open(my $line, "<", "/proc/$pid/cmdline") or return "?";
    local $/;
    my ($first, @words) = split(/\0/, <$line> // "");
    my $base = ($first // "?") =~ s{.*/}{}r;
    return join(" ", $base, grep { /^[a-z][a-z-]*$/ } @words[0 .. ($#words < 1 ? $#words : 1)]);
}

sub entered { # the name of the call a thread is about to make, when it changes something
    my ($pid) = @_;
    my $info = "\0" x 88;
    ptrace(GET_SYSCALL_INFO, $pid, 88, $info) > 0 or return;
    my ($op, $call, @arguments) = unpack("C x23 Q Q6", $info);
    return if $op != 1;
    my $name = $calls{$call} // return;
    # the compiler's int, in a register of 64 bits
    return $changing{$name}->($pid, \@arguments) ? $name : undef;
}
