//! The runtime's own /proc. Looked up by path as long as the process sees the file system it was started in; whoever
//! is going to join another mount namespace takes hold of it first, because a container may have put anything in the place
//! of its own (CVE-2019-19921, CVE-2025-52881).
const std = @import("std");
const sys = @import("sys.zig");
const linux = sys.linux;

const proc_magic = 0x9fa0;

var held: ?linux.fd_t = null;

/// From now on `open` works with the /proc that is there now, whatever becomes of "/".
pub fn hold() sys.Error!void {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const fd = try sys.checkFd("open", "/proc", linux.open("/proc", flags, 0));
    if (!isProc(fd)) return sys.fail("open", "/proc is not what it should be: no proc is mounted there");
    held = fd;
}

pub fn isProc(fd: linux.fd_t) bool {
    return sys.fileSystemType(fd) == proc_magic;
}

/// `name` without "/proc/": "self/oom_score_adj". -errno as system calls give it.
pub fn open(name: [:0]const u8, flags: linux.O) usize {
    var mine = flags;
    mine.CLOEXEC = true;
    if (held) |root| return linux.openat(root, name, mine, 0);
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "/proc/{s}", .{name}) catch return linux.open(name, mine, 0); // too long: it says so
    return linux.open(path, mine, 0);
}

/// Write `text` into a file that is there, at once. `call` and `name` are for the error.
pub fn write(call: []const u8, name: [:0]const u8, text: []const u8) sys.Error!void {
    const fd = try sys.checkFd(call, name, open(name, .{ .ACCMODE = .WRONLY }));
    defer _ = linux.close(fd);
    _ = try sys.check(call, name, linux.write(fd, text.ptr, text.len));
}

/// What an O_PATH descriptor stands for, opened for reading: by the kernel's own link, so that it is that very file.
pub fn reopen(fd: linux.fd_t) usize {
    var buffer: [32]u8 = undefined;
    const name = std.fmt.bufPrintZ(&buffer, "self/fd/{d}", .{fd}) catch unreachable;
    return open(name, .{ .NONBLOCK = true });
}

test "what is held is the same as what is not" {
    defer held = null;
    for (0..2) |_| {
        const fd = try sys.checkFd("open", "", open("self/stat", .{}));
        defer _ = linux.close(fd);
        try std.testing.expect(isProc(fd));
        const other = try sys.checkFd("open", "", reopen(fd));
        _ = linux.close(other);
        if (held == null) try hold();
    }
    _ = linux.close(held.?);
}
