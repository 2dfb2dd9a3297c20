//! `native exec EXEC_JSON`: a further process in a container that runs. The file is unlinked once read.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const contract = @import("contract.zig");
const sessions = @import("session.zig");
const joined = @import("process/joined.zig");
const scheduling = @import("process/scheduling.zig");
const record = @import("monitor/record.zig");
const launch = @import("monitor/launch.zig");
const client = @import("client/client.zig");
const cgroups = @import("cgroup/cgroup.zig");
const linux = sys.linux;

const exit_failed = 125;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    return runIn(args) catch {
        event.emit(event.failed());
        return exit_failed;
    };
}

fn runIn(args: []const [*:0]const u8) sys.Error!u8 {
    if (args.len != 1) return sys.fail("usage", "native exec EXEC_JSON");
    sessions.ensureStandardStreams();
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const arena = arena_state.allocator();
    const file = std.mem.span(args[0]);
    const bytes = try contract.readFile(arena, file);
    _ = linux.unlink(file);
    const exec = try contract.parse(contract.Exec, arena, file, bytes);
    try contract.expectVersion(exec.contract);
    var plan = try planOf(arena, &exec);
    if (exec.attach == null and !plan.program.terminal) return leaveBehind(&plan);
    if (exec.attach != null) plan.console_size = plan.console_size orelse client.currentSize();
    return sessions.run(&arena_state, .{
        .target = .{ .joined = &plan },
        .helper = null,
        .attach = exec.attach,
        .stdin_open = exec.stdinOpen,
    });
}

fn planOf(arena: std.mem.Allocator, exec: *const contract.Exec) sys.Error!joined.Plan {
    const container = try findContainer(arena, exec.runtimeDir);
    const config = arena.create(Config) catch return sys.fail("prepare", "out of memory");
    config.* = try contract.load(Config, arena, exec.containerDir, "config.json");
    var process = exec.process;
    if (process.capabilities == null) process.capabilities = config.process.capabilities;
    const cgroup: cgroups.Cgroup = if (container.cgroup.len == 0) .{} else try cgroups.open(container.cgroup);
    if (cgroup.isFrozen()) return sys.fail("paused", "the container is paused");
    var plan: joined.Plan = .{
        .program = try .prepare(arena, &process, exec.user),
        .console_size = null,
        .pidfd = container.pidfd,
        .arena = arena,
        .cgroup = cgroup,
        .first = container.pid,
        .namespaces = try joined.namespacesOf(container.pid),
        .affinity = try .parse(process.execCPUAffinity),
    };
    if (process.consoleSize) |size| plan.console_size = .{ .rows = size.height, .columns = size.width };
    if (config.linux.seccomp) |*profile| plan.program.seccomp = profile;
    try scheduling.addLinux(&plan.program.scheduling, config.linux.personality, config.linux.memoryPolicy);
    return plan;
}

/// What of the container's config.json holds for every process in it.
const Config = struct {
    process: struct { capabilities: ?contract.Process.Capabilities = null } = .{},
    linux: struct {
        seccomp: ?contract.Seccomp = null,
        personality: ?contract.Personality = null,
        memoryPolicy: ?contract.MemoryPolicy = null,
    } = .{},
};

pub const Found = struct { pid: linux.pid_t, pidfd: linux.fd_t, cgroup: [:0]const u8 };

/// The container's first process, held by a descriptor and verified by its start time: a reused pid is nobody.
pub fn findContainer(arena: std.mem.Allocator, runtime_dir: [:0]const u8) sys.Error!Found {
    const state = contract.load(contract.State, arena, runtime_dir, "state.json") catch |err| {
        return if (sys.failure.?.errno == .NOENT) notRunning() else err;
    };
    try contract.expectVersion(state.contract);
    if (state.pid <= 0) return notRunning();
    const rc = linux.pidfd_open(state.pid, 0);
    if (linux.errno(rc) == .SRCH) return notRunning();
    const pidfd = try sys.checkFd("pidfd_open", "", rc);
    if (record.startTime(state.pid) != state.pidStart) return notRunning();
    return .{ .pid = state.pid, .pidfd = pidfd, .cgroup = state.cgroup };
}

fn notRunning() sys.Error {
    return sys.fail("exec", "the container is not running");
}

/// Detached, without a terminal: nobody needs to stay with it. It ends with the container at the latest.
fn leaveBehind(plan: *joined.Plan) sys.Error!u8 {
    plan.program.dies_with_parent = false;
    const null_fd = try sys.checkFd("open", "/dev/null", linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0));
    const target: launch.Target = .{ .joined = plan };
    var started = try launch.Launch.start(target, .{ .stdin = null_fd, .stdout = null_fd, .stderr = null_fd });
    switch (started.finish(target)) {
        .running => |running| {
            event.emit(event.started(running.pid));
            return 0;
        },
        .failed => |line| {
            event.emit(line);
            return exit_failed;
        },
    }
}
