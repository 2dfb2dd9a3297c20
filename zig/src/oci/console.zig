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
    _ = try scm.sendWith(socket, terminals.nameOf(master, &buffer), master);
}

test "who listens on the console socket gets the terminal and its name" {
    const terminal_name = "/dev/ptmx";
    const master = linux.open(terminal_name, .{ .ACCMODE = .RDWR, .NOCTTY = true, .CLOEXEC = true }, 0);
    if (linux.errno(master) != .SUCCESS) return error.SkipZigTest; // no terminals here
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC;
    const listener = try sys.checkFd("socket", "", linux.socket(linux.AF.UNIX, kind, 0));
    defer _ = linux.close(listener);
    var address: linux.sockaddr.un = .{ .path = @splat(0) };
    _ = try std.fmt.bufPrint(&address.path, "/proc/self/fd/{d}/socket", .{tmp.dir.handle});
    _ = try sys.check("bind", "", linux.bind(listener, @ptrCast(&address), @sizeOf(linux.sockaddr.un)));
    const path: [:0]const u8 = @ptrCast(std.mem.sliceTo(&address.path, 0));
    try std.testing.expectError(error.Syscall, connect(path)); // nobody listens yet
    _ = try sys.check("listen", "", linux.listen(listener, 1));
    try give(try connect(path), @intCast(master));
    const peer = try sys.checkFd("accept4", "", linux.accept4(listener, null, null, linux.SOCK.CLOEXEC));
    defer _ = linux.close(peer);
    var buffer: [1 + @import("../event.zig").line_bytes_max]u8 = undefined;
    const message = scm.receive(peer, &buffer).?;
    defer _ = linux.close(message.fd.?);
    try std.testing.expect(terminals.getSize(message.fd.?) != null);
    try std.testing.expectEqual(@as(u8, '/'), @intFromEnum(message.kind));
    try std.testing.expectStringStartsWith(message.text, "dev/pts/");
}
