//! `native files changes --tree UPPER [map options] [--except PATH...] --lower DIR...`: what an upper directory changes of
//! the layers below it, as docker's diff tells it: one JSON line each, `A` added, `C` changed, `D` deleted, in order.
//!
//! Theory of operation: the upper directory is walked; beside each of its directories the same directory of every layer
//! that can still show through is open, and a name counts where it is met first (as layer/copy.zig has it). A directory
//! that is in both is changed when its owner, mode or attributes are, when its time is and nothing of ours stands in
//! it, or when something below it is.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const place = @import("place.zig");
const words = @import("words.zig");
const kernel = layer.kernel;
const linux = sys.linux;

const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const open_path: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
const below = kernel.Resolve.beneath | kernel.Resolve.no_symlinks;
const output_bytes = 64 << 10;
const whiteout_prefix = ".wh.";

pub const Error = sys.Error || error{ OutOfMemory, PathTooLong };

pub const Change = struct { kind: u8, path: []const u8 };
const Found = struct { name: [:0]const u8, stat: linux.Statx };

const Differ = struct {
    arena: std.mem.Allocator,
    options: *const words.Options,
    top: linux.fd_t = -1,
    lower: []linux.fd_t = &.{},
    changes: std.ArrayList(Change) = .empty,
    buffer: layer.names.Buffer = .{},
    current: []const u8 = "",

    /// True: something in it was told.
    fn directory(differ: *Differ, path: [:0]const u8, visible: usize) Error!bool {
        differ.current = path;
        const name: [:0]const u8 = if (path.len == 0) "." else path;
        const rc = kernel.openat2(differ.top, name, open_directory, below);
        if (linux.errno(rc) == .NOENT or linux.errno(rc) == .NOTDIR or linux.errno(rc) == .LOOP) return false;
        const fd = try sys.checkFd("openat2", "", rc);
        defer _ = linux.close(fd);
        const before = differ.changes.items.len;
        const lower = try differ.arena.alloc(linux.fd_t, visible);
        var shown: usize = 0;
        defer for (lower[0..shown]) |opened| if (opened >= 0) {
            _ = linux.close(opened);
        };
        if (!isOpaque(fd)) shown = try differ.openLower(name, lower);
        const is_new = path.len > 0 and !hasAny(lower[0..shown]);
        if (is_new) try differ.tell(if (visible > 0 and try differ.existsBelow(path, visible)) 'C' else 'A', path);
        const entries = try differ.list(fd);
        for (entries) |found| {
            try differ.compare(try joined(differ.arena, path, found.name), found, lower[0..shown]);
        }
        if (is_new and differ.holdsException(path) and differ.changes.items.len == before + 1) {
            _ = differ.changes.pop(); // made for a mount point of ours, and nothing else is in it
            if (entries.len > 0) return false;
            try differ.tell('A', path);
        }
        const told = differ.changes.items.len > before;
        if (!is_new and path.len > 0 and (told or try differ.isChanged(fd, path, lower[0..shown]))) {
            try differ.changes.insert(differ.arena, before, .{ .kind = 'C', .path = path });
            return true;
        }
        return told;
    }

    fn compare(differ: *Differ, path: [:0]const u8, found: Found, lower: []const linux.fd_t) Error!void {
        if (differ.options.has_marks and std.mem.startsWith(u8, found.name, whiteout_prefix)) {
            return differ.mark(path, found.name[whiteout_prefix.len..], lower);
        }
        const old = try lookBelow(lower, found.name);
        if (kernel.isDirectory(found.stat)) {
            if (differ.isException(path) and try differ.isEmpty(path)) return;
            const visible = if (old != null and kernel.isDirectory(old.?)) lower.len else 0;
            if (visible == 0 and old != null) try differ.tell('C', path);
            const before = differ.changes.items.len;
            _ = try differ.directory(path, visible);
            if (visible != 0 or old == null) return;
            // a directory in the place of something else: said once
            if (differ.changes.items.len > before and std.mem.eql(u8, differ.changes.items[before].path, path)) {
                _ = differ.changes.orderedRemove(before);
            }
            return;
        }
        if (kernel.isWhiteout(found.stat)) {
            if (old != null) try differ.tell('D', path);
            return;
        }
        if (found.stat.size == 0 and differ.isException(path)) return;
        try differ.tell(if (old == null) 'A' else 'C', path);
    }

    /// A whiteout of fuse-overlayfs', which may be a file.
    fn mark(differ: *Differ, path: []const u8, hidden: [:0]const u8, lower: []const linux.fd_t) Error!void {
        if (hidden.len == 0 or try lookBelow(lower, hidden) == null) return;
        const above = std.fs.path.dirnamePosix(path) orelse "";
        try differ.tell('D', try joined(differ.arena, above, hidden));
    }

    fn tell(differ: *Differ, kind: u8, path: []const u8) Error!void {
        try differ.changes.append(differ.arena, .{ .kind = kind, .path = path });
    }

    /// The same directory in the layers that can show through; how many those are.
    fn openLower(differ: *Differ, name: [:0]const u8, out: []linux.fd_t) Error!usize {
        for (differ.lower[0..out.len], out, 0..) |root, *slot, index| {
            const rc = kernel.openat2(root, name, open_directory, below);
            slot.* = -1;
            switch (linux.errno(rc)) {
                .SUCCESS => slot.* = @intCast(rc),
                .NOENT => continue,
                else => return index,
            }
            if (isOpaque(slot.*)) return index + 1;
        }
        return out.len;
    }

    /// A directory that hides all below it: whether it hides one.
    fn existsBelow(differ: *Differ, path: [:0]const u8, visible: usize) Error!bool {
        const lower = try differ.arena.alloc(linux.fd_t, visible);
        const shown = try differ.openLower(path, lower);
        defer for (lower[0..shown]) |opened| if (opened >= 0) {
            _ = linux.close(opened);
        };
        return hasAny(lower[0..shown]);
    }

    fn isChanged(differ: *Differ, fd: linux.fd_t, path: []const u8, lower: []const linux.fd_t) Error!bool {
        var new: linux.Statx = undefined;
        var old: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(fd, "", &new));
        const topmost = for (lower) |opened| {
            if (opened >= 0) break opened;
        } else return true;
        _ = try sys.check("statx", "", kernel.lookAt(topmost, "", &old));
        if (new.mode != old.mode or new.uid != old.uid or new.gid != old.gid) return true;
        if (new.mtime.sec == old.mtime.sec and new.mtime.nsec == old.mtime.nsec) return false;
        return !differ.holdsException(path); // its time is that of a mount point that we made in it
    }

    fn isException(differ: *const Differ, path: []const u8) bool {
        for (differ.options.except) |exception| if (std.mem.eql(u8, exception, path)) return true;
        return false;
    }

    fn holdsException(differ: *const Differ, path: []const u8) bool {
        for (differ.options.except) |exception| {
            const parent = std.fs.path.dirnamePosix(exception) orelse "";
            if (std.mem.eql(u8, parent, path)) return true;
        }
        return false;
    }

    fn isEmpty(differ: *Differ, path: [:0]const u8) Error!bool {
        const rc = kernel.openat2(differ.top, path, open_directory, below);
        if (linux.errno(rc) != .SUCCESS) return true;
        const fd: linux.fd_t = @intCast(rc);
        defer _ = linux.close(fd);
        return layer.names.isEmpty(fd);
    }

    /// Sorted by name.
    fn list(differ: *Differ, fd: linux.fd_t) Error![]Found {
        var found: std.ArrayList(Found) = .empty;
        var iterator: layer.names.Iterator = .{ .fd = fd, .buffer = &differ.buffer };
        while (try iterator.next()) |item| {
            var stat: linux.Statx = undefined;
            if (linux.errno(kernel.lookAt(fd, item.name, &stat)) != .SUCCESS) continue; // it has gone
            try found.append(differ.arena, .{ .name = try differ.arena.dupeZ(u8, item.name), .stat = stat });
        }
        std.mem.sort(Found, found.items, {}, struct {
            fn isBefore(_: void, a: Found, b: Found) bool {
                return std.mem.lessThan(u8, a.name, b.name);
            }
        }.isBefore);
        return found.items;
    }

    fn open(differ: *Differ) Error!void {
        differ.lower = try differ.arena.alloc(linux.fd_t, differ.options.lower.len);
        for (differ.options.lower, differ.lower) |path, *fd| {
            fd.* = try sys.checkFd("open", path, linux.open(path, open_path, 0));
        }
    }
};

pub fn run(arena: std.mem.Allocator, options: *const words.Options) u8 {
    var differ: Differ = .{ .arena = arena, .options = options };
    raiseLimit();
    differ.open() catch |err| return layer.reply.refused("", err);
    return place.visit(arena, options, .read, &differ, diff);
}

/// A deep tree has as many directories open as it has levels, in every layer.
pub fn raiseLimit() void {
    var limit: linux.rlimit = undefined;
    if (linux.errno(linux.getrlimit(.NOFILE, &limit)) != .SUCCESS) return;
    limit.cur = limit.max;
    _ = linux.setrlimit(.NOFILE, &limit);
}

fn diff(differ: *Differ, root: linux.fd_t) u8 {
    differ.top = root;
    _ = differ.directory("", differ.lower.len) catch |err| return layer.reply.refused(differ.current, err);
    write(differ.arena, differ.changes.items) catch return 125;
    return 0;
}

pub fn write(arena: std.mem.Allocator, all: []const Change) !void {
    const buffer = try arena.alloc(u8, output_bytes);
    var used: usize = 0;
    for (all) |change| {
        if (buffer.len - used < 16 + 6 * (change.path.len + 1)) {
            try sys.writeAll(layer.reply.descriptor, buffer[0..used]);
            used = 0;
        }
        var w: std.Io.Writer = .fixed(buffer[used..]);
        try w.print("{{\"ok\":true,\"kind\":\"{c}\",\"path\":\"/", .{change.kind});
        try writeEscaped(&w, change.path);
        try w.writeAll("\"}\n");
        used += w.end;
    }
    try sys.writeAll(layer.reply.descriptor, buffer[0..used]);
}

/// Names are any bytes: those that are not UTF-8 become U+FFFD.
fn writeEscaped(w: *std.Io.Writer, bytes: []const u8) !void {
    var i: usize = 0;
    while (i < bytes.len) {
        const length = std.unicode.utf8ByteSequenceLength(bytes[i]) catch 0;
        const is_valid = length > 0 and i + length <= bytes.len and std.unicode.utf8ValidateSlice(bytes[i..][0..length]);
        if (!is_valid) {
            try w.writeAll("\u{fffd}");
            i += 1;
            continue;
        }
        switch (bytes[i]) {
            '"', '\\' => try w.print("\\{c}", .{bytes[i]}),
            0...0x1f, 0x7f => try w.print("\\u{x:0>4}", .{bytes[i]}),
            else => try w.writeAll(bytes[i..][0..length]),
        }
        i += length;
    }
}

fn hasAny(lower: []const linux.fd_t) bool {
    for (lower) |opened| if (opened >= 0) return true;
    return false;
}

/// What the layers show under a name; null when nothing.
fn lookBelow(lower: []const linux.fd_t, name: [:0]const u8) sys.Error!?linux.Statx {
    for (lower) |fd| {
        if (fd < 0) continue;
        var stat: linux.Statx = undefined;
        const rc = kernel.lookAt(fd, name, &stat);
        if (linux.errno(rc) == .NOENT) continue;
        _ = try sys.check("statx", "", rc);
        return if (kernel.isWhiteout(stat)) null else stat;
    }
    return null;
}

pub fn isOpaque(fd: linux.fd_t) bool {
    var value: [2]u8 = undefined;
    for ([_][*:0]const u8{ "user.overlay.opaque", "user.fuseoverlayfs.opaque" }) |name| {
        const rc = linux.fgetxattr(fd, name, &value, value.len);
        if (linux.errno(rc) == .SUCCESS and std.mem.eql(u8, value[0..rc], "y")) return true;
    }
    return false;
}

pub fn joined(arena: std.mem.Allocator, path: []const u8, name: []const u8) Error![:0]const u8 {
    if (path.len + 1 + name.len >= layer.path.path_bytes_max) return error.PathTooLong;
    const slash = if (path.len == 0) "" else "/";
    return std.fmt.allocPrintSentinel(arena, "{s}{s}{s}", .{ path, slash, name }, 0);
}
