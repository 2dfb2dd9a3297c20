//! Copies of directory trees into a root file system: where overlayfs is refused, and for `tmpcopyup`.
//! How a tree is copied is layer/copy.zig's subject; here it happens once, and all or nothing.
const std = @import("std");
const layer = @import("../layer/layer.zig");
const sys = @import("../sys.zig");
const linux = sys.linux;

const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };

/// What is in `from` (which may be an O_PATH descriptor) into the empty directory `to`. `detail` is for the error.
pub fn directory(from: linux.fd_t, to: linux.fd_t, detail: []const u8) sys.Error!void {
    const source = try sys.checkFd("openat", detail, linux.openat(from, ".", open_directory, 0));
    defer _ = linux.close(source);
    const target = try sys.checkFd("openat", detail, linux.openat(to, ".", open_directory, 0));
    defer _ = linux.close(target);
    return merge(target, &.{source}, detail);
}

/// The lowers, topmost first, into `target` unless something is there already. They are copied beside it and renamed
/// over it at the end, so that an interrupted copy is never taken for a whole one.
pub fn fillOnce(target: [:0]const u8, lower: []const [:0]const u8) sys.Error!void {
    const existing = try sys.checkFd("open", target, linux.open(target, open_directory, 0));
    defer _ = linux.close(existing);
    if (!try layer.names.isEmpty(existing)) return;
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    fill(arena.allocator(), target, lower) catch |err| switch (err) {
        error.Syscall => return error.Syscall,
        error.OutOfMemory => return sys.failFormat("copy", "{s}: out of memory", .{target}),
    };
}

fn fill(
    arena: std.mem.Allocator,
    target: [:0]const u8,
    lower: []const [:0]const u8,
) (sys.Error || error{OutOfMemory})!void {
    const partial = try std.fmt.allocPrintSentinel(arena, "{s}.filling", .{target}, 0);
    var remover: layer.remove.Remover = try .init(arena);
    try remover.remove(linux.AT.FDCWD, partial);
    _ = try sys.check("mkdir", partial, linux.mkdir(partial, 0o700));
    const fd = try sys.checkFd("open", partial, linux.open(partial, open_directory, 0));
    defer _ = linux.close(fd);
    const sources = try arena.alloc(linux.fd_t, lower.len);
    for (lower, sources) |path, *source| {
        source.* = try sys.checkFd("open", path, linux.open(path, open_directory, 0));
    }
    defer for (sources) |source| {
        _ = linux.close(source);
    };
    try merge(fd, sources, lower[0]);
    _ = try sys.check("rename", target, linux.rename(partial, target));
}

/// `detail`: what the user knows `from` by.
fn merge(to: linux.fd_t, from: []const linux.fd_t, detail: []const u8) sys.Error!void {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    var copier = layer.copy.Copier.init(arena.allocator(), to, from) catch
        return sys.failFormat("copy", "{s}: out of memory", .{detail});
    copier.copyAll() catch |err| {
        if (err != error.Syscall) return sys.failFormat("copy", "{s}: {s}", .{ detail, layer.reply.sentence(err) });
        if (sys.failure.?.errno != .ACCES) return error.Syscall;
        return sys.failFormat("copy", "you may not read \"{s}\" of \"{s}\"", .{ copier.current, detail });
    };
}
