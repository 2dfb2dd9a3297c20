//! How a container is: when it is asked, what an answer means, what follows. The asking itself is a process of its own
//! (health.zig, `native health`), so that a check that hangs or floods us costs the monitor nothing.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const clock = @import("clock.zig");
const record = @import("record.zig");
const ourselves = @import("../process/ourselves.zig");
const linux = sys.linux;

pub const Status = enum { none, starting, healthy, unhealthy };

/// What has been found so far. Pure: the check and the monitor come to the same conclusion.
pub const State = struct {
    status: Status = .none,
    /// Failures in a row.
    streak: u32 = 0,

    /// `is_starting`: in the start period a failure does not count, until it was well once (docker's rule).
    pub fn after(state: State, is_well: bool, is_starting: bool, retries: u32) State {
        if (is_well) return .{ .status = .healthy };
        if (is_starting and state.status == .starting) return state;
        const streak = state.streak +| 1;
        return .{ .status = if (streak >= retries) .unhealthy else state.status, .streak = streak };
    }
};

/// The exit status of a check that could not ask: the container is paused, or gone.
pub const exit_unasked = 125;

pub const Health = struct {
    is_on: bool = false,
    interval_ms: u64 = 0,
    start_period_ms: u64 = 0,
    start_interval_ms: u64 = 0,
    retries: u32 = 0,
    on_failure: @FieldType(contract.Health, "onFailure") = .none,
    state: State = .{},
    started_ms: u64 = 0,
    /// Of the check that runs now.
    pidfd: ?linux.fd_t = null,

    pub fn set(health: *Health, asked: ?contract.Health) void {
        const it = asked orelse {
            health.* = .{};
            return;
        };
        health.* = .{
            .is_on = true,
            .interval_ms = it.intervalMs,
            .start_period_ms = it.startPeriodMs,
            .start_interval_ms = it.startIntervalMs,
            .retries = @max(1, it.retries),
            .on_failure = it.onFailure,
        };
    }

    /// The container has just been started; what was found before is forgotten.
    pub fn begin(health: *Health, container_dir: [:0]const u8) void {
        if (!health.is_on) return;
        health.state = .{ .status = .starting };
        health.started_ms = clock.monotonicMs();
        forget(container_dir);
    }

    /// Another check, or none, for a container that was started at `started_ms`. When it `is_new`, what was found before is
    /// forgotten; otherwise only when and how often it is asked has changed.
    pub fn change(health: *Health, asked: ?contract.Health, is_new: bool, started_ms: u64, container_dir: [:0]const u8) void {
        const before: ?State = if (health.is_on and !is_new) health.state else null;
        health.set(asked);
        health.started_ms = started_ms;
        if (health.is_on) health.state = before orelse .{ .status = .starting };
        if (!health.is_on or before == null) forget(container_dir);
    }

    fn forget(container_dir: [:0]const u8) void {
        var buffer: [linux.PATH_MAX]u8 = undefined;
        const path = std.fmt.bufPrintZ(&buffer, "{s}/health.json", .{container_dir}) catch return;
        _ = linux.unlink(path);
    }

    fn isStarting(health: *const Health) bool {
        return clock.monotonicMs() -| health.started_ms < health.start_period_ms;
    }

    /// Until the next check. Null: there is none by itself.
    pub fn pause(health: *const Health) ?u64 {
        if (!health.is_on) return null;
        const is_early = health.start_interval_ms > 0 and health.isStarting() and health.state.status == .starting;
        const ms = if (is_early) health.start_interval_ms else health.interval_ms;
        return if (ms == 0) null else ms;
    }

    /// Start a check; false when it could not be started.
    pub fn ask(health: *Health, container_dir: [:0]const u8) bool {
        var streak: [16]u8 = undefined;
        const words = [_:null]?[*:0]const u8{
            ourselves.argv[0],
            "native",
            "health",
            container_dir.ptr,
            @tagName(health.state.status).ptr,
            std.fmt.bufPrintZ(&streak, "{d}", .{health.state.streak}) catch unreachable,
            if (health.isStarting()) "1" else "0",
        };
        var pidfd: linux.fd_t = -1;
        const args: sys.CloneArgs = .{ .flags = linux.CLONE.PIDFD, .pidfd = @intFromPtr(&pidfd) };
        const rc = sys.clone3(&args);
        if (linux.errno(rc) != .SUCCESS) return false;
        if (rc == 0) {
            _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
            const none = linux.sigemptyset();
            _ = linux.sigprocmask(linux.SIG.SETMASK, &none, null);
            _ = linux.execve("/proc/self/exe", &words, ourselves.environ);
            linux.exit_group(exit_unasked);
        }
        health.pidfd = pidfd;
        return true;
    }

    pub fn hasEnded(health: *const Health) bool {
        const fd = health.pidfd orelse return false;
        var poll = [1]linux.pollfd{.{ .fd = fd, .events = linux.POLL.IN, .revents = 0 }};
        return linux.poll(&poll, 1, 0) == 1;
    }

    /// The check has ended: what it found. Null: nothing, it could not ask.
    pub fn answer(health: *Health) ?bool {
        const fd = health.pidfd orelse return null;
        const code = sys.waitExitFd(fd) catch exit_unasked;
        health.pidfd = null;
        if (code == exit_unasked) return null;
        const is_well = code == 0;
        health.state = health.state.after(is_well, health.isStarting(), health.retries);
        return is_well;
    }

    /// Nobody wants to know any more.
    pub fn abandon(health: *Health) ?linux.fd_t {
        const fd = health.pidfd orelse return null;
        _ = linux.pidfd_send_signal(fd, .KILL, null, 0);
        _ = sys.waitExitFd(fd) catch {};
        health.pidfd = null;
        return fd;
    }
};

test "after() counts failures, but not while it starts" {
    var state: State = .{ .status = .starting };
    state = state.after(false, true, 2);
    try std.testing.expectEqual(State{ .status = .starting }, state);
    state = state.after(false, false, 2);
    try std.testing.expectEqual(State{ .status = .starting, .streak = 1 }, state);
    state = state.after(false, false, 2);
    try std.testing.expectEqual(Status.unhealthy, state.status);
    state = state.after(true, false, 2);
    try std.testing.expectEqual(State{ .status = .healthy }, state);
    state = state.after(false, true, 1);
    try std.testing.expectEqual(Status.unhealthy, state.status);
}

test "change() keeps what was found unless the check is another" {
    const nowhere = "/nonexistent";
    var health: Health = .{};
    health.change(.{ .intervalMs = 7 }, true, 1, nowhere);
    try std.testing.expectEqual(State{ .status = .starting }, health.state);
    health.state = .{ .status = .unhealthy, .streak = 4 };
    health.change(.{ .intervalMs = 9, .retries = 5 }, false, 1, nowhere);
    try std.testing.expectEqual(State{ .status = .unhealthy, .streak = 4 }, health.state);
    try std.testing.expectEqual(9, health.pause());
    health.change(.{}, true, 1, nowhere);
    try std.testing.expectEqual(State{ .status = .starting }, health.state);
    health.change(null, false, 1, nowhere);
    try std.testing.expectEqual(null, health.pause());
    try std.testing.expectEqual(Status.none, health.state.status);
}
