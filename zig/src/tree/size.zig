//! `native files size --tree DIR [map options] -- DIR...`: how many bytes the files below each directory have, a file with
//! several names counted once, as one JSON line. A directory that is not there, or that nobody may look into, has none.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const place = @import("place.zig");
const words = @import("words.zig");
const report = @import("report.zig");
const kernel = layer.kernel;
const linux = sys.linux;

const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const below = kernel.Resolve.beneath | kernel.Resolve.no_symlinks | kernel.Resolve.no_xdev;

const Count = struct {
    arena: std.mem.Allocator,
    options: *const words.Options,
    buffer: layer.names.Buffer = .{},
    pending: std.ArrayList([:0]const u8) = .empty,
    links: std.AutoHashMapUnmanaged(u64, void) = .empty,
};

pub fn run(arena: std.mem.Allocator, options: *const words.Options) u8 {
    var count: Count = .{ .arena = arena, .options = options };
    return place.visit(arena, options, .read, &count, countAll);
}

fn countAll(count: *Count, _: linux.fd_t) u8 {
    for (count.options.rest) |directory| {
        const path = std.mem.span(directory);
        const bytes = sizeOf(count, path) catch |err| return layer.reply.refused(path, err);
        const status = report.line("{{\"ok\":true,\"bytes\":{d}}}\n", .{bytes});
        if (status != 0) return status;
    }
    return 0;
}

fn sizeOf(count: *Count, directory: [:0]const u8) !u64 {
    const rc = linux.open(directory, .{ .PATH = true, .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true }, 0);
    if (isUnseen(rc)) return 0;
    const top = try sys.checkFd("open", "", rc);
    defer _ = linux.close(top);
    count.links.clearRetainingCapacity();
    var bytes: u64 = 0;
    try count.pending.append(count.arena, "");
    while (count.pending.pop()) |path| {
        const opened = kernel.openat2(top, if (path.len == 0) "." else path, open_directory, below);
        if (isUnseen(opened)) continue;
        const fd = try sys.checkFd("openat2", "", opened);
        defer _ = linux.close(fd);
        var iterator: layer.names.Iterator = .{ .fd = fd, .buffer = &count.buffer };
        while (try iterator.next()) |entry| {
            var stat: linux.Statx = undefined;
            if (linux.errno(kernel.lookAt(fd, entry.name, &stat)) != .SUCCESS) continue;
            if (kernel.isDirectory(stat)) {
                if (path.len + entry.name.len + 1 >= layer.path.path_bytes_max) continue;
                const slash = if (path.len == 0) "" else "/";
                const name = try std.fmt.allocPrintSentinel(count.arena, "{s}{s}{s}", .{ path, slash, entry.name }, 0);
                try count.pending.append(count.arena, name);
                continue;
            }
            if (!linux.S.ISREG(stat.mode) and !linux.S.ISLNK(stat.mode)) continue;
            if (stat.nlink > 1 and (try count.links.getOrPut(count.arena, stat.ino)).found_existing) continue;
            bytes += stat.size;
        }
    }
    return bytes;
}

fn isUnseen(rc: usize) bool {
    return switch (linux.errno(rc)) {
        .NOENT, .NOTDIR, .LOOP, .ACCES, .XDEV => true,
        else => false,
    };
}
