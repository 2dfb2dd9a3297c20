//! `start ID`: the program of a created container is executed. What keeps it from that is told by the container's own
//! process, over the connection that set it going.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const agent = @import("../process/agent.zig");
const hooks = @import("../process/hooks.zig");
const report = @import("../process/report.zig");
const record = @import("../monitor/record.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const removal = @import("removal.zig");
const sentence = @import("sentence.zig");
const state = @import("state.zig");
const store = @import("store.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Options = struct {};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const id = try words.one(parsed.words, "start ID");
    const container = try loadMade(context, id);
    defer container.close();
    switch (container.status()) {
        .created => {},
        .stopped => return sys.failFormat("start", "cannot start a container that has stopped: \"{s}\"", .{id}),
        else => |status| return sys.failFormat("start", "cannot start container \"{s}\": it is {t}", .{ id, status }),
    }
    const channel = try connect(&container.entry);
    defer _ = linux.close(channel);
    try follow(context, channel, &container);
    const known = &container.record;
    const set = try removal.hooksOf(context, &known.config, id, known.bundle) orelse return 0;
    try runPoststart(&set, known.bundle, known.pid, container.pidfd.?);
    return 0;
}

const Container = state.Container(removal.Config);

/// Its filter asks somebody: whoever config.json says gets the descriptor, and then it goes on.
fn giveListener(container: *const Container, channel: linux.fd_t, listener: linux.fd_t) sys.Error!void {
    defer _ = linux.close(listener);
    const known = &container.record;
    const profile = if (known.config.linux.seccomp) |*profile| profile else return;
    const told: agent.Told = .{ .id = known.id, .bundle = known.bundle, .annotations = known.config.annotations };
    try agent.give(profile, &told, .{ .pid = known.pid, .first = known.pid, .status = "created" }, listener);
    report.send(channel, .go, "");
}

/// Whoever makes it holds its lock until it is created, or gone.
fn loadMade(context: *const contexts.Context, id: contexts.Text) sys.Error!state.Container(removal.Config) {
    const container = try state.load(removal.Config, context, id);
    if (container.status() != .creating) return container;
    defer container.close();
    _ = store.lock(&container.entry);
    return state.load(removal.Config, context, id);
}

/// Its program runs. A hook that fails stops the container: `delete` comes next (runtime.md "Lifecycle").
pub fn runPoststart(set: *const hooks.Set, bundle: contexts.Text, pid: linux.pid_t, pidfd: linux.fd_t) sys.Error!void {
    _ = linux.chdir(bundle); // where the others ran
    set.run(.poststart, "running", pid) catch |err| {
        _ = linux.pidfd_send_signal(pidfd, .KILL, null, 0);
        return err;
    };
}

fn connect(entry: *const store.Entry) sys.Error!linux.fd_t {
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC;
    const fd = try sys.checkFd("socket", "start", linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    const where = record.address(entry.directory, store.socket_name);
    const rc = linux.connect(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un));
    if (linux.errno(rc) == .CONNREFUSED) return sys.fail("start", "the container was started, or has stopped, at this moment");
    _ = try sys.check("connect", "start", rc);
    return fd;
}

/// Until the program is executed, or was not.
fn follow(context: *const contexts.Context, channel: linux.fd_t, container: *const Container) sys.Error!void {
    const id = container.record.id;
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    var is_executing = false;
    while (report.receive(channel, &buffer)) |message| switch (message.kind) {
        .executing => is_executing = true,
        .failed => {
            sentence.remember(context.arena, message.text);
            return error.Syscall;
        },
        .listener => giveListener(container, channel, message.fd.?) catch |err| {
            _ = linux.pidfd_send_signal(container.pidfd.?, .KILL, null, 0);
            return err;
        },
        else => {},
    };
    if (!is_executing) return sys.failFormat("start", "container \"{s}\" was started by somebody else, or ended", .{id});
}
