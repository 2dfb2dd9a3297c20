//! Log lines as docker's json-file driver writes them: `{"log":"text\n","stream":"stdout","time":"..."}`. A piece without
//! a newline goes on in the next line. What is no UTF-8 JSON has no word for: it becomes U+FFFD, as with docker. Pure.
const std = @import("std");
const chunks = @import("bytes.zig");
const clock = @import("clock.zig");
const Stream = @import("log.zig").Stream;
const Filled = @import("cri.zig").Filled;

const begin = "{\"log\":\"";
const middle = [_][]const u8{ "\",\"stream\":\"stdout\",\"time\":\"", "\",\"stream\":\"stderr\",\"time\":\"" };
const end = "\"}\n";
const frame_bytes = begin.len + middle[0].len + clock.text_bytes + end.len;

/// "\u001f", and a newline after it.
const escaped_bytes_max = 6 + 2;
const replacement = "\\ufffd";

/// As many lines as fit into `out`; one is only cut when `out` is not large enough for it alone.
pub fn fill(out: []u8, time: *const clock.Text, stream: Stream, bytes: []const u8) Filled {
    var used: usize = 0;
    var rest = bytes;
    while (rest.len > 0) {
        if (out.len - used < frame_bytes + escaped_bytes_max) break;
        const line = if (std.mem.indexOfScalar(u8, rest, '\n')) |newline| newline + 1 else rest.len;
        if (used > 0 and out.len - used < lineBytesMax(line)) break;
        const limit = out.len - (frame_bytes - begin.len) - escaped_bytes_max;
        @memcpy(out[used..][0..begin.len], begin);
        used += begin.len;
        rest = escape(out, &used, limit, rest);
        for ([_][]const u8{ middle[@intFromEnum(stream)], time, end }) |part| {
            @memcpy(out[used..][0..part.len], part);
            used += part.len;
        }
    }
    return .{ .used = used, .rest = rest };
}

/// What a line of that many bytes takes at most.
pub fn lineBytesMax(bytes: usize) usize {
    return frame_bytes + bytes * escaped_bytes_max;
}

/// One line, or as much of it as goes up to `limit`.
fn escape(out: []u8, used: *usize, limit: usize, bytes: []const u8) []const u8 {
    var rest = bytes;
    while (rest.len > 0 and used.* <= limit) {
        const plain = plainBytes(rest[0..@min(rest.len, limit - used.*)]);
        if (plain > 0) {
            chunks.copy(out[used.*..], rest[0..plain]);
            used.* += plain;
            rest = rest[plain..];
            continue;
        }
        var scratch: [6]u8 = undefined;
        const byte = rest[0];
        var taken: usize = 1;
        const text: []const u8 = switch (byte) {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '"' => "\\\"",
            '\\' => "\\\\",
            0...8, 11...12, 14...0x1f, 0x7f, '<', '>', '&' => std.fmt.bufPrint(&scratch, "\\u{x:0>4}", .{byte}) catch unreachable,
            0x80...0xff => wide: {
                const length = std.unicode.utf8ByteSequenceLength(byte) catch break :wide replacement;
                if (length > rest.len or !std.unicode.utf8ValidateSlice(rest[0..length])) break :wide replacement;
                taken = length;
                break :wide rest[0..length];
            },
            else => rest[0..1],
        };
        @memcpy(out[used.*..][0..text.len], text);
        used.* += text.len;
        rest = rest[taken..];
        if (byte == '\n') break;
    }
    return rest;
}

/// How many stand for themselves.
fn plainBytes(bytes: []const u8) usize {
    for (bytes, 0..) |byte, i| if (!is_plain[byte]) return i;
    return bytes.len;
}

const is_plain: [256]bool = table: {
    var plain: [256]bool = @splat(false);
    for (' '..0x7f) |byte| plain[byte] = std.mem.indexOfScalar(u8, "\"\\<>&", byte) == null;
    break :table plain;
};

/// How many bytes at the end begin a character that is not whole yet.
pub fn unfinished(bytes: []const u8) usize {
    var back: usize = 1;
    while (back <= @min(3, bytes.len)) : (back += 1) {
        const byte = bytes[bytes.len - back];
        if (byte & 0xc0 == 0x80) continue; // goes on from one before
        const length = std.unicode.utf8ByteSequenceLength(byte) catch return 0;
        return if (length > back) back else 0;
    }
    return 0;
}

test "fill() writes what docker writes" {
    const time = clock.format(0, 0);
    var text: [400]u8 = undefined;
    const filled = fill(&text, &time, .stdout, "a\"\xc3\xa9\xff<\x01\nrest");
    try std.testing.expectEqualStrings("", filled.rest);
    try std.testing.expectEqualStrings(
        "{\"log\":\"a\\\"\xc3\xa9\\ufffd\\u003c\\u0001\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00.000000000Z\"}\n" ++
            "{\"log\":\"rest\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00.000000000Z\"}\n",
        text[0..filled.used],
    );
}

test "unfinished() finds the beginning of a character" {
    for ([_]struct { []const u8, usize }{
        .{ "a", 0 }, .{ "\xc3\xa9", 0 }, .{ "a\xc3", 1 }, .{ "\xe2\x82", 2 }, .{ "\xf0\x9f\x98", 3 }, .{ "\xff", 0 }, .{ "\x80", 0 },
    }) |case| try std.testing.expectEqual(case[1], unfinished(case[0]));
}

test "fuzz: every line is JSON, and of UTF-8 nothing is lost" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var text: [512]u8 = undefined;
            const bytes = text[0..smith.slice(&text)];
            const time = clock.format(0, 0);
            var rest: []const u8 = bytes;
            var decoded: std.ArrayList(u8) = .empty;
            defer decoded.deinit(std.testing.allocator);
            while (rest.len > 0) {
                var small: [160]u8 = undefined;
                const filled = fill(&small, &time, .stderr, rest);
                try std.testing.expect(filled.used > 0);
                rest = filled.rest;
                var lines = std.mem.tokenizeScalar(u8, small[0..filled.used], '\n');
                while (lines.next()) |line| {
                    const Line = struct { log: []const u8, stream: []const u8, time: []const u8 };
                    const parsed = try std.json.parseFromSlice(Line, std.testing.allocator, line, .{});
                    defer parsed.deinit();
                    try decoded.appendSlice(std.testing.allocator, parsed.value.log);
                }
            }
            if (std.unicode.utf8ValidateSlice(bytes)) try std.testing.expectEqualStrings(bytes, decoded.items);
        }
    }.one, .{ .corpus = &.{ "a\nb", "\xc3\xa9\xff\n", "x" ** 300 } });
}
