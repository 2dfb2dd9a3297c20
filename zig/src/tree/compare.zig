//! `native files compare --tree / [map options] [--marks] [--except PATH...] --lower DIR... -- DIR...`: what the files of
//! one stack of layers (after `--`, topmost first) have otherwise than those of another (`--lower`), in the words of
//! `changes`. Neither stack is mounted.
//!
//! Theory of operation: both are walked at once, each directory of a stack being the same directory of every layer that
//! can still show through. What both have from the same layers is the same and is not looked into: two images of one base
//! cost what their own layers cost. Content is not read: owner, mode, kind, size and time tell, as podman has it.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const changes = @import("changes.zig");
const place = @import("place.zig");
const words = @import("words.zig");
const kernel = layer.kernel;
const linux = sys.linux;

const open_root: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const whiteout_prefix = ".wh.";

const Error = changes.Error;

/// A directory as a stack shows it: of each layer that can show something in it, topmost first.
const Shown = []const linux.fd_t;

const Side = enum { old, new };
const Entry = struct { name: [:0]const u8, old: ?linux.Statx = null, new: ?linux.Statx = null };
const Names = std.StringArrayHashMapUnmanaged(Entry);

const Comparison = struct {
    arena: std.mem.Allocator,
    options: *const words.Options,
    old: Shown = &.{},
    new: Shown = &.{},
    changes: std.ArrayList(changes.Change) = .empty,
    buffer: layer.names.Buffer = .{},
    current: []const u8 = "",

    /// True: something in it was told. Both show a directory there.
    fn directory(c: *Comparison, path: []const u8, old: Shown, new: Shown) Error!bool {
        c.current = path;
        if (try areSame(old, new)) return false;
        const before = c.changes.items.len;
        const entries = try c.list(old, new);
        for (entries) |*entry| try c.compare(try changes.joined(c.arena, path, entry.name), entry, old, new);
        return c.changes.items.len > before;
    }

    fn compare(c: *Comparison, path: [:0]const u8, entry: *const Entry, old: Shown, new: Shown) Error!void {
        const is = entry.new orelse return if (!c.isOurs(path, entry.old.?)) c.tell('D', path);
        const was = entry.old orelse return if (!c.isOurs(path, is)) c.add(path, entry.name, is, new);
        const is_directory = kernel.isDirectory(is);
        if (is_directory and kernel.isDirectory(was)) {
            const before = c.changes.items.len;
            const lower = try c.enter(old, entry.name);
            defer close(lower);
            const upper = try c.enter(new, entry.name);
            defer close(upper);
            const told = try c.directory(path, lower, upper);
            if (!told and !isOtherwise(was, is)) return;
            return c.changes.insert(c.arena, before, .{ .kind = 'C', .path = path });
        }
        if (isSameFile(was, is) or c.isOurs(path, is) or c.isOurs(path, was)) return;
        if (!isOtherwise(was, is) and isAsOld(was, is)) return;
        try c.tell('C', path);
        if (is_directory) try c.addBelow(path, entry.name, new);
    }

    fn add(c: *Comparison, path: [:0]const u8, name: [:0]const u8, stat: linux.Statx, new: Shown) Error!void {
        try c.tell('A', path);
        if (kernel.isDirectory(stat)) try c.addBelow(path, name, new);
    }

    /// All that is in a directory that was none before.
    fn addBelow(c: *Comparison, path: [:0]const u8, name: [:0]const u8, new: Shown) Error!void {
        const before = c.changes.items.len;
        const upper = try c.enter(new, name);
        defer close(upper);
        if (try c.directory(path, &.{}, upper) or !c.holdsOurs(path)) return;
        c.changes.items.len = before - 1; // made for a mount point of ours, and nothing else is in it
    }

    fn tell(c: *Comparison, kind: u8, path: []const u8) Error!void {
        try c.changes.append(c.arena, .{ .kind = kind, .path = path });
    }

    /// The directory `name` of one that is shown.
    fn enter(c: *Comparison, above: Shown, name: [:0]const u8) Error!Shown {
        var opened: std.ArrayList(linux.fd_t) = .empty;
        errdefer close(opened.items);
        for (above) |fd| {
            const rc = kernel.openat2(fd, name, open_directory, kernel.Resolve.beneath | kernel.Resolve.no_symlinks);
            switch (linux.errno(rc)) {
                .SUCCESS => {
                    const inside: linux.fd_t = @intCast(rc);
                    try opened.append(c.arena, inside);
                    if (changes.isOpaque(inside)) break;
                },
                .NOENT => {},
                .NOTDIR, .LOOP => break,
                else => _ = try sys.check("openat2", "", rc),
            }
            if (c.options.has_marks and try c.isMarked(fd, name)) break;
        }
        return opened.items;
    }

    /// fuse-overlayfs' whiteout, which may be a file.
    fn isMarked(c: *Comparison, fd: linux.fd_t, name: []const u8) Error!bool {
        const mark = try std.fmt.allocPrintSentinel(c.arena, whiteout_prefix ++ "{s}", .{name}, 0);
        return linux.errno(linux.faccessat(fd, mark, linux.F_OK, 0)) == .SUCCESS;
    }

    /// What either shows, sorted by name.
    fn list(c: *Comparison, old: Shown, new: Shown) Error![]Entry {
        var names: Names = .empty;
        try c.gather(&names, old, .old);
        try c.gather(&names, new, .new);
        var found: std.ArrayList(Entry) = .empty;
        for (names.values()) |entry| if (entry.old != null or entry.new != null) try found.append(c.arena, entry);
        std.mem.sort(Entry, found.items, {}, struct {
            fn isBefore(_: void, a: Entry, b: Entry) bool {
                return std.mem.lessThan(u8, a.name, b.name);
            }
        }.isBefore);
        return found.items;
    }

    /// The topmost layer that has a name says what it is, be it that it is nothing.
    fn gather(c: *Comparison, names: *Names, shown: Shown, side: Side) Error!void {
        var decided: std.StringHashMapUnmanaged(void) = .empty;
        for (shown) |fd| {
            var iterator: layer.names.Iterator = .{ .fd = fd, .buffer = &c.buffer };
            while (try iterator.next()) |item| {
                var stat: linux.Statx = undefined;
                if (linux.errno(kernel.lookAt(fd, item.name, &stat)) != .SUCCESS) continue; // it has gone
                const is_mark = c.options.has_marks and std.mem.startsWith(u8, item.name, whiteout_prefix);
                const name = try c.arena.dupeZ(u8, if (is_mark) item.name[whiteout_prefix.len..] else item.name);
                if ((try decided.getOrPut(c.arena, name)).found_existing) continue;
                if (is_mark or kernel.isWhiteout(stat)) continue;
                const slot = try names.getOrPutValue(c.arena, name, .{ .name = name });
                switch (side) {
                    .old => slot.value_ptr.old = stat,
                    .new => slot.value_ptr.new = stat,
                }
            }
        }
    }

    /// What create and start have put there: no change of anybody's.
    fn isOurs(c: *const Comparison, path: []const u8, stat: linux.Statx) bool {
        if (!kernel.isDirectory(stat) and stat.size > 0) return false;
        for (c.options.except) |exception| if (std.mem.eql(u8, exception, path)) return true;
        return false;
    }

    fn holdsOurs(c: *const Comparison, path: []const u8) bool {
        for (c.options.except) |exception| {
            if (std.mem.eql(u8, std.fs.path.dirnamePosix(exception) orelse "", path)) return true;
        }
        return false;
    }
};

pub fn run(arena: std.mem.Allocator, options: *const words.Options) u8 {
    var comparison: Comparison = .{ .arena = arena, .options = options };
    changes.raiseLimit();
    open(&comparison) catch |err| return layer.reply.refused("", err);
    return place.visit(arena, options, .read, &comparison, compareAll);
}

fn open(c: *Comparison) Error!void {
    const old = try c.arena.alloc(linux.fd_t, c.options.lower.len);
    for (c.options.lower, old) |path, *fd| fd.* = try sys.checkFd("open", path, linux.open(path, open_root, 0));
    const new = try c.arena.alloc(linux.fd_t, c.options.rest.len);
    for (c.options.rest, new) |path, *fd| {
        fd.* = try sys.checkFd("open", std.mem.span(path), linux.open(path, open_root, 0));
    }
    c.old = old;
    c.new = new;
}

fn compareAll(c: *Comparison, _: linux.fd_t) u8 {
    return walk(c) catch |err| layer.reply.refused(c.current, err);
}

fn walk(c: *Comparison) Error!u8 {
    _ = try c.directory("", try c.enter(c.old, "."), try c.enter(c.new, "."));
    changes.write(c.arena, c.changes.items) catch return 125;
    return 0;
}

fn close(shown: Shown) void {
    for (shown) |fd| _ = linux.close(fd);
}

/// The same directories of the same layers.
fn areSame(old: Shown, new: Shown) sys.Error!bool {
    if (old.len != new.len) return false;
    for (old, new) |a, b| {
        var was: linux.Statx = undefined;
        var is: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(a, "", &was));
        _ = try sys.check("statx", "", kernel.lookAt(b, "", &is));
        if (!isSameFile(was, is)) return false;
    }
    return true;
}

fn isSameFile(a: linux.Statx, b: linux.Statx) bool {
    return a.ino == b.ino and a.dev_major == b.dev_major and a.dev_minor == b.dev_minor;
}

fn isOtherwise(a: linux.Statx, b: linux.Statx) bool {
    return a.mode != b.mode or a.uid != b.uid or a.gid != b.gid;
}

fn isAsOld(a: linux.Statx, b: linux.Statx) bool {
    if (a.rdev_major != b.rdev_major or a.rdev_minor != b.rdev_minor or a.size != b.size) return false;
    return a.mtime.sec == b.mtime.sec and a.mtime.nsec == b.mtime.nsec;
}
