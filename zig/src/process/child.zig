//! The container's first process, from clone3 to execve: raw system calls on data prepared by the parent, no
//! allocation. What fails is told over the channel, and the process ends; nothing it made outlives its namespaces.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const userns = @import("../userns.zig");
const rootfs = @import("../rootfs/root.zig");
const path = @import("../rootfs/path.zig");
const devices = @import("../rootfs/devices.zig");
const fuse = @import("../rootfs/fuse.zig");
const report = @import("report.zig");
const init = @import("init.zig");
const terminal = @import("terminal.zig");
const programs = @import("program.zig");
const namespaces = @import("namespaces.zig");
const labels = @import("labels.zig");
const procfs = @import("../procfs.zig");
const gates = @import("gate.zig");
const hooks = @import("hooks.zig");
const descriptors = @import("descriptors.zig");
const contract = @import("../contract.zig");
const Space = @import("space.zig").Space;
const links = @import("../net/link.zig");
const networks = @import("../net/config.zig");
const cgroup = @import("../cgroup/cgroup.zig");
const linux = sys.linux;

/// Everything a container's first process does, as data.
pub const Plan = struct {
    maps: ?userns.Plan,
    namespaces: namespaces.Plan,
    root: rootfs.Plan,
    program: programs.Program,
    hostname: ?[:0]const u8,
    domainname: ?[:0]const u8,
    sysctls: []const Sysctl,
    console_size: ?terminal.Size,
    init: bool,
    network: ?Network = null,
    networks: ?Networks = null,
    network_tool: ?*const networks.Tool = null,
    /// Where our own executable lies, for init.
    own_path: [:0]const u8,
    cgroup: cgroup.Plan,
    hooks: ?hooks.Set = null,
    /// It waits for `start`.
    gate: ?gates.Gate = null,
    passed: descriptors.Passed = .{},
};

/// The interface that is made inside, and what the process that serves it is told: where it finds that.
pub const Network = struct { link: links.Link, asked: *const networks.Network, directory: [:0]const u8 };

/// The same of networks that others may be on. An empty list waits for nothing.
pub const Networks = struct { links: []const links.Link, entries: []const networks.Entry, runtime_dir: [:0]const u8 };

/// `kind` is the namespace that it belongs to; `path` is one below /proc.
pub const Sysctl = struct { kind: contract.NamespaceKind, path: [:0]const u8, value: []const u8 };

/// Standard streams to take; with a terminal they are made inside.
pub const Streams = struct { stdin: linux.fd_t, stdout: linux.fd_t, stderr: linux.fd_t };

/// Where namespaces are joined: a process that does so, makes the real one in its place, tells who that is, and ends.
pub fn runAhead(plan: *Plan, streams: ?Streams, channel: linux.fd_t) noreturn {
    makeSibling(plan, channel) catch {
        const line = event.failed();
        report.send(channel, .failed, line.bytes());
        linux.exit_group(125);
    };
    run(plan, streams, channel);
}

/// Returns in the real one.
pub fn makeSibling(plan: *Plan, channel: linux.fd_t) sys.Error!void {
    try namespaces.openJoined(&plan.namespaces);
    try refuseOurs(plan);
    try programs.adjustOomScore(&plan.program, channel); // inherited, and hard to write later
    plan.program.oom_score_adj = null;
    try namespaces.enterJoined(&plan.namespaces, plan.maps != null);
    var pidfd: linux.fd_t = -1;
    const args: sys.CloneArgs = .{
        .flags = linux.CLONE.PIDFD | linux.CLONE.PARENT | (plan.namespaces.new & namespaces.from_birth),
        .pidfd = @intFromPtr(&pidfd),
        .exit_signal = 0, // as ours: the parent is told as of any child
    };
    const pid = try sys.check("clone3", "the container's process", sys.clone3(&args));
    if (pid == 0) return;
    try report.sendProcess(channel, @intCast(pid), pidfd);
    linux.exit_group(0);
}

/// What would be changed for everybody who is where we are: such a "container" has nothing of its own to change.
fn refuseOurs(plan: *const Plan) sys.Error!void {
    const spaces = &plan.namespaces;
    if (try namespaces.joinsOurs(spaces, .mount)) {
        return sys.fail("namespaces", "the mount namespace to join is the host's: its mounts would be the host's");
    }
    if ((plan.hostname != null or plan.domainname != null) and try namespaces.joinsOurs(spaces, .uts)) {
        return sys.fail("namespaces", "the uts namespace to join is the host's: its name is not the container's to set");
    }
    for (plan.sysctls) |sysctl| if (try namespaces.joinsOurs(spaces, sysctl.kind)) {
        return sys.failFormat("sysctl", "{s}: the {t} namespace to join is the host's", .{ sysctl.path, sysctl.kind });
    };
}

pub fn run(plan: *Plan, streams: ?Streams, channel: linux.fd_t) noreturn {
    var current = channel;
    runIn(plan, streams, &current) catch {};
    const line = event.failed();
    report.send(current, .failed, line.bytes());
    linux.exit_group(125);
}

fn runIn(plan: *Plan, streams: ?Streams, current: *linux.fd_t) sys.Error!void {
    const channel = current.*;
    try programs.dieWithParent();
    defaultSignals();
    _ = linux.syscall1(.umask, 0o022); // of mount points that are made; the program gets its own
    _ = try sys.check("setsid", "", linux.setsid());
    if (streams) |s| try takeStreams(s);
    // While the parent writes the maps: all that needs no id.
    try namespaces.makeRest(&plan.namespaces);
    tellSpace(plan, channel);
    if (plan.namespaces.makes(linux.CLONE.NEWNS)) try rootfs.separate(&plan.root);
    try rootfs.openAsCaller(&plan.root, plan.namespaces.joins(.user));
    if (plan.init) plan.program.init_fd = try init.openOurselves(plan.own_path, plan.program.ourselves);
    const ready = try programs.getReady(&plan.program);
    awaitGo(plan, channel);
    awaitTool(plan, channel);

    try programs.adjustOomScore(&plan.program, channel);
    if (plan.maps) |maps| try userns.becomeRoot(maps.maps);
    if (plan.namespaces.joins(.user)) namespaces.becomeRoot();
    if (plan.root.rootfs.kind == .@"fuse-overlayfs") {
        const device = try fuse.mount(plan.root.root_path);
        try report.sendDescriptor(channel, .fuse, device);
        _ = linux.close(device);
    }
    // From here on nobody may look into or trace this process, which still runs a file of the host.
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    try namespaces.makeCgroup(&plan.namespaces);
    if (plan.namespaces.makes(linux.CLONE.NEWNET)) try raiseLoopback();
    try makeNetwork(plan, channel);
    try setNames(plan);
    try writeSysctls(plan.sysctls);
    const assembled = try rootfs.assemble(&plan.root);
    if (plan.program.creates_cwd) {
        const made = try path.ensureDirectory(assembled.root, plan.program.cwd);
        _ = linux.close(made.fd);
    }
    if (plan.program.terminal) try makeTerminal(plan, assembled, channel);
    if (plan.hooks) |*set| try hooks.runBeforeRoot(set, assembled.root, channel);
    try rootfs.seal(&plan.root, &assembled);
    plan.program.label_files = try labels.open(&plan.program.labels);
    try rootfs.enter(&plan.root, assembled.root, if (plan.namespaces.makes(linux.CLONE.NEWNS)) .own else .joined);
    assembled.close();
    if (hasTaps(plan) and plan.hooks == null) report.awaitGo(channel);

    current.* = try settleDescriptors(plan, channel);
    plan.program.gate = plan.gate;
    if (plan.hooks) |*set| plan.program.hooks = set;
    try programs.become(&plan.program, ready, current, report.tellExecuting);
}

/// Where no pid namespace ends with it, those it leaves behind are known by that.
fn tellSpace(plan: *const Plan, channel: linux.fd_t) void {
    if (plan.namespaces.makes(linux.CLONE.NEWPID) or !plan.namespaces.makes(linux.CLONE.NEWNS)) return;
    const space = Space.ofSelf() orelse return;
    const rc = linux.open("/proc/self/ns/mnt", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return;
    const pin: linux.fd_t = @intCast(rc);
    defer _ = linux.close(pin);
    var message: [1 + @sizeOf(Space)]u8 = undefined;
    message[0] = @intFromEnum(report.Kind.space);
    message[1..].* = @bitCast(space);
    _ = report.sendWith(channel, &message, pin) catch {};
}

/// As report.awaitGo, with the mounts that only the parent could make coming before it.
fn awaitGo(plan: *Plan, channel: linux.fd_t) void {
    for (plan.root.operations) |*operation| {
        const mapped = if (operation.idmap) |*idmap| idmap else continue;
        mapped.fd = report.awaitDescriptor(channel, .mapped_mount);
    }
    report.awaitGo(channel);
}

/// Ignored signals and the mask would be inherited by the program, also through CLONE_CLEAR_SIGHAND, which resets
/// handlers only.
pub fn defaultSignals() void {
    const default: linux.Sigaction = .{
        .handler = .{ .handler = linux.SIG.DFL },
        .mask = linux.sigemptyset(),
        .flags = 0,
    };
    for (1..65) |number| _ = linux.sigaction(@enumFromInt(number), &default, null);
    const none = linux.sigemptyset();
    _ = linux.sigprocmask(linux.SIG.SETMASK, &none, null);
}

pub fn takeStreams(streams: Streams) sys.Error!void {
    const wanted = [_]linux.fd_t{ streams.stdin, streams.stdout, streams.stderr };
    for (wanted, 0..) |fd, i| {
        const target: linux.fd_t = @intCast(i);
        if (fd != target) _ = try sys.check("dup3", "a standard stream", linux.dup3(fd, target, 0));
    }
}

/// A new network namespace has a loopback interface that is down (network_namespaces(7)).
pub fn raiseLoopback() sys.Error!void {
    const siocsifflags = 0x8914;
    const iff_up = 1;
    const Request = extern struct { name: [16]u8, flags: u16, rest: [22]u8 = @splat(0) };
    comptime std.debug.assert(@sizeOf(Request) == 40); // struct ifreq
    const kind = linux.SOCK.DGRAM | linux.SOCK.CLOEXEC;
    const fd = try sys.checkFd("socket", "lo", linux.socket(linux.AF.INET, kind, 0));
    defer _ = linux.close(fd);
    var request: Request = .{ .name = @splat(0), .flags = iff_up };
    @memcpy(request.name[0..2], "lo");
    _ = try sys.check("SIOCSIFFLAGS", "lo", linux.ioctl(fd, siocsifflags, @intFromPtr(&request)));
}

/// Its other end is for the parent to serve. What is published must be bound before the program runs: that is waited for
/// at the end, unless hooks wait for a word of the parent's as well.
fn makeNetwork(plan: *const Plan, channel: linux.fd_t) sys.Error!void {
    if (!hasTaps(plan)) return;
    try makeTaps(plan, channel);
    if (plan.hooks != null) report.awaitGo(channel);
}

/// The private one first.
pub fn makeTaps(plan: *const Plan, channel: linux.fd_t) sys.Error!void {
    if (hasTaps(plan)) links.prepare();
    if (plan.network) |*network| try makeTap(&network.link, channel);
    if (plan.networks) |*several| for (several.links) |*link| try makeTap(link, channel);
}

fn makeTap(link: *const links.Link, channel: linux.fd_t) sys.Error!void {
    const tap = try links.make(link);
    try report.sendDescriptor(channel, .tap, tap);
    _ = linux.close(tap);
}

pub fn hasTaps(plan: *const Plan) bool {
    const several = if (plan.networks) |*several| several.links.len > 0 else false;
    return several or plan.network != null;
}

/// Whether there is, or may come to be, more than loopback in it.
pub fn makesNetwork(plan: *const Plan) bool {
    const has_more = plan.network != null or plan.networks != null or plan.network_tool != null;
    return has_more and plan.namespaces.makes(linux.CLONE.NEWNET);
}

/// Others can find our namespaces as long as we are the caller, and not closed to him yet.
pub fn awaitTool(plan: *const Plan, channel: linux.fd_t) void {
    if (plan.network_tool == null) return;
    report.send(channel, .outside, "");
    report.awaitGo(channel);
}

fn setNames(plan: *const Plan) sys.Error!void {
    if (plan.hostname) |name| {
        const rc = linux.syscall2(.sethostname, @intFromPtr(name.ptr), name.len);
        _ = try sys.check("sethostname", name, rc);
    }
    if (plan.domainname) |name| {
        const rc = linux.syscall2(.setdomainname, @intFromPtr(name.ptr), name.len);
        _ = try sys.check("setdomainname", name, rc);
    }
}

/// Through the host's /proc, whose entries mean our namespaces and which no container has touched (CVE-2025-52881).
fn writeSysctls(sysctls: []const Sysctl) sys.Error!void {
    for (sysctls) |sysctl| try procfs.write("sysctl", sysctl.path, sysctl.value);
}

fn makeTerminal(plan: *const Plan, assembled: rootfs.Assembled, channel: linux.fd_t) sys.Error!void {
    const devpts = assembled.mounted.devpts orelse return sys.fail("terminal", "config.json mounts no devpts");
    const pair = try terminal.open(devpts, plan.console_size);
    try report.sendDescriptor(channel, .terminal, pair.master);
    _ = linux.close(pair.master);
    try devices.bindConsole(assembled.root, pair.slave);
    // Under --init the program's own session takes it.
    try terminal.adopt(pair.slave, !plan.init);
    _ = linux.close(pair.slave);
}

/// The channel closes with execve, or with init's program: init is told its number.
fn settleDescriptors(plan: *Plan, channel: linux.fd_t) sys.Error!linux.fd_t {
    const program = &plan.program;
    var settled = channel;
    const kept = [_]?*linux.fd_t{
        &settled,
        if (program.init_fd) |*fd| fd else null,
        if (plan.gate) |*gate| if (gate.listener) |*fd| fd else null else null,
        if (program.label_files.apparmor) |*fd| fd else null,
        if (program.label_files.selinux) |*fd| fd else null,
    };
    try descriptors.settle(plan.passed, &kept, if (plan.init) &settled else null);
    return settled;
}
