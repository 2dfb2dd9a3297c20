//! Between `create` and `start` of the OCI command line: everything is ready, and the process waits for somebody to
//! say start. It waits on a socket in the runtime's state directory, so nothing of the container's own is used, and
//! the connection of `start` becomes the channel on which a failure is reported.
//!
//! The listening socket stays open until execve, and that is how others see that the program does not run yet.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const report = @import("report.zig");
const linux = sys.linux;

pub const Gate = struct { listener: linux.fd_t };

/// Tell the maker that everything is ready, let it write that down and leave, then wait for `start`. Whoever dies
/// before it is written down takes the process along.
pub fn pass(gate: Gate, channel: *linux.fd_t) sys.Error!void {
    report.send(channel.*, .created, "");
    report.awaitGo(channel.*);
    _ = linux.close(channel.*);
    channel.* = try accept(gate.listener);
}

fn accept(listener: linux.fd_t) sys.Error!linux.fd_t {
    while (true) {
        const rc = linux.accept4(listener, null, null, linux.SOCK.CLOEXEC);
        if (linux.errno(rc) == .INTR) continue;
        return sys.checkFd("accept4", "start", rc);
    }
}

/// A socket that `start` connects to. `address` lies in a directory that only its owner may enter.
pub fn listen(address: *const linux.sockaddr.un) sys.Error!Gate {
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC;
    const fd = try sys.checkFd("socket", "start", linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    _ = try sys.check("bind", "start", linux.bind(fd, @ptrCast(address), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("listen", "start", linux.listen(fd, 1));
    return .{ .listener = fd };
}
