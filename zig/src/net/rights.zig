//! Descriptors that come with a packet (SCM_RIGHTS of unix(7)): each has to be taken, or is closed.
const std = @import("std");
const linux = std.os.linux;

/// SCM_MAX_FD: the kernel passes no more with one packet.
pub const fds_max = 253;

const Control = extern struct { header: linux.cmsghdr, fds: [fds_max + 1]linux.fd_t };

pub const Rights = struct {
    control: Control = undefined,
    count: usize = 0,
    taken: usize = 0,
    /// The packet was longer than our room, or had more descriptors than there was room for.
    is_cut: bool = false,

    /// As recvmsg(2).
    pub fn receive(rights: *Rights, fd: linux.fd_t, into: []u8) usize {
        var vector = [1]std.posix.iovec{.{ .base = into.ptr, .len = into.len }};
        var message: linux.msghdr = .{
            .name = null,
            .namelen = 0,
            .iov = &vector,
            .iovlen = 1,
            .control = &rights.control,
            .controllen = @sizeOf(Control),
            .flags = 0,
        };
        const n = linux.recvmsg(fd, &message, linux.MSG.CMSG_CLOEXEC | linux.MSG.DONTWAIT);
        if (linux.errno(n) != .SUCCESS) return n;
        rights.is_cut = message.flags & (linux.MSG.TRUNC | linux.MSG.CTRUNC) != 0;
        const header = &rights.control.header;
        if (message.controllen < @sizeOf(linux.cmsghdr) or header.type != linux.SCM.RIGHTS) return n;
        rights.count = @min(fds_max, (header.len - @sizeOf(linux.cmsghdr)) / @sizeOf(linux.fd_t));
        return n;
    }

    /// The caller's from now on.
    pub fn next(rights: *Rights) ?linux.fd_t {
        if (rights.taken == rights.count) return null;
        rights.taken += 1;
        return rights.control.fds[rights.taken - 1];
    }

    pub fn closeRest(rights: *Rights) void {
        while (rights.next()) |fd| _ = linux.close(fd);
    }
};

/// One packet with descriptors, as sendmsg(2); waits as long as the socket is told to.
pub fn send(fd: linux.fd_t, bytes: []const u8, fds: []const linux.fd_t) usize {
    var control: Control = undefined;
    control.header = .{
        .len = @sizeOf(linux.cmsghdr) + fds.len * @sizeOf(linux.fd_t),
        .level = linux.SOL.SOCKET,
        .type = linux.SCM.RIGHTS,
    };
    @memcpy(control.fds[0..fds.len], fds);
    const vector = [1]std.posix.iovec_const{.{ .base = bytes.ptr, .len = bytes.len }};
    const message: linux.msghdr_const = .{
        .name = null,
        .namelen = 0,
        .iov = &vector,
        .iovlen = 1,
        .control = if (fds.len > 0) &control else null,
        .controllen = if (fds.len > 0) std.mem.alignForward(usize, control.header.len, 8) else 0,
        .flags = 0,
    };
    return linux.sendmsg(fd, &message, linux.MSG.NOSIGNAL);
}
