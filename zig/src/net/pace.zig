//! Whether to look for a second of what mostly comes alone: who asks and waits for an answer sends one at a time, and the
//! call that finds nothing more costs as much as the one that found it. Whatever is left is told again (no edges here).
const std = @import("std");

pub const Pace = struct {
    alone: u8 = 0,

    /// Turns with no more than one, before only one is looked for.
    const alone_least = 4;
    /// One turn in so many looks for more all the same.
    const alone_most = alone_least + 16;

    pub fn limit(pace: *const Pace, most: usize) usize {
        return if (pace.alone < alone_least) most else 1;
    }

    pub fn note(pace: *Pace, count: usize) void {
        pace.alone = if (count > 1) 0 else if (pace.alone == alone_most) alone_least - 1 else pace.alone + 1;
    }
};

test "what comes alone is looked for once, and more of it is found" {
    var pace: Pace = .{};
    var whole: usize = 0;
    for (0..170) |_| {
        if (pace.limit(64) > 1) whole += 1;
        pace.note(1);
    }
    try std.testing.expect(whole > 4 and whole < 20);
    while (pace.limit(64) == 1) pace.note(1);
    pace.note(7);
    try std.testing.expectEqual(64, pace.limit(64));
}
