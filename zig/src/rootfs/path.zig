//! Paths inside a root file system, which is somebody else's data: opened and made only through descriptors that
//! openat2(2) resolved with RESOLVE_IN_ROOT, so that no symlink, however it races, leads outside
//! (CVE-2019-16884, CVE-2021-30465). Knows nothing of mounts.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

const in_root = sys.resolve.in_root | sys.resolve.no_magiclinks;
const path_only: linux.O = .{ .PATH = true, .CLOEXEC = true };
const directory_mode = 0o755;
const file_mode = 0o644;

/// The path and the name of what is last in it: "/a/b/" is "/a" and "b".
pub const Split = struct { parent: []const u8, name: []const u8 };

pub fn split(path: []const u8) Split {
    const trimmed = std.mem.trimEnd(u8, path, "/");
    const slash = std.mem.lastIndexOfScalar(u8, trimmed, '/') orelse return .{ .parent = "/", .name = trimmed };
    return .{ .parent = if (slash == 0) "/" else trimmed[0..slash], .name = trimmed[slash + 1 ..] };
}

/// An O_PATH descriptor of what `path` means for somebody whose root is `root`; -errno as system calls give it.
pub fn find(root: linux.fd_t, path: [:0]const u8) usize {
    return sys.openat2(root, inside(path), path_only, 0, in_root);
}

/// The same where no component may be a symlink: for /proc and /sys, which must be where they seem to be.
pub fn findPlain(root: linux.fd_t, path: [:0]const u8) usize {
    return sys.openat2(root, inside(path), path_only, 0, in_root | sys.resolve.no_symlinks);
}

/// "" is no path for openat2; the root itself is ".".
fn inside(path: [:0]const u8) [*:0]const u8 {
    return if (path.len == 0) "." else path.ptr;
}

pub const Found = struct { fd: linux.fd_t, mode: u16, is_new: bool };

/// An O_PATH descriptor of the directory `path`, made with its parents when missing.
pub fn ensureDirectory(root: linux.fd_t, path: [:0]const u8) sys.Error!Found {
    return ensure(root, path, makeDirectory);
}

/// An O_PATH descriptor of whatever is at `path`; when nothing is, an empty regular file is made.
pub fn ensureFile(root: linux.fd_t, path: [:0]const u8) sys.Error!Found {
    return ensure(root, path, makeFile);
}

fn ensure(root: linux.fd_t, path: [:0]const u8, comptime make: fn (linux.fd_t, [*:0]const u8) usize) sys.Error!Found {
    const rc = find(root, path);
    if (linux.errno(rc) == .SUCCESS) return found(@intCast(rc), false, path);
    if (linux.errno(rc) != .NOENT) _ = try sys.check("openat2", path, rc);
    const place = try ensureParent(root, path);
    defer _ = linux.close(place.parent);
    const made = make(place.parent, place.name());
    if (linux.errno(made) != .EXIST) _ = try sys.check("create the mount point", path, made);
    return found(try sys.checkFd("openat2", path, find(root, path)), true, path);
}

/// A directory and the name of something in it.
pub const Place = struct {
    parent: linux.fd_t,
    buffer: [linux.PATH_MAX]u8,
    length: usize,

    pub fn name(place: *const Place) [*:0]const u8 {
        return place.buffer[0..place.length :0];
    }
};

/// The directory that `path` is to be in, made with its parents when missing.
pub fn ensureParent(root: linux.fd_t, path: [:0]const u8) sys.Error!Place {
    if (path.len >= linux.PATH_MAX) _ = try sys.check("openat2", path, negative(.NAMETOOLONG));
    const parts = split(path);
    var place: Place = .{ .parent = try ensureParents(root, parts.parent), .buffer = undefined, .length = parts.name.len };
    _ = terminated(&place.buffer, parts.name);
    return place;
}

fn found(fd: linux.fd_t, is_new: bool, path: []const u8) sys.Error!Found {
    errdefer _ = linux.close(fd);
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", path, sys.statFd(fd, &stat));
    return .{ .fd = fd, .mode = stat.mode, .is_new = is_new };
}

/// Walk down from the longest ancestor that exists, making one directory at a time. Every step is resolved from the
/// root again, so symlinks on the way mean what they mean inside.
fn ensureParents(root: linux.fd_t, path: []const u8) sys.Error!linux.fd_t {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    var current = try sys.checkFd("openat2", path, find(root, "/"));
    errdefer _ = linux.close(current);
    var end: usize = 0;
    while (end < path.len) {
        const start = end + @intFromBool(path[end] == '/');
        end = std.mem.indexOfScalarPos(u8, path, start, '/') orelse path.len;
        if (start == end) continue;
        const prefix = terminated(&buffer, path[0..end]);
        var rc = find(root, prefix);
        if (linux.errno(rc) == .NOENT) {
            var name: [linux.PATH_MAX]u8 = undefined;
            const made = linux.mkdirat(current, terminated(&name, path[start..end]), directory_mode);
            if (linux.errno(made) != .EXIST) _ = try sys.check("mkdirat", path, made);
            rc = find(root, prefix);
        }
        const next = try sys.checkFd("openat2", path, rc);
        _ = linux.close(current);
        current = next;
    }
    return current;
}

fn makeDirectory(parent: linux.fd_t, name: [*:0]const u8) usize {
    return linux.mkdirat(parent, name, directory_mode);
}

fn makeFile(parent: linux.fd_t, name: [*:0]const u8) usize {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .CLOEXEC = true };
    const rc = linux.openat(parent, name, flags, file_mode);
    if (linux.errno(rc) == .SUCCESS) _ = linux.close(@intCast(rc));
    return rc;
}

fn terminated(buffer: *[linux.PATH_MAX]u8, text: []const u8) [:0]const u8 {
    std.debug.assert(text.len < buffer.len);
    @memcpy(buffer[0..text.len], text);
    buffer[text.len] = 0;
    return buffer[0..text.len :0];
}

fn negative(e: linux.E) usize {
    return @bitCast(-@as(isize, @intFromEnum(e)));
}

test "split()" {
    const cases = [_][3][]const u8{
        .{ "/a/b/", "/a", "b" }, .{ "/a", "/", "a" }, .{ "a", "/", "a" }, .{ "/a//b", "/a/", "b" },
    };
    for (cases) |case| {
        const parts = split(case[0]);
        try std.testing.expectEqualStrings(case[1], parts.parent);
        try std.testing.expectEqualStrings(case[2], parts.name);
    }
}

test "ensureDirectory() and ensureFile() stay inside, whatever the symlinks say" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    try tmp.dir.symLink(io, "/../../../../tmp", "escape", .{});
    try tmp.dir.symLink(io, "../../elsewhere", "dangling", .{});
    const made = try ensureDirectory(tmp.dir.handle, "/escape/../a/b/c");
    _ = linux.close(made.fd);
    try std.testing.expect(made.is_new);
    const file = try ensureFile(tmp.dir.handle, "/a/b/file");
    _ = linux.close(file.fd);
    try tmp.dir.access(io, "a/b/c", .{});
    try tmp.dir.access(io, "a/b/file", .{});
    try std.testing.expectError(error.Syscall, ensureDirectory(tmp.dir.handle, "/dangling/x"));
    try std.testing.expectError(error.Syscall, ensureDirectory(tmp.dir.handle, "/a/b/file/below"));
}
