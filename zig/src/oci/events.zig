//! `events ID`: what the container uses, every so often, and that it ran out of memory, as it happens; one JSON object
//! a line, in the shape of runc's. `--stats` tells once. Ends with the container.
const std = @import("std");
const sys = @import("../sys.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const clock = @import("../monitor/clock.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const state = @import("state.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Options = struct {
    stats: bool = false,
    interval: ?contexts.Text = null,
};
const Config = struct {};

const interval_ms_default = 5_000;

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const id = try words.one(parsed.words, "events [--stats] [--interval DURATION] ID");
    const interval_ms = if (parsed.options.interval) |text| try durationOf(text) else interval_ms_default;
    const container = try state.load(Config, context, id);
    defer container.close();
    const pidfd = container.pidfd orelse return sys.failFormat("events", "container not running: \"{s}\"", .{id});
    const group = try state.groupOf(&container.record);
    if (group.isNone()) return sys.failFormat("events", "container \"{s}\" has no cgroup: nobody counts what it uses", .{id});
    var telling: Telling = .{ .id = id, .group = group, .pidfd = pidfd };
    if (parsed.options.stats) try telling.tellStats() else try telling.follow(interval_ms);
    return 0;
}

const Telling = struct {
    id: []const u8,
    group: cgroups.Cgroup,
    pidfd: linux.fd_t,

    var line: [32 * 1024]u8 = undefined;

    fn follow(telling: *Telling, interval_ms: u64) sys.Error!void {
        const oom = telling.group.watchOom();
        var kills = telling.group.oomKills();
        var next_ms = clock.monotonicMs() + interval_ms;
        while (true) {
            var fds = [_]linux.pollfd{
                .{ .fd = telling.pidfd, .events = linux.POLL.IN, .revents = 0 },
                .{ .fd = oom orelse -1, .events = linux.POLL.PRI, .revents = 0 },
            };
            const left_ms = next_ms -| clock.monotonicMs();
            if (linux.errno(linux.poll(&fds, fds.len, @intCast(@min(left_ms, std.math.maxInt(i32))))) != .SUCCESS) continue;
            if (oom) |fd| _ = cgroups.Cgroup.heedOom(fd);
            const now = telling.group.oomKills();
            if (now > kills) try telling.tell("oom", false);
            kills = @max(kills, now);
            if (fds[0].revents != 0) return;
            if (clock.monotonicMs() < next_ms) continue;
            try telling.tellStats();
            next_ms += interval_ms;
        }
    }

    fn tellStats(telling: *Telling) sys.Error!void {
        return telling.tell("stats", true);
    }

    fn tell(telling: *Telling, comptime kind: []const u8, has_data: bool) sys.Error!void {
        var w: std.Io.Writer = .fixed(&line);
        w.writeAll("{\"type\":\"" ++ kind ++ "\",\"id\":\"") catch unreachable;
        w.writeAll(telling.id) catch unreachable; // checked: nothing in it needs escaping
        w.writeByte('"') catch unreachable;
        if (has_data) {
            w.writeAll(",\"data\":") catch unreachable;
            try cgroups.writeStats(telling.group, &w);
        }
        w.writeAll("}\n") catch return sys.fail("events", "the statistics are too long");
        return sys.writeAll(1, w.buffered());
    }
};

/// "5s", "500ms", "1m", "2h", as runc takes them.
fn durationOf(text: []const u8) sys.Error!u64 {
    return parseDuration(text) orelse sys.failFormat("usage", "--interval \"{s}\" is no time above zero, as 5s or 500ms", .{text});
}

fn parseDuration(text: []const u8) ?u64 {
    const digits = std.mem.trimEnd(u8, text, "smh");
    const number = std.fmt.parseInt(u32, digits, 10) catch return null;
    if (number == 0) return null;
    const units = .{ .{ "ms", 1 }, .{ "s", 1000 }, .{ "m", 60_000 }, .{ "h", 3_600_000 } };
    inline for (units) |unit| if (std.mem.eql(u8, text[digits.len..], unit[0])) return @as(u64, number) * unit[1];
    return null;
}

test "parseDuration()" {
    try std.testing.expectEqual(@as(?u64, 5000), parseDuration("5s"));
    try std.testing.expectEqual(@as(?u64, 500), parseDuration("500ms"));
    try std.testing.expectEqual(@as(?u64, 7_200_000), parseDuration("2h"));
    for ([_][]const u8{ "", "5", "0s", "-1s", "s", "5x", "5sm" }) |wrong| try std.testing.expectEqual(@as(?u64, null), parseDuration(wrong));
}
