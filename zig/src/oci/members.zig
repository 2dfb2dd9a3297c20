//! Which processes are a container's, and what /proc says of them.
const std = @import("std");
const sys = @import("../sys.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const names = @import("../layer/names.zig");
const contexts = @import("context.zig");
const linux = sys.linux;

/// Everything in `group` and below; without a group, whatever is in the pid namespace of `first`. Sorted.
pub fn find(arena: std.mem.Allocator, group: cgroups.Cgroup, first: linux.pid_t) sys.Error![]const linux.pid_t {
    const pids = if (group.isNone()) try inNamespaceOf(arena, first) else try inGroup(arena, group);
    std.mem.sort(linux.pid_t, pids, {}, std.sort.asc(linux.pid_t));
    return pids;
}

fn inGroup(arena: std.mem.Allocator, group: cgroups.Cgroup) sys.Error![]linux.pid_t {
    var room: usize = 1024;
    while (true) : (room *= 4) {
        const buffer = arena.alloc(linux.pid_t, room) catch return contexts.outOfMemory();
        const pids = try group.pids(buffer);
        if (pids.len < room) return pids;
    }
}

fn inNamespaceOf(arena: std.mem.Allocator, first: linux.pid_t) sys.Error![]linux.pid_t {
    const wanted = try ownNamespaceOf(first);
    const flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
    const proc = try sys.checkFd("open", "/proc", linux.open("/proc", flags, 0));
    defer _ = linux.close(proc);
    var pids: std.ArrayList(linux.pid_t) = .empty;
    var buffer: names.Buffer = .{};
    var entries: names.Iterator = .{ .fd = proc, .buffer = &buffer };
    while (try entries.next()) |entry| {
        const pid = std.fmt.parseInt(linux.pid_t, entry.name, 10) catch continue;
        const theirs = namespaceOf(pid) orelse continue;
        if (std.meta.eql(theirs, wanted)) pids.append(arena, pid) catch return contexts.outOfMemory();
    }
    return pids.items;
}

/// Nobody's but the container's, or it would name other people's processes.
fn ownNamespaceOf(first: linux.pid_t) sys.Error!Identity {
    const wanted = namespaceOf(first) orelse
        return sys.fail("ps", "the container has no cgroup, and nobody may look into its process before it is started");
    if (!std.meta.eql(@as(?Identity, wanted), namespaceOf(linux.getpid()))) return wanted;
    return sys.fail("ps", "the container has neither a cgroup nor a pid namespace of its own");
}

/// A signal for everything in the pid namespace of `first`.
pub fn signalNamespace(arena: std.mem.Allocator, first: linux.pid_t, signal: linux.SIG) sys.Error!void {
    const wanted = try ownNamespaceOf(first);
    for (try inNamespaceOf(arena, first)) |pid| {
        const rc = linux.pidfd_open(pid, 0);
        if (linux.errno(rc) != .SUCCESS) continue; // it has ended
        defer _ = linux.close(@intCast(rc));
        // Its number may be somebody else's by now; the descriptor's process is looked at, then nothing changes.
        if (!std.meta.eql(@as(?Identity, wanted), namespaceOf(pid))) continue;
        _ = linux.pidfd_send_signal(@intCast(rc), signal, null, 0);
    }
}

const Identity = struct { ino: u64, dev_minor: u32 };

/// Null: it has ended, or is not ours to look at.
fn namespaceOf(pid: linux.pid_t) ?Identity {
    var buffer: [48]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "/proc/{d}/ns/pid", .{pid}) catch unreachable;
    var stat: linux.Statx = undefined;
    const rc = linux.statx(linux.AT.FDCWD, path, 0, linux.STATX.BASIC_STATS, &stat);
    return if (linux.errno(rc) == .SUCCESS) .{ .ino = stat.ino, .dev_minor = stat.dev_minor } else null;
}

pub const Process = struct { uid: u32, parent: linux.pid_t, command: []const u8 };

/// Null: it has ended. `buffer` holds the command line, or the program's name in brackets when there is none.
pub fn look(pid: linux.pid_t, buffer: *[4096]u8) ?Process {
    var status: [2048]u8 = undefined;
    const text = readFile(pid, "status", &status) orelse return null;
    return .{
        .uid = number(u32, text, "\nUid:\t") orelse return null,
        .parent = number(linux.pid_t, text, "\nPPid:\t") orelse return null,
        .command = commandOf(pid, text, buffer),
    };
}

fn commandOf(pid: linux.pid_t, status: []const u8, buffer: *[4096]u8) []const u8 {
    const words = readFile(pid, "cmdline", buffer) orelse "";
    const trimmed = std.mem.trimEnd(u8, words, "\x00");
    if (trimmed.len == 0) {
        const name = std.mem.sliceTo(status["Name:\t".len..], '\n');
        return std.fmt.bufPrint(buffer, "[{s}]", .{name}) catch unreachable;
    }
    const line = buffer[0..trimmed.len];
    // One line, whatever they call themselves.
    for (line) |*byte| byte.* = switch (byte.*) {
        0 => ' ',
        1...0x1f, 0x7f => '?',
        else => byte.*,
    };
    return line;
}

fn readFile(pid: linux.pid_t, comptime name: []const u8, buffer: []u8) ?[]const u8 {
    var path_buffer: [48]u8 = undefined;
    const path = std.fmt.bufPrintZ(&path_buffer, "/proc/{d}/" ++ name, .{pid}) catch unreachable;
    const rc = linux.open(path, .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    defer _ = linux.close(@intCast(rc));
    const n = linux.read(@intCast(rc), buffer.ptr, buffer.len);
    return if (linux.errno(n) == .SUCCESS) buffer[0..n] else null;
}

fn number(comptime T: type, text: []const u8, comptime label: []const u8) ?T {
    const start = (std.mem.indexOf(u8, text, label) orelse return null) + label.len;
    const end = std.mem.indexOfAnyPos(u8, text, start, "\t\n") orelse return null;
    return std.fmt.parseInt(T, text[start..end], 10) catch null;
}

test "look() at ourselves" {
    var buffer: [4096]u8 = undefined;
    const own = look(linux.getpid(), &buffer).?;
    try std.testing.expectEqual(linux.getuid(), own.uid);
    try std.testing.expectEqual(linux.getppid(), own.parent);
    try std.testing.expect(std.mem.indexOf(u8, own.command, "test") != null);
    try std.testing.expect(look(std.math.maxInt(linux.pid_t), &buffer) == null);
}
