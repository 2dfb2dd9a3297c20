//! Pure readers for the few /proc and cgroup files `hello` looks at: text -> numbers, null for what is not there.
//! They open nothing. The kernel wrote the text, but a container may have mounted something else in its place.
const std = @import("std");
const mem = std.mem;

/// user_namespaces(7), "uid_map": lines of `inside outside length`.
pub const IdMap = struct {
    /// The id outside that is 0 inside; null when 0 is not mapped.
    root_outside: ?u32,
    /// How many ids exist inside.
    ids: u64,
};

pub fn idMap(text: []const u8) IdMap {
    var map: IdMap = .{ .root_outside = null, .ids = 0 };
    var lines = mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        var fields = mem.tokenizeScalar(u8, line, ' ');
        const inside = number(u32, fields.next()) orelse continue;
        const outside = number(u32, fields.next()) orelse continue;
        map.ids +|= number(u32, fields.next()) orelse continue;
        if (inside == 0) map.root_outside = outside;
    }
    return map;
}

/// cgroup-v2 "memory.max" and "pids.max": a number, or "max" for no limit.
pub fn limit(text: []const u8) ?u64 {
    return number(u64, mem.trim(u8, text, " \n"));
}

/// cgroup-v2 "cpu.max": `quota period` in microseconds; the result is hundredths of a processor.
pub fn cpuHundredths(text: []const u8) ?u64 {
    var fields = mem.tokenizeAny(u8, text, " \n");
    const quota = number(u64, fields.next()) orelse return null;
    const period = number(u64, fields.next()) orelse return null;
    if (period == 0) return null;
    return (quota *| 100) / period;
}

/// "1763912345678" or "1763912345678.9" (milliseconds since 1970) -> whole milliseconds.
pub fn milliseconds(text: []const u8) ?i64 {
    const whole = mem.cutScalar(u8, text, '.') orelse return number(i64, text);
    return number(i64, whole[0]);
}

fn number(comptime T: type, text: ?[]const u8) ?T {
    return std.fmt.parseInt(T, text orelse return null, 10) catch null;
}

const expectEqual = std.testing.expectEqual;

test "idMap() finds who root is outside and how many ids there are" {
    const two = idMap("         0       1005          1\n         1     362144      65536\n");
    try expectEqual(IdMap{ .root_outside = 1005, .ids = 65537 }, two);
    const whole = idMap("         0          0 4294967295\n");
    try expectEqual(IdMap{ .root_outside = 0, .ids = 4294967295 }, whole);
    try expectEqual(IdMap{ .root_outside = null, .ids = 1 }, idMap("1000 1000 1\n"));
    try expectEqual(IdMap{ .root_outside = null, .ids = 0 }, idMap("not a map\n0 x 1\n0 1\n"));
}

test "limit() and cpuHundredths() know numbers and max" {
    try expectEqual(268435456, limit("268435456\n"));
    try expectEqual(null, limit("max\n"));
    try expectEqual(150, cpuHundredths("150000 100000\n"));
    try expectEqual(null, cpuHundredths("max 100000\n"));
    try expectEqual(null, cpuHundredths("1 0"));
    try expectEqual(null, cpuHundredths(""));
}

test "milliseconds() drops the fraction" {
    try expectEqual(1763912345678, milliseconds("1763912345678"));
    try expectEqual(1763912345678, milliseconds("1763912345678.25"));
    try expectEqual(null, milliseconds("soon"));
}

test "the readers take any bytes" {
    var random: std.Random.DefaultPrng = .init(1);
    var buffer: [64]u8 = undefined;
    for (0..2000) |_| {
        const bytes = buffer[0..random.random().uintLessThan(usize, buffer.len)];
        for (bytes) |*byte| byte.* = "0123456789 \n.max-\x00\xff"[random.random().uintLessThan(usize, 19)];
        try std.testing.expect(idMap(bytes).ids <= 64 * @as(u64, std.math.maxInt(u32)));
        _ = .{ limit(bytes), cpuHundredths(bytes), milliseconds(bytes) };
    }
}
