//! A throw-away root over a directory that overlayfs does not take as a whole: because our own upper directory lies in
//! it (ELOOP), or because something is mounted below it, which is locked for whoever has no rights over the host (EINVAL).
//!
//! Theory of operation: the root is a tmpfs. Each directory of the original gets an overlay of its own, its upper directory
//! in another tmpfs; where the kernel refuses that one too, it is put together in the same way, down to a few levels.
//! Links are made anew, files are bound, read-only. What the kernel makes up, and other tmpfs (/proc, /sys, /dev, /run),
//! stays an empty directory. All of it is in memory, and gone with the container's mount namespace.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const layer = @import("../layer/layer.zig");
const overlay = @import("overlay.zig");
const superblock = @import("superblock.zig");
const linux = sys.linux;

/// /var/lib/NAME may be a mount; deeper ones are rare, and their directory is then as empty as a missing one.
const levels_max = 4;
/// Each needs a name in the tmpfs, and a mount.
const overlays_max = 4096;

const open_path: linux.O = .{ .PATH = true, .NOFOLLOW = true, .CLOEXEC = true };
const open_directory: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };

const Maker = struct {
    uppers: linux.fd_t,
    count: usize = 0,
};

/// Mount it at `root_path`. `place`: a directory of ours that nobody else needs, where the upper directories go.
pub fn mount(root_path: [:0]const u8, original: [:0]const u8, place: [:0]const u8) sys.Error!linux.fd_t {
    const uppers = try temporary(place);
    defer _ = linux.close(uppers);
    const root = try temporary(root_path);
    errdefer _ = linux.close(root);
    const from = try sys.checkFd("open", original, linux.open(original, open_directory, 0));
    defer _ = linux.close(from);
    var maker: Maker = .{ .uppers = uppers };
    try fill(&maker, from, root, 0);
    try likeOriginal(from, root);
    return root;
}

fn temporary(place: [:0]const u8) sys.Error!linux.fd_t {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const target = try sys.checkFd("open", place, linux.open(place, flags, 0));
    defer _ = linux.close(target);
    const fd = try superblock.make(.{ .type = "tmpfs", .source = "tmpfs", .detail = place });
    errdefer _ = linux.close(fd);
    _ = try sys.check("mount", place, sys.moveMount(fd, target));
    return fd;
}

fn fill(maker: *Maker, from: linux.fd_t, to: linux.fd_t, level: usize) sys.Error!void {
    var buffer: layer.names.Buffer = .{};
    var names: layer.names.Iterator = .{ .fd = from, .buffer = &buffer };
    while (names.next() catch null) |entry| { // what cannot be listed is as closed as it is outside
        const opened = linux.openat(from, entry.name, open_path, 0);
        if (linux.errno(opened) != .SUCCESS) continue; // gone, or not for us
        const fd: linux.fd_t = @intCast(opened);
        defer _ = linux.close(fd);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", sys.statFd(fd, &stat));
        switch (stat.mode & linux.S.IFMT) {
            linux.S.IFDIR => try directory(maker, .{ .from = from, .to = to, .name = entry.name, .fd = fd }, &stat, level),
            linux.S.IFLNK => link(fd, to, entry.name),
            linux.S.IFREG => bind(fd, to, entry.name),
            else => {},
        }
    }
}

const Entry = struct { from: linux.fd_t, to: linux.fd_t, name: [:0]const u8, fd: linux.fd_t };

fn directory(maker: *Maker, entry: Entry, stat: *const linux.Statx, level: usize) sys.Error!void {
    _ = try sys.check("mkdirat", "", linux.mkdirat(entry.to, entry.name, stat.mode & 0o7777));
    if (layer.kernel.isMountRoot(stat.*) and isFleeting(entry.fd)) return;
    const made = try sys.checkFd("openat", "", linux.openat(entry.to, entry.name, open_path, 0));
    defer _ = linux.close(made);
    if (try cover(maker, entry.fd, made, stat)) return;
    if (level == levels_max) return;
    const from = linux.openat(entry.from, entry.name, open_directory, 0);
    if (linux.errno(from) != .SUCCESS) return; // closed to us, as it is outside
    defer _ = linux.close(@intCast(from));
    try fill(maker, @intCast(from), made, level + 1);
}

/// False: the kernel does not take it as it is.
fn cover(maker: *Maker, lower: linux.fd_t, target: linux.fd_t, stat: *const linux.Statx) sys.Error!bool {
    if (maker.count == overlays_max) return sys.fail("mount", "the directory has too many mounts in it");
    var names: [4][48]u8 = undefined;
    for ([_]u8{ 'u', 'w' }) |kind| {
        const name = std.fmt.bufPrintZ(&names[0], "{c}{d}", .{ kind, maker.count }) catch unreachable;
        _ = try sys.check("mkdirat", name, linux.mkdirat(maker.uppers, name, 0o700));
        if (kind == 'u') _ = try sys.check("fchmodat", name, linux.fchmodat(maker.uppers, name, stat.mode & 0o7777));
    }
    const rootfs: contract.Rootfs = .{
        .kind = .overlay,
        .lower = &.{std.fmt.bufPrintZ(&names[0], "/proc/self/fd/{d}", .{lower}) catch unreachable},
        .upper = std.fmt.bufPrintZ(&names[1], "/proc/self/fd/{d}/u{d}", .{ maker.uppers, maker.count }) catch unreachable,
        .work = std.fmt.bufPrintZ(&names[2], "/proc/self/fd/{d}/w{d}", .{ maker.uppers, maker.count }) catch unreachable,
    };
    maker.count += 1;
    const at = std.fmt.bufPrintZ(&names[3], "/proc/self/fd/{d}", .{target}) catch unreachable;
    const fd = overlay.mountAt(at, rootfs, false) catch |err| switch (sys.failure.?.errno) {
        .INVAL, .LOOP, .PERM, .NODEV, .OPNOTSUPP, .STALE => return false,
        else => return err,
    };
    _ = linux.close(fd);
    return true;
}

fn link(fd: linux.fd_t, to: linux.fd_t, name: [:0]const u8) void {
    var target: [linux.PATH_MAX]u8 = undefined;
    const length = linux.readlinkat(fd, "", &target, target.len - 1);
    if (linux.errno(length) != .SUCCESS) return;
    target[length] = 0;
    _ = linux.symlinkat(target[0..length :0], to, name);
}

/// Best effort: a file that lies directly beside directories with mounts in them.
fn bind(fd: linux.fd_t, to: linux.fd_t, name: [:0]const u8) void {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .CLOEXEC = true };
    const made = linux.openat(to, name, flags, 0o644);
    if (linux.errno(made) != .SUCCESS) return;
    defer _ = linux.close(@intCast(made));
    const tree = sys.cloneTree(fd, "", sys.at_empty_path);
    if (linux.errno(tree) != .SUCCESS) return;
    defer _ = linux.close(@intCast(tree));
    const read_only: sys.MountAttr = .{ .set = sys.attr.rdonly };
    if (linux.errno(sys.changeMount(@intCast(tree), sys.at_empty_path, &read_only)) != .SUCCESS) return;
    _ = sys.moveMount(@intCast(tree), @intCast(made));
}

fn likeOriginal(from: linux.fd_t, root: linux.fd_t) sys.Error!void {
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", "", sys.statFd(from, &stat));
    var buffer: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "/proc/self/fd/{d}", .{root}) catch unreachable;
    _ = try sys.check("chmod", "", linux.chmod(path, stat.mode & 0o7777));
}

/// tmpfs, proc, sysfs, cgroup2, devpts, mqueue, securityfs, debugfs, tracefs, bpf, ramfs, configfs (statfs(2)).
fn isFleeting(fd: linux.fd_t) bool {
    const types = [_]usize{
        0x01021994, 0x9fa0,     0x62656572, 0x63677270, 0x1cd1,     0x19800202,
        0x73636673, 0x64626720, 0x74726163, 0xcafe4a11, 0x858458f6, 0x62656570,
    };
    const found = sys.fileSystemType(fd);
    for (types) |known| if (found == known) return true;
    return false;
}
