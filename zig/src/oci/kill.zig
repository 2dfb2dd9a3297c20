//! `kill ID [SIGNAL]`: a signal for the container's first process, or with --all for every process in it.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const members = @import("members.zig");
const signals = @import("signals.zig");
const state = @import("state.zig");
const linux = sys.linux;

const Options = struct {
    all: bool = false,
    pub const names = .{.{ "a", "all" }};
};
const Config = struct { linux: struct { namespaces: []const contract.Namespace = &.{} } = .{} };

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    if (parsed.words.len < 1 or parsed.words.len > 2) return sys.fail("usage", "usage: tspod oci kill [--all] ID [SIGNAL]");
    const signal = try signals.parse(if (parsed.words.len == 2) parsed.words[1] else "TERM");
    const container = try state.load(Config, context, parsed.words[0]);
    defer container.close();
    if (parsed.options.all) return killAll(context, &container, signal);
    const pidfd = container.pidfd orelse return notRunning();
    const rc = linux.pidfd_send_signal(pidfd, signal, null, 0);
    if (linux.errno(rc) == .SRCH) return notRunning();
    _ = try sys.check("kill", parsed.words[0], rc);
    return 0;
}

/// Also of a container whose first process has ended: others may be left in its cgroup.
fn killAll(context: *const contexts.Context, container: *const state.Container(Config), signal: linux.SIG) sys.Error!u8 {
    const record = &container.record;
    const group = state.groupOf(record) catch |err| switch (sys.failure.?.errno) {
        .NOENT => cgroups.Cgroup{}, // gone with the last of them, or somebody has moved them
        else => return err,
    };
    if (!group.isNone()) {
        if (signal == .KILL) try group.killAll() else try group.signalAll(signal);
        return 0;
    }
    const pidfd = container.pidfd orelse return 0;
    if (!hasOwnPids(&record.config)) return sys.fail("kill", "the container has neither a cgroup nor a pid namespace of " ++
        "its own: nobody knows which processes are its; leave --all out");
    if (signal == .KILL) {
        _ = linux.pidfd_send_signal(pidfd, .KILL, null, 0); // with the first process of a pid namespace go all others
    } else try members.signalNamespace(context.arena, record.pid, signal);
    return 0;
}

fn hasOwnPids(config: *const Config) bool {
    for (config.linux.namespaces) |namespace| if (namespace.type == .pid) return namespace.path == null;
    return false;
}

fn notRunning() sys.Error {
    return sys.fail("kill", "container not running");
}
