/**
 * The default seccomp profile: what a container may ask of the kernel. Pure.
 *
 * The verdicts are the field's: a call that Docker's default profile allows is allowed, one it refuses is EPERM. A call
 * neither list knows (newer than both) is ENOSYS, as Podman answers, so that libc falls back instead of failing.
 */
import type { Seccomp, SeccompArgument, SeccompRule } from "../oci/runtime-spec.ts";

const words = (text: string): string[] => text.trim().split(/\s+/);

const always = words(`
  accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
  clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2
  dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
  epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
  fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat
  fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64
  fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64
  futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32
  geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp
  getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit
  get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday
  getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
  inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64
  ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
  landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr
  listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise
  map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock
  mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
  mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget
  msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect
  open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
  pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease
  process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2
  read readahead readdir readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
  remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq
  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
  rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr
  sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
  sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
  sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
  semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid
  setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid
  setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit
  set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr
  setxattrat shmat shmctl shmdt shmget shutdown sigaction sigaltstack signal signalfd signalfd4
  sigpending sigprocmask sigreturn sigsuspend socketcall socketpair splice stat stat64 statfs
  statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
  timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
  timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
  timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat
  uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write
  writev
`);

const byArchitecture: Record<string, string[]> = {
  x64: words("arch_prctl modify_ldt"),
  arm64: words(
    "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
  ),
};

/** Calls that a capability in the container's bounding set unlocks; refused with EPERM without it. */
const byCapability: Record<string, string[]> = {
  CAP_DAC_READ_SEARCH: words("open_by_handle_at"),
  CAP_SYS_ADMIN: words(`
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr
    perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns syslog umount
    umount2 unshare
  `),
  CAP_SYS_BOOT: words("reboot"),
  CAP_SYS_CHROOT: words("chroot"),
  CAP_SYS_MODULE: words("delete_module init_module finit_module"),
  CAP_SYS_PACCT: words("acct"),
  CAP_SYS_PTRACE: words("kcmp pidfd_getfd process_madvise"),
  CAP_SYS_RAWIO: words("iopl ioperm"),
  CAP_SYS_TIME: words("settimeofday stime clock_settime clock_settime64"),
  CAP_SYS_TTY_CONFIG: words("vhangup"),
  CAP_SYS_NICE: words("get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
  CAP_SYSLOG: words("syslog"),
  CAP_BPF: words("bpf"),
  CAP_PERFMON: words("perf_event_open"),
};

/**
 * Refused whatever the capabilities: the kernel's keyrings, other ways to load or swap kernels, memory of others,
 * io_uring (which no filter sees into), and what only programs of the last century call.
 */
const never = words(`
  add_key keyctl request_key kexec_load kexec_file_load swapon swapoff nfsservctl userfaultfd
  vm86 vm86old uselib ustat sysfs _sysctl create_module get_kernel_syms query_module io_uring_setup
  io_uring_enter io_uring_register move_pages migrate_pages vserver bdflush nice oldfstat oldlstat
  oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask ssetmask
`);

const eperm = 1;
const einval = 22;
const enosys = 38;
/**
 * Address families a socket may have, from and to. Not AF_CAIF (37, gone since Linux 7.1), AF_ALG (38, the kernel's
 * cryptography: CVE-2026-31431), AF_VSOCK (40, the machine's other guests), nor what is newer than AF_MCTP (45).
 * 16 is AF_NETLINK, which has rules of its own.
 */
const families: [number, number][] = [
  [0, 15],
  [17, 36],
  [39, 39],
  [41, 45],
];
const refusedFamilies = [37, 38, 40];
const afNetlink = 16;
const netlinkAudit = 9;
/** CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}: a namespace of one's own needs CAP_SYS_ADMIN here. */
const cloneNamespaceFlags = [
  0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
];
/** personality(2): PER_LINUX, UNAME26, PER_LINUX32, both, and the query. */
const personalities = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const architectures: Record<string, string[]> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

/** The profile for a container with these capabilities ("CAP_X") on this architecture (node's name: x64, arm64). */
export function defaultSeccomp(capabilities: readonly string[], architecture: string): Seccomp {
  const allowed = new Set([...always, ...(byArchitecture[architecture] ?? [])]);
  const denied = new Set(never);
  for (const [capability, calls] of Object.entries(byCapability)) {
    if (capabilities.includes(capability)) for (const call of calls) allowed.add(call);
    else for (const call of calls) denied.add(call);
  }
  for (const call of ["clone", "clone3"]) denied.delete(call); // have rules of their own below
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: enosys,
    architectures: architectures[architecture] ?? [],
    syscalls: [
      { names: [...allowed], action: "SCMP_ACT_ALLOW" },
      {
        names: [...denied].filter((call) => !allowed.has(call)),
        action: "SCMP_ACT_ERRNO",
        errnoRet: eperm,
      },
      ...conditional(capabilities),
    ],
  };
}

function conditional(capabilities: readonly string[]): SeccompRule[] {
  return [
    ...sockets(capabilities.includes("CAP_AUDIT_WRITE")),
    ...personalities.map((value) => rule("personality", allow, [equal(0, value)])),
    ...(capabilities.includes("CAP_SYS_ADMIN") ? [] : namespaces()),
  ];
}

/**
 * What is refused has rules too: a call whose rules do not hold gets the default, and ENOSYS is a strange answer to an
 * address family. No two rules hold at once, and none compares one argument twice: runtimes differ about both.
 */
function sockets(mayAudit: boolean): SeccompRule[] {
  const audit = [equal(0, afNetlink), equal(2, netlinkAudit)];
  const otherNetlink = [equal(0, afNetlink), { index: 2, value: netlinkAudit, op: "SCMP_CMP_NE" }];
  return [
    ...families
      .flatMap(([from, to]) => blocks(from, to))
      .map((block) => rule("socket", allow, [block])),
    ...refusedFamilies.map((family) => rule("socket", refuse, [equal(0, family)])),
    // EINVAL means "no audit in this kernel": PAM goes on, where a refusal to send would end a login
    rule("socket", allow, otherNetlink),
    rule("socket", mayAudit ? allow : { action: "SCMP_ACT_ERRNO", errnoRet: einval }, audit),
  ];
}

/** From `first` to `last`, as few numbers with the same upper bits as possible. */
function blocks(first: number, last: number): SeccompArgument[] {
  const found: SeccompArgument[] = [];
  for (let start = first, size = 1; start <= last; start += size, size = 1) {
    while (start % (size * 2) === 0 && start + size * 2 - 1 <= last) size *= 2;
    found.push(masked(0, 0xffff_ffff - (size - 1), start)); // an int: the upper half does not count
  }
  return found;
}

function namespaces(): SeccompRule[] {
  const all = cloneNamespaceFlags.reduce((flags, flag) => flags + flag, 0);
  return [
    rule("clone", allow, [masked(0, all, 0)]),
    ...cloneNamespaceFlags.map((flag) => rule("clone", refuse, [masked(0, flag, flag)])),
    // its flags lie in memory, out of a filter's sight: ENOSYS makes libc use clone
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: enosys },
  ];
}

type Answer = Pick<SeccompRule, "action" | "errnoRet">;
const allow: Answer = { action: "SCMP_ACT_ALLOW" };
const refuse: Answer = { action: "SCMP_ACT_ERRNO", errnoRet: eperm };

function rule(call: string, answer: Answer, args: SeccompArgument[]): SeccompRule {
  return { names: [call], ...answer, args };
}

function equal(index: number, value: number): SeccompArgument {
  return { index, value, op: "SCMP_CMP_EQ" };
}

function masked(index: number, mask: number, value: number): SeccompArgument {
  return { index, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" };
}
