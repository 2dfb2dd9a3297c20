//! `native remove [map options] DIR...`: whole trees, whatever their modes and owners.
//!
//! Theory of operation: one descriptor and one buffer of names a level, and a fixed number of levels. A directory
//! deeper than that is first moved up into the tree's top and met again there, so 10,000 levels need no more than
//! ten. Nothing is opened through a symbolic link and no mount point is entered (openat2 RESOLVE_NO_XDEV): a tree
//! with something mounted in it is refused. What is missing already is fine: the verb can be killed and run again. What
//! somebody else is removing (a lock on the directory says so, which goes with its owner) is left to them.
const std = @import("std");
const kernel = @import("kernel.zig");
const names = @import("names.zig");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const userns = @import("../userns.zig");
const linux = sys.linux;

const levels_max = 32;
const name_bytes_max = 255;

const Level = struct {
    fd: linux.fd_t,
    /// Our name in the level above.
    name: [name_bytes_max:0]u8,
    entries: names.Iterator,
    buffer: names.Buffer,
};

pub const Remover = struct {
    levels: *[levels_max]Level,
    depth: usize = 0,
    /// Directories moved up to the top since it was last read from its beginning.
    moved: u64 = 0,
    move_number: u64 = 0,
    removed: u64 = 0,

    pub fn init(gpa: std.mem.Allocator) error{OutOfMemory}!Remover {
        return .{ .levels = try gpa.create([levels_max]Level) };
    }

    /// Remove `name` in `parent` and all below it. Missing is fine.
    pub fn remove(self: *Remover, parent: linux.fd_t, name: [:0]const u8) sys.Error!void {
        if (try self.unlink(parent, name) == .done) return;
        self.depth = 0;
        errdefer self.closeAll();
        const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
        const fd = try sys.checkFd("openat", name, try retried(parent, name, linux.openat(parent, name, flags, 0)) orelse
            linux.openat(parent, name, flags, 0));
        self.push(fd, "");
        while (true) {
            const level = &self.levels[self.depth - 1];
            if (try level.entries.next()) |entry| {
                try self.removeEntry(level, entry);
                continue;
            }
            if (self.depth == 1 and self.moved > 0) {
                self.moved = 0;
                try level.entries.rewind();
                continue;
            }
            self.depth -= 1;
            _ = linux.close(level.fd);
            const above = if (self.depth == 0) parent else self.levels[self.depth - 1].fd;
            try self.removeEmpty(above, if (self.depth == 0) name else std.mem.sliceTo(&level.name, 0));
            if (self.depth == 0) return;
        }
    }

    fn push(self: *Remover, fd: linux.fd_t, name: []const u8) void {
        const level = &self.levels[self.depth];
        level.fd = fd;
        @memcpy(level.name[0..name.len], name);
        level.name[name.len] = 0;
        level.entries = .{ .fd = fd, .buffer = &level.buffer };
        self.depth += 1;
    }

    fn closeAll(self: *Remover) void {
        for (self.levels[0..self.depth]) |level| _ = linux.close(level.fd);
        self.depth = 0;
    }

    fn removeEntry(self: *Remover, level: *Level, entry: names.Entry) sys.Error!void {
        const name = entry.name;
        if (entry.type != linux.DT.DIR and try self.unlink(level.fd, name) == .done) return;
        if (self.depth == levels_max) return self.moveUp(level.fd, name);
        const rc = openBelow(level.fd, name);
        if (linux.errno(rc) == .NOENT) return;
        const fd = try retried(level.fd, name, rc) orelse openBelow(level.fd, name);
        self.push(try sys.checkFd("openat2", "", fd), name);
    }

    const Unlinked = enum { done, is_directory };

    fn unlink(self: *Remover, parent: linux.fd_t, name: [:0]const u8) sys.Error!Unlinked {
        var rc = linux.unlinkat(parent, name, 0);
        if (linux.errno(rc) == .ACCES and loosen(parent, ".")) rc = linux.unlinkat(parent, name, 0);
        switch (linux.errno(rc)) {
            .SUCCESS => self.removed += 1,
            .NOENT, .NOTDIR => {},
            .ISDIR => return .is_directory,
            else => _ = try sys.check("unlinkat", "", rc),
        }
        return .done;
    }

    fn removeEmpty(self: *Remover, parent: linux.fd_t, name: [:0]const u8) sys.Error!void {
        var rc = linux.unlinkat(parent, name, linux.AT.REMOVEDIR);
        if (linux.errno(rc) == .ACCES and self.depth > 0 and loosen(parent, ".")) {
            rc = linux.unlinkat(parent, name, linux.AT.REMOVEDIR);
        }
        if (linux.errno(rc) == .NOENT) return;
        _ = try sys.check("unlinkat", "", rc);
        self.removed += 1;
    }

    /// Too deep for our levels: put the directory into the top, under a name nobody has.
    fn moveUp(self: *Remover, parent: linux.fd_t, name: [:0]const u8) sys.Error!void {
        const top = self.levels[0].fd;
        while (true) {
            var buffer: [48]u8 = undefined;
            const new_name = std.fmt.bufPrintZ(&buffer, ".tspod-deep-{d}", .{self.move_number}) catch unreachable;
            self.move_number += 1;
            const rc = linux.renameat2(parent, name, top, new_name, .{ .NOREPLACE = true });
            switch (linux.errno(rc)) {
                .EXIST => continue,
                .ACCES => if (loosen(parent, name)) {
                    _ = loosen(parent, ".");
                    _ = try sys.check("renameat2", "", linux.renameat2(parent, name, top, new_name, .{ .NOREPLACE = true }));
                } else {
                    _ = try sys.check("renameat2", "", rc);
                },
                else => _ = try sys.check("renameat2", "", rc),
            }
            self.moved += 1;
            return;
        }
    }
};

fn openBelow(parent: linux.fd_t, name: [:0]const u8) usize {
    const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
    const resolve = kernel.Resolve.beneath | kernel.Resolve.no_xdev | kernel.Resolve.no_symlinks;
    return kernel.openat2(parent, name, flags, resolve);
}

/// Null: it was refused for lack of permission, that was changed, ask again. Otherwise `rc` as it is.
fn retried(parent: linux.fd_t, name: [:0]const u8, rc: usize) sys.Error!?usize {
    return if (linux.errno(rc) == .ACCES and loosen(parent, name)) null else rc;
}

/// Without a mapping there is no capability to pass over a directory's mode: give ourselves the right, through a
/// descriptor that no link was followed for (fchmodat2, which could do it by name, is Linux 6.6).
fn loosen(parent: linux.fd_t, name: [:0]const u8) bool {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
    const opened = linux.openat(parent, name, flags, 0);
    if (linux.errno(opened) != .SUCCESS) return false;
    const fd: linux.fd_t = @intCast(opened);
    defer _ = linux.close(fd);
    var buffer: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    return linux.errno(linux.chmod(path, 0o700)) == .SUCCESS;
}

const Work = struct { directories: []const [*:0]const u8, gpa: std.mem.Allocator };

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("remove");
    for (options.rest) |directory| if (!isRemovable(std.mem.span(directory))) return reply.usage("remove");
    return reply.inside(arena.allocator(), options.maps, Work{
        .directories = options.rest,
        .gpa = arena.allocator(),
    }, removeAll);
}

/// Not an option, and not a name that rmdir(2) could never take.
fn isRemovable(path: []const u8) bool {
    const name = std.fs.path.basenamePosix(path);
    const is_option = std.mem.startsWith(u8, path, "-");
    return name.len > 0 and !is_option and !std.mem.eql(u8, name, ".") and !std.mem.eql(u8, name, "..");
}

fn removeAll(work: Work) u8 {
    var remover = Remover.init(work.gpa) catch return reply.refused("", error.OutOfMemory);
    for (work.directories) |directory| {
        const path = std.mem.span(directory);
        const lock = claim(path) orelse continue;
        defer _ = linux.close(lock);
        remover.remove(linux.AT.FDCWD, path) catch |err| return reply.refused(path, err);
    }
    return reply.done(.{ .entries = remover.removed });
}

/// A descriptor to close afterwards; -1 for what is no directory. Null: somebody else is at it.
fn claim(path: [:0]const u8) ?linux.fd_t {
    const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
    const rc = linux.open(path, flags, 0);
    if (linux.errno(rc) != .SUCCESS) return -1; // what is wrong with it, removing it finds out
    const fd: linux.fd_t = @intCast(rc);
    const lock_exclusive = 2;
    const no_wait = 4;
    if (linux.errno(linux.flock(fd, lock_exclusive | no_wait)) != .AGAIN) return fd;
    _ = linux.close(fd);
    return null;
}

test isRemovable {
    for ([_][]const u8{ "/a/b", "a", "a/", "..." }) |path| try std.testing.expect(isRemovable(path));
    for ([_][]const u8{ "", "/", ".", "..", "a/..", "a/.", "--all" }) |path| try std.testing.expect(!isRemovable(path));
}
