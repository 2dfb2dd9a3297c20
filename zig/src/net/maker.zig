//! Sockets of the container's own network namespace, for connections that need no frames at all: a socket belongs for ever
//! to where it was made, whoever uses it. A process that has joined that namespace makes them ahead and passes them over;
//! it knows no other work, and its filter lets it have none.
//!
//! A container that publishes nothing needs no such process. When a port is added to it later, ours is in its cage and can
//! start none: the monitor does, when it is asked, and passes the end of it over.
const std = @import("std");
const sys = @import("../sys.zig");
const cage = @import("cage.zig");
const members = @import("members.zig");
const resolver = @import("resolver.zig");
const rights = @import("rights.zig");
const states = @import("states.zig");
const taps = @import("taps.zig");
const linux = std.os.linux;

/// Passed at a time.
const batch = 16;
/// With fewer than that the next ones are asked for.
const few = 4;
const patience_ms = 200;

const Stock = struct { fds: [batch + few]linux.fd_t, count: usize, is_asked: bool };

/// Of one container. All zeros: it has no such process.
pub const Own = struct {
    is_there: bool,
    /// Our end.
    channel: linux.fd_t,
    stock4: Stock,
    stock6: Stock,
};

/// TUNGETDEVNETNS, Linux 5.12; NS_GET_USERNS, Linux 4.9.
const tun_get_netns = linux.IOCTL.IO('T', 227);
const ns_get_userns = linux.IOCTL.IO(0xb7, 1);

/// Whose child it is. One of nobody's leaves nothing to be reaped by who starts it: it ends with its channel.
pub const Parent = enum { ours, nobody };

/// Before the cage: the end of it for `adopt`. Where it cannot be, there is none: everything goes through the TAP.
pub fn start(tap: linux.fd_t, of: Parent) ?linux.fd_t {
    const network = linux.ioctl(tap, tun_get_netns, 0);
    if (linux.errno(network) != .SUCCESS) return null;
    defer _ = linux.close(@intCast(network));
    const user = linux.ioctl(@intCast(network), ns_get_userns, 0);
    defer if (linux.errno(user) == .SUCCESS) {
        _ = linux.close(@intCast(user));
    };
    var pair: [2]linux.fd_t = undefined;
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC;
    if (linux.errno(linux.socketpair(linux.AF.UNIX, kind, 0, &pair)) != .SUCCESS) return null;
    const parent = linux.getpid();
    const pid = linux.fork();
    if (linux.errno(pid) == .SUCCESS and pid == 0) {
        switch (of) {
            .ours => {
                _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
                if (linux.getppid() != parent) linux.exit_group(0);
            },
            .nobody => {
                const again = linux.fork();
                if (linux.errno(again) != .SUCCESS) linux.exit_group(1);
                if (again != 0) linux.exit_group(0);
            },
        }
        if (linux.errno(user) == .SUCCESS) _ = linux.setns(@intCast(user), linux.CLONE.NEWUSER); // it may be ours already
        if (linux.errno(linux.setns(@intCast(network), linux.CLONE.NEWNET)) != .SUCCESS) linux.exit_group(1);
        work(pair[1]);
    }
    _ = linux.close(pair[1]);
    const is_begun = linux.errno(pid) == .SUCCESS and (of == .ours or (sys.waitExit(@intCast(pid)) catch 1) == 0);
    if (is_begun) return pair[0];
    _ = linux.close(pair[0]);
    return null;
}

/// The word for the monitor that one is wanted; with the same word it comes.
pub const word = 'm';

/// One process asks for no more than that, whoever has taken it over.
pub const starts_max = 16;

/// For a monitor: starts one for the process at the other end of `connection`.
pub fn provide(connection: linux.fd_t, tap: linux.fd_t) void {
    const channel = start(tap, .nobody) orelse return;
    defer _ = linux.close(channel);
    _ = rights.send(connection, &.{word}, &.{channel});
}

/// There is one from now on, if the monitor can start it. It is there when this returns, unless the monitor is slow: then
/// it comes later.
pub fn ensure(index: u8) void {
    if (states.of(index).maker.is_there) return;
    const monitor = if (members.is_on) members.connectionOf(index) orelse return else taps.control;
    if (monitor < 0) return;
    const asked = linux.sendto(monitor, &[1]u8{word}, 1, linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL, null, 0);
    if (linux.errno(asked) != .SUCCESS) return;
    var poll = [1]linux.pollfd{.{ .fd = monitor, .events = linux.POLL.IN, .revents = 0 }};
    if (linux.poll(&poll, 1, patience_ms) != 1) return;
    if (members.is_on) members.hearMaker(index) else _ = resolver.hear(monitor);
}

/// From now on that process makes sockets for the container at this place.
pub fn adopt(index: u8, channel: linux.fd_t) void {
    forget(index);
    const own = &states.of(index).maker;
    own.is_there = true;
    own.channel = channel;
}

/// The process ends with it.
pub fn forget(index: u8) void {
    const own = &states.of(index).maker;
    if (own.is_there) _ = linux.close(own.channel);
    own.is_there = false;
    for ([_]*Stock{ &own.stock4, &own.stock6 }) |stock| {
        for (stock.fds[0..stock.count]) |fd| _ = linux.close(fd);
        stock.count = 0;
        stock.is_asked = false;
    }
}

/// In that process, until the other end is gone.
fn work(given: linux.fd_t) noreturn {
    const own = 3;
    sys.closeRange(0, 2); // somebody may wait for the end of them
    if (given != own and linux.errno(linux.dup3(given, own, 0)) != .SUCCESS) linux.exit_group(1);
    sys.closeFrom(own + 1);
    cage.enterMaker() catch linux.exit_group(1);
    while (true) {
        var family: [1]u8 = undefined;
        const n = linux.recvfrom(own, &family, 1, 0, null, null);
        if (linux.errno(n) == .INTR) continue;
        if (linux.errno(n) != .SUCCESS or n == 0) linux.exit_group(0);
        pass(own, family[0]);
    }
}

const Control = extern struct { header: linux.cmsghdr, fds: [batch]linux.fd_t };

fn pass(to: linux.fd_t, family: u8) void {
    var control: Control = undefined;
    var count: usize = 0;
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    while (count < batch) : (count += 1) {
        const rc = linux.socket(family, kind, 0);
        if (linux.errno(rc) != .SUCCESS) break;
        control.fds[count] = @intCast(rc);
    }
    control.header = .{
        .len = @sizeOf(linux.cmsghdr) + count * @sizeOf(linux.fd_t),
        .level = linux.SOL.SOCKET,
        .type = linux.SCM.RIGHTS,
    };
    const vector = [1]std.posix.iovec_const{.{ .base = @ptrCast(&family), .len = 1 }};
    const message: linux.msghdr_const = .{
        .name = null,
        .namelen = 0,
        .iov = &vector,
        .iovlen = 1,
        .control = if (count > 0) &control else null,
        .controllen = if (count > 0) std.mem.alignForward(usize, control.header.len, 8) else 0,
        .flags = 0,
    };
    _ = linux.sendmsg(to, &message, linux.MSG.NOSIGNAL);
    for (control.fds[0..count]) |fd| _ = linux.close(fd);
}

/// A socket that is inside; the caller's. Null: there is none to be had.
pub fn take(index: u8, is_v4: bool) ?linux.fd_t {
    const own = &states.of(index).maker;
    if (!own.is_there) return null;
    const stock = if (is_v4) &own.stock4 else &own.stock6;
    if (stock.count <= few and !stock.is_asked) {
        const family = [1]u8{if (is_v4) linux.AF.INET else linux.AF.INET6};
        const rc = linux.sendto(own.channel, &family, 1, linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL, null, 0);
        stock.is_asked = linux.errno(rc) == .SUCCESS;
    }
    if (stock.count == 0 and stock.is_asked) receive(own, patience_ms);
    if (stock.count == 0) return null;
    stock.count -= 1;
    return stock.fds[stock.count];
}

fn receive(own: *Own, wait_ms: i32) void {
    var poll = [1]linux.pollfd{.{ .fd = own.channel, .events = linux.POLL.IN, .revents = 0 }};
    if (linux.poll(&poll, 1, wait_ms) != 1) return;
    var family: [1]u8 = undefined;
    var control: Control = undefined;
    var vector = [1]std.posix.iovec{.{ .base = &family, .len = 1 }};
    var message: linux.msghdr = .{
        .name = null,
        .namelen = 0,
        .iov = &vector,
        .iovlen = 1,
        .control = &control,
        .controllen = @sizeOf(Control),
        .flags = 0,
    };
    const n = linux.recvmsg(own.channel, &message, linux.MSG.CMSG_CLOEXEC | linux.MSG.DONTWAIT);
    const e = linux.errno(n);
    if (e == .AGAIN or e == .INTR or e == .NOBUFS or e == .NOMEM) return; // it stays there for the next one
    if (e != .SUCCESS or n == 0) { // it has ended: from now on through the TAP
        _ = linux.close(own.channel);
        own.is_there = false;
        return;
    }
    const stock = if (family[0] == linux.AF.INET) &own.stock4 else &own.stock6;
    stock.is_asked = false;
    if (message.controllen < @sizeOf(linux.cmsghdr)) return;
    const count = (control.header.len - @sizeOf(linux.cmsghdr)) / @sizeOf(linux.fd_t);
    for (control.fds[0..@min(count, batch)]) |fd| {
        if (stock.count == stock.fds.len) {
            _ = linux.close(fd); // more than was asked for
            continue;
        }
        stock.fds[stock.count] = fd;
        stock.count += 1;
    }
}
