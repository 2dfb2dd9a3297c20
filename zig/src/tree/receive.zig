//! `native files receive`: a plain tar on standard input becomes files in a directory of a place.
//!
//! Theory of operation: as with a layer (layer/apply.zig) each name is opened below a descriptor of the directory and its
//! last component is never followed. What differs is what is there already, docker's rules: a directory merges, a file
//! takes a file's place, and a directory and something else do not replace one another unless that was asked for.
//! A file that is there is replaced as a whole, by rename, so whoever uses it sees the old one or the new one, and a
//! full disk leaves the old one. A new one that cannot be finished is taken away again. What has been mounted over (a
//! file that is bound into the container) cannot be renamed over: its content is written anew.
//!
//! On the host nobody's files are made but the caller's: no owners, no set-id bits, which would lend the caller's rights
//! to whoever runs a container's program, no devices, no capabilities.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const holes = @import("holes.zig");
const place = @import("place.zig");
const words = @import("words.zig");
const report = @import("report.zig");
const archive = layer.archive;
const directories = layer.directories;
const kernel = layer.kernel;
const metadata = layer.metadata;
const paths = layer.path;
const trees = layer.tree;
const linux = sys.linux;

const implied_mode = 0o755;

const new_file: linux.O = .{
    .ACCMODE = .WRONLY,
    .CREAT = true,
    .EXCL = true,
    .NOFOLLOW = true,
    .CLOEXEC = true,
};
const directory_flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const no_links = kernel.Resolve.beneath | kernel.Resolve.no_symlinks | kernel.Resolve.no_magiclinks;

pub const Error = archive.Error || trees.Error || directories.Error || error{
    BadLinkTarget,
    DirectoryInTheWay,
    FileInTheWay,
    LinkTargetMissing,
    RootNotDirectory,
    Unsupported,
};

pub const Receiver = struct {
    arena: std.mem.Allocator,
    options: *const words.Options,
    reader: archive.Reader,
    tree: trees.Tree,
    directories: directories.Directories,
    writer: metadata.Writer,
    remover: layer.remove.Remover,
    result: report.Received = .{},
    is_host: bool = false,
    mtime: layer.pax.Timestamp = .{ .seconds = 0 },
    /// Where the directory lies below the tree's root.
    prefix: []const u8 = "",
    path_buffer: paths.Buffer = undefined,
    target_buffer: paths.Buffer = undefined,
    joined_buffer: [2 * paths.path_bytes_max]u8 = undefined,

    pub fn run(arena: std.mem.Allocator, options: *const words.Options) u8 {
        const receiver = arena.create(Receiver) catch |err| return layer.reply.refused("", err);
        const source = arena.create(archive.Source) catch |err| return layer.reply.refused("", err);
        source.* = archive.Source.fromDescriptor(0, arena) catch |err| return layer.reply.refused("", err);
        receiver.* = .{
            .arena = arena,
            .options = options,
            .reader = archive.Reader.init(source, arena) catch |err| return layer.reply.refused("", err),
            .tree = undefined,
            .directories = .{ .arena = arena },
            .writer = undefined,
            .remover = layer.remove.Remover.init(arena) catch |err| return layer.reply.refused("", err),
        };
        return place.visit(arena, options, .write, receiver, receiveInto);
    }

    fn receiveInto(receiver: *Receiver, root: linux.fd_t) u8 {
        receiver.start(root) catch |err| return layer.reply.refused(receiver.options.path, err);
        const applied = receiver.applyAll();
        receiver.tree.forget();
        // Also when something went wrong: what is there is as it should be.
        const finished = receiver.directories.finish(&receiver.tree, &receiver.writer);
        applied catch |err| return layer.reply.refused(receiver.reader.current, err);
        finished catch |err| return layer.reply.refused(receiver.options.path, err);
        receiver.result.lost_owners = receiver.writer.lost_owners;
        return report.received(receiver.result);
    }

    fn start(receiver: *Receiver, root: linux.fd_t) Error!void {
        _ = kernel.umask(0);
        receiver.is_host = root == linux.AT.FDCWD;
        receiver.writer = .init(.{});
        const path = receiver.options.path;
        const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
        const rc = if (receiver.is_host)
            linux.open(path, flags, 0)
        else
            kernel.openat2(root, place.below(path), flags, place.in_root);
        const directory = try sys.checkFd("open", "", rc);
        receiver.tree = .{
            .root = directory,
            .inventions = .{ .context = receiver, .add = invented },
            .resolve = no_links,
        };
        if (!receiver.options.follows_parents or receiver.is_host) return;
        _ = linux.close(directory);
        receiver.tree.root = root;
        receiver.tree.resolve = place.in_root;
        receiver.prefix = std.mem.trim(u8, path, "/");
    }

    fn applyAll(receiver: *Receiver) Error!void {
        while (try receiver.reader.next()) |entry| {
            receiver.result.entries += 1;
            receiver.mtime = entry.mtime;
            try receiver.apply(&entry);
        }
        try receiver.reader.source.drain();
    }

    /// As spelled in the archive -> below the tree's root. Null: the directory itself.
    fn clean(receiver: *Receiver, raw: []const u8, buffer: *paths.Buffer) Error!?[:0]const u8 {
        const inside = try paths.clean(raw, buffer);
        if (inside.len == 0) return null;
        if (receiver.prefix.len == 0) return inside;
        const whole = std.fmt.bufPrint(&receiver.joined_buffer, "{s}/{s}", .{ receiver.prefix, inside }) catch
            return error.PathTooLong;
        return try paths.cleanClamped(whole, buffer);
    }

    fn apply(receiver: *Receiver, entry: *const archive.Entry) Error!void {
        const path = try receiver.clean(entry.path, &receiver.path_buffer) orelse {
            return if (entry.kind == .directory) {} else error.RootNotDirectory;
        };
        switch (entry.kind) {
            .file => try receiver.applyFile(entry, path),
            .directory => try receiver.applyDirectory(entry, path),
            .symlink => try receiver.applySymlink(entry, path),
            .hard_link => try receiver.applyHardLink(entry, path),
            .fifo, .char_device, .block_device => try receiver.applyNode(entry, path),
            .unsupported => return error.Unsupported,
            .old_file, .pax, .pax_global, .long_name, .long_link, .label => unreachable, // never left archive.zig
        }
    }

    fn applyFile(receiver: *Receiver, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const name = paths.nameOf(path);
        const parent = try receiver.tree.parentOf(path);
        const rc = linux.openat(parent, name, new_file, 0o600);
        if (linux.errno(rc) != .EXIST) {
            const fd = try sys.checkFd("openat", "", rc);
            errdefer _ = linux.unlinkat(parent, name, 0);
            return receiver.fill(fd, entry);
        }
        const there = try look(parent, name) orelse return receiver.applyFile(entry, path); // just removed
        if (kernel.isDirectory(there)) {
            try receiver.clearDirectory(path);
            return receiver.applyFile(entry, path);
        }
        if (kernel.isMountRoot(there)) return receiver.overwrite(parent, name, entry);
        var buffer: [48]u8 = undefined;
        const temporary = temporaryName(&buffer);
        const fd = try sys.checkFd("openat", "", linux.openat(parent, temporary, new_file, 0o600));
        errdefer _ = linux.unlinkat(parent, temporary, 0);
        try receiver.fill(fd, entry);
        const renamed = linux.renameat(parent, temporary, parent, name);
        if (linux.errno(renamed) == .ISDIR) return error.DirectoryInTheWay;
        _ = try sys.check("renameat", "", renamed);
    }

    /// Closes `fd`.
    fn fill(receiver: *Receiver, fd: linux.fd_t, entry: *const archive.Entry) Error!void {
        defer _ = linux.close(fd);
        var content: holes.Content = .{ .fd = fd };
        while (try receiver.reader.data()) |bytes| try content.write(bytes);
        try content.finish();
        receiver.result.bytes += entry.size;
        try receiver.writer.setOwnerAndMode(fd, receiver.ownerOf(entry), receiver.modeOf(entry), false);
        try receiver.setXattrs(fd, entry); // after the owner: chown(2) takes capabilities away
        try metadata.setTimes(fd, entry.mtime);
    }

    /// A file that something is mounted on, in place.
    fn overwrite(receiver: *Receiver, parent: linux.fd_t, name: [:0]const u8, entry: *const archive.Entry) Error!void {
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .NOFOLLOW = true, .NONBLOCK = true, .CLOEXEC = true, .TRUNC = true };
        const resolve = kernel.Resolve.beneath | kernel.Resolve.no_symlinks;
        const fd = try sys.checkFd("openat", "", kernel.openat2(parent, name, flags, resolve));
        defer _ = linux.close(fd);
        while (try receiver.reader.data()) |bytes| try sys.writeAll(fd, bytes);
        receiver.result.bytes += entry.size;
    }

    fn applyDirectory(receiver: *Receiver, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const name = paths.nameOf(path);
        const attributes: directories.Attributes = .{
            .owner = receiver.ownerOf(entry),
            .mode = receiver.modeOf(entry),
            .mtime = entry.mtime,
        };
        for (0..2) |_| {
            const rc = linux.mkdirat(try receiver.tree.parentOf(path), name, 0o700);
            if (linux.errno(rc) != .EXIST) {
                _ = try sys.check("mkdirat", "", rc);
                break;
            }
            const there = try look(try receiver.tree.parentOf(path), name) orelse continue;
            if (kernel.isDirectory(there)) break;
            if (!receiver.options.overwrites) return error.FileInTheWay;
            try receiver.clear(try receiver.tree.parentOf(path), name);
        }
        const parent = try receiver.tree.parentOf(path);
        const fd = try sys.checkFd("openat", "", linux.openat(parent, name, directory_flags, 0));
        receiver.tree.remember(fd, path);
        try receiver.directories.remember(fd, path, attributes);
        try receiver.setXattrs(fd, entry);
    }

    fn applySymlink(receiver: *Receiver, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        if (entry.link.len == 0) return error.BadLinkTarget;
        if (entry.link.len >= paths.path_bytes_max) return error.PathTooLong;
        const target = std.fmt.bufPrintZ(&receiver.target_buffer, "{s}", .{entry.link}) catch unreachable;
        try receiver.makeRoom(path);
        const parent = try receiver.tree.parentOf(path);
        const name = paths.nameOf(path);
        _ = try sys.check("symlinkat", "", linux.symlinkat(target, parent, name));
        try receiver.describeAt(parent, name, entry);
    }

    /// The target is looked up inside the directory and not followed when it is a symbolic link itself.
    fn applyHardLink(receiver: *Receiver, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const target = try receiver.clean(entry.link, &receiver.target_buffer) orelse return error.BadLinkTarget;
        var buffer: paths.Buffer = undefined;
        const above = paths.parentOf(target);
        const directory = if (above.len == 0) "." else std.fmt.bufPrintZ(&buffer, "{s}", .{above}) catch unreachable;
        const opened = receiver.tree.open(directory, .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true });
        const from = switch (linux.errno(opened)) {
            .NOENT, .NOTDIR, .LOOP => return error.LinkTargetMissing,
            else => try sys.checkFd("openat2", "", opened),
        };
        defer _ = linux.close(from);
        const wanted = try look(from, paths.nameOf(target)) orelse return error.LinkTargetMissing;
        if (kernel.isDirectory(wanted)) return error.BadLinkTarget;
        const name = paths.nameOf(path);
        if (try look(try receiver.tree.parentOf(path), name)) |there| {
            if (there.ino == wanted.ino and there.dev_minor == wanted.dev_minor) return;
        }
        try receiver.makeRoom(path);
        const rc = linux.linkat(from, paths.nameOf(target), try receiver.tree.parentOf(path), name, 0);
        if (linux.errno(rc) == .NOENT) return error.LinkTargetMissing;
        _ = try sys.check("linkat", "", rc);
    }

    fn applyNode(receiver: *Receiver, entry: *const archive.Entry, path: [:0]const u8) Error!void {
        const kind: u32 = switch (entry.kind) {
            .fifo => linux.S.IFIFO,
            .char_device => linux.S.IFCHR,
            else => linux.S.IFBLK,
        };
        const is_whiteout = entry.kind == .char_device and entry.major == 0 and entry.minor == 0;
        if (entry.kind != .fifo and (receiver.is_host or is_whiteout)) {
            receiver.result.skipped_devices += 1;
            return;
        }
        try receiver.makeRoom(path);
        const parent = try receiver.tree.parentOf(path);
        const device = if (entry.kind == .fifo) 0 else kernel.deviceNumber(entry.major, entry.minor);
        const rc = linux.mknodat(parent, paths.nameOf(path), kind | (receiver.modeOf(entry) & 0o1777), device);
        if (entry.kind != .fifo and linux.errno(rc) == .PERM) {
            receiver.result.skipped_devices += 1;
            return;
        }
        _ = try sys.check("mknodat", "", rc);
        try receiver.describeAt(parent, paths.nameOf(path), entry);
    }

    fn describeAt(receiver: *Receiver, parent: linux.fd_t, name: [:0]const u8, entry: *const archive.Entry) Error!void {
        try receiver.writer.setOwnerAt(parent, name, receiver.ownerOf(entry));
        try metadata.setTimesAt(parent, name, entry.mtime);
    }

    /// Take away what stands where something comes that is neither a file nor a directory.
    fn makeRoom(receiver: *Receiver, path: [:0]const u8) Error!void {
        const parent = try receiver.tree.parentOf(path);
        const there = try look(parent, paths.nameOf(path)) orelse return;
        if (kernel.isDirectory(there)) return receiver.clearDirectory(path);
        try receiver.clear(parent, paths.nameOf(path));
    }

    fn clearDirectory(receiver: *Receiver, path: [:0]const u8) Error!void {
        if (!receiver.options.overwrites) return error.DirectoryInTheWay;
        try receiver.clear(try receiver.tree.parentOf(path), paths.nameOf(path));
    }

    fn clear(receiver: *Receiver, parent: linux.fd_t, name: [:0]const u8) Error!void {
        try receiver.remover.remove(parent, name);
        receiver.tree.forget();
    }

    fn ownerOf(receiver: *const Receiver, entry: *const archive.Entry) metadata.Owner {
        return switch (receiver.options.owners) {
            .archive => .{ .uid = entry.uid, .gid = entry.gid },
            .nobody => .{ .uid = receiver.writer.uid, .gid = receiver.writer.gid },
            .fixed => |owner| .{ .uid = owner.uid, .gid = owner.gid },
        };
    }

    fn modeOf(receiver: *const Receiver, entry: *const archive.Entry) u32 {
        return if (receiver.is_host) entry.mode & 0o1777 else entry.mode & 0o7777;
    }

    fn setXattrs(receiver: *Receiver, fd: linux.fd_t, entry: *const archive.Entry) Error!void {
        if (!receiver.is_host) return receiver.writer.setXattrs(fd, entry);
        if (entry.records.len == 0) return;
        var xattrs = entry.xattrs();
        while (xattrs.next()) |xattr| {
            if (!metadata.isWelcome(xattr.key) or !std.mem.startsWith(u8, xattr.key, "user.")) continue;
            _ = try metadata.setXattrAsItIs(fd, xattr.key, xattr.value);
        }
    }
};

/// The tree had to make a directory that no entry announced.
fn invented(context: *anyopaque, what: trees.Invention) trees.Error!void {
    const receiver: *Receiver = @ptrCast(@alignCast(context));
    const owner: metadata.Owner = switch (receiver.options.owners) {
        .fixed => |fixed| .{ .uid = fixed.uid, .gid = fixed.gid },
        .archive, .nobody => .{ .uid = receiver.writer.uid, .gid = receiver.writer.gid },
    };
    try receiver.directories.remember(what.fd, what.path, .{ .owner = owner, .mode = implied_mode, .mtime = receiver.mtime });
}

/// Null: there is nothing.
fn look(parent: linux.fd_t, name: [:0]const u8) sys.Error!?linux.Statx {
    var stat: linux.Statx = undefined;
    const rc = kernel.lookAt(parent, name, &stat);
    if (linux.errno(rc) == .NOENT) return null;
    _ = try sys.check("statx", "", rc);
    return stat;
}

/// One that nobody has.
fn temporaryName(buffer: *[48]u8) [:0]const u8 {
    var random: u64 = 0;
    _ = linux.getrandom(std.mem.asBytes(&random), @sizeOf(u64), 0);
    return std.fmt.bufPrintZ(buffer, ".tspod-cp-{x:0>16}", .{random}) catch unreachable;
}
