//! Descriptors that a program inherits besides its streams: `--preserve-fds`, and those of socket activation
//! (sd_listen_fds(3)).
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const contexts = @import("context.zig");
const environment = @import("environment.zig");
const linux = sys.linux;

/// More than a service manager ever passes.
const preserved_max = 1024;

/// How many follow the standard streams. Each must be there: otherwise one of ours would be in its place.
pub fn preserved(context: *const contexts.Context, asked: u64) sys.Error!u32 {
    const listening = listeningOf(context);
    if (asked > preserved_max or listening > preserved_max) {
        return sys.failFormat("usage", "more than {d} descriptors cannot be passed on", .{preserved_max});
    }
    const count: u32 = @intCast(asked + listening);
    for (3..3 + count) |fd| {
        const rc = linux.fcntl(@intCast(fd), linux.F.GETFD, 0);
        if (linux.errno(rc) != .SUCCESS) {
            return sys.failFormat("usage", "descriptor {d} is to be passed on, but is not open", .{fd});
        }
        _ = linux.fcntl(@intCast(fd), linux.F.SETFD, rc & ~@as(usize, linux.FD_CLOEXEC));
    }
    return count;
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
