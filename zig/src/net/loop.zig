//! The one epoll loop's parts that everybody needs: what a descriptor is for, the time, and when to wake up next. There
//! is no timer at rest: the wait itself has a limit while something is due, and none otherwise.
const std = @import("std");
const linux = std.os.linux;

pub const Kind = enum(u8) {
    tap,
    control,
    tcp,
    listener,
    datagram_listener,
    udp,
    echo,
    talk,
    talk_server,
    live,
    live_client,
    splice,
    door,
    member,
};

/// What the kernel carries for us. `generation` tells an event for what was in that place before.
pub const Ref = packed struct(u64) { kind: Kind, index: u24 = 0, generation: u32 = 0 };

pub const in = linux.EPOLL.IN;
pub const out = linux.EPOLL.OUT;
pub const closed = linux.EPOLL.RDHUP;
/// Urgent data has come, which stands in line behind what came before it.
pub const urgent = linux.EPOLL.PRI;
pub const failed = linux.EPOLL.ERR | linux.EPOLL.HUP;
/// Of the two that which is no proper end.
pub const wrong = linux.EPOLL.ERR;
/// Told once, when it becomes so.
pub const edge = linux.EPOLL.ET;

pub var epoll: linux.fd_t = -1;
/// Of the monotonic clock, read once a turn.
pub var now_ms: u64 = 0;
/// At this time, or earlier, something is due.
pub var due_ms: u64 = never;

pub const never = std.math.maxInt(u64);

pub fn open() bool {
    const rc = linux.epoll_create1(linux.EPOLL.CLOEXEC);
    if (linux.errno(rc) != .SUCCESS) return false;
    epoll = @intCast(rc);
    readClock();
    return true;
}

pub fn add(fd: linux.fd_t, ref: Ref, events: u32) bool {
    var event = make(ref, events);
    return linux.errno(linux.epoll_ctl(epoll, linux.EPOLL.CTL_ADD, fd, &event)) == .SUCCESS;
}

/// Also looks again: what is so already is told once more, even with `edge`.
pub fn change(fd: linux.fd_t, ref: Ref, events: u32) void {
    var event = make(ref, events);
    _ = linux.epoll_ctl(epoll, linux.EPOLL.CTL_MOD, fd, &event);
}

/// It stays open.
pub fn forget(fd: linux.fd_t) void {
    _ = linux.epoll_ctl(epoll, linux.EPOLL.CTL_DEL, fd, null);
}

fn make(ref: Ref, events: u32) linux.epoll_event {
    return .{ .events = events, .data = .{ .u64 = @bitCast(ref) } };
}

pub fn dueAt(at_ms: u64) void {
    due_ms = @min(due_ms, at_ms);
}

pub fn isDue() bool {
    return now_ms >= due_ms;
}

/// With `has_work` it only looks.
pub fn wait(events: []linux.epoll_event, has_work: bool) []linux.epoll_event {
    const longest_ms = 60_000;
    const timeout: i32 = if (has_work) 0 else if (due_ms == never) -1 else @intCast(@min(due_ms -| now_ms, longest_ms));
    const n = linux.epoll_wait(epoll, events.ptr, @intCast(events.len), timeout);
    readClock();
    if (linux.errno(n) == .SUCCESS) return events[0..n];
    if (linux.errno(n) != .INTR) linux.exit_group(125); // it would come again and again
    return events[0..0];
}

fn readClock() void {
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &now);
    now_ms = @as(u64, @intCast(now.sec)) * 1000 + @as(u64, @intCast(now.nsec)) / 1_000_000;
}
