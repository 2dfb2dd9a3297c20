//! Log lines as kubelet reads them (CRI): `<RFC3339Nano> stdout|stderr F|P <text>\n`. Bytes are kept exactly: F ends where
//! the container wrote a newline, P where a piece of output merely ended. Lines of any length, no line is held back. Pure.
const std = @import("std");
const chunks = @import("bytes.zig");
const clock = @import("clock.zig");
const Stream = @import("log.zig").Stream;

/// Time, stream and tag before the text.
pub const prefix_bytes = clock.text_bytes + " stdout F ".len;

pub const Filled = struct {
    /// Of the space that was given.
    used: usize,
    /// What did not fit.
    rest: []const u8,
};

/// As many lines as fit into `out`. A line is only cut when it would not fit into `out` alone.
pub fn fill(out: []u8, time: *const clock.Text, stream: Stream, bytes: []const u8) Filled {
    var prefix: [prefix_bytes]u8 = undefined;
    @memcpy(prefix[0..clock.text_bytes], time);
    @memcpy(prefix[clock.text_bytes..], if (stream == .stdout) " stdout F " else " stderr F ");
    const tag = prefix_bytes - 2;
    var used: usize = 0;
    var rest = bytes;
    while (rest.len > 0) {
        const room = out.len - used;
        if (room < prefix_bytes + 2) break;
        const newline = std.mem.indexOfScalar(u8, rest, '\n');
        const whole = newline orelse rest.len;
        const space = room - prefix_bytes - 1;
        if (whole > space and used > 0) break;
        const length = @min(whole, space);
        const is_full = newline != null and length == whole;
        prefix[tag] = if (is_full) 'F' else 'P';
        chunks.copy(out[used..], &prefix);
        chunks.copy(out[used + prefix_bytes ..], rest[0..length]);
        used += prefix_bytes + length;
        out[used] = '\n';
        used += 1;
        rest = rest[length + @intFromBool(is_full) ..];
    }
    return .{ .used = used, .rest = rest };
}

/// What a line of that many bytes takes.
pub fn lineBytesMax(bytes: usize) usize {
    return prefix_bytes + bytes + 1;
}

/// What a reader makes of it again: P lines without, F lines with a newline.
fn decode(text: []const u8, out: *std.ArrayList(u8), gpa: std.mem.Allocator) !void {
    var lines = std.mem.splitScalar(u8, text, '\n');
    while (lines.next()) |line| {
        if (line.len == 0) continue;
        try out.appendSlice(gpa, line[prefix_bytes..]);
        if (line[prefix_bytes - 2] == 'F') try out.append(gpa, '\n');
    }
}

test "fuzz: what is logged is what was written" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var text: [4096]u8 = undefined;
            const bytes = text[0..smith.slice(&text)];
            for (bytes) |*byte| if (byte.* == 'n') {
                byte.* = '\n';
            };
            const time = clock.format(0, 0);
            var decoded: std.ArrayList(u8) = .empty;
            defer decoded.deinit(std.testing.allocator);
            var rest: []const u8 = bytes;
            while (rest.len > 0) {
                var small: [200]u8 = undefined;
                const filled = fill(&small, &time, .stdout, rest);
                rest = filled.rest;
                try decode(small[0..filled.used], &decoded, std.testing.allocator);
            }
            try std.testing.expectEqualStrings(bytes, decoded.items);
        }
    }.one, .{ .corpus = &.{ "a\nb", "\n\n\n", "x" ** 500 } });
}

test "fill() tags full and partial lines" {
    const time = clock.format(0, 0);
    var text: [200]u8 = undefined;
    const filled = fill(&text, &time, .stderr, "one\ntwo");
    try std.testing.expectEqualStrings("", filled.rest);
    try std.testing.expectEqualStrings(
        "1970-01-01T00:00:00.000000000Z stderr F one\n1970-01-01T00:00:00.000000000Z stderr P two\n",
        text[0..filled.used],
    );
}
