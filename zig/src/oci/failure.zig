//! How a failure is told: a sentence on standard error, and where an engine named a log, a line of it there, as text or
//! as JSON in the form that runc has made the field's.
const std = @import("std");
const sys = @import("../sys.zig");
const clock = @import("../monitor/clock.zig");
const contexts = @import("context.zig");
const sentence = @import("sentence.zig");
const linux = sys.linux;

pub const Format = enum { text, json };
pub const Level = enum { warning, @"error" };

pub fn parseFormat(name: ?[]const u8) sys.Error!Format {
    const text = name orelse return .text;
    return std.meta.stringToEnum(Format, text) orelse
        sys.failFormat("usage", "unknown log format \"{s}\": use text or json", .{text});
}

pub const Log = struct {
    path: ?contexts.Text = null,
    format: Format = .text,

    /// What `sys.failure` remembers.
    pub fn tell(log: *const Log, arena: std.mem.Allocator) void {
        const failure = sys.failure orelse sys.Failure{ .call = "internal", .detail = "it failed", .errno = .SUCCESS };
        var text: std.Io.Writer.Allocating = .init(arena);
        sentence.write(&text.writer, failure) catch {};
        log.say(arena, .@"error", text.written());
    }

    pub fn say(log: *const Log, arena: std.mem.Allocator, level: Level, message: []const u8) void {
        const plain = std.fmt.allocPrint(arena, "tspod-oci: {s}\n", .{message}) catch return;
        sys.writeAll(2, plain) catch {};
        const path = log.path orelse return;
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .APPEND = true, .CLOEXEC = true };
        const rc = linux.open(path, flags, 0o644);
        if (linux.errno(rc) != .SUCCESS) return; // it was told on standard error
        var line: std.Io.Writer.Allocating = .init(arena);
        writeLine(&line.writer, log.format, level, message) catch return;
        sys.writeAll(@intCast(rc), line.written()) catch {};
    }
};

fn writeLine(w: *std.Io.Writer, format: Format, level: Level, message: []const u8) std.Io.Writer.Error!void {
    const time = clock.now();
    switch (format) {
        .json => try std.json.Stringify.value(.{ .level = @tagName(level), .msg = message, .time = &time }, .{}, w),
        .text => {
            try w.print("time=\"{s}\" level={t} msg=", .{ &time, level });
            try std.json.Stringify.value(message, .{}, w);
        },
    }
    try w.writeByte('\n');
}

test "a line of the log" {
    var buffer: [256]u8 = undefined;
    var w: std.Io.Writer = .fixed(&buffer);
    try writeLine(&w, .json, .@"error", "exec: \"x\"");
    try std.testing.expectStringStartsWith(w.buffered(), "{\"level\":\"error\",\"msg\":\"exec: \\\"x\\\"\",\"time\":\"");
    w = .fixed(&buffer);
    try writeLine(&w, .text, .warning, "a\nb");
    try std.testing.expect(std.mem.endsWith(u8, w.buffered(), " level=warning msg=\"a\\nb\"\n"));
}
