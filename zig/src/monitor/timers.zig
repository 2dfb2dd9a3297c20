//! What a monitor waits for by the clock: one timerfd for all of it, armed only while something is due. At rest there is
//! no timer at all.
const std = @import("std");
const sys = @import("../sys.zig");
const clock = @import("clock.zig");
const epolls = @import("epoll.zig");
const linux = sys.linux;

pub const Purpose = enum {
    /// Patience with a container that was asked to stop is over.
    kill,
    /// So is that with slow clients after its end.
    farewell,
    /// It is to be started again.
    restart,
    /// It has run as long as it may (`--timeout`).
    lifetime,
    /// Time to ask how it is.
    health,
    /// Its network's process is to be started again.
    network,
    /// A network with others is to be joined again.
    networks,
};

const count = @typeInfo(Purpose).@"enum".fields.len;

pub const Timers = struct {
    fd: ?linux.fd_t = null,
    /// Of the monotonic clock; 0: not due.
    due_ms: [count]u64 = @splat(0),

    /// In `in_ms` from now, replacing what was set. False: this host has no timer for us.
    pub fn set(timers: *Timers, epoll: epolls.Epoll, purpose: Purpose, in_ms: u64) bool {
        const fd = timers.fd orelse new: {
            const rc = linux.timerfd_create(.MONOTONIC, .{ .CLOEXEC = true, .NONBLOCK = true });
            if (linux.errno(rc) != .SUCCESS) return false;
            const made: linux.fd_t = @intCast(rc);
            epoll.add(.{ .kind = .timer, .fd = made }, epolls.in) catch {
                _ = linux.close(made);
                return false;
            };
            timers.fd = made;
            break :new made;
        };
        timers.due_ms[@intFromEnum(purpose)] = @max(1, clock.monotonicMs() +| in_ms);
        timers.arm(fd);
        return true;
    }

    /// The same, but what is due sooner stays.
    pub fn setAtMost(timers: *Timers, epoll: epolls.Epoll, purpose: Purpose, in_ms: u64) bool {
        const due = timers.due_ms[@intFromEnum(purpose)];
        if (due != 0 and due <= clock.monotonicMs() +| in_ms) return true;
        return timers.set(epoll, purpose, in_ms);
    }

    pub fn cancel(timers: *Timers, purpose: Purpose) void {
        if (timers.due_ms[@intFromEnum(purpose)] == 0) return;
        timers.due_ms[@intFromEnum(purpose)] = 0;
        if (timers.fd) |fd| timers.arm(fd);
    }

    pub fn cancelAll(timers: *Timers) void {
        timers.due_ms = @splat(0);
        if (timers.fd) |fd| timers.arm(fd);
    }

    /// What is due now, one after the other, each once.
    pub fn next(timers: *Timers) ?Purpose {
        const now = clock.monotonicMs();
        for (&timers.due_ms, 0..) |*due, i| {
            if (due.* == 0 or due.* > now) continue;
            due.* = 0;
            return @enumFromInt(i);
        }
        if (timers.fd) |fd| timers.arm(fd);
        return null;
    }

    /// For the first that is due; setting it also forgets that it has expired.
    fn arm(timers: *const Timers, fd: linux.fd_t) void {
        var first: u64 = 0;
        for (timers.due_ms) |due| {
            if (due != 0 and (first == 0 or due < first)) first = due;
        }
        const now = clock.monotonicMs();
        const in_ms: u64 = if (first == 0) 0 else @max(1, first -| now); // 0 disarms it
        const value: linux.itimerspec = .{
            .it_value = .{
                .sec = std.math.cast(isize, in_ms / 1000) orelse std.math.maxInt(i32),
                .nsec = @intCast(in_ms % 1000 * 1_000_000),
            },
            .it_interval = .{ .sec = 0, .nsec = 0 },
        };
        _ = linux.timerfd_settime(fd, .{}, &value, null);
    }
};

test "next() gives what is due, once; a second set() replaces the first" {
    const epoll: epolls.Epoll = try .open();
    defer _ = linux.close(epoll.fd);
    var timers: Timers = .{};
    try std.testing.expect(timers.set(epoll, .health, 3_600_000));
    try std.testing.expectEqual(null, timers.next());
    try std.testing.expect(timers.set(epoll, .kill, 0));
    try std.testing.expect(timers.setAtMost(epoll, .health, 0));
    var events: [4]linux.epoll_event = undefined;
    var seen: [count]u32 = @splat(0);
    while (timers.due_ms[@intFromEnum(Purpose.kill)] != 0 or timers.due_ms[@intFromEnum(Purpose.health)] != 0) {
        _ = epoll.wait(&events);
        while (timers.next()) |purpose| seen[@intFromEnum(purpose)] += 1;
    }
    try std.testing.expectEqual(1, seen[@intFromEnum(Purpose.kill)]);
    try std.testing.expectEqual(1, seen[@intFromEnum(Purpose.health)]);
    try std.testing.expect(timers.set(epoll, .restart, 1));
    timers.cancel(.restart);
    try std.testing.expectEqual(null, timers.next());
    _ = linux.close(timers.fd.?);
}
