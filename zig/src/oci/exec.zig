//! `exec ID COMMAND`: a further process in a container. It is described by the container's own process with what the
//! command line changes, or by a file (`--process`), which is somebody else's data.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const client = @import("../client/client.zig");
const joined = @import("../process/joined.zig");
const ourselves = @import("../process/ourselves.zig");
const scheduling = @import("../process/scheduling.zig");
const launch = @import("../monitor/launch.zig");
const args = @import("args.zig");
const consoles = @import("console.zig");
const contexts = @import("context.zig");
const descriptors = @import("descriptors.zig");
const foreground = @import("foreground.zig");
const pid_files = @import("pid_file.zig");
const processes = @import("process.zig");
const sentence = @import("sentence.zig");
const state = @import("state.zig");
const linux = sys.linux;

const Text = contexts.Text;
const Context = contexts.Context;

pub const Options = struct {
    process: ?Text = null,
    tty: bool = false,
    user: ?Text = null,
    additional_gids: []const Text = &.{},
    cwd: ?Text = null,
    cap: []const Text = &.{},
    env: []const Text = &.{},
    no_new_privs: bool = false,
    apparmor: ?Text = null,
    process_label: ?Text = null,
    detach: bool = false,
    pid_file: ?Text = null,
    console_socket: ?Text = null,
    preserve_fds: ?u64 = null,
    ignore_paused: bool = false,
    cgroup: ?Text = null,
    pub const names = .{
        .{ "p", "process" }, .{ "t", "tty" }, .{ "u", "user" },   .{ "g", "additional_gids" },
        .{ "c", "cap" },     .{ "e", "env" }, .{ "d", "detach" },
    };
};

const Config = struct {
    process: contract.Process,
    annotations: contract.Map([:0]const u8) = .{},
    linux: struct {
        seccomp: ?contract.Seccomp = null,
        personality: ?contract.Personality = null,
        memoryPolicy: ?contract.MemoryPolicy = null,
    } = .{},
};

pub fn run(context: *const Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .first);
    const options = &parsed.options;
    if (parsed.words.len == 0) return sys.fail("usage", "usage: tspod oci exec [OPTION]... ID COMMAND [ARGUMENT]...");
    try ourselves.protect();
    const passed = try descriptors.preserved(context, options.preserve_fds orelse 0);
    const container = try state.load(Config, context, parsed.words[0]);
    const process = try processes.describe(context.arena, &container.record.config.process, options, parsed.words[1..]);
    try expectConsole(&process.spec, options);
    const console: ?linux.fd_t = if (options.console_socket) |path| try consoles.connect(path) else null;
    var plan = try planOf(context, &container, &process, options);
    plan.passed = passed;
    plan.console_size = plan.console_size orelse if (options.detach) null else client.currentSize();
    if (!options.detach) foreground.blockSignals();

    const target: launch.Target = .{ .joined = &plan };
    var started = try launch.Launch.start(target, null);
    const running = switch (started.finish(target)) {
        .running => |running| running,
        .failed => |line| {
            sentence.remember(context.arena, line.bytes());
            return error.Syscall;
        },
    };
    tellOthers(context, options, &running, console) catch |err| {
        started.abandon();
        return err;
    };
    if (options.detach) return 0;
    return foreground.watch(running.pidfd, if (console == null) running.terminal else null);
}

fn tellOthers(
    context: *const Context,
    options: *const Options,
    running: *const launch.Running,
    console: ?linux.fd_t,
) sys.Error!void {
    if (console) |socket| try consoles.give(socket, running.terminal.?);
    if (options.pid_file) |path| try pid_files.write(context.arena, path, running.pid);
}

fn expectConsole(process: *const contract.Process, options: *const Options) sys.Error!void {
    if (process.terminal and options.detach and options.console_socket == null) {
        return sys.fail("terminal", "cannot allocate tty if nobody stays with it: set --console-socket, or leave --detach out");
    }
    if (!process.terminal and options.console_socket != null) {
        return sys.fail("terminal", "cannot use console socket without a terminal: give --tty");
    }
}

fn planOf(
    context: *const Context,
    container: *const state.Container(Config),
    process: *const processes.Process,
    options: *const Options,
) sys.Error!joined.Plan {
    const pidfd = container.pidfd orelse return sys.fail("exec", "cannot exec in a stopped container: container not running");
    const status = container.status();
    if (status == .paused and !options.ignore_paused) {
        return sys.fail("exec", "cannot exec in a paused container: resume it first, or use --ignore-paused");
    }
    if (status == .creating) return sys.fail("exec", "cannot exec in a container that is not created yet");
    var plan: joined.Plan = .{
        .program = try .prepare(context.arena, &process.spec, process.user),
        .console_size = null,
        .pidfd = pidfd,
        .arena = context.arena,
        .cgroup = try groupFor(context, container, options.cgroup),
        .first = container.record.pid,
        .namespaces = joined.namespacesOf(container.record.pid) catch |err| return explain(err, status),
    };
    if (process.spec.consoleSize) |size| plan.console_size = .{ .rows = size.height, .columns = size.width };
    const known = &container.record;
    const config = &known.config.linux;
    if (config.seccomp) |*profile| plan.program.seccomp = profile;
    plan.program.seccomp_cache = try context.seccompCache();
    plan.program.told = .{ .id = known.id, .bundle = known.bundle, .annotations = known.config.annotations };
    try scheduling.addLinux(&plan.program.scheduling, config.personality, config.memoryPolicy);
    plan.affinity = try .parse(process.spec.execCPUAffinity);
    plan.program.dies_with_parent = false;
    return plan;
}

/// Before its program runs the container's process is still ours: nobody may look into it but whoever is privileged
/// where we are (ptrace(2), dumpable), and joining its namespaces is looking into it.
fn explain(err: sys.Error, status: state.Status) sys.Error {
    const errno = sys.failure.?.errno;
    if (errno == .NOENT or errno == .SRCH) return sys.fail("exec", "container not running: it has ended at this moment");
    if (status != .created or errno != .ACCES) return err;
    return sys.fail("exec", "cannot exec in a container that has not been started without privileges: start it first");
}

/// The container's, or one that exists below it ("PATH", or "CONTROLLERS:PATH" as for cgroup v1).
fn groupFor(context: *const Context, container: *const state.Container(Config), below: ?Text) sys.Error!cgroups.Cgroup {
    const whole = try state.groupOf(&container.record);
    const asked = below orelse return whole;
    const path = if (std.mem.indexOfScalar(u8, asked, ':')) |colon| asked[colon + 1 ..] else asked;
    if (whole.isNone()) return sys.fail("exec", "--cgroup: the container has no cgroup");
    var names = std.mem.tokenizeScalar(u8, path, '/');
    while (names.next()) |name| if (std.mem.eql(u8, name, "..")) {
        return sys.failFormat("usage", "--cgroup \"{s}\" leads out of the container's", .{asked});
    };
    return cgroups.open(std.fs.path.joinZ(context.arena, &.{ whole.path, path }) catch return contexts.outOfMemory());
}
