//! `native apply [map options] --dir DIR [--sync]`: a plain tar on standard input becomes a tree in DIR.
//!
//! Theory of operation: entries come from archive.zig one after the other; path.zig says what a name means; tree.zig
//! gives the parent directory, which is never outside DIR; files are made with O_EXCL and links with calls that do
//! not follow, so nothing an earlier entry put there is written through. A later entry replaces an earlier one of its
//! name, except a directory, which merges. Directories get their metadata last (directories.zig).
//!
//! Whiteouts become overlayfs' own: `.wh.NAME` a character device 0:0, `.wh..wh..opq` the xattr user.overlay.opaque.
//! They speak of lower layers only: what this layer has under the name stays (OCI image-spec, layer.md), and when
//! that is a directory it becomes opaque. Devices are made where the kernel lets us (not in a user namespace) and
//! counted otherwise; a device 0:0 in an archive would be a forged whiteout and never is made.
//!
//! What stands half-made after a failure is for the caller to remove.
const std = @import("std");
const archive = @import("archive.zig");
const directories = @import("directories.zig");
const kernel = @import("kernel.zig");
const metadata = @import("metadata.zig");
const names = @import("names.zig");
const paths = @import("path.zig");
const pax = @import("pax.zig");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const tar = @import("tar.zig");
const trees = @import("tree.zig");
const userns = @import("../userns.zig");
const Remover = @import("remove.zig").Remover;
const linux = sys.linux;

/// Ten times what the largest known images have in all their layers.
const entries_max = 1 << 24;

const implied_mode = 0o755;
const opaque_xattr = "user.overlay.opaque";

const new_file: linux.O = .{
    .ACCMODE = .WRONLY,
    .CREAT = true,
    .EXCL = true,
    .NOFOLLOW = true,
    .CLOEXEC = true,
};

const Error = archive.Error || trees.Error || directories.Error || error{
    BadLinkTarget,
    BadWhiteout,
    LinkTargetMissing,
    NotEmpty,
    RootNotDirectory,
    TooManyEntries,
    Unsupported,
};

const Work = struct {
    directory: [*:0]const u8,
    sync: bool,
    arena: std.mem.Allocator,
};

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("apply");
    const rest = options.rest;
    if (rest.len < 2 or rest.len > 3 or !std.mem.eql(u8, std.mem.span(rest[0]), "--dir")) return reply.usage("apply");
    if (rest.len == 3 and !std.mem.eql(u8, std.mem.span(rest[2]), "--sync")) return reply.usage("apply");
    const work: Work = .{
        .directory = rest[1],
        .sync = rest.len == 3,
        .arena = arena.allocator(),
    };
    return reply.inside(arena.allocator(), options.maps, work, applyStandardInput);
}

fn applyStandardInput(work: Work) u8 {
    var source = archive.Source.fromDescriptor(0, work.arena) catch |err| return reply.refused("", err);
    var reader = archive.Reader.init(&source, work.arena) catch |err| return reply.refused("", err);
    var applier: Applier = undefined;
    applier.start(work, &reader) catch |err| return reply.refused(std.mem.span(work.directory), err);
    applier.applyAll() catch |err| return reply.refused(reader.current, err);
    applier.finish(work.sync) catch |err| return reply.refused(std.mem.span(work.directory), err);
    return reply.done(applier.result);
}

const Applier = struct {
    reader: *archive.Reader,
    tree: trees.Tree,
    directories: directories.Directories,
    writer: metadata.Writer,
    remover: Remover,
    result: reply.Done,
    /// Time of the entry being applied: directories it implies get it too.
    mtime: pax.Timestamp,
    path_buffer: paths.Buffer,
    target_buffer: paths.Buffer,

    fn start(self: *Applier, work: Work, reader: *archive.Reader) Error!void {
        _ = kernel.umask(0);
        const flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
        const root = try sys.checkFd("open", "", linux.open(work.directory, flags, 0));
        self.reader = reader;
        self.tree = .{ .root = root, .inventions = .{ .context = self, .add = invented } };
        self.directories = .{ .arena = work.arena };
        self.writer = .init(.{});
        self.remover = try .init(work.arena);
        self.result = .{};
        self.mtime = .{ .seconds = 0 };
        if (!try names.isEmpty(root)) return error.NotEmpty;
        // A default ACL or a setgid bit would be inherited by everything inside.
        _ = linux.fremovexattr(@intCast(root), "system.posix_acl_default");
        _ = try sys.check("fchmod", "", linux.fchmod(root, 0o700));
        try self.directories.remember(root, "", implied(self.mtime));
    }

    fn applyAll(self: *Applier) Error!void {
        while (try self.reader.next()) |entry| {
            if (self.result.entries == entries_max) return error.TooManyEntries;
            self.result.entries += 1;
            self.mtime = entry.mtime;
            try self.apply(&entry);
        }
        try self.reader.source.drain();
    }

    fn finish(self: *Applier, sync: bool) Error!void {
        self.tree.forget();
        try self.directories.finish(&self.tree, &self.writer);
        if (sync) _ = try sys.check("syncfs", "", linux.syncfs(self.tree.root));
        self.result.lost_owners = self.writer.lost_owners;
        self.result.dropped_xattrs = self.writer.dropped_xattrs;
    }

    fn apply(self: *Applier, entry: *const archive.Entry) Error!void {
        const path = try paths.clean(entry.path, &self.path_buffer);
        switch (paths.meaningOf(path)) {
            .ordinary => {},
            .ignored => return,
            .malformed => return error.BadWhiteout,
            .opaque_marker => return self.hideLower(paths.parentOf(path)),
            .whiteout => |hidden| return self.whiteOut(path, hidden),
        }
        if (path.len == 0 and entry.kind != .directory) return error.RootNotDirectory;
        switch (entry.kind) {
            .file => try self.applyFile(entry, path),
            .directory => try self.applyDirectory(entry, path),
            .symlink => try self.applySymlink(entry, path),
            .hard_link => try self.applyHardLink(entry, path),
            .fifo, .char_device, .block_device => try self.applyNode(entry, path),
            .unsupported => return error.Unsupported,
            .old_file, .pax, .pax_global, .long_name, .long_link, .label => unreachable, // never left archive.zig
        }
    }

    fn applyFile(self: *Applier, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const fd: linux.fd_t = for (0..2) |attempt| {
            const parent = try self.tree.parentOf(path);
            const rc = linux.openat(parent, paths.nameOf(path), new_file, entry.mode & 0o777);
            if (attempt == 0 and linux.errno(rc) == .EXIST) {
                try self.clear(parent, paths.nameOf(path));
                continue;
            }
            break try sys.checkFd("openat", "", rc);
        } else unreachable;
        defer _ = linux.close(fd);
        while (try self.reader.data()) |bytes| try sys.writeAll(fd, bytes);
        self.result.bytes += entry.size;
        try self.writer.setOwnerAndMode(fd, ownerOf(entry), entry.mode, true);
        try self.writer.setXattrs(fd, entry); // after the owner: chown(2) takes capabilities away
        try metadata.setTimes(fd, entry.mtime);
    }

    fn applyDirectory(self: *Applier, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const attributes: directories.Attributes = .{
            .owner = ownerOf(entry),
            .mode = entry.mode,
            .mtime = entry.mtime,
        };
        if (path.len == 0) {
            try self.writer.setXattrs(self.tree.root, entry);
            return self.directories.remember(self.tree.root, path, attributes);
        }
        const name = paths.nameOf(path);
        const hides = try self.makeDirectory(path);
        const parent = try self.tree.parentOf(path);
        const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
        const fd = try sys.checkFd("openat", "", linux.openat(parent, name, flags, 0));
        self.tree.remember(fd, path);
        try self.directories.remember(fd, path, attributes);
        try self.writer.setXattrs(fd, entry);
        if (hides) try setOpaque(fd);
    }

    /// True when it stands where this layer had a whiteout.
    fn makeDirectory(self: *Applier, path: [:0]const u8) Error!bool {
        const name = paths.nameOf(path);
        var hides = false;
        for (0..2) |_| {
            const parent = try self.tree.parentOf(path);
            const rc = linux.mkdirat(parent, name, 0o700);
            if (linux.errno(rc) != .EXIST) {
                _ = try sys.check("mkdirat", "", rc);
                break;
            }
            var stat: linux.Statx = undefined;
            _ = try sys.check("statx", "", kernel.lookAt(parent, name, &stat));
            if (kernel.isDirectory(stat)) break;
            hides = kernel.isWhiteout(stat);
            try self.clear(parent, name);
        }
        return hides;
    }

    fn applySymlink(self: *Applier, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        if (entry.link.len == 0) return error.BadLinkTarget;
        if (entry.link.len >= paths.path_bytes_max) return error.PathTooLong;
        const target = std.fmt.bufPrintZ(&self.target_buffer, "{s}", .{entry.link}) catch unreachable;
        const name = paths.nameOf(path);
        for (0..2) |attempt| {
            const parent = try self.tree.parentOf(path);
            const rc = linux.symlinkat(target, parent, name);
            if (attempt == 0 and linux.errno(rc) == .EXIST) {
                try self.clear(parent, name);
                continue;
            }
            _ = try sys.check("symlinkat", "", rc);
            try self.writer.setOwnerAt(parent, name, ownerOf(entry));
            self.writer.dropXattrs(entry);
            return metadata.setTimesAt(parent, name, entry.mtime);
        }
    }

    /// The target is looked up inside the root and not followed when it is a symbolic link itself. Owner, mode and
    /// times are the target's.
    fn applyHardLink(self: *Applier, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const target = try paths.clean(entry.link, &self.target_buffer);
        if (target.len == 0 or paths.meaningOf(target) != .ordinary) return error.BadLinkTarget;
        const target_parent = try self.openParent(target);
        defer _ = linux.close(target_parent);
        const target_name = paths.nameOf(target);
        const wanted = try lookForLink(target_parent, target_name) orelse return error.LinkTargetMissing;
        if (kernel.isDirectory(wanted)) return error.BadLinkTarget;
        const name = paths.nameOf(path);
        for (0..2) |attempt| {
            const parent = try self.tree.parentOf(path);
            const rc = linux.linkat(target_parent, target_name, parent, name, 0);
            if (attempt == 0 and linux.errno(rc) == .EXIST) {
                const there = try lookForLink(parent, name);
                if (there != null and there.?.ino == wanted.ino) return;
                try self.clear(parent, name);
                continue;
            }
            if (linux.errno(rc) == .NOENT) return error.LinkTargetMissing; // it was inside what the link replaces
            _ = try sys.check("linkat", "", rc);
            return;
        }
    }

    fn applyNode(self: *Applier, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const kind: u32 = switch (entry.kind) {
            .fifo => linux.S.IFIFO,
            .char_device => linux.S.IFCHR,
            else => linux.S.IFBLK,
        };
        const is_fifo = entry.kind == .fifo;
        const is_forged = entry.kind == .char_device and entry.major == 0 and entry.minor == 0;
        const device = if (is_fifo) 0 else kernel.deviceNumber(entry.major, entry.minor);
        const name = paths.nameOf(path);
        for (0..2) |attempt| {
            const parent = try self.tree.parentOf(path);
            const rc = if (is_forged) forged else linux.mknodat(parent, name, kind | (entry.mode & 0o1777), device);
            if (attempt == 0 and linux.errno(rc) == .EXIST) {
                try self.clear(parent, name);
                continue;
            }
            if (!is_fifo and linux.errno(rc) == .PERM) {
                self.result.skipped_devices += 1;
                return;
            }
            _ = try sys.check("mknodat", "", rc);
            try self.writer.setOwnerAt(parent, name, ownerOf(entry));
            self.writer.dropXattrs(entry);
            return metadata.setTimesAt(parent, name, entry.mtime);
        }
    }

    /// As if the kernel had refused it.
    const forged: usize = @bitCast(-@as(isize, @intFromEnum(linux.E.PERM)));

    fn whiteOut(self: *Applier, path: [:0]const u8, hidden: [:0]const u8) Error!void {
        const parent = try self.tree.parentOf(path);
        const rc = linux.mknodat(parent, hidden, linux.S.IFCHR, 0);
        if (linux.errno(rc) != .EXIST) {
            _ = try sys.check("mknodat", "", rc);
            return;
        }
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(parent, hidden, &stat));
        if (!kernel.isDirectory(stat)) return;
        const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
        const fd = try sys.checkFd("openat", "", linux.openat(parent, hidden, flags, 0));
        defer _ = linux.close(fd);
        try setOpaque(fd);
    }

    /// overlayfs does not read the mark on a layer's root: for that the reply says so.
    fn hideLower(self: *Applier, path: []const u8) Error!void {
        if (path.len == 0) self.result.opaque_root = true;
        const directory = try self.tree.directory(path);
        const flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
        const fd = try sys.checkFd("openat", "", linux.openat(directory, ".", flags, 0));
        defer _ = linux.close(fd);
        try setOpaque(fd);
    }

    /// Take away what stands where something new comes. No parent is known to be right after it.
    fn clear(self: *Applier, parent: linux.fd_t, name: [:0]const u8) Error!void {
        try self.remover.remove(parent, name);
        self.tree.forget();
    }

    /// The directory of a link's target, which must be there; the caller closes it.
    fn openParent(self: *Applier, target: [:0]const u8) Error!linux.fd_t {
        var buffer: paths.Buffer = undefined;
        const parent = paths.parentOf(target);
        const path = if (parent.len == 0) "." else std.fmt.bufPrintZ(&buffer, "{s}", .{parent}) catch unreachable;
        const rc = self.tree.open(path, .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true });
        return switch (linux.errno(rc)) {
            .NOENT, .NOTDIR, .LOOP => error.LinkTargetMissing,
            else => try sys.checkFd("openat2", "", rc),
        };
    }
};

/// The tree had to make a directory that no entry announced.
fn invented(context: *anyopaque, what: trees.Invention) trees.Error!void {
    const self: *Applier = @ptrCast(@alignCast(context));
    self.result.invented_directories += 1;
    try self.directories.remember(what.fd, what.path, implied(self.mtime));
    if (what.replaces_whiteout) try setOpaque(what.fd);
}

fn implied(mtime: pax.Timestamp) directories.Attributes {
    return .{ .owner = .{ .uid = 0, .gid = 0 }, .mode = implied_mode, .mtime = mtime };
}

fn ownerOf(entry: *const archive.Entry) metadata.Owner {
    return .{ .uid = entry.uid, .gid = entry.gid };
}

fn setOpaque(fd: linux.fd_t) sys.Error!void {
    _ = try sys.check("fsetxattr", "", linux.fsetxattr(fd, opaque_xattr, "y", 1, 0));
}

/// What a hard link may point at; null when nothing is there, or nothing that this layer shows.
fn lookForLink(parent: linux.fd_t, name: [:0]const u8) sys.Error!?linux.Statx {
    var stat: linux.Statx = undefined;
    const rc = kernel.lookAt(parent, name, &stat);
    if (linux.errno(rc) == .NOENT) return null;
    _ = try sys.check("statx", "", rc);
    return if (kernel.isWhiteout(stat)) null else stat;
}
