//! What those have in common who go through unpacked layers and make them once more (copy.zig, remap.zig).
const std = @import("std");
const kernel = @import("kernel.zig");
const metadata = @import("metadata.zig");
const paths = @import("path.zig");
const pax = @import("pax.zig");
const linux = std.os.linux;

pub const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
pub const open_file: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .CLOEXEC = true };
pub const new_file: linux.O = .{
    .ACCMODE = .WRONLY,
    .CREAT = true,
    .EXCL = true,
    .NOFOLLOW = true,
    .CLOEXEC = true,
};
pub const resolve_below = kernel.Resolve.beneath | kernel.Resolve.no_symlinks | kernel.Resolve.no_xdev;

/// overlayfs' mark of a directory that hides what is below it.
pub const opaque_xattr = "user.overlay.opaque";

pub fn isOpaque(directory: linux.fd_t) bool {
    var value: [2]u8 = undefined;
    const rc = linux.fgetxattr(directory, opaque_xattr, &value, value.len);
    return linux.errno(rc) == .SUCCESS and std.mem.eql(u8, value[0..rc], "y");
}

pub fn ownerOf(stat: linux.Statx) metadata.Owner {
    return .{ .uid = stat.uid, .gid = stat.gid };
}

pub fn timeOf(stat: linux.Statx) pax.Timestamp {
    return .{ .seconds = stat.mtime.sec, .nanoseconds = stat.mtime.nsec };
}

/// The path of what is called `name` in the directory `path`, which is "" at the top.
pub fn joined(arena: std.mem.Allocator, path: []const u8, name: []const u8) error{ PathTooLong, OutOfMemory }![:0]const u8 {
    if (path.len + 1 + name.len >= paths.path_bytes_max) return error.PathTooLong;
    const slash = if (path.len == 0) "" else "/";
    return std.fmt.allocPrintSentinel(arena, "{s}{s}{s}", .{ path, slash, name }, 0);
}
