//! Signals by name or number: "TERM", "SIGTERM", "term", "15", "RTMIN+3".
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// What C libraries leave for programs; 32 and 33 are their own.
const realtime_min = 34;
const last = 64;

pub fn parse(text: []const u8) sys.Error!linux.SIG {
    return find(text) orelse sys.failFormat("usage", "unknown signal \"{s}\": use a name as in signal(7) or a number up to {d}", .{ text, last });
}

fn find(text: []const u8) ?linux.SIG {
    if (std.fmt.parseInt(u8, text, 10)) |number| {
        return if (number <= last and text[0] != '+') @enumFromInt(number) else null;
    } else |_| {}
    var buffer: [16]u8 = undefined;
    if (text.len > buffer.len) return null;
    const upper = std.ascii.upperString(&buffer, text);
    const name = if (std.mem.startsWith(u8, upper, "SIG")) upper[3..] else upper;
    if (std.mem.startsWith(u8, name, "RTMIN")) return realtime(name["RTMIN".len..], '+', realtime_min);
    if (std.mem.startsWith(u8, name, "RTMAX")) return realtime(name["RTMAX".len..], '-', last);
    if (std.mem.eql(u8, name, "CLD")) return .CHLD;
    if (std.mem.eql(u8, name, "IOT")) return .ABRT;
    if (std.mem.eql(u8, name, "POLL")) return .IO;
    return std.meta.stringToEnum(linux.SIG, name);
}

fn realtime(rest: []const u8, sign: u8, from: u8) ?linux.SIG {
    if (rest.len == 0) return @enumFromInt(from);
    if (rest[0] != sign) return null;
    const distance = std.fmt.parseInt(u8, rest[1..], 10) catch return null;
    if (distance > last - realtime_min) return null;
    return @enumFromInt(if (sign == '+') from + distance else from - distance);
}

test "parse() knows every spelling" {
    const cases = .{
        .{ "TERM", 15 },  .{ "SIGKILL", 9 },     .{ "sigusr1", 10 }, .{ "9", 9 },    .{ "0", 0 },   .{ "64", 64 },
        .{ "RTMIN", 34 }, .{ "SIGRTMIN+3", 37 }, .{ "RTMAX-1", 63 }, .{ "cld", 17 }, .{ "IOT", 6 }, .{ "POLL", 29 },
        .{ "WINCH", 28 },
    };
    inline for (cases) |case| try std.testing.expectEqual(@as(u32, case[1]), @intFromEnum(try parse(case[0])));
    const wrong = [_][]const u8{ "", "SIG", "65", "-1", "+1", "RTMIN+31", "RTMIN-1", "KILLL", "9 ", "a name far too long" };
    for (wrong) |text| try std.testing.expectError(error.Syscall, parse(text));
}
