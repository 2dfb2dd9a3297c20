//! `native files send`: what is at a path of a place, as a tar stream on standard output.
//!
//! Theory of operation: directories wait in a list, each is opened by its path below the top, never through a symbolic
//! link, so that a container that renames things meanwhile leads nowhere else; what has vanished since it was listed is
//! left out. The names of a directory are sorted: the same tree gives the same bytes. A file with several names is
//! written once and then as hard links. What is mounted inside is entered, but for what the kernel makes up (/proc,
//! /sys, /dev); a bare root is not left at all. Sockets cannot be in an archive.
//!
//! With `--layer` the tree is the upper directory of an overlay: its whiteouts become those of an image's layer (OCI
//! image-spec, layer.md).
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const place = @import("place.zig");
const words = @import("words.zig");
const writers = @import("writer.zig");
const report = @import("report.zig");
const kernel = layer.kernel;
const linux = sys.linux;

/// XATTR_SIZE_MAX and XATTR_LIST_MAX (linux/limits.h).
const xattr_bytes_max = 64 << 10;
/// The kernel tells no size of what it makes up.
const made_up_bytes_max = 16 << 20;

const whiteout_prefix = ".wh.";
const opaque_name = ".wh..wh..opq";

pub const Error = writers.Error || error{ PathTooLong, NameOfWhiteout };

const open_file: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .NOCTTY = true, .CLOEXEC = true };
const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const below = kernel.Resolve.beneath | kernel.Resolve.no_symlinks | kernel.Resolve.no_magiclinks;

const Buffers = struct {
    entries: layer.names.Buffer,
    xattr_names: [xattr_bytes_max]u8,
    xattr_value: [xattr_bytes_max]u8,
    target: layer.path.Buffer,
};

const Found = struct { name: [:0]const u8, type: u8 };
const Inode = struct { dev_major: u32, dev_minor: u32, ino: u64 };

pub const Sender = struct {
    arena: std.mem.Allocator,
    options: *const words.Options,
    writer: writers.Writer,
    buffers: *Buffers,
    top: linux.fd_t = -1,
    /// Directories to come, by their paths below the top; "" is the top itself.
    pending: std.ArrayList([:0]const u8) = .empty,
    links: std.AutoHashMapUnmanaged(Inode, []const u8) = .empty,
    names_arena: std.heap.ArenaAllocator,
    names: std.ArrayList(Found) = .empty,
    skipped_sockets: u64 = 0,
    /// Of the note of a lost owner (layer/metadata.zig).
    noted: ?Noted = null,
    current: []const u8 = "",

    const Noted = struct { uid: u32, gid: u32, mode: ?u32 };

    pub fn run(arena: std.mem.Allocator, options: *const words.Options) u8 {
        var sender: Sender = .{
            .arena = arena,
            .options = options,
            .writer = writers.Writer.init(arena, 1) catch |err| return layer.reply.refused("", err),
            .buffers = arena.create(Buffers) catch |err| return layer.reply.refused("", err),
            .names_arena = .init(arena),
        };
        return place.visit(arena, options, .read, &sender, sendFrom);
    }

    fn sendFrom(sender: *Sender, root: linux.fd_t) u8 {
        sender.sendAll(root) catch |err| return layer.reply.refused(sender.current, err);
        return report.sent(.{
            .entries = sender.writer.entries,
            .bytes = sender.writer.bytes,
            .skipped_sockets = sender.skipped_sockets,
        });
    }

    fn sendAll(sender: *Sender, root: linux.fd_t) Error!void {
        sender.current = sender.options.path;
        const is_host = root == linux.AT.FDCWD;
        const flags: linux.O = .{ .PATH = true, .NOFOLLOW = !sender.options.follows, .CLOEXEC = true };
        const rc = if (is_host)
            linux.open(sender.options.path, flags, 0)
        else
            kernel.openat2(root, place.below(sender.options.path), flags, place.in_root);
        const found = try sys.checkFd("open", "", rc);
        defer _ = linux.close(found);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", sys.statFd(found, &stat));
        if (kernel.isDirectory(stat)) {
            sender.top = found;
            try sender.pending.append(sender.arena, "");
            while (sender.pending.pop()) |path| try sender.sendDirectory(path);
        } else {
            try sender.sendOne(found, stat, is_host, root);
        }
        try sender.writer.end();
    }

    /// Something that is not a directory, held by an O_PATH descriptor. Opened once more by its parent: the way through
    /// /proc is not to be trusted inside of a container.
    fn sendOne(sender: *Sender, found: linux.fd_t, stat: linux.Statx, is_host: bool, root: linux.fd_t) Error!void {
        const name = sender.options.name;
        switch (stat.mode & linux.S.IFMT) {
            linux.S.IFREG => {
                var flags = open_file;
                flags.NOFOLLOW = !sender.options.follows;
                const rc = if (is_host)
                    linux.open(sender.options.path, flags, 0)
                else
                    kernel.openat2(root, place.below(sender.options.path), flags, place.in_root);
                try sender.sendFile(try sys.checkFd("open", "", rc), name);
            },
            linux.S.IFLNK => try sender.sendLink(found, "", name, stat),
            else => try sender.sendNode(name, stat),
        }
    }

    fn sendDirectory(sender: *Sender, path: [:0]const u8) Error!void {
        sender.current = path;
        const rc = kernel.openat2(sender.top, if (path.len == 0) "." else path, open_directory, below | sender.bounds());
        if (path.len > 0 and hasGone(rc)) return;
        if (linux.errno(rc) == .XDEV) return sender.sendMountPoint(path);
        const fd = try sys.checkFd("openat2", "", rc);
        defer _ = linux.close(fd);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(fd, "", &stat));
        _ = sender.names_arena.reset(.retain_capacity);
        sender.names = .empty;
        const is_entered = !sender.isMadeUp(fd, path, &stat);
        if (is_entered) try sender.list(fd);
        if (sender.isException(path) and sender.names.items.len == 0) return;
        try sender.beginDirectory(fd, path, &stat);
        const first = sender.pending.items.len;
        for (sender.names.items) |entry| try sender.sendEntry(fd, path, entry);
        std.mem.reverse([:0]const u8, sender.pending.items[first..]);
    }

    fn bounds(sender: *const Sender) u64 {
        return if (sender.options.is_bare or sender.options.is_layer) kernel.Resolve.no_xdev else 0;
    }

    /// A bare root shows the directory, not what is mounted there: nothing of that is known from here.
    fn sendMountPoint(sender: *Sender, path: [:0]const u8) Error!void {
        if (sender.isException(path)) return;
        try sender.writer.begin(.{
            .kind = '5',
            .name = try sender.nameOf(path, true),
            .mode = 0o755,
            .uid = 0,
            .gid = 0,
            .mtime = .{ .seconds = 0 },
        });
    }

    fn list(sender: *Sender, fd: linux.fd_t) Error!void {
        const arena = sender.names_arena.allocator();
        var iterator: layer.names.Iterator = .{ .fd = fd, .buffer = &sender.buffers.entries };
        while (try iterator.next()) |entry| {
            try sender.names.append(arena, .{ .name = try arena.dupeZ(u8, entry.name), .type = entry.type });
        }
        std.mem.sort(Found, sender.names.items, {}, isBefore);
    }

    fn isBefore(_: void, a: Found, b: Found) bool {
        return std.mem.lessThan(u8, a.name, b.name);
    }

    fn beginDirectory(sender: *Sender, fd: linux.fd_t, path: [:0]const u8, stat: *const linux.Statx) Error!void {
        const hides = try sender.readXattrs(fd);
        var header = sender.headerOf('5', try sender.nameOf(path, true), stat);
        header.size = 0;
        try sender.writer.begin(header);
        if (!sender.options.is_layer or !hides) return;
        try sender.writeMark(path, opaque_name, stat);
    }

    /// An empty file that means something to who unpacks the layer.
    fn writeMark(sender: *Sender, path: []const u8, name: []const u8, stat: *const linux.Statx) Error!void {
        const arena = sender.names_arena.allocator();
        const slash = if (path.len == 0) "" else "/";
        const whole = try std.fmt.allocPrint(arena, "{s}{s}{s}", .{ path, slash, name });
        try sender.writer.begin(.{
            .kind = '0',
            .name = whole,
            .mode = 0o644,
            .uid = 0,
            .gid = 0,
            .mtime = timeOf(stat),
        });
    }

    fn sendEntry(sender: *Sender, fd: linux.fd_t, path: []const u8, entry: Found) Error!void {
        const arena = sender.names_arena.allocator();
        const inside = try joined(arena, path, entry.name);
        sender.current = inside;
        try sender.refuseMark(inside);
        if (entry.type == linux.DT.DIR) return sender.pending.append(sender.arena, try sender.arena.dupeZ(u8, inside));
        if (entry.type == linux.DT.REG) {
            const rc = kernel.openat2(fd, entry.name, open_file, below | sender.bounds());
            if (hasGone(rc) or linux.errno(rc) == .XDEV) return;
            return sender.sendFile(try sys.checkFd("openat", "", rc), inside);
        }
        var stat: linux.Statx = undefined;
        const rc = kernel.lookAt(fd, entry.name, &stat);
        if (hasGone(rc)) return;
        _ = try sys.check("statx", "", rc);
        if (sender.options.is_layer and kernel.isWhiteout(stat)) {
            const mark = try std.fmt.allocPrint(arena, whiteout_prefix ++ "{s}", .{entry.name});
            return sender.writeMark(path, mark, &stat);
        }
        switch (stat.mode & linux.S.IFMT) {
            linux.S.IFDIR => try sender.pending.append(sender.arena, try sender.arena.dupeZ(u8, inside)),
            linux.S.IFREG => {
                const opened = kernel.openat2(fd, entry.name, open_file, below | sender.bounds());
                if (!hasGone(opened)) try sender.sendFile(try sys.checkFd("openat", "", opened), inside);
            },
            linux.S.IFLNK => try sender.sendLink(fd, entry.name, inside, stat),
            else => try sender.sendNode(inside, stat),
        }
    }

    /// Closes `fd`.
    fn sendFile(sender: *Sender, fd: linux.fd_t, path: []const u8) Error!void {
        defer _ = linux.close(fd);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(fd, "", &stat));
        if (!linux.S.ISREG(stat.mode)) return; // it was one when it was listed
        if (stat.size == 0 and sender.isException(path)) return;
        const name = try sender.nameOf(path, false);
        if (try sender.sendHardLink(name, &stat)) return;
        _ = try sender.readXattrs(fd);
        if (stat.size == 0 and isOfTheKernel(fd)) return sender.sendMadeUp(fd, name, &stat);
        try sender.writer.begin(sender.headerOf('0', name, &stat));
        if (stat.size > 0) try sender.writer.content(fd, stat.size);
    }

    /// Whoever unpacks the layer would delete something else instead of making it.
    fn refuseMark(sender: *const Sender, path: []const u8) Error!void {
        const name = std.fs.path.basenamePosix(path);
        if (sender.options.is_layer and !sender.options.has_marks and std.mem.startsWith(u8, name, whiteout_prefix)) {
            return error.NameOfWhiteout;
        }
    }

    fn sendMadeUp(sender: *Sender, fd: linux.fd_t, name: []const u8, stat: *const linux.Statx) Error!void {
        const buffer = try sender.arena.alloc(u8, made_up_bytes_max);
        defer sender.arena.free(buffer);
        var used: usize = 0;
        while (used < buffer.len) {
            const rc = linux.read(fd, buffer.ptr + used, buffer.len - used);
            if (linux.errno(rc) == .INTR) continue;
            const count = if (linux.errno(rc) == .SUCCESS) rc else if (used > 0) 0 else try sys.check("read", "", rc);
            if (count == 0) break;
            used += count;
        }
        var header = sender.headerOf('0', name, stat);
        header.size = used;
        try sender.writer.begin(header);
        try sender.writer.contentBytes(buffer[0..used]);
    }

    /// True: it was a further name of what has been written.
    fn sendHardLink(sender: *Sender, name: []const u8, stat: *const linux.Statx) Error!bool {
        if (stat.nlink < 2) return false;
        const key: Inode = .{ .dev_major = stat.dev_major, .dev_minor = stat.dev_minor, .ino = stat.ino };
        const first = try sender.links.getOrPut(sender.arena, key);
        if (!first.found_existing) {
            first.value_ptr.* = try sender.arena.dupe(u8, name);
            return false;
        }
        var header = sender.headerOf('1', name, stat);
        header.link = first.value_ptr.*;
        header.size = 0;
        try sender.writer.begin(header);
        return true;
    }

    fn sendLink(sender: *Sender, fd: linux.fd_t, entry: [:0]const u8, path: []const u8, stat: linux.Statx) Error!void {
        const name = try sender.nameOf(path, false);
        if (try sender.sendHardLink(name, &stat)) return;
        const buffer = &sender.buffers.target;
        const rc = linux.readlinkat(fd, entry, buffer, buffer.len);
        if (hasGone(rc) or linux.errno(rc) == .INVAL) return;
        const length = try sys.check("readlinkat", "", rc);
        if (length == buffer.len) return error.PathTooLong;
        var header = sender.headerOf('2', name, &stat);
        header.link = buffer[0..length];
        header.size = 0;
        try sender.writer.begin(header);
    }

    fn sendNode(sender: *Sender, path: []const u8, stat: linux.Statx) Error!void {
        const kind: u8 = switch (stat.mode & linux.S.IFMT) {
            linux.S.IFIFO => '6',
            linux.S.IFCHR => '3',
            linux.S.IFBLK => '4',
            else => {
                sender.skipped_sockets += 1;
                return;
            },
        };
        const name = try sender.nameOf(path, false);
        if (try sender.sendHardLink(name, &stat)) return;
        var header = sender.headerOf(kind, name, &stat);
        header.size = 0;
        if (kind != '6') {
            header.major = stat.rdev_major;
            header.minor = stat.rdev_minor;
        }
        try sender.writer.begin(header);
    }

    fn headerOf(sender: *Sender, kind: u8, name: []const u8, stat: *const linux.Statx) writers.Header {
        const noted = sender.noted;
        sender.noted = null;
        return .{
            .kind = kind,
            .name = name,
            .mode = if (noted) |n| n.mode orelse stat.mode & 0o7777 else stat.mode & 0o7777,
            .uid = if (noted) |n| n.uid else stat.uid,
            .gid = if (noted) |n| n.gid else stat.gid,
            .size = stat.size,
            .mtime = timeOf(stat),
        };
    }

    /// What an image may set goes into the archive; what is noted of a lost owner is believed. True: overlayfs' mark of
    /// a directory that hides those below.
    fn readXattrs(sender: *Sender, fd: linux.fd_t) Error!bool {
        const buffer = &sender.buffers.xattr_names;
        const rc = linux.flistxattr(fd, buffer, buffer.len);
        if (linux.errno(rc) != .SUCCESS or rc == 0) return false;
        var hides = false;
        var iterator = std.mem.splitScalar(u8, buffer[0..rc], 0);
        while (iterator.next()) |name| {
            if (name.len == 0) continue;
            const terminated: [*:0]const u8 = @ptrCast(name.ptr); // the list's names end in NUL
            const value = &sender.buffers.xattr_value;
            const size = linux.fgetxattr(fd, terminated, value, value.len);
            if (linux.errno(size) != .SUCCESS) continue; // gone, or not ours to read
            if (isOpaqueMark(name) and std.mem.eql(u8, value[0..size], "y")) hides = true;
            if (std.mem.eql(u8, name, layer.metadata.owner_xattr)) sender.noted = parseNoted(value[0..size]);
            if (!layer.metadata.isWelcome(name) or std.mem.startsWith(u8, name, "user.fuseoverlayfs.")) continue;
            var key: [320]u8 = undefined;
            const record = std.fmt.bufPrint(&key, "SCHILY.xattr.{s}", .{name}) catch continue;
            try sender.writer.addRecord(record, value[0..size]);
        }
        return hides;
    }

    fn nameOf(sender: *Sender, path: []const u8, is_directory: bool) Error![]const u8 {
        const arena = sender.names_arena.allocator();
        const name = sender.options.name;
        const slash = if (is_directory) "/" else "";
        if (path.len == 0) return std.fmt.allocPrint(arena, "{s}{s}", .{ if (name.len == 0) "." else name, slash });
        if (sender.top < 0) return path; // a single file is called what it is to be called
        const between = if (name.len == 0) "" else "/";
        return std.fmt.allocPrint(arena, "{s}{s}{s}{s}", .{ name, between, path, slash });
    }

    fn isException(sender: *const Sender, path: []const u8) bool {
        for (sender.options.except) |exception| if (std.mem.eql(u8, exception, path)) return true;
        return false;
    }

    /// A file system that the kernel makes up, met on the way.
    fn isMadeUp(sender: *const Sender, fd: linux.fd_t, path: []const u8, stat: *const linux.Statx) bool {
        if (path.len == 0 or !kernel.isMountRoot(stat.*)) return false;
        return isOfTheKernel(fd) or (std.mem.eql(u8, sender.options.path, "/") and std.mem.eql(u8, path, "dev"));
    }
};

/// statfs(2): proc, sysfs, cgroup2, devpts, mqueue, securityfs, debugfs, tracefs, bpf.
fn isOfTheKernel(fd: linux.fd_t) bool {
    const types = [_]usize{ 0x9fa0, 0x62656572, 0x63677270, 0x1cd1, 0x19800202, 0x73636673, 0x64626720, 0x74726163, 0xcafe4a11 };
    const found = sys.fileSystemType(fd);
    for (types) |known| if (found == known) return true;
    return false;
}

fn isOpaqueMark(name: []const u8) bool {
    return std.mem.eql(u8, name, "user.overlay.opaque") or std.mem.eql(u8, name, "user.fuseoverlayfs.opaque");
}

/// "UID:GID" or "UID:GID:MODE".
fn parseNoted(bytes: []const u8) ?Sender.Noted {
    var parts = std.mem.splitScalar(u8, bytes, ':');
    const uid = std.fmt.parseInt(u32, parts.next() orelse return null, 10) catch return null;
    const gid = std.fmt.parseInt(u32, parts.next() orelse return null, 10) catch return null;
    const mode = if (parts.next()) |digits| std.fmt.parseInt(u32, digits, 8) catch return null else null;
    return .{ .uid = uid, .gid = gid, .mode = if (mode) |m| m & 0o7777 else null };
}

/// It was there a moment ago.
fn hasGone(rc: usize) bool {
    return switch (linux.errno(rc)) {
        .NOENT, .NOTDIR, .LOOP, .NXIO => true,
        else => false,
    };
}

fn joined(arena: std.mem.Allocator, path: []const u8, name: []const u8) Error![:0]const u8 {
    if (path.len + 1 + name.len >= layer.path.path_bytes_max) return error.PathTooLong;
    const slash = if (path.len == 0) "" else "/";
    return std.fmt.allocPrintSentinel(arena, "{s}{s}{s}", .{ path, slash, name }, 0);
}

fn timeOf(stat: *const linux.Statx) layer.pax.Timestamp {
    return .{ .seconds = stat.mtime.sec, .nanoseconds = stat.mtime.nsec };
}

test parseNoted {
    try std.testing.expectEqual(Sender.Noted{ .uid = 33, .gid = 5, .mode = 0o6755 }, parseNoted("33:5:6755").?);
    try std.testing.expectEqual(Sender.Noted{ .uid = 0, .gid = 42, .mode = null }, parseNoted("0:42").?);
    for ([_][]const u8{ "", "1", "a:b", "1:2:9", "-1:0" }) |bad| try std.testing.expect(parseNoted(bad) == null);
}
