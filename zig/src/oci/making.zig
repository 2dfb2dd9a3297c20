//! From a bundle to a container: what `create` and `run` have in common. Everything that can be refused is refused
//! before anything is made; what fails later leaves nothing behind.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const prepare = @import("../prepare.zig");
const child = @import("../process/child.zig");
const gates = @import("../process/gate.zig");
const launch = @import("../monitor/launch.zig");
const record = @import("../monitor/record.zig");
const contexts = @import("context.zig");
const idmap = @import("idmap.zig");
const sentence = @import("sentence.zig");
const state = @import("state.zig");
const store = @import("store.zig");
const linux = sys.linux;

const Text = contexts.Text;
const Context = contexts.Context;

pub const Options = struct {
    bundle: ?Text = null,
    config: ?Text = null,
    pid_file: ?Text = null,
    console_socket: ?Text = null,
    preserve_fds: ?u64 = null,
    no_pivot: bool = false,
    no_new_keyring: bool = false,
    no_subreaper: bool = false,
};

pub const Wanted = struct {
    id: Text,
    options: Options,
    /// Stop before the program, until `start`.
    waits: bool,
};

pub const Made = struct {
    entry: store.Entry,
    running: launch.Running,
    spec: *const contract.Spec,
};

/// More than a service manager ever passes.
const preserved_max = 1024;

pub fn make(context: *const Context, wanted: Wanted) sys.Error!Made {
    const preserved = try preservedOf(context, wanted.options.preserve_fds orelse 0);
    const pid_file: ?Text = if (wanted.options.pid_file) |path| try context.absolute(path) else null;
    const bundle = try enterBundle(context, wanted.options.bundle orelse ".");
    const config_name = wanted.options.config orelse "config.json";
    const config_text = try contract.readFile(context.arena, config_name);
    const spec = context.arena.create(contract.Spec) catch return contexts.outOfMemory();
    spec.* = try contract.parse(contract.Spec, context.arena, config_name, config_text);
    try idmap.complete(context, spec);
    var plan = try planOf(context, spec, wanted);
    plan.preserved = preserved;

    const entry = try store.claim(context.arena, context.root, wanted.id);
    errdefer {
        entry.remove();
        entry.close();
    }
    if (wanted.waits) plan.gate = try gates.listen(&record.address(entry.directory, store.socket_name));
    const target: launch.Target = .{ .container = &plan };
    var started = try launch.Launch.start(target, null);
    if (plan.gate) |gate| _ = linux.close(gate.listener);
    const result = bringUp(&started, target) catch |err| {
        started.abandon();
        return err;
    };
    const running = switch (result) {
        .running => |running| running,
        .failed => |line| {
            sentence.remember(context.arena, line.bytes());
            return error.Syscall;
        },
    };
    const made: Made = .{ .entry = entry, .running = running, .spec = spec };
    finish(context, &made, .{ .bundle = bundle, .config_text = config_text, .pid_file = pid_file }) catch |err| {
        started.abandon();
        return err;
    };
    if (started.waits) started.release();
    return made;
}

/// Until the process waits for `start`, or runs.
fn bringUp(started: *launch.Launch, target: launch.Target) sys.Error!launch.Result {
    try started.writeMaps(target);
    try started.proceed(target);
    return started.finish(target);
}

const Paths = struct { bundle: Text, config_text: []const u8, pid_file: ?Text };

fn finish(context: *const Context, made: *const Made, paths: Paths) sys.Error!void {
    try state.write(context.arena, &made.entry, .{
        .id = std.fs.path.basename(made.entry.path),
        .pid = made.running.pid,
        .bundle = paths.bundle,
        .cgroup = made.running.cgroup.path,
        .config = paths.config_text,
    });
    if (paths.pid_file) |path| try writePidFile(context.arena, path, made.running.pid);
    try made.entry.publish();
}

/// By rename, so that whoever waits for the file finds the number in it.
pub fn writePidFile(arena: std.mem.Allocator, path: Text, pid: linux.pid_t) sys.Error!void {
    const temporary = std.fmt.allocPrintSentinel(arena, "{s}.{d}.tmp", .{ path, pid }, 0) catch return contexts.outOfMemory();
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true, .NOFOLLOW = true };
    const fd = try sys.checkFd("open", path, linux.open(temporary, flags, 0o644));
    errdefer _ = linux.unlink(temporary);
    {
        defer _ = linux.close(fd);
        var text: [16]u8 = undefined;
        try sys.writeAll(fd, std.fmt.bufPrint(&text, "{d}", .{pid}) catch unreachable);
    }
    _ = try sys.check("rename", path, linux.rename(temporary, path));
}

/// Its absolute path. Relative paths in config.json start here (config.md "Root", "Mounts").
fn enterBundle(context: *const Context, path: Text) sys.Error!Text {
    _ = try sys.check("bundle", path, linux.chdir(path));
    return contexts.workingDirectory(context.arena);
}

fn planOf(context: *const Context, spec: *const contract.Spec, wanted: Wanted) sys.Error!child.Plan {
    const options = &wanted.options;
    if (spec.process.terminal and options.console_socket == null) {
        return sys.fail("terminal", "cannot allocate tty: give --console-socket, where its other end is to be sent");
    }
    if (!spec.process.terminal and options.console_socket != null) {
        return sys.fail("terminal", "cannot use console socket if the container has no terminal");
    }
    const helper: contract.Helper = .{
        .contract = contract.contract_version,
        .id = wanted.id,
        .runtimeDir = "",
        .containerDir = "",
        .trashDir = "",
        .rootfs = .{ .kind = .directory },
        .idMapTools = try idmap.toolsFor(context, spec),
        .cgroup = .{ .manager = context.cgroup_manager },
    };
    var plan = try prepare.planOf(context.arena, spec, &helper);
    plan.program.dies_with_parent = false;
    plan.program.keeps_keyring = options.no_new_keyring;
    return plan;
}

/// How many descriptors after the standard streams the program gets: `--preserve-fds` and those of socket activation
/// (sd_listen_fds(3)). They must be there, for otherwise one of ours would be in their place.
fn preservedOf(context: *const Context, asked: u64) sys.Error!u32 {
    const listening = if (context.variable("LISTEN_FDS")) |text| std.fmt.parseInt(u32, text, 10) catch 0 else 0;
    if (asked > preserved_max or listening > preserved_max) {
        return sys.failFormat("usage", "more than {d} descriptors cannot be passed on", .{preserved_max});
    }
    const count: u32 = @intCast(asked + listening);
    for (3..3 + count) |fd| {
        const rc = linux.fcntl(@intCast(fd), linux.F.GETFD, 0);
        if (linux.errno(rc) != .SUCCESS) return sys.failFormat("usage", "descriptor {d} is to be passed on, but is not open", .{fd});
        _ = linux.fcntl(@intCast(fd), linux.F.SETFD, rc & ~@as(usize, linux.FD_CLOEXEC));
    }
    return count;
}
