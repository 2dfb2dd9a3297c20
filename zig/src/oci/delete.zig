//! `delete ID`: what is left of a container that has stopped goes. With --force one that runs is killed first, and
//! one that is not there is no error.
const std = @import("std");
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const removal = @import("removal.zig");
const state = @import("state.zig");
const store = @import("store.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Options = struct {
    force: bool = false,
    pub const names = .{.{ "f", "force" }};
};

/// A process that was killed has ended after this time, or never will.
const kill_timeout_ms = 10_000;

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const id = try words.one(parsed.words, "delete [--force] ID");
    const entry = store.open(context.arena, context.root, id) catch |err| {
        return if (parsed.options.force and isMissing()) 0 else err;
    };
    defer entry.close();
    const container = state.read(removal.Config, context.arena, entry) catch |err| known: {
        if (!parsed.options.force) return err;
        // Its maker is waited for, who may have made a container of it by then.
        if (!store.lock(&entry)) return 0;
        break :known state.read(removal.Config, context.arena, entry) catch {
            entry.remove(); // nothing is known of it, or nothing that can be understood
            return 0;
        };
    };
    if (container.pidfd) |pidfd| {
        if (!parsed.options.force) return sys.failFormat(
            "delete",
            "cannot delete container \"{s}\" that is not stopped: it is {t}: kill it first, or use --force",
            .{ id, container.status() },
        );
        try killAndWait(pidfd);
    }
    if (!store.lock(&entry)) return 0; // somebody else was quicker
    const record = &container.record;
    const set = try removal.hooksOf(context, &record.config, id, record.bundle);
    try removal.destroy(context, &entry, .{
        .bundle = record.bundle,
        .hooks = if (set) |*all| all else null,
        .group = .{ .path = record.cgroup },
    });
    return 0;
}

fn isMissing() bool {
    return std.mem.eql(u8, sys.failure.?.call, "container");
}

fn killAndWait(pidfd: linux.fd_t) sys.Error!void {
    const rc = linux.pidfd_send_signal(pidfd, .KILL, null, 0);
    if (linux.errno(rc) != .SRCH) _ = try sys.check("kill", "", rc);
    var fds = [1]linux.pollfd{.{ .fd = pidfd, .events = linux.POLL.IN, .revents = 0 }};
    while (true) {
        const n = linux.poll(&fds, 1, kill_timeout_ms);
        if (linux.errno(n) == .INTR) continue;
        if (n == 1) return;
        return sys.fail("delete", "the container's process was killed but does not end");
    }
}
