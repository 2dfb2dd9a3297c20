//! The time of day as RFC 3339 in UTC with nanoseconds, by one system call (no vdso: it needs the auxiliary vector).
const std = @import("std");
const linux = std.os.linux;

pub const text_bytes = "2025-01-31T12:34:56.123456789Z".len;
pub const Text = [text_bytes]u8;

pub fn now() Text {
    var time: linux.timespec = undefined;
    // The vdso would be found through getauxval, which does not exist in every process we are linked into.
    const realtime = 0;
    _ = linux.syscall2(.clock_gettime, realtime, @intFromPtr(&time));
    return format(@intCast(time.sec), @intCast(time.nsec));
}

/// Milliseconds that only go forward.
pub fn monotonicMs() u64 {
    var time: linux.timespec = undefined;
    const monotonic = 1;
    _ = linux.syscall2(.clock_gettime, monotonic, @intFromPtr(&time));
    return @as(u64, @intCast(time.sec)) * 1000 + @as(u64, @intCast(time.nsec)) / 1_000_000;
}

pub fn format(seconds: u64, nanoseconds: u32) Text {
    const epoch: std.time.epoch.EpochSeconds = .{ .secs = seconds };
    const year_day = epoch.getEpochDay().calculateYearDay();
    const month_day = year_day.calculateMonthDay();
    const day = epoch.getDaySeconds();
    var text: Text = undefined;
    _ = std.fmt.bufPrint(&text, "{d:0>4}-{d:0>2}-{d:0>2}T{d:0>2}:{d:0>2}:{d:0>2}.{d:0>9}Z", .{
        year_day.year,         month_day.month.numeric(), month_day.day_index + 1,
        day.getHoursIntoDay(), day.getMinutesIntoHour(),  day.getSecondsIntoMinute(),
        nanoseconds,
    }) catch unreachable;
    return text;
}

test "format()" {
    try std.testing.expectEqualStrings("1970-01-01T00:00:00.000000000Z", &format(0, 0));
    try std.testing.expectEqualStrings("2024-02-29T23:59:59.000000001Z", &format(1709251199, 1));
}
