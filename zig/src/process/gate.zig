//! Before the program of an OCI runtime's container runs: everything is ready, the maker is told and writes that down,
//! so that nothing ever runs that is not on record. After `create` the process then waits for somebody to say start: on
//! a socket in the runtime's state directory, so nothing of the container's own is used, and the connection of `start`
//! becomes the channel on which a failure is reported.
//!
//! The listening socket stays open until execve, and that is how others see that the program does not run yet.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const report = @import("report.zig");
const linux = sys.linux;

/// Without a listener nobody has to say start: the maker stays for it.
pub const Gate = struct { listener: ?linux.fd_t = null };

/// Tell the maker that everything is ready, let it write that down, then wait for `start`. Whoever dies before it is
/// written down takes the process along.
pub fn pass(gate: Gate, channel: *linux.fd_t) sys.Error!void {
    report.send(channel.*, .created, "");
    report.awaitGo(channel.*);
    const listener = gate.listener orelse return;
    _ = linux.close(channel.*);
    channel.* = try accept(listener);
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
