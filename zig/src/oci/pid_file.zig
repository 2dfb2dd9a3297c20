//! `--pid-file`.
const std = @import("std");
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const linux = sys.linux;

/// By rename, so that whoever waits for the file finds the number in it.
pub fn write(arena: std.mem.Allocator, path: contexts.Text, pid: linux.pid_t) sys.Error!void {
    const temporary = std.fmt.allocPrintSentinel(arena, "{s}.{d}.tmp", .{ path, pid }, 0) catch return contexts.outOfMemory();
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true, .NOFOLLOW = true };
    const fd = try sys.checkFd("open", path, linux.open(temporary, flags, 0o644));
    errdefer _ = linux.unlink(temporary);
    {
        defer _ = linux.close(fd);
        var text: [16]u8 = undefined;
        try sys.writeAll(fd, std.fmt.bufPrint(&text, "{d}", .{pid}) catch unreachable);
    }
    _ = try sys.check("rename", path, linux.rename(temporary, path));
}
