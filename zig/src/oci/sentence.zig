//! What failed, as one sentence. Engines above a runtime look for certain words in it ("executable file not found in
//! $PATH", "permission denied", "no such file or directory", "does not exist", "container not running"): they decide
//! whether podman exits with 126 or 127. So errors are spelled as strerror(3) does, in small letters.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub fn write(w: *std.Io.Writer, failure: sys.Failure) std.Io.Writer.Error!void {
    const detail = failure.detail;
    if (std.mem.eql(u8, failure.call, "lookup") and failure.errno != .SUCCESS) {
        const is_path = std.mem.indexOfScalar(u8, detail, '/') != null;
        if (!is_path) return w.print("exec: \"{s}\": executable file not found in $PATH", .{detail});
        return w.print("exec: \"{s}\": {f}", .{ detail, reason(failure.errno) });
    }
    if (std.mem.eql(u8, failure.call, "execve")) return w.print("exec: \"{s}\": {f}", .{ detail, reason(failure.errno) });
    if (failure.errno == .SUCCESS) return w.writeAll(detail);
    if (detail.len == 0) return w.print("{s}: {f}", .{ failure.call, reason(failure.errno) });
    return w.print("{s} \"{s}\": {f}", .{ failure.call, detail, reason(failure.errno) });
}

fn reason(e: linux.E) Reason {
    return .{ .e = e };
}

const Reason = struct {
    e: linux.E,

    pub fn format(self: Reason, w: *std.Io.Writer) std.Io.Writer.Error!void {
        if (known(self.e)) |text| return w.writeAll(text);
        var buffer: [32]u8 = undefined;
        return w.writeAll(sys.errnoName(self.e, &buffer));
    }
};

fn known(e: linux.E) ?[]const u8 {
    return switch (e) {
        .SUCCESS => "it failed",
        .PERM => "operation not permitted",
        .NOENT => "no such file or directory",
        .SRCH => "no such process",
        .IO => "input/output error",
        .@"2BIG" => "argument list too long",
        .NOEXEC => "exec format error",
        .BADF => "bad file descriptor",
        .AGAIN => "resource temporarily unavailable",
        .NOMEM => "cannot allocate memory",
        .ACCES => "permission denied",
        .BUSY => "device or resource busy",
        .EXIST => "file exists",
        .NODEV => "no such device",
        .NOTDIR => "not a directory",
        .ISDIR => "is a directory",
        .INVAL => "invalid argument",
        .MFILE => "too many open files",
        .TXTBSY => "text file busy",
        .NOSPC => "no space left on device",
        .ROFS => "read-only file system",
        .RANGE => "numerical result out of range",
        .NAMETOOLONG => "file name too long",
        .NOSYS => "function not implemented",
        .LOOP => "too many levels of symbolic links",
        .OPNOTSUPP => "operation not supported",
        .CONNREFUSED => "connection refused",
        .TIMEDOUT => "connection timed out",
        .DQUOT => "disk quota exceeded",
        else => null,
    };
}

/// The failure that a child has told as an event.
pub fn remember(arena: std.mem.Allocator, line: []const u8) void {
    const Told = struct { call: []const u8, detail: []const u8 = "", errno: []const u8 = "" };
    const told = std.json.parseFromSliceLeaky(Told, arena, line, .{ .ignore_unknown_fields = true }) catch {
        sys.fail("start", "the container's process failed, and what it told cannot be understood") catch {};
        return;
    };
    sys.failure = .{ .call = told.call, .detail = told.detail, .errno = errnoOf(told.errno) };
}

/// "ENOENT", or "E123" when it has no name.
fn errnoOf(name: []const u8) linux.E {
    if (name.len < 2 or name[0] != 'E') return .SUCCESS;
    if (std.meta.stringToEnum(linux.E, name[1..])) |e| return e;
    return @enumFromInt(std.fmt.parseInt(u16, name[1..], 10) catch 0);
}

fn expectSentence(expected: []const u8, failure: sys.Failure) !void {
    var buffer: [256]u8 = undefined;
    var w: std.Io.Writer = .fixed(&buffer);
    try write(&w, failure);
    try std.testing.expectEqualStrings(expected, w.buffered());
}

test "write() says what engines look for" {
    try expectSentence("exec: \"ls\": executable file not found in $PATH", .{ .call = "lookup", .detail = "ls", .errno = .NOENT });
    try expectSentence("exec: \"/ls\": no such file or directory", .{ .call = "lookup", .detail = "/ls", .errno = .NOENT });
    try expectSentence("exec: \"ls\": permission denied", .{ .call = "execve", .detail = "ls", .errno = .ACCES });
    try expectSentence("mount \"/x\": operation not permitted", .{ .call = "mount", .detail = "/x", .errno = .PERM });
    try expectSentence("there is no command", .{ .call = "lookup", .detail = "there is no command", .errno = .SUCCESS });
    try expectSentence("setsid: E4000", .{ .call = "setsid", .errno = @enumFromInt(4000) });
}

test "remember() is the inverse of an event" {
    const event = @import("../event.zig");
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    sys.failure = .{ .call = "execve", .detail = "a \"b\"", .errno = .NOEXEC };
    const line = event.failed();
    sys.failure = null;
    remember(arena_state.allocator(), line.bytes());
    try std.testing.expectEqual(linux.E.NOEXEC, sys.failure.?.errno);
    try std.testing.expectEqualStrings("a \"b\"", sys.failure.?.detail);
    remember(arena_state.allocator(), "{");
    try std.testing.expectEqualStrings("start", sys.failure.?.call);
}
