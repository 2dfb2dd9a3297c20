//! Descriptors that a program inherits besides its streams: `--preserve-fds`, and those of socket activation
//! (sd_listen_fds(3)).
const std = @import("std");
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const linux = sys.linux;

/// More than a service manager ever passes.
const preserved_max = 1024;

/// How many follow the standard streams. Each must be there: otherwise one of ours would be in its place.
pub fn preserved(context: *const contexts.Context, asked: u64) sys.Error!u32 {
    const listening = if (context.variable("LISTEN_FDS")) |text| std.fmt.parseInt(u32, text, 10) catch 0 else 0;
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
