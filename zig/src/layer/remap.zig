//! `native remap [map options] OWNER OPTIONS --to DIR [--light] [--sync] LAYER...`: unpacked layers once more, with the
//! owners that a container sees who maps ids otherwise. One layer is kept as it is, whiteouts and opaque directories
//! among it; with `--light` DIR becomes what an overlay of the layers (topmost first) would show.
//!
//! Theory of operation: a file system gives an inode one owner, so there must be new inodes; but their content can be
//! that of the old ones. With `--light` a file becomes an empty one of the same size that says where its content is:
//! its own path, for the overlay gets the layers themselves, topmost first, as its data-only layers (overlayfs.rst,
//! "Data-only lower layers"; without privileges since Linux 6.16, and for files of the lowest layer only: so all layers
//! become one tree). The first of them that has a file by that path is the one it was seen in: a higher one with
//! anything there would have hidden it. No more than the path is said, because that fits into the inode: a note that
//! needs a block of its own doubles the time on ext4.
//! Whoever mounts the overlay reads with the rights of container root, so what those do not reach is copied, and so is
//! what takes no more room than such a block (content.zig: by reflink where that is possible).
//! We create as the one whom most files belong to, which spares a change of owner for each.
//! Directories wait in a list and get their owner, mode and time last (directories.zig).
const std = @import("std");
const content = @import("content.zig");
const directories = @import("directories.zig");
const kernel = @import("kernel.zig");
const metadata = @import("metadata.zig");
const names = @import("names.zig");
const owners = @import("owners.zig");
const paths = @import("path.zig");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const trees = @import("tree.zig");
const userns = @import("../userns.zig");
const walk = @import("walk.zig");
const linux = sys.linux;

/// overlayfs takes no more lower layers (OVL_MAX_STACK), of which a light tree is one.
const layers_max = 499;
/// A note of that length fits into every file system's attributes.
const redirect_bytes_max = 1024;
/// A block of ext4.
const small_bytes_max = 4096;
/// XATTR_SIZE_MAX and XATTR_LIST_MAX (linux/limits.h).
const xattr_bytes_max = 64 << 10;

const metacopy_xattr = "user.overlay.metacopy";
pub const redirect_xattr = "user.overlay.redirect";

const Error = directories.Error || trees.Error;

const Work = struct {
    to: [*:0]const u8,
    /// All layers become one tree, which leaves content where it is.
    is_light: bool,
    layers: []const [*:0]const u8,
    sync: bool,
    translation: owners.Translation,
    arena: std.mem.Allocator,
};

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("remap");
    const translated = owners.parseOptions(arena.allocator(), options.rest) catch return reply.usage("remap");
    const work = parse(translated, arena.allocator()) orelse return reply.usage("remap");
    return reply.inside(arena.allocator(), options.maps, work, remapLayers);
}

fn parse(translated: owners.Options, arena: std.mem.Allocator) ?Work {
    var rest = translated.rest;
    if (!translated.translation.isNeeded() or rest.len < 3 or !is(rest[0], "--to")) return null;
    const to = rest[1];
    rest = rest[2..];
    const is_light = is(rest[0], "--light");
    if (is_light) rest = rest[1..];
    const sync = rest.len > 0 and is(rest[0], "--sync");
    if (sync) rest = rest[1..];
    if (rest.len == 0 or rest.len > layers_max or (!is_light and rest.len > 1)) return null;
    return .{
        .to = to,
        .is_light = is_light,
        .layers = rest,
        .sync = sync,
        .translation = translated.translation,
        .arena = arena,
    };
}

fn is(word: [*:0]const u8, option: []const u8) bool {
    return std.mem.eql(u8, std.mem.span(word), option);
}

fn remapLayers(work: Work) u8 {
    var remapper: Remapper = undefined;
    remapper.start(&work) catch |err| return reply.refused(std.mem.span(work.to), err);
    remapper.remapAll() catch |err| return reply.refused(remapper.current, err);
    remapper.finish(work.sync) catch |err| return reply.refused(std.mem.span(work.to), err);
    return reply.done(remapper.result);
}

/// A directory that waits, and the layers, from the topmost on, that can show through.
const Pending = struct {
    path: [:0]const u8,
    /// Container root may go there in that layer.
    is_reached: []bool,
};

/// A file met before under another name.
const LinkKey = struct { layer: usize, inode: u64 };

const Remapper = struct {
    arena: std.mem.Allocator,
    layers: []linux.fd_t,
    /// What is made shows all layers at once and has most content in them; otherwise it is one of them.
    is_light: bool,
    tree: trees.Tree,
    directories: directories.Directories,
    writer: metadata.Writer,
    content: content.Content,
    result: reply.Done = .{},
    pending: std.ArrayList(Pending) = .empty,
    links: std.AutoHashMapUnmanaged(LinkKey, [:0]const u8) = .empty,
    /// Names of the directory being made, and the memory they live in.
    seen: std.StringHashMapUnmanaged(void) = .empty,
    seen_arena: std.heap.ArenaAllocator,
    buffers: *Buffers,
    /// What is being worked on, for a sentence when it fails.
    current: []const u8 = "",

    const Buffers = struct {
        entries: names.Buffer,
        xattr_names: [xattr_bytes_max]u8,
        xattr_value: [xattr_bytes_max]u8,
        content: content.Buffer,
        target: paths.Buffer,
        redirect: [redirect_bytes_max]u8,
    };

    fn start(self: *Remapper, work: *const Work) Error!void {
        _ = kernel.umask(0);
        const layers = try work.arena.alloc(linux.fd_t, work.layers.len);
        for (work.layers, layers) |path, *fd| {
            fd.* = try sys.checkFd("open", "", linux.open(path, walk.open_directory, 0));
        }
        const to = try sys.checkFd("open", "", linux.open(work.to, walk.open_directory, 0));
        const buffers = try work.arena.create(Buffers);
        self.* = .{
            .arena = work.arena,
            .layers = layers,
            .is_light = work.is_light,
            .tree = .{ .root = to, .inventions = .{ .context = undefined, .add = neverInvented } },
            .directories = .{ .arena = work.arena },
            .writer = .init(work.translation),
            .content = .{ .buffer = &buffers.content },
            .seen_arena = .init(work.arena),
            .buffers = buffers,
        };
        // A default ACL or a setgid bit would be inherited by everything inside.
        _ = linux.fremovexattr(@intCast(to), "system.posix_acl_default");
        _ = try sys.check("fchmod", "", linux.fchmod(to, 0o700));
        const root = work.translation.root() orelse return;
        self.createAs(root.uid.?, root.gid.?);
        // it was there before
        _ = try sys.check("fchown", "", linux.fchown(to, self.writer.uid, self.writer.gid));
    }

    /// What is made from now on belongs to them without being given; our capabilities stay (setfsuid(2), capabilities(7)).
    fn createAs(self: *Remapper, uid: u32, gid: u32) void {
        const no_setuid_fixup = 1 << 2;
        const rc = linux.prctl(@intFromEnum(linux.PR.SET_SECUREBITS), no_setuid_fixup, 0, 0, 0);
        if (linux.errno(rc) != .SUCCESS) return;
        const nobody = std.math.maxInt(u32); // asks only
        for ([_]linux.SYS{ .setfsgid, .setfsuid }, [_]u32{ gid, uid }) |call, id| _ = linux.syscall1(call, id);
        self.writer.uid = @truncate(linux.syscall1(.setfsuid, nobody));
        self.writer.gid = @truncate(linux.syscall1(.setfsgid, nobody));
    }

    fn remapAll(self: *Remapper) Error!void {
        const all = try self.arena.alloc(bool, self.layers.len);
        @memset(all, true);
        try self.pending.append(self.arena, .{ .path = "", .is_reached = all });
        while (self.pending.pop()) |directory| try self.remapDirectory(directory);
    }

    fn finish(self: *Remapper, sync: bool) Error!void {
        try self.directories.finish(&self.tree, &self.writer);
        if (sync) _ = try sys.check("syncfs", "", linux.syncfs(self.tree.root));
        self.result.lost_owners = self.writer.lost_owners;
        self.result.dropped_xattrs = self.writer.dropped_xattrs;
    }

    fn remapDirectory(self: *Remapper, directory: Pending) Error!void {
        self.current = directory.path;
        const path: [:0]const u8 = if (directory.path.len == 0) "." else directory.path;
        const to = try sys.checkFd("openat2", "", self.tree.open(path, walk.open_directory));
        defer _ = linux.close(to);
        self.seen = .empty;
        _ = self.seen_arena.reset(.retain_capacity);
        const first_child = self.pending.items.len;
        var is_described = false;
        var visible = directory.is_reached.len;
        for (self.layers[0..directory.is_reached.len], directory.is_reached, 0..) |layer, *is_reached, index| {
            const rc = kernel.openat2(layer, path, walk.open_directory, walk.resolve_below);
            switch (linux.errno(rc)) {
                .NOENT => continue,
                .NOTDIR, .LOOP => {
                    visible = index;
                    break;
                },
                else => _ = try sys.check("openat2", "", rc),
            }
            const from: linux.fd_t = @intCast(rc);
            defer _ = linux.close(from);
            var stat: linux.Statx = undefined;
            _ = try sys.check("statx", "", kernel.lookAt(from, "", &stat));
            if (!is_described) try self.describeDirectory(from, to, directory.path, stat);
            is_described = true;
            is_reached.* = is_reached.* and self.mayReach(stat, 0o001);
            const here: Place = .{
                .from = from,
                .to = to,
                .path = directory.path,
                .layer = index,
                .is_reached = is_reached.*,
            };
            try self.remapNames(&here);
            if (self.is_light and walk.isOpaque(from)) {
                visible = index + 1;
                break;
            }
        }
        for (self.pending.items[first_child..]) |*child| {
            child.is_reached = try self.arena.dupe(bool, directory.is_reached[0..visible]);
        }
    }

    /// The topmost directory's owner, mode, time and attributes are the new one's.
    fn describeDirectory(
        self: *Remapper,
        from: linux.fd_t,
        to: linux.fd_t,
        path: []const u8,
        stat: linux.Statx,
    ) Error!void {
        const noted = try self.copyXattrs(from, to, stat);
        try self.directories.remember(to, path, .{ .owner = noted.owner, .mode = noted.mode, .mtime = walk.timeOf(stat) });
    }

    /// `is_reached`: by container root; otherwise content of files in here is copied.
    const Place = struct { from: linux.fd_t, to: linux.fd_t, path: []const u8, layer: usize, is_reached: bool };

    fn remapNames(self: *Remapper, here: *const Place) Error!void {
        var iterator: names.Iterator = .{ .fd = here.from, .buffer = &self.buffers.entries };
        while (try iterator.next()) |entry| {
            if (self.layers.len > 1) {
                const known = try self.seen.getOrPut(self.seen_arena.allocator(), entry.name);
                if (known.found_existing) continue;
                known.key_ptr.* = try self.seen_arena.allocator().dupe(u8, entry.name);
            }
            try self.remapName(here, entry.name);
        }
    }

    /// With the rights of container root: everybody's, or any where it is responsible for owner and group both.
    fn mayReach(self: *const Remapper, stat: linux.Statx, everybodys: u32) bool {
        const map = self.writer.translation;
        return stat.mode & everybodys == everybodys or (isMapped(map.uid, stat.uid) and isMapped(map.gid, stat.gid));
    }

    fn remapName(self: *Remapper, here: *const Place, name: [:0]const u8) Error!void {
        self.current = name;
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(here.from, name, &stat));
        if (self.is_light and kernel.isWhiteout(stat)) return;
        self.result.entries += 1;
        if (try self.remapLink(here, name, stat)) return;
        switch (stat.mode & linux.S.IFMT) {
            linux.S.IFDIR => {
                _ = try sys.check("mkdirat", "", linux.mkdirat(here.to, name, 0o700));
                const path = try walk.joined(self.arena, here.path, name);
                try self.pending.append(self.arena, .{ .path = path, .is_reached = &.{} });
            },
            linux.S.IFREG => try self.remapFile(here, name, stat),
            linux.S.IFLNK => try self.remapSymlink(here, name, stat),
            else => try self.remapNode(here, name, stat),
        }
    }

    /// True when it is another name of a file that is there already.
    fn remapLink(self: *Remapper, here: *const Place, name: [:0]const u8, stat: linux.Statx) Error!bool {
        if (stat.nlink < 2 or kernel.isDirectory(stat)) return false;
        const found = try self.links.getOrPut(self.arena, .{ .layer = here.layer, .inode = stat.ino });
        if (!found.found_existing) {
            found.value_ptr.* = try walk.joined(self.arena, here.path, name);
            return false;
        }
        const rc = linux.linkat(self.tree.root, found.value_ptr.*, here.to, name, 0);
        if (linux.errno(rc) == .NOENT) return false; // the first one was a device and could not be made
        _ = try sys.check("linkat", "", rc);
        return true;
    }

    fn remapFile(self: *Remapper, here: *const Place, name: [:0]const u8, stat: linux.Statx) Error!void {
        const source = try sys.checkFd("openat", "", linux.openat(here.from, name, walk.open_file, 0));
        defer _ = linux.close(source);
        const target = try sys.checkFd("openat", "", linux.openat(here.to, name, walk.new_file, stat.mode & 0o777));
        defer _ = linux.close(target);
        if (stat.size > 0 and !try self.pointAt(here, name, target, stat)) {
            try self.content.copy(source, target, stat);
            self.result.bytes += stat.size;
        }
        const noted = try self.copyXattrs(source, target, stat);
        try self.writer.setOwnerAndMode(target, noted.owner, noted.mode, noted.mode == stat.mode & 0o7777);
        if (noted.has_capability) try self.copyCapability(source, target); // chown(2) takes it away
        try metadata.setTimes(target, walk.timeOf(stat));
    }

    /// False: its content has to be copied.
    fn pointAt(
        self: *Remapper,
        here: *const Place,
        name: []const u8,
        target: linux.fd_t,
        stat: linux.Statx,
    ) sys.Error!bool {
        if (!self.is_light or !here.is_reached or stat.size <= small_bytes_max) return false;
        if (!self.mayReach(stat, 0o004)) return false;
        const slash = if (here.path.len == 0) "" else "/";
        const parts = .{ slash, here.path, name };
        const redirect = std.fmt.bufPrint(&self.buffers.redirect, "{s}{s}/{s}", parts) catch return false;
        if (!try metadata.setXattrAsItIs(target, redirect_xattr, redirect)) return false;
        if (!try metadata.setXattrAsItIs(target, metacopy_xattr, "")) {
            _ = try sys.check("fremovexattr", "", linux.fremovexattr(@intCast(target), redirect_xattr));
            return false;
        }
        _ = try sys.check("ftruncate", "", linux.ftruncate(target, @intCast(stat.size)));
        return true;
    }

    fn remapSymlink(self: *Remapper, here: *const Place, name: [:0]const u8, stat: linux.Statx) Error!void {
        const buffer = &self.buffers.target;
        const length = try sys.check("readlinkat", "", linux.readlinkat(here.from, name, buffer, buffer.len));
        if (length == buffer.len) return error.PathTooLong;
        buffer[length] = 0;
        _ = try sys.check("symlinkat", "", linux.symlinkat(buffer[0..length :0], here.to, name));
        try self.writer.setOwnerAt(here.to, name, walk.ownerOf(stat));
        try metadata.setTimesAt(here.to, name, walk.timeOf(stat));
    }

    /// Whiteouts, fifos, and, for real root, devices.
    fn remapNode(self: *Remapper, here: *const Place, name: [:0]const u8, stat: linux.Statx) Error!void {
        const device = kernel.deviceNumber(stat.rdev_major, stat.rdev_minor);
        const rc = linux.mknodat(here.to, name, stat.mode & ~@as(u32, 0o6000), device);
        if (linux.errno(rc) == .PERM) {
            self.result.skipped_devices += 1;
            return;
        }
        _ = try sys.check("mknodat", "", rc);
        if (kernel.isWhiteout(stat)) return;
        try self.writer.setOwnerAt(here.to, name, walk.ownerOf(stat));
        try metadata.setTimesAt(here.to, name, walk.timeOf(stat));
    }

    const Noted = struct { owner: metadata.Owner, mode: u32, has_capability: bool = false };

    /// Copies those an image may set and overlayfs' mark, and reads our own note of an owner that the store could not
    /// express: whom the file belongs to, and with which mode.
    fn copyXattrs(self: *Remapper, from: linux.fd_t, to: linux.fd_t, stat: linux.Statx) sys.Error!Noted {
        var noted: Noted = .{ .owner = walk.ownerOf(stat), .mode = stat.mode & 0o7777 };
        const list = &self.buffers.xattr_names;
        const rc = linux.flistxattr(from, list, list.len);
        if (linux.errno(rc) == .OPNOTSUPP or rc == 0) return noted;
        const length = try sys.check("flistxattr", "", rc);
        var iterator = std.mem.splitScalar(u8, list[0..length], 0);
        while (iterator.next()) |name| {
            if (std.mem.eql(u8, name, "security.capability")) {
                noted.has_capability = true;
                continue;
            }
            const is_note = std.mem.eql(u8, name, metadata.owner_xattr);
            const is_mark = !self.is_light and std.mem.eql(u8, name, walk.opaque_xattr);
            if (name.len == 0 or !(metadata.isWelcome(name) or is_note or is_mark)) continue;
            const value = self.read(from, @ptrCast(name.ptr)) orelse continue; // the list's names end in NUL
            if (is_note) {
                if (metadata.parseOwner(value, noted.mode)) |note| noted = .{
                    .owner = note.owner,
                    .mode = note.mode,
                    .has_capability = noted.has_capability,
                };
            } else if (!try metadata.setXattrAsItIs(to, name, value)) self.writer.dropped_xattrs += 1;
        }
        return noted;
    }

    fn copyCapability(self: *Remapper, from: linux.fd_t, to: linux.fd_t) sys.Error!void {
        const value = self.read(from, "security.capability") orelse return;
        if (!try self.writer.setXattr(to, "security.capability", value)) self.writer.dropped_xattrs += 1;
    }

    /// Null: it is gone, or not ours to read.
    fn read(self: *Remapper, fd: linux.fd_t, name: [*:0]const u8) ?[]const u8 {
        const value = &self.buffers.xattr_value;
        const size = linux.fgetxattr(fd, name, value, value.len);
        return if (linux.errno(size) == .SUCCESS) value[0..size] else null;
    }
};

fn neverInvented(_: *anyopaque, _: trees.Invention) trees.Error!void {
    unreachable; // every parent is made before what is in it
}

fn isMapped(lines: []const userns.Mapping, id: u32) bool {
    for (lines) |line| if (id >= line.hostID and id - line.hostID < line.size) return true;
    return false;
}

test isMapped {
    const lines = [_]userns.Mapping{
        .{ .containerID = 0, .hostID = 1, .size = 10 },
        .{ .containerID = 10, .hostID = 0, .size = 1 },
    };
    for ([_]u32{ 0, 1, 10 }) |id| try std.testing.expect(isMapped(&lines, id));
    for ([_]u32{ 11, 65_536, std.math.maxInt(u32) }) |id| try std.testing.expect(!isMapped(&lines, id));
}
