//! Native overlayfs in the user namespace (`userxattr`, Linux 5.11).
//!
//! Layers are named by descriptor, as /proc/self/fd/N: any path works, however long and whatever bytes it holds,
//! well over the 127 layers an image may have fit in the one page that mount(2) takes, and the container's
//! /proc/mounts tells nothing about the host.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const superblock = @import("superblock.zig");
const linux = sys.linux;

/// mount(2) copies one page of data.
const data_bytes_max = 4096;

/// Layers of one image; overlayfs itself takes 500.
pub const layers_max = 250;

/// Mount the layers at `target`, which exists. Without an upper directory nobody can write to it. `is_volatile` leaves out every sync (Linux 5.10): for an upper layer
/// that nobody will want after this one mount.
pub fn mount(target: [:0]const u8, rootfs: contract.Rootfs, is_volatile: bool) sys.Error!void {
    if (rootfs.lower.len + rootfs.data.len > layers_max + 1) return sys.failFormat("mount", "{d} layers are too many", .{rootfs.lower.len});
    if (is_volatile) allowAgain(rootfs.work);
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

/// A volatile mount leaves a mark, and the kernel takes no directory with one: a power cut may have torn what is in it.
/// After none it is as good as ever, and of one we would know nothing (overlayfs.rst, "Volatile mount").
fn allowAgain(work: [:0]const u8) void {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const mark = std.fmt.bufPrintZ(&buffer, "{s}/work/incompat/volatile/dirty", .{work}) catch return;
    if (linux.errno(linux.unlink(mark)) != .SUCCESS) return;
    buffer[mark.len - "/dirty".len] = 0;
    _ = linux.rmdir(@ptrCast(&buffer));
}

/// The longest value that fsconfig(2) takes.
const value_bytes_max = 255;

/// The same at a `target` that is a descriptor's name, which leads below what is mounted there: so the mount itself is
/// returned.
pub fn mountAt(target: [:0]const u8, rootfs: contract.Rootfs, is_volatile: bool) sys.Error!linux.fd_t {
    if (is_volatile) allowAgain(rootfs.work);
    const flags: []const superblock.Parameter = &.{ .{ .key = "userxattr", .value = null }, .{ .key = "volatile", .value = null } };
    const parts: Parts = .{
        .lower = rootfs.lower,
        .upper = rootfs.upper,
        .work = rootfs.work,
        .data = rootfs.data,
        .others = flags[0..if (is_volatile) 2 else 1],
    };
    const tree = try make(&parts, 0, target);
    errdefer _ = linux.close(tree);
    const place_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const place = try sys.checkFd("open", target, linux.open(target, place_flags, 0));
    defer _ = linux.close(place);
    _ = try sys.check("mount", target, sys.moveMount(tree, place));
    return tree;
}

/// What a mount of type overlay in config.json is made of.
pub const Parts = struct {
    /// Topmost first.
    lower: []const [:0]const u8,
    /// "": nothing can be written.
    upper: [:0]const u8 = "",
    work: [:0]const u8 = "",
    /// Layers that show nothing themselves: content of files of others (overlayfs.rst, "Data-only lower layers").
    data: []const [:0]const u8 = &.{},
    /// What is left for the file system.
    others: []const superblock.Parameter = &.{},
};

/// Null: it names no layers, and is left to the kernel as it stands.
pub fn parse(arena: std.mem.Allocator, parameters: []const superblock.Parameter) error{OutOfMemory}!?Parts {
    var parts: Parts = .{ .lower = &.{} };
    var others: std.ArrayList(superblock.Parameter) = .empty;
    for (parameters) |parameter| {
        const value = parameter.value orelse "";
        if (std.mem.eql(u8, parameter.key, "lowerdir")) {
            parts.lower = try splitLayers(arena, value);
        } else if (std.mem.eql(u8, parameter.key, "upperdir")) {
            parts.upper = value;
        } else if (std.mem.eql(u8, parameter.key, "workdir")) {
            parts.work = value;
        } else try others.append(arena, parameter);
    }
    parts.others = others.items;
    const is_plain = for (parts.lower) |layer| {
        if (layer.len == 0 or layer[0] != '/') break false; // "lower::data", relative ones
    } else parts.lower.len > 0 and parts.lower.len <= layers_max;
    return if (is_plain) parts else null;
}

/// At colons; a backslash takes the meaning of what follows it.
fn splitLayers(arena: std.mem.Allocator, text: []const u8) error{OutOfMemory}![]const [:0]const u8 {
    var layers: std.ArrayList([:0]const u8) = .empty;
    var layer: std.ArrayList(u8) = .empty;
    var i: usize = 0;
    while (i < text.len) : (i += 1) {
        if (text[i] == ':') {
            try layers.append(arena, try layer.toOwnedSliceSentinel(arena, 0));
            continue;
        }
        if (text[i] == '\\' and i + 1 < text.len) i += 1;
        try layer.append(arena, text[i]);
    }
    try layers.append(arena, try layer.toOwnedSliceSentinel(arena, 0));
    return layers.items;
}

/// A detached mount. Its parts are named in few bytes, by their numbers in the working directory /proc/self/fd.
pub fn make(parts: *const Parts, flags: u32, detail: []const u8) sys.Error!linux.fd_t {
    // one more: the upper directory of a container, under which nothing may be written
    if (parts.lower.len + parts.data.len > layers_max + 1) return sys.failFormat("mount", "{d} layers are too many", .{parts.lower.len});
    var opened: Opened = .{};
    defer opened.close();
    const fs = try sys.checkFd("mount", detail, linux.fsopen("overlay", .{ .CLOEXEC = true }));
    defer _ = linux.close(fs);
    const before = try sys.checkFd("open", ".", linux.open(".", .{ .PATH = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(before);
    // what is opened may be relative to where we are
    for (parts.lower) |layer| _ = try opened.add(layer);
    for (parts.data) |layer| _ = try opened.add(layer);
    const upper = if (parts.upper.len > 0) try opened.add(parts.upper) else null;
    const work = if (parts.upper.len > 0) try opened.add(parts.work) else null;
    const descriptors = "/proc/self/fd";
    _ = try sys.check("chdir", descriptors, linux.chdir(descriptors));
    defer _ = linux.fchdir(before);
    try nameLayers(fs, opened.fds[0..parts.lower.len], opened.fds[parts.lower.len..][0..parts.data.len]);
    if (upper) |fd| try set(fs, "upperdir", fd);
    if (work) |fd| try set(fs, "workdir", fd);
    for (parts.others) |other| try superblock.configure(fs, other, detail);
    _ = try sys.check("mount", detail, linux.fsconfig(fs, .CREATE, null, null, 0));
    return sys.checkFd("mount", detail, linux.fsmount(fs, .{ .CLOEXEC = true }, @bitCast(flags)));
}

/// All in one value where they fit; else one by one, which Linux 6.8 and later know.
fn nameLayers(fs: linux.fd_t, layers: []const linux.fd_t, data: []const linux.fd_t) sys.Error!void {
    var buffer: [value_bytes_max + 1]u8 = undefined;
    var w: std.Io.Writer = .fixed(buffer[0..value_bytes_max]);
    const fits = if (writeNames(&w, layers, data)) |_| true else |_| false;
    if (!fits) {
        for (layers) |fd| try set(fs, "lowerdir+", fd);
        for (data) |fd| try set(fs, "datadir+", fd);
        return;
    }
    buffer[w.end] = 0;
    _ = try sys.check("mount", "lowerdir", linux.fsconfig(fs, .SET_STRING, "lowerdir", buffer[0..w.end :0].ptr, 0));
}

fn writeNames(w: *std.Io.Writer, layers: []const linux.fd_t, data: []const linux.fd_t) std.Io.Writer.Error!void {
    for (layers, 0..) |fd, i| try w.print("{s}{d}", .{ if (i == 0) "" else ":", fd });
    for (data) |fd| try w.print("::{d}", .{fd});
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
    for (rootfs.data) |layer| try w.print("::/proc/self/fd/{d}", .{try opened.add(layer)});
    if (rootfs.upper.len > 0) {
        try w.print(",upperdir=/proc/self/fd/{d}", .{try opened.add(rootfs.upper)});
        try w.print(",workdir=/proc/self/fd/{d}", .{try opened.add(rootfs.work)});
    }
    try w.writeAll(",userxattr");
    if (is_volatile) try w.writeAll(",volatile");
}

/// Descriptors of the host's directories: closed before anything of the container could reach them
/// (CVE-2024-21626).
const Opened = struct {
    fds: [layers_max + 3]linux.fd_t = undefined,
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

test "splitLayers() splits at colons that nobody escaped" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const layers = try splitLayers(arena_state.allocator(), "/a:/b\\:c:/d\\\\e");
    try std.testing.expectEqual(@as(usize, 3), layers.len);
    for ([_][]const u8{ "/a", "/b:c", "/d\\e" }, layers) |wanted, layer| try std.testing.expectEqualStrings(wanted, layer);
}
