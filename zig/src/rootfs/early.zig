//! Paths of the host that are opened while the container's process is still the caller.
//!
//! Root of a user namespace may pass directories of others only as far as that namespace has a word for their owner and
//! group. Where it has none for the caller (--userns=nomap, auto, most explicit maps) the caller's own directories,
//! where layers and volumes lie, are closed to it. (What lies in /proc is looked at when its turn comes.) So each such
//! path is opened before the process becomes that root, in its new mount namespace, and from then on it is called
//! /proc/self/fd/N. The descriptors are closed with all others before the program is executed.
const std = @import("std");
const sys = @import("../sys.zig");
const root = @import("root.zig");
const linux = sys.linux;

/// "/proc/self/fd/" and ten digits.
const name_bytes_max = 32;

/// Where the new names go: nothing is allocated by the process that opens them.
pub const Room = struct {
    names: [][name_bytes_max:0]u8,
    lower: [][:0]const u8,
    data: [][:0]const u8,
    overlays: [][:0]const u8,
};

pub fn prepare(arena: std.mem.Allocator, plan: *const root.Plan) error{OutOfMemory}!Room {
    const single = 3; // the mount point, the upper and the work directory
    const lower = try arena.dupe([:0]const u8, plan.rootfs.lower);
    const data = try arena.dupe([:0]const u8, plan.rootfs.data);
    var overlays: std.ArrayList([:0]const u8) = .empty;
    var directories: usize = 0;
    for (plan.operations) |operation| if (operation.overlay) |parts| {
        try overlays.appendSlice(arena, parts.lower);
        directories += parts.lower.len + 2;
    };
    return .{
        .names = try arena.alloc([name_bytes_max:0]u8, lower.len + data.len + plan.operations.len + directories + single),
        .lower = lower,
        .data = data,
        .overlays = overlays.items,
    };
}

/// Open all that lies on the host, and call it by its descriptor in the plan.
pub fn open(plan: *root.Plan) sys.Error!void {
    const room = plan.early orelse return;
    var names = room.names;
    for (room.lower) |*path| try openOne(path, &names);
    plan.rootfs.lower = room.lower;
    for (room.data) |*path| try openOne(path, &names);
    plan.rootfs.data = room.data;
    for ([_]*[:0]const u8{ &plan.root_path, &plan.rootfs.upper, &plan.rootfs.work }) |path| try openOne(path, &names);
    var overlays = room.overlays;
    for (plan.operations) |*operation| {
        if (operation.kind == .bind) try openOne(&operation.source, &names);
        const parts = if (operation.overlay) |*parts| parts else continue;
        const own = overlays[0..parts.lower.len];
        overlays = overlays[own.len..];
        for (own) |*layer| try openOne(layer, &names);
        parts.lower = own;
        for ([_]*[:0]const u8{ &parts.upper, &parts.work }) |path| try openOne(path, &names);
    }
}

fn openOne(path: *[:0]const u8, names: *[][name_bytes_max:0]u8) sys.Error!void {
    if (path.len == 0 or std.mem.startsWith(u8, path.*, "/proc/")) return;
    const fd = try sys.checkFd("open", path.*, linux.open(path.*, .{ .PATH = true, .CLOEXEC = true }, 0));
    path.* = std.fmt.bufPrintZ(&names.*[0], "/proc/self/fd/{d}", .{fd}) catch unreachable;
    names.* = names.*[1..];
}

/// Of a user namespace that has been joined: whether it lacks a word for us, and shows us as nobody (user_namespaces(7)).
pub fn isNobody() bool {
    const overflow_id = 65534;
    return linux.geteuid() == overflow_id or linux.getegid() == overflow_id;
}

test "what was opened is found by its new name" {
    var buffers: [2][name_bytes_max:0]u8 = undefined;
    var names: [][name_bytes_max:0]u8 = &buffers;
    var path: [:0]const u8 = "/proc"; // and not a path below it
    try openOne(&path, &names);
    try std.testing.expectStringStartsWith(path, "/proc/self/fd/");
    const fd = try sys.checkFd("open", "", linux.open(path, .{ .DIRECTORY = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(fd);
    try std.testing.expectEqual(@as(usize, 0x9fa0), sys.fileSystemType(fd));
    _ = linux.close(try std.fmt.parseInt(linux.fd_t, path["/proc/self/fd/".len..], 10));
    var missing: [:0]const u8 = "/no such path";
    try std.testing.expectError(error.Syscall, openOne(&missing, &names));
    try std.testing.expectEqualStrings("/no such path", sys.failure.?.detail);
}
