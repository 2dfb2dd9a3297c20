//! Native overlayfs in the user namespace (`userxattr`, Linux 5.11).
//!
//! Layers are named by descriptor, as /proc/self/fd/N: any path works, however long and whatever bytes it holds,
//! well over the 127 layers an image may have fit in the one page that mount(2) takes, and the container's
//! /proc/mounts tells nothing about the host.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

/// mount(2) copies one page of data.
const data_bytes_max = 4096;

/// Layers of one image; overlayfs itself takes 500.
const layers_max = 250;

/// Mount the layers at `target`, which exists. `is_volatile` leaves out every sync (Linux 5.10): for an upper layer
/// that nobody will want after this one mount.
pub fn mount(target: [:0]const u8, rootfs: contract.Rootfs, is_volatile: bool) sys.Error!void {
    if (rootfs.lower.len > layers_max) return sys.failFormat("mount", "{d} layers are too many", .{rootfs.lower.len});
    var opened: Opened = .{};
    defer opened.close();
    var buffer: [data_bytes_max]u8 = undefined;
    var w: std.Io.Writer = .fixed(buffer[0 .. buffer.len - 1]);
    writeOptions(&w, &opened, rootfs, is_volatile) catch |err| switch (err) {
        error.Syscall => return error.Syscall,
        error.WriteFailed => return sys.failFormat("mount", "{d} layers are too many", .{rootfs.lower.len}),
    };
    buffer[w.end] = 0;
    _ = try sys.check("mount", target, linux.mount("overlay", target, "overlay", 0, @intFromPtr(&buffer)));
}

/// The longest value that fsconfig(2) takes.
const value_bytes_max = 255;

/// The same at a `target` that is a descriptor's name, which leads below what is mounted there: so the mount itself is
/// returned. Its parts are named in few bytes, by their numbers in the working directory /proc/self/fd.
pub fn mountAt(target: [:0]const u8, rootfs: contract.Rootfs, is_volatile: bool) sys.Error!linux.fd_t {
    if (rootfs.lower.len > layers_max) return sys.failFormat("mount", "{d} layers are too many", .{rootfs.lower.len});
    var opened: Opened = .{};
    defer opened.close();
    const fs = try sys.checkFd("mount", target, linux.fsopen("overlay", .{ .CLOEXEC = true }));
    defer _ = linux.close(fs);
    const descriptors = "/proc/self/fd";
    _ = try sys.check("chdir", descriptors, linux.chdir(descriptors));
    try nameLayers(fs, &opened, rootfs.lower);
    try set(fs, "upperdir", try opened.add(rootfs.upper));
    try set(fs, "workdir", try opened.add(rootfs.work));
    for ([_][:0]const u8{ "userxattr", "volatile" }, 0..) |flag, i| {
        if (i == 1 and !is_volatile) break;
        _ = try sys.check("mount", flag, linux.fsconfig(fs, .SET_FLAG, flag, null, 0));
    }
    _ = try sys.check("mount", target, linux.fsconfig(fs, .CREATE, null, null, 0));
    const tree = try sys.checkFd("mount", target, linux.fsmount(fs, .{ .CLOEXEC = true }, @bitCast(@as(u32, 0))));
    errdefer _ = linux.close(tree);
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const place = try sys.checkFd("open", target, linux.open(target, flags, 0));
    defer _ = linux.close(place);
    _ = try sys.check("mount", target, sys.moveMount(tree, place));
    return tree;
}

/// All in one value where they fit; else one by one, which Linux 6.8 and later know.
fn nameLayers(fs: linux.fd_t, opened: *Opened, lower: []const [:0]const u8) sys.Error!void {
    var buffer: [value_bytes_max + 1]u8 = undefined;
    var w: std.Io.Writer = .fixed(buffer[0..value_bytes_max]);
    const fits = for (lower, 0..) |layer, i| {
        w.print("{s}{d}", .{ if (i == 0) "" else ":", try opened.add(layer) }) catch break false;
    } else true;
    if (!fits) {
        for (opened.fds[0..opened.count]) |fd| try set(fs, "lowerdir+", fd);
        for (lower[opened.count..]) |layer| try set(fs, "lowerdir+", try opened.add(layer));
        return;
    }
    buffer[w.end] = 0;
    _ = try sys.check("mount", "lowerdir", linux.fsconfig(fs, .SET_STRING, "lowerdir", buffer[0..w.end :0].ptr, 0));
}

fn set(fs: linux.fd_t, name: [:0]const u8, fd: linux.fd_t) sys.Error!void {
    var buffer: [16]u8 = undefined;
    const text = std.fmt.bufPrintZ(&buffer, "{d}", .{fd}) catch unreachable;
    _ = try sys.check("mount", name, linux.fsconfig(fs, .SET_STRING, name, text.ptr, 0));
}

fn writeOptions(w: *std.Io.Writer, opened: *Opened, rootfs: contract.Rootfs, is_volatile: bool) !void {
    for (rootfs.lower, 0..) |layer, i| {
        try w.print("{s}/proc/self/fd/{d}", .{ if (i == 0) "lowerdir=" else ":", try opened.add(layer) });
    }
    try w.print(",upperdir=/proc/self/fd/{d}", .{try opened.add(rootfs.upper)});
    try w.print(",workdir=/proc/self/fd/{d},userxattr", .{try opened.add(rootfs.work)});
    if (is_volatile) try w.writeAll(",volatile");
}

/// Descriptors of the host's directories: closed before anything of the container could reach them
/// (CVE-2024-21626).
const Opened = struct {
    fds: [layers_max + 2]linux.fd_t = undefined,
    count: usize = 0,

    fn add(self: *Opened, path: [:0]const u8) sys.Error!linux.fd_t {
        const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
        self.fds[self.count] = try sys.checkFd("open", path, linux.open(path, flags, 0));
        self.count += 1;
        return self.fds[self.count - 1];
    }

    fn close(self: *Opened) void {
        for (self.fds[0..self.count]) |fd| _ = linux.close(fd);
    }
};
