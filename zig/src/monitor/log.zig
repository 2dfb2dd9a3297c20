//! The container's log as CRI lines: `<RFC3339Nano> stdout|stderr F|P <text>\n`. Bytes are kept exactly: F ends where
//! the container wrote a newline, P where a piece of output merely ended. Lines of any length, no line is held back.
const std = @import("std");
const sys = @import("../sys.zig");
const clock = @import("clock.zig");
const linux = sys.linux;

pub const Stream = enum { stdout, stderr };

/// Lines are gathered here before they are written: one call for most pieces of output.
const buffer_bytes = 32 * 1024;
/// Time, stream and tag before the text.
const prefix_bytes = clock.text_bytes + " stdout F ".len;

pub const Log = struct {
    /// Null: the driver is "none".
    fd: ?linux.fd_t = null,

    pub fn open(path: [:0]const u8) sys.Error!Log {
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .APPEND = true, .CLOEXEC = true };
        return .{ .fd = try sys.checkFd("open", path, linux.open(path, flags, 0o600)) };
    }

    /// A full disk loses log lines, never the container: what cannot be written is left out, whole lines at a time.
    pub fn write(log: *const Log, stream: Stream, bytes: []const u8) void {
        const fd = log.fd orelse return;
        const time = clock.now();
        var rest = bytes;
        while (rest.len > 0) {
            var w: std.Io.Writer = .fixed(&buffer);
            rest = fill(&w, &time, stream, rest);
            append(fd, w.buffered());
        }
    }
};

/// All of `lines`, or nothing of them.
fn append(fd: linux.fd_t, lines: []const u8) void {
    const before = linux.lseek(fd, 0, linux.SEEK.END);
    sys.writeAll(fd, lines) catch {
        if (linux.errno(before) == .SUCCESS) _ = linux.ftruncate(fd, @intCast(before));
    };
}

var buffer: [buffer_bytes]u8 = undefined;

/// As many lines as fit; returns what did not.
fn fill(w: *std.Io.Writer, time: *const clock.Text, stream: Stream, bytes: []const u8) []const u8 {
    var rest = bytes;
    while (rest.len > 0) {
        const room = w.unusedCapacityLen();
        if (room < prefix_bytes + 2) return rest;
        const newline = std.mem.indexOfScalar(u8, rest, '\n');
        const length = @min(newline orelse rest.len, room - prefix_bytes - 1);
        const is_full = newline != null and length == newline.?;
        w.print("{s} {t} {c} ", .{ time, stream, @as(u8, if (is_full) 'F' else 'P') }) catch unreachable;
        w.writeAll(rest[0..length]) catch unreachable;
        w.writeByte('\n') catch unreachable;
        rest = rest[length + @intFromBool(is_full) ..];
    }
    return rest;
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
                var w: std.Io.Writer = .fixed(&small);
                rest = fill(&w, &time, .stdout, rest);
                try decode(w.buffered(), &decoded, std.testing.allocator);
            }
            try std.testing.expectEqualStrings(bytes, decoded.items);
        }
    }.one, .{ .corpus = &.{ "a\nb", "\n\n\n", "x" ** 500 } });
}

test "a file that is full keeps whole lines" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var path: [64]u8 = undefined;
    const name = try std.fmt.bufPrintZ(&path, "/proc/self/fd/{d}/log", .{tmp.dir.handle});
    const log: Log = try .open(name);
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = linux.sigemptyset(), .flags = 0 };
    var handled: linux.Sigaction = undefined;
    _ = linux.sigaction(.XFSZ, &ignore, &handled);
    defer _ = linux.sigaction(.XFSZ, &handled, null);
    var limit: linux.rlimit = undefined;
    _ = linux.getrlimit(.FSIZE, &limit);
    defer _ = linux.setrlimit(.FSIZE, &limit);
    _ = linux.setrlimit(.FSIZE, &.{ .cur = 100, .max = limit.max });
    log.write(.stdout, "first\n");
    log.write(.stdout, "x" ** 80 ++ "\n"); // the file has room for the beginning of it
    log.write(.stderr, "last\n");
    var space: [256]u8 = undefined;
    const text = try tmp.dir.readFile(io, "log", &space);
    try std.testing.expectEqual(2, std.mem.count(u8, text, "\n"));
    try std.testing.expect(std.mem.endsWith(u8, text, " stderr F last\n"));
    try std.testing.expect(std.mem.indexOfScalar(u8, text, 'x') == null);
}

test "fill() tags full and partial lines" {
    const time = clock.format(0, 0);
    var text: [200]u8 = undefined;
    var w: std.Io.Writer = .fixed(&text);
    try std.testing.expectEqualStrings("", fill(&w, &time, .stderr, "one\ntwo"));
    try std.testing.expectEqualStrings(
        "1970-01-01T00:00:00.000000000Z stderr F one\n1970-01-01T00:00:00.000000000Z stderr P two\n",
        w.buffered(),
    );
}
