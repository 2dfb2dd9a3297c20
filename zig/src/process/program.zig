//! The last steps of a container's process, of its first one and of exec alike: limits, user, directory,
//! capabilities, no_new_privs, seccomp, execve. The root file system is "/" by then.
//!
//! Everything is prepared in the parent; `become` allocates nothing. Order matters: a filter without no_new_privs
//! needs CAP_SYS_ADMIN, so it goes in before the capabilities are given up, and only capset, prctl, execve and the
//! report of a failure come after it.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const event = @import("../event.zig");
const report = @import("report.zig");
const caps = @import("caps.zig");
const rlimits = @import("rlimits.zig");
const users = @import("user.zig");
const lookup = @import("lookup.zig");
const seccomp = @import("seccomp.zig");
const agent = @import("agent.zig");
const filter_cache = @import("filter_cache.zig");
const listener = @import("listener.zig");
const scheduling = @import("scheduling.zig");
const labels = @import("labels.zig");
const gates = @import("gate.zig");
const hooks = @import("hooks.zig");
const procfs = @import("../procfs.zig");
const keyring = @import("keyring.zig");
const linux = sys.linux;

const default_umask = 0o022;

pub const Program = struct {
    /// Holds all of it.
    arena: std.mem.Allocator,
    argv: [:null]?[*:0]const u8,
    /// With one free slot at the end for HOME.
    envp: [:null]?[*:0]const u8,
    has_home: bool,
    path_variable: ?[]const u8,
    cwd: [:0]const u8,
    /// Before the root becomes read-only.
    creates_cwd: bool,
    terminal: bool,
    user: ?[:0]const u8,
    ids: contract.Process.User,
    /// Room for the groups of `ids` and of /etc/group.
    groups: []u32,
    /// Further groups, which /etc/group knows by name.
    group_names: []const [:0]const u8 = &.{},
    /// The caller's supplementary groups stay, whatever they are called inside.
    keeps_groups: bool = false,
    /// Without them in config.json a program has none.
    capabilities: caps.Sets,
    limits: []const rlimits.Limit,
    no_new_privs: bool,
    oom_score_adj: ?i32,
    scheduling: scheduling.Plan,
    labels: labels.Plan,
    label_files: labels.Opened = .{},
    seccomp: ?*const contract.Seccomp,
    /// Where compiled filters are kept.
    seccomp_cache: ?[]const u8 = null,
    /// The profile's, when it was found there.
    filter: ?seccomp.Filter = null,
    /// What an agent that the filter asks is told of the container.
    told: agent.Told = .{},
    ourselves: ?lookup.Identity,
    dies_with_parent: bool = true,
    /// The session's keys stay the caller's.
    keeps_keyring: bool = false,
    /// What it waits for before anything of it can be seen.
    gate: ?gates.Gate = null,
    /// Run right before it.
    hooks: ?*const hooks.Set = null,
    /// A tiny init becomes the process and starts the program: how init.zig is executed.
    init_fd: ?linux.fd_t = null,
    /// What config.json asks for and does not get, in sentences.
    warnings: []const []const u8,

    pub fn prepare(arena: std.mem.Allocator, process: *const contract.Process, user: ?[:0]const u8) sys.Error!Program {
        if (process.args.len == 0) return sys.fail("lookup", "there is no command");
        if (process.cwd.len == 0 or process.cwd[0] != '/') {
            return sys.failFormat("chdir", "the working directory \"{s}\" is not absolute", .{process.cwd});
        }
        return prepareIn(arena, process, user) catch |err| switch (err) {
            error.OutOfMemory => sys.fail("prepare", "out of memory"),
            error.Syscall => error.Syscall,
        };
    }

    /// A filter that somebody has compiled before: looked for by the parent, whose child then has it.
    pub fn findFilter(program: *Program) void {
        const profile = program.seccomp orelse return;
        program.filter = filter_cache.find(program.arena, program.seccomp_cache orelse return, profile.text);
    }

    fn prepareIn(arena: std.mem.Allocator, process: *const contract.Process, user: ?[:0]const u8) !Program {
        const argv = try arena.allocSentinel(?[*:0]const u8, process.args.len, null);
        for (process.args, argv) |text, *slot| slot.* = text.ptr;
        const envp = try arena.allocSentinel(?[*:0]const u8, process.env.len + 1, null);
        envp[process.env.len] = null;
        for (process.env, envp[0..process.env.len]) |text, *slot| slot.* = text.ptr;
        const gids = process.user.additionalGids.len;
        if (gids > users.groups_max) return sys.failFormat("setgroups", "{d} groups are too many", .{gids});
        var warnings: std.ArrayList([]const u8) = .empty;
        return .{
            .arena = arena,
            .argv = argv,
            .envp = envp,
            .has_home = variable(process.env, "HOME=") != null,
            .path_variable = variable(process.env, "PATH="),
            .cwd = process.cwd,
            .creates_cwd = false,
            .terminal = process.terminal,
            .user = user,
            .ids = process.user,
            .groups = try arena.alloc(u32, gids + users.memberships_max),
            .capabilities = try caps.parse(arena, process.capabilities orelse .{}, &warnings),
            .limits = try rlimits.parse(arena, process.rlimits),
            .no_new_privs = process.noNewPrivileges,
            .oom_score_adj = try oomScoreOf(process.oomScoreAdj),
            .scheduling = try scheduling.prepare(process),
            .labels = try labels.prepare(process),
            .seccomp = null,
            .ourselves = lookup.Identity.of("/proc/self/exe"),
            .warnings = warnings.items,
        };
    }
};

fn oomScoreOf(score: ?i32) sys.Error!?i32 {
    const value = score orelse return null;
    if (value >= -1000 and value <= 1000) return value;
    return sys.failFormat("oom_score_adj", "{d} is not between -1000 and 1000", .{value});
}

fn variable(env: []const [:0]const u8, comptime prefix: []const u8) ?[]const u8 {
    var last: ?[]const u8 = null;
    for (env) |text| {
        if (std.mem.startsWith(u8, text, prefix)) last = text[prefix.len..];
    }
    return last;
}

/// What is done early, while the parent is still busy with the id maps.
pub const Ready = struct { filter: ?seccomp.Filter };

var workspace: seccomp.Workspace = undefined; // pages of it are touched only by whoever compiles

pub fn getReady(program: *const Program) sys.Error!Ready {
    const profile = program.seccomp orelse return .{ .filter = null };
    if (program.filter) |filter| {
        if (filter.notifies) try agent.expect(profile);
        return .{ .filter = filter };
    }
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const decoded = try profile.decode(arena_state.allocator());
    try seccomp.validate(&decoded);
    const filter = try seccomp.compile(&workspace, &decoded);
    if (filter.notifies) try agent.expect(profile);
    if (program.seccomp_cache) |directory| filter_cache.publish(directory, profile.text, filter);
    return .{ .filter = filter };
}

/// Needs the host's /proc and a process that is still dumpable. Less than what the caller has is real root's to give
/// (proc(5)): then it stays, and somebody is told.
pub fn adjustOomScore(program: *const Program, channel: linux.fd_t) sys.Error!void {
    const score = program.oom_score_adj orelse return;
    var text: [12]u8 = undefined;
    const bytes = std.fmt.bufPrint(&text, "{d}", .{score}) catch unreachable;
    procfs.write("oom_score_adj", "self/oom_score_adj", bytes) catch |err| switch (sys.failure.?.errno) {
        .ACCES, .PERM => {
            const line = event.warning("config", sys.format("oomScoreAdj {d} stays what it is for the caller: " ++
                "only real root may lower it", .{score}));
            report.send(channel, .warning, line.bytes());
        },
        else => return err,
    };
}

var identity: users.User = .{ .groups = &.{} };
var home_variable: [1100]u8 = undefined;

/// Become the program; returns only when that failed. `before_execve` runs last, to tell on the channel that what
/// follows is the program's own fault.
pub fn become(
    program: *Program,
    ready: Ready,
    channel: *linux.fd_t,
    comptime before_execve: fn (*linux.fd_t) void,
) sys.Error!noreturn {
    if (!program.keeps_keyring) try keyring.joinNew();
    try findUser(program);
    try enterDirectory(program);
    ownStreams();
    try caps.limitBounding(program.capabilities.bounding);
    try changeIds(program.keeps_groups);
    _ = linux.syscall1(.umask, program.ids.umask orelse default_umask);
    // A change of ids clears it (prctl(2)).
    try setParentDeathSignal(program.dies_with_parent);

    const name = std.mem.span(program.argv[0].?);
    const file = try lookup.find(name, program.path_variable);
    if (program.init_fd == null) try lookup.refuseOurselves(file, program.ourselves);
    if (program.gate) |gate| try gates.pass(gate, channel);
    try caps.raiseAll();
    const confinement: Confinement = .{ .program = program, .ready = ready, .channel = channel.* };
    const notifies = if (ready.filter) |filter| filter.notifies else false;
    if (notifies) if (program.hooks) |set| if (set.has(.startContainer)) {
        return sys.fail("seccomp", "startContainer hooks cannot run under a filter that notifies");
    };
    if (program.hooks) |set| try set.runConfined(.startContainer, "created", linux.getpid(), &confinement, confine);
    // Late: a limit on files or memory is the program's, not ours.
    try rlimits.apply(program.limits);
    try scheduling.apply(&program.scheduling);
    try labels.write(&program.labels, program.label_files);
    try confine(&confinement);
    before_execve(channel);
    if (program.init_fd) |fd| return @import("init.zig").execute(fd, channel.*, file, program.argv, program.envp);
    _ = try sys.check("execve", name, linux.execve(file, program.argv.ptr, program.envp.ptr));
    unreachable;
}

const Confinement = struct { program: *const Program, ready: Ready, channel: linux.fd_t };

/// What its program may do, and what it executes before.
fn confine(confinement: *const Confinement) sys.Error!void {
    const program = confinement.program;
    if (program.no_new_privs) {
        _ = try sys.check("no_new_privs", "", linux.prctl(@intFromEnum(linux.PR.SET_NO_NEW_PRIVS), 1, 0, 0, 0));
    }
    if (confinement.ready.filter) |filter| {
        if (filter.notifies) try listener.install(filter, confinement.channel) else try seccomp.install(filter);
    }
    try caps.apply(program.capabilities);
}

fn findUser(program: *Program) sys.Error!void {
    const ids = &program.ids;
    identity.groups = program.groups;
    if (program.user) |text| {
        try users.lookup(&identity, text, ids.additionalGids);
    } else {
        identity.uid = ids.uid;
        identity.gid = ids.gid;
        @memcpy(identity.groups[0..ids.additionalGids.len], ids.additionalGids);
        identity.group_count = ids.additionalGids.len;
        if (!program.has_home) users.findHome(&identity);
    }
    for (program.group_names) |name| try users.addNamed(&identity, name);
    if (program.has_home) return;
    const home = if (identity.home().len > 0) identity.home() else "/";
    const text = std.fmt.bufPrintZ(&home_variable, "HOME={s}", .{home}) catch return;
    for (program.envp) |*slot| if (slot.* == null) {
        slot.* = text.ptr;
        return;
    };
}

/// The directory must lie inside the root: one reached through a descriptor of the host would show the host
/// (CVE-2024-21626), which getcwd(2) tells.
fn enterDirectory(program: *const Program) sys.Error!void {
    _ = try sys.check("chdir", program.cwd, linux.chdir(program.cwd));
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const length = try sys.check("getcwd", program.cwd, linux.getcwd(&buffer, buffer.len));
    if (length > 0 and buffer[0] == '/') return;
    return sys.failFormat("chdir", "{s} lies outside of the container", .{program.cwd});
}

/// The program may open /dev/stdout again, whoever it runs as. Refused for what is not the container's: never mind.
fn ownStreams() void {
    if (identity.uid == 0) return;
    for (0..3) |fd| {
        var stat: linux.Statx = undefined;
        if (linux.errno(sys.statFd(@intCast(fd), &stat)) != .SUCCESS) continue;
        if (linux.S.ISFIFO(stat.mode) or isTerminal(stat)) _ = linux.fchown(@intCast(fd), identity.uid, @bitCast(@as(i32, -1)));
    }
}

/// A pseudoterminal, by its device number (Documentation/admin-guide/devices.txt: 136-143).
fn isTerminal(stat: linux.Statx) bool {
    return linux.S.ISCHR(stat.mode) and stat.rdev_major >= 136 and stat.rdev_major <= 143;
}

fn changeIds(keeps_groups: bool) sys.Error!void {
    try caps.keepAcrossSetuid(true);
    if (!keeps_groups) try setGroups();
    try checkId("setresgid", linux.setresgid(identity.gid, identity.gid, identity.gid), identity.gid);
    try checkId("setresuid", linux.setresuid(identity.uid, identity.uid, identity.uid), identity.uid);
    try caps.keepAcrossSetuid(false);
}

fn setGroups() sys.Error!void {
    const rc = linux.setgroups(identity.group_count, identity.groups.ptr);
    switch (linux.errno(rc)) {
        .PERM => {}, // with a single id mapped the kernel forbids it (user_namespaces(7)): there is no other group
        .INVAL => return sys.fail("setgroups", "a group of the user is not mapped in the user namespace"),
        else => _ = try sys.check("setgroups", "", rc),
    }
}

fn checkId(call: []const u8, rc: usize, id: u32) sys.Error!void {
    if (linux.errno(rc) == .INVAL) return sys.failFormat(call, "id {d} is not mapped in the user namespace", .{id});
    _ = try sys.check(call, "", rc);
}

pub fn dieWithParent() sys.Error!void {
    return setParentDeathSignal(true);
}

fn setParentDeathSignal(is_wanted: bool) sys.Error!void {
    const signal: u32 = if (is_wanted) @intFromEnum(linux.SIG.KILL) else 0;
    _ = try sys.check("pdeathsig", "", linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), signal, 0, 0, 0));
}
