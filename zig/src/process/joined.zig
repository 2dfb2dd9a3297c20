//! A further process in a container that runs (exec). A helper process joins the namespaces, all at once by pidfd
//! (setns(2), Linux 5.8), and makes the real one as its own sibling (CLONE_PARENT), so that the monitor is the
//! parent without ever being in the container itself.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const contract = @import("../contract.zig");
const path = @import("../rootfs/path.zig");
const report = @import("report.zig");
const terminal = @import("terminal.zig");
const programs = @import("program.zig");
const child = @import("child.zig");
const descriptors = @import("descriptors.zig");
const labels = @import("labels.zig");
const scheduling = @import("scheduling.zig");
const procfs = @import("../procfs.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const linux = sys.linux;

pub const Plan = struct {
    program: programs.Program,
    console_size: ?terminal.Size,
    /// The container's first process, verified to be the one meant.
    pidfd: linux.fd_t,
    /// CLONE_NEW* of the namespaces that are not ours already.
    namespaces: u32,
    affinity: scheduling.Affinity = .{},
    /// The container's group, and its first process.
    arena: std.mem.Allocator = std.heap.page_allocator,
    cgroup: cgroups.Cgroup = .{},
    first: linux.pid_t = 0,
    /// Somebody is about to move us there.
    waits: bool = false,
    passed: descriptors.Passed = .{},
};

const clone_newtime = 0x80; // Linux 5.6

const kinds = [_]struct { name: []const u8, flag: u32 }{
    .{ .name = "user", .flag = linux.CLONE.NEWUSER },     .{ .name = "mnt", .flag = linux.CLONE.NEWNS },
    .{ .name = "pid", .flag = linux.CLONE.NEWPID },       .{ .name = "uts", .flag = linux.CLONE.NEWUTS },
    .{ .name = "ipc", .flag = linux.CLONE.NEWIPC },       .{ .name = "net", .flag = linux.CLONE.NEWNET },
    .{ .name = "cgroup", .flag = linux.CLONE.NEWCGROUP }, .{ .name = "time", .flag = clone_newtime },
};

/// Which namespaces of `pid` differ from ours: joining one's own user namespace is an error, and joining a namespace
/// of the host needs rights over the host.
pub fn namespacesOf(pid: linux.pid_t) sys.Error!u32 {
    var flags: u32 = 0;
    for (kinds) |kind| {
        const ours = identify("self", 0, kind.name) catch |err| {
            if (sys.failure.?.errno == .NOENT) continue; // a kernel that has no such kind
            return err;
        };
        const theirs = try identify("{d}", pid, kind.name);
        if (!std.meta.eql(theirs, ours)) flags |= kind.flag;
    }
    return flags;
}

const Identity = struct { ino: u64, dev_major: u32, dev_minor: u32 };

fn identify(comptime who: []const u8, pid: linux.pid_t, name: []const u8) sys.Error!Identity {
    var buffer: [48]u8 = undefined;
    const file = (if (comptime std.mem.eql(u8, who, "self"))
        std.fmt.bufPrintZ(&buffer, "/proc/self/ns/{s}", .{name})
    else
        std.fmt.bufPrintZ(&buffer, "/proc/{d}/ns/{s}", .{ pid, name })) catch unreachable;
    var stat: linux.Statx = undefined;
    _ = try sys.check("open", "/proc/PID/ns", linux.statx(linux.AT.FDCWD, file, 0, linux.STATX.BASIC_STATS, &stat));
    return .{ .ino = stat.ino, .dev_major = stat.dev_major, .dev_minor = stat.dev_minor };
}

/// The helper process: joins, makes the real one, reports its pid and descriptor, ends.
pub fn run(plan: *Plan, streams: ?child.Streams, channel: linux.fd_t) noreturn {
    join(plan, streams, channel) catch {
        const line = event.failed();
        report.send(channel, .failed, line.bytes());
        linux.exit_group(125);
    };
    linux.exit_group(0);
}

fn join(plan: *Plan, streams: ?child.Streams, channel: linux.fd_t) sys.Error!void {
    if (plan.waits) report.awaitGo(channel);
    child.defaultSignals();
    // Inherited; the container's /proc would not let a process that is not dumpable change it.
    if (plan.affinity.initial) |*set| try scheduling.setAffinity(set);
    try programs.adjustOomScore(&plan.program, channel);
    // From its first moment inside nobody there may trace it: it still runs a file of the host (CVE-2019-5736).
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    const ready = try programs.getReady(&plan.program);
    if (!plan.program.labels.isEmpty()) try procfs.hold(); // the container's own is not to be believed
    _ = try sys.check("setns", "the container's namespaces", linux.setns(plan.pidfd, plan.namespaces));
    _ = linux.setresgid(0, 0, 0);
    _ = linux.setresuid(0, 0, 0);

    var pidfd: linux.fd_t = -1;
    const args: sys.CloneArgs = .{
        .flags = linux.CLONE.PIDFD | linux.CLONE.PARENT,
        .pidfd = @intFromPtr(&pidfd),
        .exit_signal = 0, // as ours: the parent is told as of any child
    };
    const pid = try sys.check("clone3", "a process in the container", sys.clone3(&args));
    if (pid == 0) start(plan, streams, channel, ready);
    try report.sendProcess(channel, @intCast(pid), pidfd);
}

fn start(plan: *Plan, streams: ?child.Streams, channel: linux.fd_t, ready: programs.Ready) noreturn {
    var current = channel;
    startIn(plan, streams, &current, ready) catch {};
    const line = event.failed();
    report.send(current, .failed, line.bytes());
    linux.exit_group(125);
}

fn startIn(plan: *Plan, streams: ?child.Streams, channel: *linux.fd_t, ready: programs.Ready) sys.Error!void {
    if (plan.program.dies_with_parent) try programs.dieWithParent();
    _ = try sys.check("setsid", "", linux.setsid());
    _ = try sys.check("chdir", "/", linux.chdir("/"));
    if (streams) |s| try child.takeStreams(s);
    if (plan.program.terminal) try makeTerminal(plan, channel.*);
    plan.program.label_files = try labels.open(&plan.program.labels);
    plan.program.scheduling.affinity = plan.affinity.final;
    const files = &plan.program.label_files;
    try descriptors.settle(plan.passed, &.{
        channel,
        if (files.apparmor) |*fd| fd else null,
        if (files.selinux) |*fd| fd else null,
    }, null);
    try programs.become(&plan.program, ready, channel, report.tellExecuting);
}

/// From the container's own devpts, which must be where it was mounted.
fn makeTerminal(plan: *const Plan, channel: linux.fd_t) sys.Error!void {
    const root = try sys.checkFd("open", "/", linux.open("/", .{ .PATH = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(root);
    const devpts = try sys.checkFd("openat2", "/dev/pts", path.findPlain(root, "/dev/pts"));
    defer _ = linux.close(devpts);
    const pair = try terminal.open(devpts, plan.console_size);
    try report.sendDescriptor(channel, .terminal, pair.master);
    _ = linux.close(pair.master);
    try terminal.adopt(pair.slave, true);
    _ = linux.close(pair.slave);
}
