//! A key's signal (SI_KERNEL) goes to the whole foreground group: to us, and to our parent, who passes on to us whatever
//! it gets. The second may be lost, for a signal that is pending is not queued again (signal(7)): so the first counts, and
//! one from our parent soon after it does not.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

const si_kernel = 0x80;

/// Far longer than a parent takes, on any machine.
const repeat_ms = 5000;

pub const Repeats = struct {
    until_ms: [65]i64 = @splat(0),

    /// Whether it is one that the container has not got yet.
    pub fn isNew(repeats: *Repeats, info: *const linux.signalfd_siginfo) bool {
        return repeats.judge(info.signo, info.code == si_kernel, info.pid == linux.getppid(), now());
    }

    fn judge(repeats: *Repeats, number: u32, is_key: bool, is_parents: bool, at_ms: i64) bool {
        const until = &repeats.until_ms[@min(number, repeats.until_ms.len - 1)];
        if (is_key) {
            until.* = at_ms + repeat_ms;
            return true;
        }
        if (!is_parents or at_ms >= until.*) return true;
        until.* = 0;
        return false;
    }
};

fn now() i64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &time);
    return time.sec * 1000 + @divTrunc(time.nsec, std.time.ns_per_ms);
}

test "judge() takes a key once, and all that nobody pressed" {
    var repeats: Repeats = .{};
    try std.testing.expect(repeats.judge(2, false, true, 10));
    try std.testing.expect(repeats.judge(2, true, false, 20));
    try std.testing.expect(repeats.judge(2, false, false, 21)); // somebody else's
    try std.testing.expect(repeats.judge(15, false, true, 21));
    try std.testing.expect(!repeats.judge(2, false, true, 22)); // the parent's, of that key
    try std.testing.expect(repeats.judge(2, false, true, 23));
    try std.testing.expect(repeats.judge(2, true, false, 30));
    try std.testing.expect(repeats.judge(2, false, true, 30 + repeat_ms));
}
