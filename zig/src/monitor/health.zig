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

/// What the startup check has found. Pure. As podman counts: not in a row.
pub const Startup = struct {
    successes: u32 = 0,
    failures: u32 = 0,

    pub const Verdict = enum { open, passed, failed };

    pub fn after(startup: *Startup, is_well: bool, rule: contract.Startup) Verdict {
        if (is_well) {
            startup.successes +|= 1;
            return if (startup.successes >= rule.successes) .passed else .open;
        }
        startup.failures +|= 1;
        return if (rule.retries > 0 and startup.failures >= rule.retries) .failed else .open;
    }
};

pub const Answer = struct {
    is_well: bool,
    /// Null: it was the check itself that was asked.
    startup: ?Startup.Verdict = null,
};

/// What `healthcheck run` is told besides 0 and 1: the startup check has failed, which does not make it unhealthy.
pub const exit_starting = 2;

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
    startup_rule: ?contract.Startup = null,
    /// Null: it has passed, or there is none.
    startup: ?Startup = null,
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
            .startup_rule = it.startup,
        };
    }

    /// The container has just been started; what was found before is forgotten.
    pub fn begin(health: *Health, container_dir: [:0]const u8) void {
        if (!health.is_on) return;
        health.state = .{ .status = .starting };
        health.started_ms = clock.monotonicMs();
        health.startup = if (health.startup_rule == null) null else .{};
        forget(container_dir);
    }

    /// Another check, or none, for a container that was started at `started_ms`. When it `is_new`, what was found before is
    /// forgotten; otherwise only when and how often it is asked has changed. A startup check that has passed, or was not there
    /// when it started, is one of its next start.
    pub fn change(health: *Health, asked: ?contract.Health, is_new: bool, started_ms: u64, container_dir: [:0]const u8) void {
        const before: ?State = if (health.is_on and !is_new) health.state else null;
        const startup = health.startup;
        health.set(asked);
        health.started_ms = started_ms;
        health.startup = if (health.startup_rule == null) null else startup;
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
        if (health.startupRule()) |rule| return if (rule.intervalMs == 0) null else rule.intervalMs;
        if (health.interval_ms == 0) return null;
        const is_early = health.start_interval_ms > 0 and health.isStarting() and health.state.status == .starting;
        return if (is_early) health.start_interval_ms else health.interval_ms;
    }

    /// Whether it is asked as soon as it runs: the startup check is, as podman does it.
    pub fn isDueAtOnce(health: *const Health) bool {
        return health.startupRule() != null and health.pause() != null;
    }

    /// Null: it is over.
    fn startupRule(health: *const Health) ?contract.Startup {
        return if (health.startup == null) null else health.startup_rule;
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
            if (health.startup != null) "startup" else if (health.isStarting()) "early" else "usual",
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
    pub fn answer(health: *Health) ?Answer {
        const fd = health.pidfd orelse return null;
        const code = sys.waitExitFd(fd) catch exit_unasked;
        health.pidfd = null;
        if (code == exit_unasked) return null;
        const is_well = code == 0;
        if (health.startupRule()) |rule| {
            const verdict = health.startup.?.after(is_well, rule);
            if (verdict == .passed) health.startup = null;
            return .{ .is_well = is_well, .startup = verdict };
        }
        health.state = health.state.after(is_well, health.isStarting(), health.retries);
        return .{ .is_well = is_well };
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
    health.change(.{ .startup = .{} }, false, 1, nowhere);
    try std.testing.expect(!health.isDueAtOnce()); // it has started
    health.change(null, false, 1, nowhere);
    try std.testing.expectEqual(null, health.pause());
    try std.testing.expectEqual(Status.none, health.state.status);
}

test "the startup check comes first, at its own pace" {
    var health: Health = .{};
    health.set(.{ .intervalMs = 9, .startPeriodMs = 1 << 40, .startIntervalMs = 8, .startup = .{ .intervalMs = 7 } });
    health.begin("/nonexistent");
    try std.testing.expect(health.isDueAtOnce());
    try std.testing.expectEqual(7, health.pause());
    health.change(.{ .startup = .{ .intervalMs = 0 } }, true, 1, "/nonexistent");
    try std.testing.expect(!health.isDueAtOnce());
    try std.testing.expectEqual(null, health.pause());
    health.change(.{ .intervalMs = 0, .startPeriodMs = 1 << 40, .startIntervalMs = 8 }, false, 1, "/nonexistent");
    try std.testing.expectEqual(null, health.pause()); // nobody asks by himself, in the start period neither
    health.change(.{ .intervalMs = 9, .startup = .{} }, false, 1, "/nonexistent");
    try std.testing.expectEqual(9, health.pause());
}

test "Startup.after() counts successes and failures apart" {
    const rule: contract.Startup = .{ .retries = 2, .successes = 2 };
    var startup: Startup = .{};
    try std.testing.expectEqual(.open, startup.after(false, rule));
    try std.testing.expectEqual(.open, startup.after(true, rule));
    try std.testing.expectEqual(.passed, startup.after(true, rule));
    try std.testing.expectEqual(.failed, startup.after(false, rule));
    startup = .{};
    for (0..9) |_| try std.testing.expectEqual(.open, startup.after(false, .{}));
    try std.testing.expectEqual(.passed, startup.after(true, .{}));
}
