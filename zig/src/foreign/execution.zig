//! When a program has begun: a runtime's `start` says only that it may. Until execve(2) the process is still the
//! runtime's own, which as process 1 would not even notice a signal.
const std = @import("std");
const sys = @import("../sys.zig");
const lookup = @import("../process/lookup.zig");
const linux = sys.linux;

/// After that long it is what it is.
const patience_ms = 1000;
const pause_us = 200;

/// Which file a process runs.
pub const Moment = struct {
    pid: linux.pid_t,
    file: ?lookup.Identity,

    pub fn of(pid: linux.pid_t) Moment {
        return .{ .pid = pid, .file = fileOf(pid) };
    }

    /// Until it runs another one, or has ended.
    pub fn awaitExecution(before: Moment) void {
        const file = before.file orelse return;
        for (0..patience_ms * 1000 / pause_us) |_| {
            const now = fileOf(before.pid) orelse return;
            if (!std.meta.eql(now, file)) return;
            const pause: linux.timespec = .{ .sec = 0, .nsec = pause_us * 1000 };
            _ = linux.nanosleep(&pause, null);
        }
    }
};

fn fileOf(pid: linux.pid_t) ?lookup.Identity {
    var name: [32]u8 = undefined;
    return .of(std.fmt.bufPrintZ(&name, "/proc/{d}/exe", .{pid}) catch unreachable);
}

test "awaitExecution() does not wait for a process that runs something else" {
    const self: Moment = .of(linux.getpid());
    try std.testing.expect(self.file != null);
    const other: Moment = .{ .pid = linux.getpid(), .file = lookup.Identity.of("/proc/self/stat") };
    other.awaitExecution();
    const gone: Moment = .of(std.math.maxInt(i32));
    gone.awaitExecution();
}
