//! The container's log: where it goes, how large it gets. What a line looks like is cri.zig's, json_log.zig's and
//! journal.zig's.
//!
//! A log with a limit is put aside when it is full: `log` becomes `log.1`, what was that becomes `log.2`, the oldest is
//! deleted. Only renames, so whoever reads one goes on reading it, and a monitor that is killed in between leaves every
//! line where a reader finds it.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const clock = @import("clock.zig");
const record = @import("record.zig");
const cri = @import("cri.zig");
const json_log = @import("json_log.zig");
const journal = @import("journal.zig");
const linux = sys.linux;

pub const Stream = enum(u1) { stdout, stderr };

/// Lines are gathered here before they are written: one call for most pieces of output.
const buffer_bytes = 128 * 1024;

var buffer: [buffer_bytes]u8 = undefined;

pub const Log = struct {
    driver: contract.LogDriver = .none,
    fd: ?linux.fd_t = null,
    path: record.Path = .{},
    bytes: u64 = 0,
    /// 0: no limit.
    bytes_max: u64 = 0,
    /// With the one that is written.
    files_max: u32 = 1,
    tag: [128]u8 = undefined,
    tag_bytes: usize = 0,
    /// Of each stream: the beginning of a character whose end has not come yet.
    pending: [2][4]u8 = undefined,
    pending_bytes: [2]usize = @splat(0),

    pub fn open(log: *Log, asked: contract.Log) sys.Error!void {
        log.driver = asked.driver;
        switch (asked.driver) {
            .none, .passthrough => return,
            .journald => {
                log.tag_bytes = @min(asked.tag.len, log.tag.len);
                @memcpy(log.tag[0..log.tag_bytes], asked.tag[0..log.tag_bytes]);
                log.fd = try journal.connect();
                return;
            },
            .@"k8s-file", .@"json-file" => {},
        }
        try log.path.set(asked.path);
        log.bytes_max = asked.maxBytes;
        log.files_max = @max(1, asked.maxFiles);
        try log.openFile();
    }

    fn openFile(log: *Log) sys.Error!void {
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .APPEND = true, .CLOEXEC = true };
        const path = log.path.get();
        const fd = try sys.checkFd("open", path, linux.open(path, flags, 0o600));
        log.fd = fd;
        const end = linux.lseek(fd, 0, linux.SEEK.END);
        log.bytes = if (linux.errno(end) == .SUCCESS) end else 0;
    }

    /// A full disk loses log lines, never the container: what cannot be written is left out, whole lines at a time.
    pub fn write(log: *Log, who: journal.Who, stream: Stream, bytes: []const u8) void {
        const fd = log.fd orelse return;
        switch (log.driver) {
            .none, .passthrough => {},
            .journald => {
                var named = who;
                named.tag = log.tag[0..log.tag_bytes];
                journal.write(fd, &buffer, named, stream, bytes);
            },
            .@"k8s-file" => log.append(cri, stream, bytes),
            .@"json-file" => log.appendText(stream, bytes),
        }
    }

    /// No more will come: also what is not a whole character.
    pub fn finish(log: *Log) void {
        for ([_]Stream{ .stdout, .stderr }) |stream| {
            const kept = &log.pending_bytes[@intFromEnum(stream)];
            const count = kept.*;
            kept.* = 0;
            if (count > 0) log.append(json_log, stream, log.pending[@intFromEnum(stream)][0..count]);
        }
    }

    /// Characters are not torn: JSON has no word for half of one.
    fn appendText(log: *Log, stream: Stream, bytes: []const u8) void {
        const i = @intFromEnum(stream);
        var rest = bytes;
        if (log.pending_bytes[i] > 0) {
            const needed = (std.unicode.utf8ByteSequenceLength(log.pending[i][0]) catch 1) - log.pending_bytes[i];
            const count = @min(needed, rest.len);
            @memcpy(log.pending[i][log.pending_bytes[i]..][0..count], rest[0..count]);
            log.pending_bytes[i] += count;
            rest = rest[count..];
            if (count < needed) return;
            const whole = log.pending[i][0..log.pending_bytes[i]];
            log.pending_bytes[i] = 0;
            log.append(json_log, stream, whole);
        }
        const tail = json_log.unfinished(rest);
        log.append(json_log, stream, rest[0 .. rest.len - tail]);
        @memcpy(log.pending[i][0..tail], rest[rest.len - tail ..]);
        log.pending_bytes[i] = tail;
    }

    fn append(log: *Log, comptime format: type, stream: Stream, bytes: []const u8) void {
        const time = clock.now();
        var rest = bytes;
        while (rest.len > 0) {
            if (log.isTooSmall(format.lineBytesMax, rest)) log.rotate();
            const filled: cri.Filled = format.fill(buffer[0..log.room()], &time, stream, rest);
            if (filled.used == 0) { // not one line fits
                if (log.bytes == 0) return; // nor into an empty file
                log.rotate();
                continue;
            }
            log.put(buffer[0..filled.used]);
            rest = filled.rest;
        }
    }

    /// For the next line, which would fit into the next file.
    fn isTooSmall(log: *const Log, comptime lineBytesMax: fn (usize) usize, rest: []const u8) bool {
        if (log.bytes_max == 0 or log.bytes == 0 or log.bytes_max -| log.bytes > buffer_bytes) return false;
        const line = if (std.mem.indexOfScalar(u8, rest, '\n')) |newline| newline + 1 else rest.len;
        const needed = lineBytesMax(line);
        return needed > log.room() and needed <= log.bytes_max;
    }

    fn room(log: *const Log) usize {
        if (log.bytes_max == 0) return buffer_bytes;
        if (log.bytes >= log.bytes_max) return 0;
        return @min(buffer_bytes, log.bytes_max - log.bytes);
    }

    /// All of `lines`, or nothing of them.
    fn put(log: *Log, lines: []const u8) void {
        const fd = log.fd orelse return;
        sys.writeAll(fd, lines) catch {
            _ = linux.ftruncate(fd, @intCast(log.bytes));
            return;
        };
        log.bytes += lines.len;
    }

    /// The oldest first. What cannot be put aside is written over: its end.
    fn rotate(log: *Log) void {
        var from: [linux.PATH_MAX + 16]u8 = undefined;
        var to: [linux.PATH_MAX + 16]u8 = undefined;
        var number = log.files_max - 1;
        while (number > 1) : (number -= 1) {
            _ = linux.rename(numbered(&from, log.path.get(), number - 1), numbered(&to, log.path.get(), number));
        }
        const path = log.path.get();
        const rc = if (log.files_max == 1) linux.unlink(path) else linux.rename(path, numbered(&to, path, 1));
        const old = log.fd.?;
        if (linux.errno(rc) != .SUCCESS and linux.errno(rc) != .NOENT) {
            _ = linux.ftruncate(old, 0);
            log.bytes = 0;
            return;
        }
        log.openFile() catch { // it stays with the old one
            log.fd = old;
            log.bytes = 0;
            return;
        };
        _ = linux.close(old);
    }
};

fn numbered(buffer_out: []u8, path: []const u8, number: u32) [:0]const u8 {
    return std.fmt.bufPrintZ(buffer_out, "{s}.{d}", .{ path, number }) catch unreachable;
}

const nobody: journal.Who = .{ .id = "", .name = "", .image = "", .tag = "" };

test "a file that is full keeps whole lines" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var path: [64]u8 = undefined;
    var log: Log = .{};
    try log.open(.{ .driver = .@"k8s-file", .path = try std.fmt.bufPrintZ(&path, "/proc/self/fd/{d}/log", .{tmp.dir.handle}) });
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = linux.sigemptyset(), .flags = 0 };
    var handled: linux.Sigaction = undefined;
    _ = linux.sigaction(.XFSZ, &ignore, &handled);
    defer _ = linux.sigaction(.XFSZ, &handled, null);
    var limit: linux.rlimit = undefined;
    _ = linux.getrlimit(.FSIZE, &limit);
    defer _ = linux.setrlimit(.FSIZE, &limit);
    _ = linux.setrlimit(.FSIZE, &.{ .cur = 100, .max = limit.max });
    log.write(nobody, .stdout, "first\n");
    log.write(nobody, .stdout, "x" ** 80 ++ "\n"); // the file has room for the beginning of it
    log.write(nobody, .stderr, "last\n");
    var space: [256]u8 = undefined;
    const text = try tmp.dir.readFile(io, "log", &space);
    try std.testing.expectEqual(2, std.mem.count(u8, text, "\n"));
    try std.testing.expect(std.mem.endsWith(u8, text, " stderr F last\n"));
    try std.testing.expect(std.mem.indexOfScalar(u8, text, 'x') == null);
}

test "a log with a limit is put aside, and the oldest is gone" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var path: [64]u8 = undefined;
    var log: Log = .{};
    try log.open(.{
        .driver = .@"k8s-file",
        .path = try std.fmt.bufPrintZ(&path, "/proc/self/fd/{d}/log", .{tmp.dir.handle}),
        .maxBytes = 100,
        .maxFiles = 3,
    });
    for (0..9) |i| log.write(nobody, .stdout, &.{ '0' + @as(u8, @intCast(i)), '\n' });
    var space: [256]u8 = undefined;
    for ([_][]const u8{ "log", "log.1", "log.2" }, [_][]const u8{ "8", "67", "45" }) |name, digits| {
        const text = try tmp.dir.readFile(io, name, &space);
        try std.testing.expectEqual(digits.len, std.mem.count(u8, text, "\n"));
        for (digits) |digit| try std.testing.expect(std.mem.indexOf(u8, text, &.{ ' ', 'F', ' ', digit, '\n' }) != null);
    }
    try std.testing.expectError(error.FileNotFound, tmp.dir.access(io, "log.3", .{}));
    log.write(nobody, .stdout, "y" ** 300 ++ "\n"); // longer than a file: in pieces
    try std.testing.expect((try tmp.dir.readFile(io, "log.1", &space)).len <= 100);
}

test "json-file does not tear characters" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var path: [64]u8 = undefined;
    var log: Log = .{};
    try log.open(.{ .driver = .@"json-file", .path = try std.fmt.bufPrintZ(&path, "/proc/self/fd/{d}/log", .{tmp.dir.handle}) });
    log.write(nobody, .stdout, "\xe2\x82");
    log.write(nobody, .stdout, "\xac\n\xc3");
    log.finish();
    var space: [512]u8 = undefined;
    const text = try tmp.dir.readFile(io, "log", &space);
    try std.testing.expect(std.mem.indexOf(u8, text, "\"log\":\"\xe2\x82\xac\"") != null);
    try std.testing.expect(std.mem.indexOf(u8, text, "\"log\":\"\\ufffd\"") != null);
}
