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
