//! The channel between a starting process and the one that watches over it: a SEQPACKET socket, one message a
//! packet, first byte the kind. It closes by itself when the program is executed.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const linux = sys.linux;

pub const Kind = enum(u8) {
    /// To the child: the id maps are written; later: what it waits for is done.
    go = 'g',
    /// From the child: it is time for the runtime's hooks; it waits for `go`.
    hooks = 'H',
    /// From the child: ready for `start` (gate.zig).
    created = 'C',
    /// From the child: execve comes next; what ends it now is no failure of ours.
    executing = 'X',
    /// A `failed` or a `warning` event, ready to be emitted.
    failed = 'F',
    warning = 'W',
    /// The master of the terminal, as a descriptor.
    terminal = 'T',
    /// The outer end of its network, as a descriptor; it waits for `go` before the program runs.
    tap = 'A',
    /// What is in its network namespace is somebody else's to make, from outside; it waits for `go` right then.
    outside = 'U',
    /// Its mount namespace (space.zig).
    space = 'S',
    /// The process that a joined one really is: its descriptor and its pid.
    process = 'P',
    /// To the child: an id-mapped mount, in the order of config.json, as a descriptor.
    mapped_mount = 'M',
    /// From the child: the descriptor of a filter that notifies, for the agent; it waits for `go`.
    listener = 'N',
    /// The connection of a fuse mount that wants to be served, as a descriptor.
    fuse = 'O',
    /// From the keeper of another runtime (foreign/): a process that belongs into the container's cgroup and waits, the
    /// container's process, both as descriptors; how that ended.
    member = 'm',
    program = 'p',
    ended = 'E',
    _,
};

pub const Channel = struct { parent: linux.fd_t, child: linux.fd_t };

pub fn open() sys.Error!Channel {
    var pair: [2]linux.fd_t = undefined;
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC;
    _ = try sys.check("socketpair", "", linux.socketpair(linux.AF.UNIX, kind, 0, &pair));
    return .{ .parent = pair[0], .child = pair[1] };
}

/// Never blocks for long: the other side reads until the end. Its death is noticed by the caller elsewhere.
pub fn send(fd: linux.fd_t, kind: Kind, text: []const u8) void {
    _ = trySend(fd, kind, text);
}

fn trySend(fd: linux.fd_t, kind: Kind, text: []const u8) bool {
    var message: [1 + event.line_bytes_max]u8 = undefined;
    message[0] = @intFromEnum(kind);
    @memcpy(message[1..][0..text.len], text);
    return linux.errno(linux.sendto(fd, &message, 1 + text.len, linux.MSG.NOSIGNAL, null, 0)) == .SUCCESS;
}

/// Wait for `go`. The other end closing instead of a word means that it is gone or failed: it tells why, not we.
pub fn awaitGo(fd: linux.fd_t) void {
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    const message = receive(fd, &buffer) orelse linux.exit_group(125);
    if (message.kind != .go) linux.exit_group(125);
}

/// Wait for a descriptor of that kind, in the same manner.
pub fn awaitDescriptor(fd: linux.fd_t, kind: Kind) linux.fd_t {
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    const message = receive(fd, &buffer) orelse linux.exit_group(125);
    if (message.kind != kind) linux.exit_group(125);
    return message.fd orelse linux.exit_group(125);
}

/// The last word before execve. When nobody hears it the monitor died while we could not be told, between a change of
/// ids and the next request for its death signal: then there is nothing to go on for.
pub fn tellExecuting(fd: *linux.fd_t) void {
    if (!trySend(fd.*, .executing, "")) linux.exit_group(125);
}

const Control = extern struct { header: linux.cmsghdr, fd: linux.fd_t, padding: u32 = 0 };

pub fn sendDescriptor(fd: linux.fd_t, kind: Kind, passed: linux.fd_t) sys.Error!void {
    _ = try sendWith(fd, &.{@intFromEnum(kind)}, passed);
}

pub fn sendProcess(fd: linux.fd_t, pid: linux.pid_t, pidfd: linux.fd_t) sys.Error!void {
    const number: [4]u8 = @bitCast(pid);
    _ = try sendWith(fd, &(.{@intFromEnum(Kind.process)} ++ number), pidfd);
}

/// `bytes` with a descriptor, over any kind of unix socket.
/// One sendmsg(2) with a descriptor; how many bytes went.
pub fn sendWith(fd: linux.fd_t, bytes: []const u8, passed: linux.fd_t) sys.Error!usize {
    const control: Control = .{
        .header = .{
            .len = @sizeOf(linux.cmsghdr) + @sizeOf(linux.fd_t),
            .level = linux.SOL.SOCKET,
            .type = linux.SCM.RIGHTS,
        },
        .fd = passed,
    };
    const vector = [1]std.posix.iovec_const{.{ .base = bytes.ptr, .len = bytes.len }};
    const message: linux.msghdr_const = .{
        .name = null,
        .namelen = 0,
        .iov = &vector,
        .iovlen = 1,
        .control = &control,
        .controllen = @sizeOf(Control),
        .flags = 0,
    };
    return sys.check("sendmsg", "", linux.sendmsg(fd, &message, linux.MSG.NOSIGNAL));
}

/// Whether `receive` would not wait.
pub fn has(fd: linux.fd_t) bool {
    var poll = [1]linux.pollfd{.{ .fd = fd, .events = linux.POLL.IN, .revents = 0 }};
    return linux.errno(linux.poll(&poll, 1, 0)) == .SUCCESS and poll[0].revents != 0;
}

pub const Message = struct { kind: Kind, text: []const u8, fd: ?linux.fd_t };

/// Null: the other side closed it. `buffer` holds the text.
pub fn receive(fd: linux.fd_t, buffer: *[1 + event.line_bytes_max]u8) ?Message {
    var control: Control = undefined;
    var vector = [1]std.posix.iovec{.{ .base = buffer, .len = buffer.len }};
    while (true) {
        var message: linux.msghdr = .{
            .name = null,
            .namelen = 0,
            .iov = &vector,
            .iovlen = 1,
            .control = &control,
            .controllen = @sizeOf(Control),
            .flags = 0,
        };
        const n = linux.recvmsg(fd, &message, linux.MSG.CMSG_CLOEXEC);
        // An end that is closed with a word unread says so first, and only then what it said (unix(7)).
        if (linux.errno(n) == .INTR or linux.errno(n) == .CONNRESET) continue;
        if (linux.errno(n) != .SUCCESS or n == 0) return null;
        const has_fd = message.controllen >= @sizeOf(linux.cmsghdr) + 4 and control.header.type == linux.SCM.RIGHTS;
        return .{
            .kind = @enumFromInt(buffer[0]),
            .text = buffer[1..n],
            .fd = if (has_fd) control.fd else null,
        };
    }
}

test "the last word of a child that did not hear ours is heard" {
    const channel = try open();
    defer _ = linux.close(channel.parent);
    send(channel.parent, .go, "");
    send(channel.child, .failed, "why");
    _ = linux.close(channel.child);
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    const message = receive(channel.parent, &buffer).?;
    try std.testing.expectEqual(Kind.failed, message.kind);
    try std.testing.expectEqualStrings("why", message.text);
    try std.testing.expect(receive(channel.parent, &buffer) == null);
}
