//! The console socket: a runtime makes the container's terminal and sends its master over a socket that we listen on
//! (runc's docs/terminals.md).
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const report = @import("../process/report.zig");
const terminals = @import("../process/terminal.zig");
const linux = sys.linux;

/// `name` is relative to the working directory.
pub fn listen(name: [:0]const u8) sys.Error!linux.fd_t {
    var address: linux.sockaddr.un = .{ .path = @splat(0) };
    @memcpy(address.path[0..name.len], name);
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const fd = try sys.checkFd("socket", name, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    _ = try sys.check("bind", name, linux.bind(fd, @ptrCast(&address), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("listen", name, linux.listen(fd, 1));
    return fd;
}

/// The master, once the runtime has ended: what it sent lies there, or it sent nothing.
pub fn receive(listener: linux.fd_t, size: ?terminals.Size) sys.Error!linux.fd_t {
    const flags = linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const rc = linux.accept4(listener, null, null, flags);
    if (linux.errno(rc) == .AGAIN) return missing();
    const connection = try sys.checkFd("accept4", "the console socket", rc);
    defer _ = linux.close(connection);
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    const message = report.receive(connection, &buffer) orelse return missing();
    const master = message.fd orelse return missing();
    if (size) |s| terminals.setSize(master, s);
    return master;
}

fn missing() sys.Error {
    return sys.fail("runtime", "it did not hand over the terminal");
}
