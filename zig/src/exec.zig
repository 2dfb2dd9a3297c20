//! `native exec EXEC_JSON [DESCRIPTORS]`: a further process in a container that runs. The file is unlinked once read.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const contract = @import("contract.zig");
const prepare = @import("prepare.zig");
const sessions = @import("session.zig");
const joined = @import("process/joined.zig");
const ourselves = @import("process/ourselves.zig");
const scheduling = @import("process/scheduling.zig");
const record = @import("monitor/record.zig");
const launch = @import("monitor/launch.zig");
const terminal = @import("process/terminal.zig");
const client = @import("client/client.zig");
const cgroups = @import("cgroup/cgroup.zig");
const foreign = @import("foreign/foreign.zig");
const linux = sys.linux;

const exit_failed = 125;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    return runIn(args) catch {
        event.emit(event.failed());
        return exit_failed;
    };
}

fn runIn(args: []const [*:0]const u8) sys.Error!u8 {
    if (args.len < 1 or args.len > 2) return sys.fail("usage", "native exec EXEC_JSON [DESCRIPTORS]");
    const passed = try sessions.takeDescriptors(args[1..]);
    try ourselves.protect();
    try passed.hold();
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const arena = arena_state.allocator();
    const file = std.mem.span(args[0]);
    const bytes = try contract.readFile(arena, file);
    _ = linux.unlink(file);
    const exec = try contract.parse(contract.Exec, arena, file, bytes);
    try contract.expectVersion(exec.contract);
    var storage: Storage = undefined;
    const target = try targetOf(&arena_state, &exec, bytes, &storage);
    target.pass(passed);
    target.setConsoleSize(consoleSize(&exec));
    return sessions.run(&arena_state, .{
        .target = target,
        .helper = null,
        .attach = exec.attach,
        .stdin_open = exec.stdinOpen,
        .exec = &exec,
    });
}

/// Where what `targetOf` gives points to.
pub const Storage = union { joined: joined.Plan, foreign: foreign.Plan };

/// `bytes`: what `exec` was read from. Refuses what does not run, or is paused.
pub fn targetOf(
    arena_state: *std.heap.ArenaAllocator,
    exec: *const contract.Exec,
    bytes: []const u8,
    storage: *Storage,
) sys.Error!launch.Target {
    const arena = arena_state.allocator();
    const container = try findContainer(arena, exec.runtimeDir);
    const group: cgroups.Cgroup = if (container.cgroup.len == 0) .{} else try cgroups.open(container.cgroup);
    if (group.isFrozen()) return sys.fail("paused", "the container is paused");
    if (container.keeper) |keeper| {
        storage.* = .{ .foreign = try foreign.ofExec(arena_state, exec, bytes, .{
            .keeper = keeper.pidfd,
            .spaces = try foreign.namespacesOf(keeper.pid),
            .program = container.pidfd,
            .first = container.pid,
            .cgroup = group,
        }) };
        return .{ .foreign = &storage.foreign };
    }
    storage.* = .{ .joined = try planOf(arena, exec, container, group) };
    return .{ .joined = &storage.joined };
}

/// As asked for; otherwise as large as the terminal of whoever stays with it.
fn consoleSize(exec: *const contract.Exec) ?terminal.Size {
    if (exec.process.consoleSize) |size| return .{ .rows = size.height, .columns = size.width };
    return if (exec.attach != null) client.currentSize() else null;
}

fn planOf(arena: std.mem.Allocator, exec: *const contract.Exec, container: Found, group: cgroups.Cgroup) sys.Error!joined.Plan {
    const config = arena.create(Config) catch return sys.fail("prepare", "out of memory");
    config.* = try contract.load(Config, arena, exec.containerDir, "config.json");
    var process = exec.process;
    if (exec.environmentFile) |path| try prepare.addVariables(arena, &process, path);
    if (process.capabilities == null) process.capabilities = config.process.capabilities;
    var plan: joined.Plan = .{
        .program = try .prepare(arena, &process, exec.user),
        .console_size = null,
        .pidfd = container.pidfd,
        .arena = arena,
        .cgroup = group,
        .first = container.pid,
        .namespaces = try joined.namespacesOf(container.pid),
        .affinity = try .parse(process.execCPUAffinity),
    };
    if (config.linux.seccomp) |*profile| plan.program.seccomp = profile;
    plan.program.seccomp_cache = exec.seccompCache;
    plan.program.told = .{ .id = container.id, .bundle = exec.containerDir, .annotations = config.annotations };
    plan.program.group_names = exec.groups;
    plan.program.keeps_groups = exec.keepGroups;
    try scheduling.addLinux(&plan.program.scheduling, config.linux.personality, config.linux.memoryPolicy);
    return plan;
}

/// What of the container's config.json holds for every process in it.
const Config = struct {
    process: struct { capabilities: ?contract.Process.Capabilities = null } = .{},
    annotations: contract.Map([:0]const u8) = .{},
    linux: struct {
        seccomp: ?contract.Seccomp = null,
        personality: ?contract.Personality = null,
        memoryPolicy: ?contract.MemoryPolicy = null,
    } = .{},
};

pub const Process = struct { pid: linux.pid_t, pidfd: linux.fd_t };

pub const Found = struct {
    id: []const u8,
    pid: linux.pid_t,
    pidfd: linux.fd_t,
    cgroup: [:0]const u8,
    /// Of a container that another runtime has made.
    keeper: ?Process,
};

/// The container's first process, held by a descriptor and verified by its start time: a reused pid is nobody.
pub fn findContainer(arena: std.mem.Allocator, runtime_dir: [:0]const u8) sys.Error!Found {
    const state = contract.load(contract.State, arena, runtime_dir, "state.json") catch |err| {
        return if (sys.failure.?.errno == .NOENT) notRunning() else err;
    };
    try contract.expectVersion(state.contract);
    const first = try hold(state.pid, state.pidStart);
    const keeper = if (state.keeper) |keeper| try hold(keeper.pid, keeper.pidStart) else null;
    return .{ .id = state.id, .pid = first.pid, .pidfd = first.pidfd, .cgroup = state.cgroup, .keeper = keeper };
}

fn hold(pid: linux.pid_t, start: u64) sys.Error!Process {
    if (pid <= 0) return notRunning();
    const rc = linux.pidfd_open(pid, 0);
    if (linux.errno(rc) == .SRCH) return notRunning();
    const pidfd = try sys.checkFd("pidfd_open", "", rc);
    if (record.startTime(pid) != start) return notRunning();
    return .{ .pid = pid, .pidfd = pidfd };
}

fn notRunning() sys.Error {
    return sys.fail("exec", "the container is not running");
}
