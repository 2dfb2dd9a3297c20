//! What is bound from the host's /proc (the /dev/shm of a container whose ipc namespace is shared): before the keeper
//! mounts a /proc with other numbers, it is mounted beside the bundle, which is where the runtime is told to find it.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const shared_memory = @import("../rootfs/shared_memory.zig");
const linux = sys.linux;

/// A source in config.json, and the path that means the same in the outer namespaces.
pub const Moved = struct { from: []const u8, to: []const u8 };

const Error = sys.Error || error{OutOfMemory};

/// `place` is where the tmpfs is mounted.
pub fn keep(arena: std.mem.Allocator, own: *const child.Plan, place: [:0]const u8) Error![]const Moved {
    var list: std.ArrayList(Moved) = .empty;
    for (own.root.operations) |*operation| {
        if (operation.kind != .bind or !std.mem.startsWith(u8, operation.source, "/proc/")) continue;
        const to = try std.fmt.allocPrintSentinel(arena, "{s}/source-{d}", .{ place, list.items.len }, 0);
        try bind(operation.source, to);
        try list.append(arena, .{ .from = operation.source, .to = to });
    }
    return list.items;
}

fn bind(from: [:0]const u8, to: [:0]const u8) sys.Error!void {
    const tree = try shared_memory.clone(from) orelse
        try sys.checkFd("open_tree", from, sys.cloneTree(linux.AT.FDCWD, from, sys.at_recursive));
    defer _ = linux.close(tree);
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", from, sys.statFd(tree, &stat));
    const flags: linux.O = .{ .CREAT = true, .CLOEXEC = true };
    const made = if (linux.S.ISDIR(stat.mode)) linux.mkdir(to, 0o700) else linux.open(to, flags, 0o600);
    _ = try sys.check("create the mount point", to, made);
    if (!linux.S.ISDIR(stat.mode)) _ = linux.close(@intCast(made));
    const target = try sys.checkFd("open", to, linux.open(to, .{ .PATH = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(target);
    _ = try sys.check("mount", from, sys.moveMount(tree, target));
}
