//! `native copy [map options] --to DIR LOWER...`: what an overlay of these directories (topmost first) would show,
//! as a plain tree in DIR. For hosts that refuse overlayfs, and for single directories (tmpcopyup).
//!
//! Theory of operation: directories wait in a list. Each is opened by its path in the copy and, topmost first, in
//! every lower that can still show through; a name counts where it is met first. A whiteout hides its name, an opaque
//! directory or anything that is not one hides the lowers below. Content is shared by reflink where the file system
//! can (FICLONE, ioctl_ficlone(2)), else copied in the kernel (copy_file_range(2)), else by read and write.
//! Owners, modes, times, hard links within one lower and the attributes an image may set are kept; mounts inside a
//! lower are not entered.
const std = @import("std");
const content = @import("content.zig");
const directories = @import("directories.zig");
const kernel = @import("kernel.zig");
const metadata = @import("metadata.zig");
const names = @import("names.zig");
const paths = @import("path.zig");
const remap = @import("remap.zig");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const trees = @import("tree.zig");
const userns = @import("../userns.zig");
const walk = @import("walk.zig");
const linux = sys.linux;

/// overlayfs takes no more lower layers (OVL_MAX_STACK).
const lowers_max = 500;
/// XATTR_SIZE_MAX and XATTR_LIST_MAX (linux/limits.h).
const xattr_bytes_max = 64 << 10;

pub const Error = directories.Error || trees.Error;

/// A directory to be merged: its path, and how many lowers can show through.
const Pending = struct { path: [:0]const u8, visible: usize };

/// A file met before under another name.
const LinkKey = struct { lower: usize, inode: u64 };

pub const Copier = struct {
    arena: std.mem.Allocator,
    tree: trees.Tree,
    lowers: []const linux.fd_t,
    directories: directories.Directories,
    writer: metadata.Writer,
    result: reply.Done = .{},
    pending: std.ArrayList(Pending) = .empty,
    links: std.AutoHashMapUnmanaged(LinkKey, [:0]const u8) = .empty,
    /// Names of the directory being merged, and the memory they live in.
    seen: std.StringHashMapUnmanaged(void) = .empty,
    seen_arena: std.heap.ArenaAllocator,
    buffers: *Buffers,
    content: content.Content,
    /// Where files of the lowers that only say where their content is have it (remap.zig), topmost first.
    data: []const linux.fd_t = &.{},
    /// What is being worked on, for a sentence when it fails.
    current: []const u8 = "",

    const Buffers = struct {
        entries: names.Buffer,
        xattr_names: [xattr_bytes_max]u8,
        xattr_value: [xattr_bytes_max]u8,
        content: content.Buffer,
        target: paths.Buffer,
    };

    /// `destination` is an empty directory; `lowers` are directories, topmost first. None is closed here.
    pub fn init(
        arena: std.mem.Allocator,
        destination: linux.fd_t,
        lowers: []const linux.fd_t,
    ) error{OutOfMemory}!Copier {
        const buffers = try arena.create(Buffers);
        return .{
            .arena = arena,
            .tree = .{ .root = destination, .inventions = .{ .context = undefined, .add = neverInvented } },
            .lowers = lowers,
            .directories = .{ .arena = arena },
            .writer = .init(.{}),
            .seen_arena = .init(arena),
            .buffers = buffers,
            .content = .{ .buffer = &buffers.content },
        };
    }

    pub fn copyAll(self: *Copier) Error!void {
        _ = kernel.umask(0);
        try self.pending.append(self.arena, .{ .path = "", .visible = self.lowers.len });
        while (self.pending.pop()) |directory| try self.mergeDirectory(directory);
        try self.directories.finish(&self.tree, &self.writer);
        self.result.lost_owners = self.writer.lost_owners;
        self.result.dropped_xattrs = self.writer.dropped_xattrs;
    }

    fn mergeDirectory(self: *Copier, directory: Pending) Error!void {
        self.current = directory.path;
        const path: [:0]const u8 = if (directory.path.len == 0) "." else directory.path;
        const to = try sys.checkFd("openat2", "", self.tree.open(path, walk.open_directory));
        defer _ = linux.close(to);
        self.seen.clearRetainingCapacity();
        _ = self.seen_arena.reset(.retain_capacity);
        self.seen = .empty;
        const first_child = self.pending.items.len;
        var is_described = false;
        var visible: usize = directory.visible;
        for (self.lowers[0..directory.visible], 0..) |lower, index| {
            const rc = kernel.openat2(lower, path, walk.open_directory, walk.resolve_below);
            switch (linux.errno(rc)) {
                .NOENT, .XDEV => continue,
                .NOTDIR, .LOOP => {
                    visible = index;
                    break;
                },
                else => _ = try sys.check("openat2", "", rc),
            }
            const from: linux.fd_t = @intCast(rc);
            defer _ = linux.close(from);
            if (!is_described) try self.describeDirectory(from, to, directory.path);
            is_described = true;
            try self.mergeNames(from, index, to, directory.path);
            if (walk.isOpaque(from)) {
                visible = index + 1;
                break;
            }
        }
        if (!is_described) try self.describeAsMount(to, directory.path);
        for (self.pending.items[first_child..]) |*child| child.visible = visible;
    }

    /// The topmost directory's owner, mode, time and attributes are the copy's.
    fn describeDirectory(self: *Copier, from: linux.fd_t, to: linux.fd_t, path: []const u8) Error!void {
        var source: linux.Statx = undefined;
        var made: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(from, "", &source));
        _ = try sys.check("statx", "", kernel.lookAt(to, "", &made));
        try self.directories.put(made.ino, path, .{
            .owner = .{ .uid = source.uid, .gid = source.gid },
            .mode = source.mode & 0o7777,
            .mtime = walk.timeOf(source),
        });
        try self.copyXattrs(from, to);
    }

    /// Something is mounted there and hides what the directory is like.
    fn describeAsMount(self: *Copier, to: linux.fd_t, path: []const u8) Error!void {
        var made: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(to, "", &made));
        const owner: metadata.Owner = .{ .uid = 0, .gid = 0 };
        try self.directories.put(made.ino, path, .{ .owner = owner, .mode = 0o755, .mtime = .{ .seconds = 0 } });
    }

    fn mergeNames(self: *Copier, from: linux.fd_t, lower: usize, to: linux.fd_t, path: []const u8) Error!void {
        var iterator: names.Iterator = .{ .fd = from, .buffer = &self.buffers.entries };
        while (try iterator.next()) |entry| {
            const known = try self.seen.getOrPut(self.seen_arena.allocator(), entry.name);
            if (known.found_existing) continue;
            known.key_ptr.* = try self.seen_arena.allocator().dupe(u8, entry.name);
            self.current = entry.name;
            var stat: linux.Statx = undefined;
            _ = try sys.check("statx", "", kernel.lookAt(from, entry.name, &stat));
            if (kernel.isWhiteout(stat)) continue;
            self.result.entries += 1;
            if (try self.copyLink(stat, lower, to, entry.name, path)) continue;
            switch (stat.mode & linux.S.IFMT) {
                linux.S.IFDIR => try self.copyDirectory(to, entry.name, path),
                linux.S.IFREG => try self.copyFile(from, to, entry.name, stat),
                linux.S.IFLNK => try self.copySymlink(from, to, entry.name, stat),
                else => try self.copyNode(to, entry.name, stat),
            }
        }
    }

    fn copyDirectory(self: *Copier, to: linux.fd_t, name: [:0]const u8, path: []const u8) Error!void {
        _ = try sys.check("mkdirat", "", linux.mkdirat(to, name, 0o700));
        try self.pending.append(self.arena, .{ .path = try walk.joined(self.arena, path, name), .visible = 0 });
    }

    /// True when it is another name of a file copied before.
    fn copyLink(
        self: *Copier,
        stat: linux.Statx,
        lower: usize,
        to: linux.fd_t,
        name: [:0]const u8,
        path: []const u8,
    ) Error!bool {
        if (stat.nlink < 2 or kernel.isDirectory(stat)) return false;
        const found = try self.links.getOrPut(self.arena, .{ .lower = lower, .inode = stat.ino });
        if (!found.found_existing) {
            found.value_ptr.* = try walk.joined(self.arena, path, name);
            return false;
        }
        const rc = linux.linkat(self.tree.root, found.value_ptr.*, to, name, 0);
        if (linux.errno(rc) == .NOENT) return false; // the first one was a device and could not be made
        _ = try sys.check("linkat", "", rc);
        return true;
    }

    fn copyFile(self: *Copier, from: linux.fd_t, to: linux.fd_t, name: [:0]const u8, stat: linux.Statx) Error!void {
        const source = try sys.checkFd("openat", "", linux.openat(from, name, walk.open_file, 0));
        defer _ = linux.close(source);
        const elsewhere = try self.contentOf(source);
        defer if (elsewhere) |fd| {
            _ = linux.close(fd);
        };
        const target = try sys.checkFd("openat", "", linux.openat(to, name, walk.new_file, stat.mode & 0o777));
        defer _ = linux.close(target);
        if (stat.size > 0) try self.content.copy(elsewhere orelse source, target, stat);
        self.result.bytes += stat.size;
        try self.writer.setOwnerAndMode(target, walk.ownerOf(stat), stat.mode & 0o7777, true);
        try self.copyXattrs(source, target);
        try metadata.setTimes(target, walk.timeOf(stat));
    }

    /// Null: the file has it itself.
    fn contentOf(self: *Copier, source: linux.fd_t) sys.Error!?linux.fd_t {
        if (self.data.len == 0) return null;
        const buffer = &self.buffers.target;
        const size = linux.fgetxattr(source, remap.redirect_xattr, buffer, buffer.len - 1);
        if (linux.errno(size) != .SUCCESS or size < 2 or buffer[0] != '/') return null;
        buffer[size] = 0;
        const path: [*:0]const u8 = @ptrCast(buffer[1..]);
        var rc: usize = undefined;
        for (self.data) |data| {
            rc = kernel.openat2(data, path, walk.open_file, walk.resolve_below);
            if (linux.errno(rc) == .SUCCESS) break;
        }
        return try sys.checkFd("openat2", "", rc);
    }

    fn copySymlink(self: *Copier, from: linux.fd_t, to: linux.fd_t, name: [:0]const u8, stat: linux.Statx) Error!void {
        const buffer = &self.buffers.target;
        const length = try sys.check("readlinkat", "", linux.readlinkat(from, name, buffer, buffer.len));
        if (length == buffer.len) return error.PathTooLong;
        buffer[length] = 0;
        _ = try sys.check("symlinkat", "", linux.symlinkat(buffer[0..length :0], to, name));
        try self.writer.setOwnerAt(to, name, walk.ownerOf(stat));
        try metadata.setTimesAt(to, name, walk.timeOf(stat));
    }

    /// Fifos, sockets and, for real root, devices.
    fn copyNode(self: *Copier, to: linux.fd_t, name: [:0]const u8, stat: linux.Statx) Error!void {
        const device = kernel.deviceNumber(stat.rdev_major, stat.rdev_minor);
        const rc = linux.mknodat(to, name, stat.mode & ~@as(u32, 0o6000), device);
        if (linux.errno(rc) == .PERM) {
            self.result.skipped_devices += 1;
            return;
        }
        _ = try sys.check("mknodat", "", rc);
        try self.writer.setOwnerAt(to, name, walk.ownerOf(stat));
        try metadata.setTimesAt(to, name, walk.timeOf(stat));
    }

    /// Those an image may set, and our own note of a lost owner.
    fn copyXattrs(self: *Copier, from: linux.fd_t, to: linux.fd_t) sys.Error!void {
        const list = &self.buffers.xattr_names;
        const rc = linux.flistxattr(from, list, list.len);
        if (linux.errno(rc) == .OPNOTSUPP or rc == 0) return;
        const length = try sys.check("flistxattr", "", rc);
        var iterator = std.mem.splitScalar(u8, list[0..length], 0);
        while (iterator.next()) |name| {
            if (name.len == 0) continue;
            if (!metadata.isWelcome(name) and !std.mem.eql(u8, name, metadata.owner_xattr)) continue;
            const value = &self.buffers.xattr_value;
            const terminated: [*:0]const u8 = @ptrCast(name.ptr); // the list's names end in NUL
            const size = linux.fgetxattr(from, terminated, value, value.len);
            if (linux.errno(size) != .SUCCESS) continue; // gone, or not ours to read
            if (!try metadata.setXattrAsItIs(to, name, value[0..size])) self.writer.dropped_xattrs += 1;
        }
    }
};

fn neverInvented(_: *anyopaque, _: trees.Invention) trees.Error!void {
    unreachable; // every parent is merged before what is in it
}

const Work = struct { to: [*:0]const u8, lowers: []const [*:0]const u8, arena: std.mem.Allocator };

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("copy");
    const rest = options.rest;
    if (rest.len < 3 or rest.len - 2 > lowers_max) return reply.usage("copy");
    if (!std.mem.eql(u8, std.mem.span(rest[0]), "--to")) return reply.usage("copy");
    const work: Work = .{ .to = rest[1], .lowers = rest[2..], .arena = arena.allocator() };
    return reply.inside(arena.allocator(), options.maps, work, copyLowers);
}

fn copyLowers(work: Work) u8 {
    const to = std.mem.span(work.to);
    var lowers: [lowers_max]linux.fd_t = undefined;
    for (work.lowers, 0..) |path, index| {
        const rc = linux.open(path, .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0);
        lowers[index] = sys.checkFd("open", "", rc) catch |err| return reply.refused(std.mem.span(path), err);
    }
    const opened = linux.open(work.to, .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    const destination = sys.checkFd("open", "", opened) catch |err| return reply.refused(to, err);
    const is_empty = names.isEmpty(destination) catch |err| return reply.refused(to, err);
    if (!is_empty) return reply.refused(to, error.NotEmpty);
    var copier = Copier.init(work.arena, destination, lowers[0..work.lowers.len]) catch |err|
        return reply.refused(to, err);
    copier.copyAll() catch |err| return reply.refused(copier.current, err);
    return reply.done(copier.result);
}
