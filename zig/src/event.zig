//! What the helper tells TypeScript: one JSON object a line on descriptor 3. Formats into a fixed buffer and writes
//! with one call, so that lines of several processes never mix. It decides nothing and allocates nothing.
const std = @import("std");
const sys = @import("sys.zig");

/// Where events go. Not a variable of the environment: TypeScript passes it as the fourth standard stream.
/// Nowhere (-1) on the OCI command line.
pub var descriptor: i32 = 3;

/// Longer texts are cut: a line stays below PIPE_BUF and so arrives whole.
pub const line_bytes_max = 2048;
const text_bytes_max = 1024;

pub const Line = struct {
    buffer: [line_bytes_max]u8 = undefined,
    used: usize = 0,

    pub fn bytes(line: *const Line) []const u8 {
        return line.buffer[0..line.used];
    }
};

pub fn started(pid: i32) Line {
    return format("{{\"event\":\"started\",\"pid\":{d}}}\n", .{pid});
}

/// `code`: 0-255, or 128 + signal with `signal` set.
pub fn exited(code: u32, signal: ?u8, oom_killed: bool) Line {
    const oom = if (oom_killed) ",\"oomKilled\":true" else "";
    if (signal) |number| return format("{{\"event\":\"exited\",\"code\":{d},\"signal\":{d}{s}}}\n", .{ code, number, oom });
    return format("{{\"event\":\"exited\",\"code\":{d}{s}}}\n", .{ code, oom });
}

pub fn detached() Line {
    return format("{{\"event\":\"detached\"}}\n", .{});
}

/// The failure that `sys.failure` remembers.
pub fn failed() Line {
    const failure = sys.failure orelse sys.Failure{ .call = "internal", .errno = .SUCCESS };
    var name: [32]u8 = undefined;
    const errno = if (failure.errno == .SUCCESS) "" else sys.errnoName(failure.errno, &name);
    return format("{{\"event\":\"failed\",\"call\":{f},\"detail\":{f},\"errno\":\"{s}\"}}\n", .{
        quoted(failure.call), quoted(failure.detail), errno,
    });
}

pub fn warning(code: []const u8, detail: []const u8) Line {
    return format("{{\"event\":\"warning\",\"code\":{f},\"detail\":{f}}}\n", .{ quoted(code), quoted(detail) });
}

/// Send it. Nobody listening is no error: the container matters more than who watches.
pub fn emit(line: Line) void {
    sys.writeAll(descriptor, line.bytes()) catch {};
}

/// A JSON string: escaped, cut at `text_bytes_max` bytes, bytes that are no ASCII kept as they are when they form
/// valid UTF-8 and replaced by "?" otherwise.
pub fn quoted(text: []const u8) Quoted {
    return .{ .text = text[0..@min(text.len, text_bytes_max)] };
}

pub const Quoted = struct {
    text: []const u8,

    pub fn format(self: Quoted, w: *std.Io.Writer) std.Io.Writer.Error!void {
        const is_utf8 = std.unicode.utf8ValidateSlice(self.text);
        try w.writeByte('"');
        for (self.text) |byte| switch (byte) {
            '"', '\\' => try w.print("\\{c}", .{byte}),
            0...0x1f, 0x7f => try w.print("\\u{x:0>4}", .{byte}),
            0x80...0xff => try w.writeByte(if (is_utf8) byte else '?'),
            else => try w.writeByte(byte),
        };
        try w.writeByte('"');
    }
};

fn format(comptime text: []const u8, args: anytype) Line {
    var line: Line = .{};
    var w: std.Io.Writer = .fixed(&line.buffer);
    w.print(text, args) catch {
        // Text of control characters only, escaped sixfold: say that much.
        w = .fixed(&line.buffer);
        w.writeAll("{\"event\":\"failed\",\"call\":\"event\",\"detail\":\"too long\",\"errno\":\"\"}\n") catch unreachable;
    };
    line.used = w.end;
    return line;
}

test "failed() is one line of JSON whatever the detail holds" {
    sys.failure = .{ .call = "mount", .detail = "a\"b\n\x01\xff", .errno = .PERM };
    const line = failed();
    try std.testing.expectEqualStrings(
        "{\"event\":\"failed\",\"call\":\"mount\",\"detail\":\"a\\\"b\\u000a\\u0001?\",\"errno\":\"EPERM\"}\n",
        line.bytes(),
    );
    sys.failure = .{ .call = "x", .detail = "\x01" ** 4000, .errno = .SUCCESS };
    try std.testing.expect(std.mem.endsWith(u8, failed().bytes(), "}\n"));
}

test "exited() names the signal and the lack of memory only when there was one" {
    try std.testing.expectEqualStrings("{\"event\":\"exited\",\"code\":3}\n", exited(3, null, false).bytes());
    try std.testing.expectEqualStrings("{\"event\":\"exited\",\"code\":137,\"signal\":9}\n", exited(137, 9, false).bytes());
    try std.testing.expectEqualStrings(
        "{\"event\":\"exited\",\"code\":137,\"signal\":9,\"oomKilled\":true}\n",
        exited(137, 9, true).bytes(),
    );
}
