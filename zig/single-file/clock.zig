//! clock_gettime(2) for Bun and libc. In a process that goes on from a snapshot no time has passed since that was taken, by
//! each clock that only counts: otherwise all that was to be done in a second, or when there is nothing else to do
//! (collect garbage, give memory back), would be due at once. The time of day is what it is.
const std = @import("std");
const linux = std.os.linux;

var has_own_vdso = false;
var passed_ns: u64 = 0;

/// Where a new process finds the kernel's function without a system call, vdso(7): elsewhere in each, so one that is to be
/// written into a file does not look for it.
pub fn useVdso() void {
    has_own_vdso = true;
}

/// Since the snapshot was taken.
pub fn skip(ns: u64) void {
    passed_ns = ns;
}

/// Of the clock that only counts, as the kernel has it.
pub fn monotonicNs() u64 {
    var time: linux.timespec = undefined;
    _ = call(@intFromEnum(linux.CLOCK.MONOTONIC), &time);
    return nsOf(time);
}

fn call(clock: c_int, time: *linux.timespec) usize {
    return linux.syscall2(.clock_gettime, @bitCast(@as(isize, clock)), @intFromPtr(time));
}

/// 0, or what errno is to be, negated.
pub fn get(clock: c_int, time: *linux.timespec) isize {
    const rc = if (has_own_vdso) linux.clock_gettime(@enumFromInt(clock), time) else call(clock, time);
    if (linux.errno(rc) != .SUCCESS) return @bitCast(rc);
    if (passed_ns == 0 or !onlyCounts(clock)) return 0;
    const ns = nsOf(time.*) -| passed_ns;
    time.* = .{ .sec = @intCast(ns / std.time.ns_per_s), .nsec = @intCast(ns % std.time.ns_per_s) };
    return 0;
}

fn nsOf(time: linux.timespec) u64 {
    return @as(u64, @intCast(time.sec)) * std.time.ns_per_s + @as(u64, @intCast(time.nsec));
}

fn onlyCounts(clock: c_int) bool {
    const id: linux.CLOCK = @enumFromInt(clock);
    return switch (id) {
        .MONOTONIC, .MONOTONIC_RAW, .MONOTONIC_COARSE, .BOOTTIME => true,
        else => false,
    };
}

test "clocks that count stand still for what is skipped, the time of day does not" {
    defer skip(0);
    var before: linux.timespec = undefined;
    var after: linux.timespec = undefined;
    const minute_ns = 60 * std.time.ns_per_s;
    for ([_]linux.CLOCK{ .MONOTONIC, .BOOTTIME, .REALTIME }) |clock| {
        skip(0);
        try std.testing.expectEqual(0, get(@intCast(@intFromEnum(clock)), &before));
        skip(minute_ns);
        try std.testing.expectEqual(0, get(@intCast(@intFromEnum(clock)), &after));
        const is_less = nsOf(after) + minute_ns / 2 < nsOf(before);
        try std.testing.expectEqual(clock != .REALTIME, is_less);
    }
    try std.testing.expectEqual(-@as(isize, @intFromEnum(linux.E.INVAL)), get(1000, &before));
}
