//! `native health CONTAINER_DIR STATUS STREAK KIND`: asks a container that runs how it is, and writes down the
//! answer. Its monitor starts it and takes the exit status: 0 well, 1 not, 125 it could not be asked.
//!
//! The command is a further process of the container, as exec's are. What it says is kept up to a number of bytes, and
//! thrown away beyond that; when it takes too long it is killed.
const std = @import("std");
const sys = @import("sys.zig");
const contract = @import("contract.zig");
const event = @import("event.zig");
const execs = @import("exec.zig");
const ourselves = @import("process/ourselves.zig");
const launch = @import("monitor/launch.zig");
const monitors = @import("monitor/monitor.zig");
const clock = @import("monitor/clock.zig");
const healths = @import("monitor/health.zig");
const linux = sys.linux;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    return runIn(args) catch healths.exit_unasked;
}

const timed_out = -1; // docker's

/// As docker keeps it when no limit is asked for.
const output_bytes_max = 4096;

/// startup: another command, whose answer is for the monitor. early: in the start period.
const Kind = enum { startup, early, usual };

const Found = struct {
    exit_code: i32,
    output: []const u8,
};

fn runIn(args: []const [*:0]const u8) sys.Error!u8 {
    if (args.len != 4) return sys.fail("usage", "native health CONTAINER_DIR STATUS STREAK KIND");
    event.descriptor = -1;
    try ourselves.protect();
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const arena = arena_state.allocator();
    const directory = std.mem.span(args[0]);
    const before: healths.State = .{
        .status = std.meta.stringToEnum(healths.Status, std.mem.span(args[1])) orelse .starting,
        .streak = std.fmt.parseInt(u32, std.mem.span(args[2]), 10) catch 0,
    };
    const Settings = struct { health: contract.Health };
    const health = (try contract.load(Settings, arena, directory, "helper.json")).health;
    const start = clock.now();
    const kind = std.meta.stringToEnum(Kind, std.mem.span(args[3])) orelse .usual;
    const found = try ask(&arena_state, directory, &health, kind);
    const is_well = found.exit_code == 0;
    const state = if (kind == .startup) before else before.after(is_well, kind == .early, @max(1, health.retries));
    note(arena, directory, &health, state, .{
        .Start = &start,
        .End = &clock.now(),
        .ExitCode = found.exit_code,
        .Output = readable(arena, found.output),
    }) catch {}; // a full disk
    return if (is_well) 0 else 1;
}

fn ask(
    arena_state: *std.heap.ArenaAllocator,
    directory: [:0]const u8,
    health: *const contract.Health,
    kind: Kind,
) sys.Error!Found {
    const arena = arena_state.allocator();
    const name = if (kind == .startup) "startup-exec.json" else "health-exec.json";
    const file = std.fmt.allocPrintSentinel(arena, "{s}/{s}", .{ directory, name }, 0) catch return outOfMemory();
    const text = try contract.readFile(arena, file);
    const exec = try contract.parse(contract.Exec, arena, file, text);
    var storage: execs.Storage = undefined;
    const target = try execs.targetOf(arena_state, &exec, text, &storage);
    const null_fd = try sys.checkFd("open", "/dev/null", linux.open("/dev/null", .{ .CLOEXEC = true }, 0));
    var pair: [2]linux.fd_t = undefined;
    _ = try sys.check("pipe2", "", linux.pipe2(&pair, .{ .CLOEXEC = true }));
    try monitors.setNonBlocking(pair[0]);
    var started = try launch.Launch.start(target, .{ .stdin = null_fd, .stdout = pair[1], .stderr = pair[1] });
    _ = linux.close(pair[1]);
    const running = switch (started.finish(target)) {
        .running => |running| running,
        .failed => |line| return .{ .exit_code = 126, .output = arena.dupe(u8, line.bytes()) catch "" },
    };
    const child = if (running.keeper) |keeper| keeper.pidfd else running.pidfd;
    const limit: usize = if (health.logBytesMax == 0) output_bytes_max else @min(health.logBytesMax, 1 << 20);
    const rule: contract.Startup = health.startup orelse .{};
    const timeout_ms = if (kind == .startup) rule.timeoutMs else health.timeoutMs;
    return listen(arena, .{ .child = child, .output = pair[0], .running = &running }, limit, timeout_ms);
}

const Command = struct { child: linux.fd_t, output: linux.fd_t, running: *const launch.Running };

/// Until it has ended, or its time is over.
fn listen(arena: std.mem.Allocator, command: Command, limit: usize, timeout_ms: u64) sys.Error!Found {
    const kept = arena.alloc(u8, limit) catch return outOfMemory();
    var used: usize = 0;
    const deadline = clock.monotonicMs() +| timeout_ms;
    var output = command.output;
    while (true) {
        const left = deadline -| clock.monotonicMs();
        if (left == 0 and timeout_ms > 0) {
            _ = linux.pidfd_send_signal(command.running.pidfd, .KILL, null, 0);
            _ = sys.waitExitFd(command.child) catch {};
            const text = std.fmt.allocPrint(arena, "Health check exceeded timeout ({d}ms)", .{timeout_ms}) catch "";
            return .{ .exit_code = timed_out, .output = text };
        }
        var fds = [_]linux.pollfd{
            .{ .fd = command.child, .events = linux.POLL.IN, .revents = 0 },
            .{ .fd = output, .events = linux.POLL.IN, .revents = 0 },
        };
        _ = linux.poll(&fds, fds.len, if (timeout_ms == 0) -1 else @intCast(@min(left, std.math.maxInt(i32))));
        while (take(command.output, kept, &used)) {}
        if (fds[0].revents != 0) break;
        if (fds[1].revents & linux.POLL.HUP != 0) output = -1; // it has closed both, and goes on
    }
    const status = sys.waitExitFd(command.child) catch 1;
    while (take(command.output, kept, &used)) {}
    const code = if (command.running.keeper) |keeper| if (keeper.lastWord()) |word| word.code else status else status;
    return .{ .exit_code = @intCast(code), .output = kept[0..used] };
}

/// One piece; what does not fit is gone. False: there is nothing now.
fn take(fd: linux.fd_t, kept: []u8, used: *usize) bool {
    var scratch: [4096]u8 = undefined;
    const n = linux.read(fd, &scratch, scratch.len);
    if (linux.errno(n) != .SUCCESS or n == 0) return false;
    const room = @min(n, kept.len - used.*);
    @memcpy(kept[used.*..][0..room], scratch[0..room]);
    used.* += room;
    return true;
}

/// Of bytes that are no UTF-8 a JSON string cannot be made.
fn readable(arena: std.mem.Allocator, bytes: []const u8) []const u8 {
    if (std.unicode.utf8ValidateSlice(bytes)) return bytes;
    const copy = arena.dupe(u8, bytes) catch return "";
    for (copy) |*byte| if (byte.* >= 0x80) {
        byte.* = '?';
    };
    return copy;
}

/// In docker's words.
const Entry = struct { Start: []const u8 = "", End: []const u8 = "", ExitCode: i32 = 0, Output: []const u8 = "" };
const File = struct { Status: []const u8 = "", FailingStreak: u32 = 0, Log: []const Entry = &.{} };

fn note(
    arena: std.mem.Allocator,
    directory: [:0]const u8,
    health: *const contract.Health,
    state: healths.State,
    entry: Entry,
) sys.Error!void {
    const old: File = contract.load(File, arena, directory, "health.json") catch .{};
    const count = if (health.logCountMax == 0) old.Log.len + 1 else health.logCountMax;
    const drop = (old.Log.len + 1) -| count;
    const entries = arena.alloc(Entry, old.Log.len + 1 - drop) catch return outOfMemory();
    @memcpy(entries[0 .. entries.len - 1], old.Log[drop..]);
    entries[entries.len - 1] = entry;
    const text = std.json.Stringify.valueAlloc(arena, File{
        .Status = @tagName(state.status),
        .FailingStreak = state.streak,
        .Log = entries,
    }, .{}) catch return outOfMemory();
    const path = std.fmt.allocPrintSentinel(arena, "{s}/health.json", .{directory}, 0) catch return outOfMemory();
    const temporary = std.fmt.allocPrintSentinel(arena, "{s}.tmp", .{path}, 0) catch return outOfMemory();
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true };
    const fd = try sys.checkFd("open", temporary, linux.open(temporary, flags, 0o600));
    {
        defer _ = linux.close(fd);
        try sys.writeAll(fd, text);
    }
    _ = try sys.check("rename", path, linux.rename(temporary, path));
}

fn outOfMemory() sys.Error {
    return sys.fail("health", "out of memory");
}

test "take() keeps what fits" {
    var pair: [2]linux.fd_t = undefined;
    _ = try sys.check("pipe2", "", linux.pipe2(&pair, .{ .NONBLOCK = true }));
    defer for (pair) |fd| {
        _ = linux.close(fd);
    };
    try sys.writeAll(pair[1], "0123456789");
    var kept: [4]u8 = undefined;
    var used: usize = 0;
    try std.testing.expect(take(pair[0], &kept, &used));
    try std.testing.expect(!take(pair[0], &kept, &used));
    try std.testing.expectEqualStrings("0123", kept[0..used]);
}
