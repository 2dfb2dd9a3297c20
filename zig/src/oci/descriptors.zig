//! Descriptors that a program inherits besides its streams: `--preserve-fds`, and those of socket activation
//! (sd_listen_fds(3)).
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const descriptors = @import("../process/descriptors.zig");
const contexts = @import("context.zig");
const environment = @import("environment.zig");

/// As many as were asked for, after the standard streams.
pub fn preserved(context: *const contexts.Context, asked: u64) sys.Error!descriptors.Passed {
    const listening = listeningOf(context);
    const max = descriptors.passed_max;
    if (asked > max or listening > max - asked) {
        return sys.failFormat("usage", "more than {d} descriptors cannot be passed on", .{max});
    }
    const passed: descriptors.Passed = .following(asked + listening);
    try passed.hold();
    return passed;
}

fn listeningOf(context: *const contexts.Context) u32 {
    return if (context.variable("LISTEN_FDS")) |text| std.fmt.parseInt(u32, text, 10) catch 0 else 0;
}

/// The container's program, which is process 1 where it lives, is told of those of socket activation.
pub fn announce(context: *const contexts.Context, process: *contract.Process) sys.Error!void {
    const count = listeningOf(context);
    if (count == 0) return;
    const text = std.fmt.allocPrintSentinel(context.arena, "LISTEN_FDS={d}", .{count}, 0) catch return contexts.outOfMemory();
    process.env = environment.with(context.arena, process.env, &.{ text, "LISTEN_PID=1" }) catch return contexts.outOfMemory();
}
