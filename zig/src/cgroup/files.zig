//! The small files of a cgroup: read whole, written in one piece. Their formats are cgroup-v2.rst's: "flat keyed"
//! ("low 0\nhigh 3\n") and "nested keyed" ("8:0 rbytes=1 wbytes=2\n").
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// cgroup.events and memory.events have a few short lines.
pub const events_bytes_max = 512;

/// An ordinary return value of open(2).
pub fn open(directory: []const u8, name: []const u8, flags: linux.O) usize {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "{s}/{s}", .{ directory, name }) catch return errnoOf(.NAMETOOLONG);
    return linux.open(path, flags, 0);
}

fn errnoOf(e: linux.E) usize {
    return @bitCast(-@as(isize, @intFromEnum(e)));
}

pub fn openDirectory(path: [:0]const u8) sys.Error!linux.fd_t {
    const flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
    return sys.checkFd("open", path, linux.open(path, flags, 0));
}

/// An ordinary return value of write(2).
pub fn write(directory: []const u8, name: []const u8, text: []const u8) usize {
    const rc = open(directory, name, .{ .ACCMODE = .WRONLY, .CLOEXEC = true });
    if (linux.errno(rc) != .SUCCESS) return rc;
    defer _ = linux.close(@intCast(rc));
    return linux.write(@intCast(rc), text.ptr, text.len);
}

/// Null: it does not exist, or cannot be read. What does not fit is left out.
pub fn read(directory: []const u8, name: []const u8, buffer: []u8) ?[]const u8 {
    const rc = open(directory, name, .{ .CLOEXEC = true });
    if (linux.errno(rc) != .SUCCESS) return null;
    defer _ = linux.close(@intCast(rc));
    var used: usize = 0;
    while (used < buffer.len) {
        const n = linux.read(@intCast(rc), buffer[used..].ptr, buffer.len - used);
        if (linux.errno(n) != .SUCCESS) return null;
        if (n == 0) break;
        used += n;
    }
    return buffer[0..used];
}

/// "max" is the largest number there is. Null: no such file, or not a number.
pub fn readNumber(directory: []const u8, name: []const u8) ?u64 {
    var buffer: [32]u8 = undefined;
    return parseNumber(read(directory, name, &buffer) orelse return null);
}

pub fn parseNumber(text: []const u8) ?u64 {
    const trimmed = std.mem.trimEnd(u8, text, "\n");
    if (std.mem.eql(u8, trimmed, "max")) return std.math.maxInt(u64);
    return std.fmt.parseInt(u64, trimmed, 10) catch null;
}

/// Of a flat keyed file.
pub fn valueOf(text: []const u8, key: []const u8) ?[]const u8 {
    var lines = std.mem.splitScalar(u8, text, '\n');
    while (lines.next()) |line| {
        const space = std.mem.indexOfScalar(u8, line, ' ') orelse continue;
        if (std.mem.eql(u8, line[0..space], key)) return line[space + 1 ..];
    }
    return null;
}

/// Whether `name` is one of the words of a list such as cgroup.controllers.
pub fn hasWord(text: []const u8, name: []const u8) bool {
    var words = std.mem.tokenizeAny(u8, text, " \n");
    while (words.next()) |word| if (std.mem.eql(u8, word, name)) return true;
    return false;
}

/// Milliseconds that only grow.
pub fn now() i64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &time);
    return time.sec * 1000 + @divTrunc(time.nsec, 1_000_000);
}

test "valueOf() takes whole keys" {
    const text = "low 0\noom 1\noom_kill 22\n";
    try std.testing.expectEqualStrings("22", valueOf(text, "oom_kill").?);
    try std.testing.expectEqualStrings("1", valueOf(text, "oom").?);
    try std.testing.expectEqual(null, valueOf(text, "oo"));
    try std.testing.expectEqual(null, valueOf("", "x"));
}

test "parseNumber(), hasWord()" {
    try std.testing.expectEqual(7, parseNumber("7\n").?);
    try std.testing.expectEqual(std.math.maxInt(u64), parseNumber("max\n").?);
    try std.testing.expectEqual(null, parseNumber("7 8"));
    try std.testing.expect(hasWord("cpuset cpu io\n", "cpu") and hasWord("cpuset cpu io\n", "io"));
    try std.testing.expect(!hasWord("cpuset io\n", "cpu"));
}
