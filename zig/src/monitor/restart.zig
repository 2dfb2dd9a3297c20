//! Whether a container that has ended is started again, and when: docker's policies and its back-off. Pure; the clock and
//! the starting are the monitor's.
const std = @import("std");

pub const Policy = enum { no, @"on-failure", always, @"unless-stopped" };

/// As in helper.json.
pub const Rule = struct {
    policy: Policy = .no,
    /// Of on-failure; 0: as often as it fails.
    retriesMax: u32 = 0,
};

const delay_ms_first = 100;
const delay_ms_max = 60_000;

/// Whoever ran that long has not failed at once: the next pause is the shortest again.
const steady_ms = 10_000;

pub const Restarts = struct {
    rule: Rule = .{},
    /// How often it was started again.
    count: u32 = 0,
    delay_ms: u64 = 0,
    /// By `stop`, or by `kill` with the signal that stops it: then it stays stopped, whatever the policy.
    is_stopped: bool = false,
    /// We were asked to end: a logout, a shutdown. What should run runs again with the next login.
    is_leaving: bool = false,
    /// Whatever the policy: for its health.
    is_demanded: bool = false,
    /// Whatever the policy, and at once: by `restart`.
    is_asked: bool = false,

    /// The pause before the next start; null: there is none.
    pub fn after(restarts: *Restarts, exit_code: u32, ran_ms: u64) ?u64 {
        if (!restarts.isWanted(exit_code)) return null;
        restarts.is_demanded = false;
        if (restarts.is_asked) {
            restarts.is_asked = false;
            return 0;
        }
        restarts.count +|= 1;
        if (ran_ms >= steady_ms) restarts.delay_ms = 0;
        restarts.delay_ms = if (restarts.delay_ms == 0) delay_ms_first else @min(restarts.delay_ms * 2, delay_ms_max);
        return restarts.delay_ms;
    }

    fn isWanted(restarts: *const Restarts, exit_code: u32) bool {
        if (restarts.is_stopped or restarts.is_leaving) return false;
        if (restarts.is_demanded or restarts.is_asked) return true;
        const rule = restarts.rule;
        return switch (rule.policy) {
            .no => false,
            .always, .@"unless-stopped" => true,
            .@"on-failure" => exit_code != 0 and (rule.retriesMax == 0 or restarts.count < rule.retriesMax),
        };
    }
};

test "after() waits longer and longer, and forgets that once it ran well" {
    var restarts: Restarts = .{ .rule = .{ .policy = .always } };
    for ([_]u64{ 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000 }) |delay| {
        try std.testing.expectEqual(delay, restarts.after(0, 0).?);
    }
    try std.testing.expectEqual(100, restarts.after(1, steady_ms).?);
    try std.testing.expectEqual(13, restarts.count);
    restarts.is_stopped = true;
    try std.testing.expectEqual(null, restarts.after(1, 0));
}

test "after() of on-failure" {
    var restarts: Restarts = .{ .rule = .{ .policy = .@"on-failure", .retriesMax = 2 } };
    try std.testing.expectEqual(null, restarts.after(0, 0));
    try std.testing.expect(restarts.after(1, 0) != null);
    try std.testing.expect(restarts.after(137, 0) != null);
    try std.testing.expectEqual(null, restarts.after(1, 0));
    restarts.is_demanded = true;
    try std.testing.expect(restarts.after(0, 0) != null);
    try std.testing.expectEqual(null, restarts.after(0, 0));
    const count = restarts.count;
    restarts.is_asked = true;
    try std.testing.expectEqual(0, restarts.after(0, 0).?);
    try std.testing.expectEqual(count, restarts.count); // the user's own are not counted
    try std.testing.expectEqual(null, restarts.after(0, 0));
}
