//! `--console-socket`: whoever listens there gets the master of the container's terminal (SCM_RIGHTS), with the
//! terminal's name inside as the message.
const std = @import("std");
const sys = @import("../sys.zig");
const scm = @import("../process/report.zig");
const terminals = @import("../process/terminal.zig");
const linux = sys.linux;

/// Connected before anything is made: an engine that does not listen is noticed early.
pub fn connect(path: [:0]const u8) sys.Error!linux.fd_t {
    const place = try sys.checkFd("console-socket", path, linux.open(path, .{ .PATH = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(place);
    var address: linux.sockaddr.un = .{ .path = @splat(0) }; // by descriptor any path fits into it
    _ = std.fmt.bufPrint(&address.path, "/proc/self/fd/{d}", .{place}) catch unreachable;
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC;
    const fd = try sys.checkFd("socket", path, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    const rc = linux.connect(fd, @ptrCast(&address), @sizeOf(linux.sockaddr.un));
    _ = try sys.check("console-socket", path, rc);
    return fd;
}

/// Both descriptors are used up.
pub fn give(socket: linux.fd_t, master: linux.fd_t) sys.Error!void {
    defer _ = linux.close(socket);
    defer _ = linux.close(master);
    var buffer: [32]u8 = undefined;
    try scm.sendWith(socket, terminals.nameOf(master, &buffer), master);
}
