//! `kill ID [SIGNAL]`: a signal for the container's first process, or with --all for every process in it.
const std = @import("std");
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const signals = @import("signals.zig");
const state = @import("state.zig");
const linux = sys.linux;

const Options = struct {
    all: bool = false,
    pub const names = .{.{ "a", "all" }};
};
const Config = struct {};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    if (parsed.words.len < 1 or parsed.words.len > 2) return sys.fail("usage", "usage: tspod oci kill [--all] ID [SIGNAL]");
    const signal = try signals.parse(if (parsed.words.len == 2) parsed.words[1] else "TERM");
    const container = try state.load(Config, context, parsed.words[0]);
    defer container.close();
    const pidfd = container.pidfd orelse return notRunning();
    const rc = linux.pidfd_send_signal(pidfd, signal, null, 0);
    if (linux.errno(rc) == .SRCH) return notRunning();
    _ = try sys.check("kill", parsed.words[0], rc);
    return 0;
}

fn notRunning() sys.Error {
    return sys.fail("kill", "container not running");
}
