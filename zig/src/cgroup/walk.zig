//! A group and the groups below it. A container that may write to its own part of the hierarchy can make it as deep
//! and wide as it likes: nothing here recurses or allocates.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

const directory_flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };

/// Groups that lie deeper have their processes left out of lists. A limit on open descriptors.
const depth_max = 64;

/// Every process of a group and of those below it.
pub const Pids = struct {
    /// Descriptors of directories, each with the place in it where to go on.
    levels: [depth_max]linux.fd_t = undefined,
    depth: usize = 0,
    procs: linux.fd_t = -1,
    have: usize = 0,
    at: usize = 0,
    buffer: [1024]u8 = undefined,

    pub fn begin(path: [:0]const u8) sys.Error!Pids {
        var each: Pids = .{};
        each.enter(try sys.checkFd("open", path, linux.open(path, directory_flags, 0)));
        return each;
    }

    pub fn end(each: *Pids) void {
        if (each.procs >= 0) _ = linux.close(each.procs);
        for (each.levels[0..each.depth]) |fd| _ = linux.close(fd);
        each.depth = 0;
    }

    fn enter(each: *Pids, directory: linux.fd_t) void {
        each.levels[each.depth] = directory;
        each.depth += 1;
        const rc = linux.openat(directory, "cgroup.procs", .{ .CLOEXEC = true }, 0);
        each.procs = if (linux.errno(rc) == .SUCCESS) @intCast(rc) else -1;
        each.have = 0;
        each.at = 0;
    }

    /// Null: that were all.
    pub fn next(each: *Pids) ?linux.pid_t {
        while (true) {
            if (each.nextHere()) |pid| {
                if (pid > 0) return pid; // 0: it is outside of our pid namespace
                continue;
            }
            if (!each.advance()) return null;
        }
    }

    /// The next line of cgroup.procs. A threaded group cannot be read: its processes are its parent's.
    fn nextHere(each: *Pids) ?linux.pid_t {
        while (true) {
            if (std.mem.indexOfScalar(u8, each.buffer[each.at..each.have], '\n')) |length| {
                defer each.at += length + 1;
                return std.fmt.parseInt(linux.pid_t, each.buffer[each.at..][0..length], 10) catch 0;
            }
            std.mem.copyForwards(u8, &each.buffer, each.buffer[each.at..each.have]);
            each.have -= each.at;
            each.at = 0;
            if (each.procs < 0) return null;
            const n = linux.read(each.procs, each.buffer[each.have..].ptr, each.buffer.len - each.have);
            if (linux.errno(n) == .INTR) continue;
            if (linux.errno(n) != .SUCCESS or n == 0) {
                _ = linux.close(each.procs);
                each.procs = -1;
                return null;
            }
            each.have += n;
        }
    }

    /// To the next group below, or back up and on.
    fn advance(each: *Pids) bool {
        while (each.depth > 0) {
            const here = each.levels[each.depth - 1];
            var name: Name = undefined;
            while (nextDirectory(here, &name)) {
                if (each.depth == depth_max) continue;
                const rc = linux.openat(here, name.text(), directory_flags, 0);
                if (linux.errno(rc) != .SUCCESS) continue; // gone meanwhile
                each.enter(@intCast(rc));
                return true;
            }
            _ = linux.close(here);
            each.depth -= 1;
        }
        return false;
    }
};

/// Remove the groups below `path`, deepest first. They hold no processes any more.
pub fn removeBelow(path: [:0]const u8) sys.Error!void {
    var here = try sys.checkFd("open", path, linux.open(path, directory_flags, 0));
    defer _ = linux.close(here);
    var depth: usize = 0;
    while (true) {
        var name: Name = undefined;
        _ = linux.lseek(here, 0, linux.SEEK.SET);
        const descends = while (nextDirectory(here, &name)) {
            const rc = linux.unlinkat(here, name.text(), linux.AT.REMOVEDIR);
            if (linux.errno(rc) == .BUSY) break true;
            if (linux.errno(rc) != .NOENT) _ = try sys.check("rmdir", path, rc);
        } else false;
        if (!descends and depth == 0) return;
        const target = if (descends) name.text() else "..";
        const rc = linux.openat(here, target, directory_flags, 0);
        if (linux.errno(rc) == .NOENT) continue; // gone meanwhile
        const fd = try sys.checkFd("open", path, rc);
        // A group without groups below that is busy has a process after all: somebody put it there just now.
        if (descends and !hasDirectory(fd)) {
            _ = linux.close(fd);
            _ = try sys.check("rmdir", path, linux.unlinkat(here, name.text(), linux.AT.REMOVEDIR));
            continue;
        }
        _ = linux.close(here);
        here = fd;
        depth = if (descends) depth + 1 else depth - 1;
    }
}

fn hasDirectory(fd: linux.fd_t) bool {
    var name: Name = undefined;
    defer _ = linux.lseek(fd, 0, linux.SEEK.SET);
    return nextDirectory(fd, &name);
}

const Name = struct {
    buffer: [256]u8,

    fn text(name: *const Name) [*:0]const u8 {
        return @ptrCast(&name.buffer);
    }
};

/// The next directory entry of `fd`, which afterwards stands right behind it. False: there are no more.
fn nextDirectory(fd: linux.fd_t, name: *Name) bool {
    var buffer: [1024]u8 align(8) = undefined;
    while (true) {
        const n = linux.getdents64(fd, &buffer, buffer.len);
        if (linux.errno(n) != .SUCCESS or n == 0) return false;
        var at: usize = 0;
        while (at < n) {
            const entry: *align(1) linux.dirent64 = @ptrCast(&buffer[at]);
            at += entry.reclen;
            const text = std.mem.span(@as([*:0]const u8, @ptrCast(&entry.name)));
            if (entry.type != linux.DT.DIR or std.mem.eql(u8, text, ".") or std.mem.eql(u8, text, "..")) continue;
            _ = linux.lseek(fd, @bitCast(entry.off), linux.SEEK.SET);
            @memcpy(name.buffer[0..text.len], text);
            name.buffer[text.len] = 0;
            return true;
        }
    }
}

test "removeBelow() and Pids walk deep and wide trees" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var text: [128]u8 = undefined;
    for (0..100) |i| {
        const path = try std.fmt.bufPrint(&text, "t/wide-{d}/a/b", .{i});
        try tmp.dir.createDirPath(io, path);
        const file = try std.fmt.bufPrint(&text, "t/wide-{d}/cgroup.procs", .{i});
        try tmp.dir.writeFile(io, .{ .sub_path = file, .data = "17\n0\n18\n" });
    }
    const path = try std.fmt.bufPrintZ(&text, "/proc/self/fd/{d}/t", .{tmp.dir.handle});
    var each: Pids = try .begin(path);
    defer each.end();
    var sum: u64 = 0;
    while (each.next()) |pid| sum += @intCast(pid);
    try std.testing.expectEqual(100 * (17 + 18), sum);
}
