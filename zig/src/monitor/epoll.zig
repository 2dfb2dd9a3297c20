//! epoll(7) with a packed 64-bit reference instead of a table: the kernel carries what a descriptor is for.
const sys = @import("../sys.zig");
const footprint = @import("footprint.zig");
const linux = sys.linux;

pub const Kind = enum(u8) {
    signal,
    timer,
    child,
    stdin,
    source,
    sink,
    stdout,
    stderr,
    attach,
    control,
    client,
    request,
    health,
    network,
    network_request,
    membership,
    ready,
    oom,
};

pub const Ref = packed struct(u64) { kind: Kind, index: u24 = 0, fd: linux.fd_t };

pub const in = linux.EPOLL.IN;
pub const out = linux.EPOLL.OUT;
/// A file of the kernel's has changed since it was last read (kernfs).
pub const urgent = linux.EPOLL.PRI;
/// The peer closed its sending side.
pub const closed = linux.EPOLL.RDHUP;

pub const Epoll = struct {
    fd: linux.fd_t,

    pub fn open() sys.Error!Epoll {
        return .{ .fd = try sys.checkFd("epoll_create1", "", linux.epoll_create1(linux.EPOLL.CLOEXEC)) };
    }

    pub fn add(epoll: Epoll, ref: Ref, events: u32) sys.Error!void {
        var event = make(ref, events);
        const rc = linux.epoll_ctl(epoll.fd, linux.EPOLL.CTL_ADD, ref.fd, &event);
        _ = try sys.check("epoll_ctl", @tagName(ref.kind), rc);
    }

    /// Of a descriptor that was closed meanwhile: nothing happens.
    pub fn change(epoll: Epoll, ref: Ref, events: u32) void {
        var event = make(ref, events);
        _ = linux.epoll_ctl(epoll.fd, linux.EPOLL.CTL_MOD, ref.fd, &event);
    }

    pub fn remove(epoll: Epoll, fd: linux.fd_t) void {
        _ = linux.epoll_ctl(epoll.fd, linux.EPOLL.CTL_DEL, fd, null);
    }

    /// Stop watching and close. Other copies of the descriptor (a forked child's) would keep it watched otherwise.
    pub fn close(epoll: Epoll, fd: linux.fd_t) void {
        epoll.remove(fd);
        _ = linux.close(fd);
    }

    pub fn wait(epoll: Epoll, events: []linux.epoll_event) []linux.epoll_event {
        return heard(events, linux.epoll_wait(epoll.fd, events.ptr, @intCast(events.len), -1));
    }

    /// The same with as little memory as can be.
    pub fn rest(epoll: Epoll, events: []linux.epoll_event) []linux.epoll_event {
        return heard(events, footprint.rest(epoll.fd, events));
    }

    fn heard(events: []linux.epoll_event, n: usize) []linux.epoll_event {
        if (linux.errno(n) == .SUCCESS) return events[0..n];
        // Anything else would come again and again: better no monitor than one that spins.
        if (linux.errno(n) != .INTR) linux.exit_group(125);
        return events[0..0];
    }

    fn make(ref: Ref, events: u32) linux.epoll_event {
        return .{ .events = events, .data = .{ .u64 = @bitCast(ref) } };
    }
};
