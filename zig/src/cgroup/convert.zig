//! Numbers of cgroup v1, which config.json speaks, as numbers of cgroup v2. Pure.
const std = @import("std");

/// cpu.shares (2 to 262144, 1024 is usual) as cpu.weight (1 to 10000, 100 is usual): 10 to the power of
/// (l^2 + 125 l) / 612 - 7 / 34, where l is the binary logarithm, rounded up. A curve through the three pairs, what
/// crun does since 1.23 and runc since 1.3.2; before, 1024 became 39, less than half of what a group has that nobody
/// asked anything for.
pub fn cpuWeight(shares: u64) u64 {
    if (shares <= 2) return 1;
    if (shares >= 262_144) return 10_000;
    const l = naturalLogarithm(shares) / ln_2;
    const weight = exponential(((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0) * ln_10);
    const whole: u64 = @intFromFloat(weight);
    const is_whole = weight - @as(f64, @floatFromInt(whole)) < 1e-9; // as 1024 is meant to be
    return if (is_whole) whole else whole + 1;
}

const ln_2 = 0.6931471805599453;
const ln_10 = 2.302585092994046;

// These run where no libc does, so they are series of our own: a double's precision for the numbers above.

fn naturalLogarithm(number: u64) f64 {
    const exponent = 63 - @clz(number);
    const mantissa = @as(f64, @floatFromInt(number)) / @as(f64, @floatFromInt(@as(u64, 1) << @intCast(exponent)));
    const z = (mantissa - 1.0) / (mantissa + 1.0); // at most 1/3
    var sum: f64 = 0;
    var power = z;
    var k: f64 = 1;
    while (k < 41) : (k += 2) {
        sum += power / k;
        power *= z * z;
    }
    return 2.0 * sum + @as(f64, @floatFromInt(exponent)) * ln_2;
}

fn exponential(x: f64) f64 {
    const halvings = 8;
    const small = x / (1 << halvings);
    var sum: f64 = 1;
    var term: f64 = 1;
    for (1..16) |k| {
        term *= small / @as(f64, @floatFromInt(k));
        sum += term;
    }
    for (0..halvings) |_| sum *= sum;
    return sum;
}

/// blkio.weight (10 to 1000) as io.weight (1 to 10000), on a straight line as everybody does.
pub fn ioWeight(weight: u16) u64 {
    return 1 + (@as(u64, weight) - 10) * 9999 / 990;
}

test "cpuWeight() keeps the ends and what is usual" {
    const pairs = [_][2]u64{
        .{ 0, 1 },            .{ 2, 1 },      .{ 3, 2 },            .{ 512, 59 },
        .{ 1024, 100 },       .{ 2048, 174 }, .{ 262_143, 10_000 }, .{ 262_144, 10_000 },
        .{ 1 << 60, 10_000 },
    };
    for (pairs) |pair| try std.testing.expectEqual(pair[1], cpuWeight(pair[0]));
    var last: u64 = 0;
    for (2..262_145) |shares| {
        const weight = cpuWeight(shares);
        try std.testing.expect(weight >= last and weight >= 1 and weight <= 10_000);
        last = weight;
    }
}

test "ioWeight() keeps the ends" {
    try std.testing.expectEqual(1, ioWeight(10));
    try std.testing.expectEqual(4950, ioWeight(500));
    try std.testing.expectEqual(10_000, ioWeight(1000));
}
