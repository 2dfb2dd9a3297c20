//! One cgroup that exists, by its directory: what can be done with the processes in it and what the kernel says about
//! them. It does not know who made it. Waiting is for the kernel's own word (cgroup.events, by poll), with a limit.
const std = @import("std");
const sys = @import("../sys.zig");
const files = @import("files.zig");
const walk = @import("walk.zig");
const hierarchy = @import("hierarchy.zig");
const linux = sys.linux;

const Error = sys.Error;

/// How long a group may take to stand still, or its killed processes to be gone.
const wait_ms_max = 10_000;

pub const Cgroup = struct {
    /// Absolute, below the cgroup2 mount; "" is no cgroup at all: nothing can be done with it.
    path: [:0]const u8 = "",

    pub fn isNone(group: Cgroup) bool {
        return group.path.len == 0;
    }

    /// Move a process in. It stays where it is when the caller may not move it (EACCES), and where the group has
    /// groups below it that share out its resources (EBUSY).
    pub fn enter(group: Cgroup, pid: linux.pid_t) Error!void {
        var text: [16]u8 = undefined;
        const number = std.fmt.bufPrint(&text, "{d}", .{pid}) catch unreachable;
        _ = try sys.check("cgroup.procs", group.path, files.write(group.path, "cgroup.procs", number));
    }

    /// For CLONE_INTO_CGROUP (Linux 5.7).
    pub fn openDirectory(group: Cgroup) Error!linux.fd_t {
        return files.openDirectory(group.path);
    }

    /// Stop all of it, and wait until it stands still. What cannot be stopped in time goes on.
    pub fn freeze(group: Cgroup) Error!void {
        try group.setFrozen("1");
        if (try group.await("frozen", "1")) return;
        group.setFrozen("0") catch {};
        return sys.failFormat("cgroup", "{s} does not stand still: a process of it waits in the kernel", .{group.path});
    }

    pub fn thaw(group: Cgroup) Error!void {
        try group.setFrozen("0");
        _ = try group.await("frozen", "0");
    }

    fn setFrozen(group: Cgroup, text: []const u8) Error!void {
        _ = try sys.check("cgroup.freeze", group.path, files.write(group.path, "cgroup.freeze", text));
    }

    pub fn isFrozen(group: Cgroup) bool {
        if (group.isNone()) return false;
        var buffer: [files.events_bytes_max]u8 = undefined;
        const text = files.read(group.path, "cgroup.events", &buffer) orelse return false;
        return std.mem.eql(u8, files.valueOf(text, "frozen") orelse "0", "1");
    }

    /// No process in it or below.
    pub fn isEmpty(group: Cgroup) bool {
        var buffer: [files.events_bytes_max]u8 = undefined;
        const text = files.read(group.path, "cgroup.events", &buffer) orelse return true;
        return std.mem.eql(u8, files.valueOf(text, "populated") orelse "0", "0");
    }

    /// SIGKILL for everything in it and below, frozen or not. A group that is gone holds nobody.
    pub fn killAll(group: Cgroup) Error!void {
        const rc = files.write(group.path, "cgroup.kill", "1"); // Linux 5.14
        switch (linux.errno(rc)) {
            .NODEV => {}, // removed since it was opened
            .NOENT => try group.signalAll(.KILL),
            else => _ = try sys.check("cgroup.kill", group.path, rc),
        }
    }

    /// Everything in it and below gets the signal: nothing is forked meanwhile. A group that is gone holds nobody.
    pub fn signalAll(group: Cgroup, signal: linux.SIG) Error!void {
        switch (group.look()) {
            .gone => return,
            .top => return sys.failFormat("cgroup", "{s} is the whole hierarchy, not a container's cgroup", .{group.path}),
            .ordinary => {},
        }
        const was_frozen = group.isFrozen();
        if (!was_frozen) group.freeze() catch {}; // what it waits for may be this very signal
        var each = walk.Pids.begin(group.path) catch |err| return if (group.look() == .gone) {} else err;
        defer each.end();
        while (each.next()) |pid| _ = linux.kill(pid, signal);
        if (!was_frozen) group.setFrozen("0") catch |err| if (group.look() != .gone) return err;
    }

    /// The top of the hierarchy holds the whole host, and is no container's whatever a record says. It alone has no
    /// cgroup.events, and no cgroup.kill either.
    fn look(group: Cgroup) enum { ordinary, top, gone } {
        const rc = files.open(group.path, "cgroup.events", .{ .PATH = true, .CLOEXEC = true });
        if (linux.errno(rc) == .SUCCESS) {
            _ = linux.close(@intCast(rc));
            return .ordinary;
        }
        return if (linux.errno(linux.access(group.path, linux.F_OK)) == .SUCCESS) .top else .gone;
    }

    /// Everything in it and below; what does not fit into `buffer` is left out.
    pub fn pids(group: Cgroup, buffer: []linux.pid_t) Error![]linux.pid_t {
        var each: walk.Pids = try .begin(group.path);
        defer each.end();
        var count: usize = 0;
        while (count < buffer.len) : (count += 1) buffer[count] = each.next() orelse break;
        return buffer[0..count];
    }

    /// What is left in it is killed, and it is gone.
    pub fn destroy(group: Cgroup) Error!void {
        if (group.isNone()) return;
        switch (linux.errno(linux.rmdir(group.path))) {
            .SUCCESS, .NOENT => return, // nothing was left
            else => if (group.look() == .top) return,
        }
        try group.killAll();
        try group.remove();
    }

    /// With everything below. Waits until the processes in it are gone; kills none. One that is gone is no failure.
    pub fn remove(group: Cgroup) Error!void {
        const rc = linux.rmdir(group.path);
        switch (linux.errno(rc)) {
            .SUCCESS, .NOENT, .NODEV => return,
            .BUSY => {},
            else => _ = try sys.check("rmdir", group.path, rc),
        }
        if (!try group.await("populated", "0")) _ = try sys.check("rmdir", group.path, rc);
        try walk.removeBelow(group.path);
        const again = linux.rmdir(group.path);
        if (linux.errno(again) != .NOENT) _ = try sys.check("rmdir", group.path, again);
    }

    /// Until cgroup.events has this value. False: it took too long. A group that is gone has every value.
    fn await(group: Cgroup, key: []const u8, value: []const u8) Error!bool {
        const rc = files.open(group.path, "cgroup.events", .{ .CLOEXEC = true });
        if (linux.errno(rc) == .NOENT or linux.errno(rc) == .NODEV) return true;
        const fd = try sys.checkFd("cgroup.events", group.path, rc);
        defer _ = linux.close(fd);
        const deadline = files.now() + wait_ms_max;
        while (true) {
            var buffer: [files.events_bytes_max]u8 = undefined;
            const n = linux.pread(fd, &buffer, buffer.len, 0);
            if (linux.errno(n) == .NODEV) return true;
            const text = buffer[0..try sys.check("cgroup.events", group.path, n)];
            if (std.mem.eql(u8, files.valueOf(text, key) orelse value, value)) return true;
            const left = deadline - files.now();
            if (left <= 0) return false;
            var poll = [1]linux.pollfd{.{ .fd = fd, .events = linux.POLL.PRI, .revents = 0 }};
            _ = linux.poll(&poll, 1, @intCast(left));
        }
    }

    /// How many of its processes the kernel has killed for want of memory.
    pub fn oomKills(group: Cgroup) u64 {
        if (group.isNone()) return 0;
        var buffer: [files.events_bytes_max]u8 = undefined;
        const text = files.read(group.path, "memory.events", &buffer) orelse return 0;
        return std.fmt.parseInt(u64, files.valueOf(text, "oom_kill") orelse "0", 10) catch 0;
    }

    /// A descriptor that epoll reports with EPOLLPRI when `oomKills` may have changed since the descriptor was last
    /// read. The caller closes it. Null: no memory controller.
    pub fn watchOom(group: Cgroup) ?linux.fd_t {
        const rc = files.open(group.path, "memory.events", .{ .CLOEXEC = true });
        if (linux.errno(rc) != .SUCCESS) return null;
        const fd: linux.fd_t = @intCast(rc);
        _ = heedOom(fd); // what happened before does not wake anybody
        return fd;
    }

    /// Read it again, so that the next change wakes us (kernfs: an event is what happened since the last read). False: the
    /// group is gone.
    pub fn heedOom(fd: linux.fd_t) bool {
        var buffer: [files.events_bytes_max]u8 = undefined;
        return linux.errno(linux.pread(fd, &buffer, buffer.len, 0)) == .SUCCESS;
    }
};

/// A group that was made before; its path is what `Cgroup.path` was. Anything else that lies there is refused: it may
/// come from a file.
pub fn open(path: [:0]const u8) Error!Cgroup {
    const fd = try files.openDirectory(path);
    defer _ = linux.close(fd);
    if (sys.fileSystemType(fd) != hierarchy.magic) return sys.failFormat("cgroup", "{s} is not a cgroup", .{path});
    return .{ .path = path };
}

/// Where a process is. Null: nowhere that we can reach.
pub fn ofProcess(arena: std.mem.Allocator, pid: linux.pid_t) Error!?Cgroup {
    const place = hierarchy.find(arena) orelse return null;
    const path = hierarchy.groupOf(arena, pid) orelse return null;
    return .{ .path = hierarchy.join(arena, place.top, path) orelse return sys.fail("cgroup", "out of memory") };
}

test "open() refuses what is no cgroup" {
    try std.testing.expectError(error.Syscall, open("/proc"));
    try std.testing.expectEqualStrings("/proc is not a cgroup", sys.failure.?.detail);
    try std.testing.expectError(error.Syscall, open("/nonexistent"));
    try std.testing.expectEqual(linux.E.NOENT, sys.failure.?.errno);
}
