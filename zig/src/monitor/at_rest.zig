//! How a container is that does not run, where one listing of a directory tells it of all: `<dir>/<id>` is a symbolic link
//! whose text is the JSON of exit.json, `<dir>/<id>.new` says that it has never been started (src/store/at-rest.ts makes
//! that one). What is there is true; what is missing is looked for in the container's own directory. So it is written
//! after exit.json, taken away before the container is said to run, and nothing here can fail.
//!
//! A link, because it is there with its text or not at all, and read with one call.

const std = @import("std");
const sys = @import("../sys.zig");
const record = @import("record.zig");
const linux = sys.linux;

/// Longer than what is written of any end.
const text_bytes_max = 1024;

const Buffer = [linux.PATH_MAX]u8;

fn nameOf(buffer: *Buffer, directory: []const u8, id: []const u8, suffix: []const u8) ?[:0]const u8 {
    if (directory.len == 0) return null;
    return std.fmt.bufPrintZ(buffer, "{s}/{s}{s}", .{ directory, id, suffix }) catch null;
}

/// It has ended like this. Why it could not be started again is left to exit.json.
pub fn begin(directory: []const u8, id: []const u8, exit: record.Exit) void {
    var buffer: Buffer = undefined;
    const path = nameOf(&buffer, directory, id, "") orelse return;
    var told = exit;
    told.failure = null;
    var text: [text_bytes_max]u8 = undefined;
    var w: std.Io.Writer = .fixed(text[0 .. text.len - 1]);
    std.json.Stringify.value(told, .{ .emit_null_optional_fields = false }, &w) catch return;
    text[w.end] = 0;
    const target = text[0..w.end :0];
    switch (linux.errno(linux.symlink(target, path))) {
        .NOENT => {
            var parent: record.Path = .{};
            parent.set(directory) catch return;
            _ = linux.mkdir(parent.get(), 0o700);
        },
        .EXIST => _ = linux.unlink(path), // of a start at which it could not be taken away
        else => return,
    }
    _ = linux.symlink(target, path);
}

/// It runs.
pub fn end(directory: []const u8, id: []const u8) void {
    var buffer: Buffer = undefined;
    for ([_][]const u8{ "", ".new" }) |suffix| {
        _ = linux.unlink(nameOf(&buffer, directory, id, suffix) orelse return);
    }
}

test "begin() is what end() takes away" {
    var temporary = std.testing.tmpDir(.{});
    defer temporary.cleanup();
    var path_buffer: Buffer = undefined;
    const length = try temporary.dir.realPath(std.testing.io, &path_buffer);
    const directory = path_buffer[0..length];
    const exit: record.Exit = .{
        .exitCode = 3,
        .signal = null,
        .oomKilled = false,
        .startedAt = "a",
        .finishedAt = "b",
        .failure = .{ .text = "{\"call\":\"x\"}" },
    };
    begin(directory, "one", exit);
    var text: [text_bytes_max]u8 = undefined;
    const n = try temporary.dir.readLink(std.testing.io, "one", &text);
    try std.testing.expectEqualStrings(
        \\{"exitCode":3,"oomKilled":false,"startedAt":"a","finishedAt":"b"}
    , text[0..n]);
    end(directory, "one");
    try std.testing.expectError(error.FileNotFound, temporary.dir.readLink(std.testing.io, "one", &text));
    begin("", "one", exit); // nobody lists it
}
