//! /dev: the default devices, config.json's own, the symlinks that programs expect, and the console.
//!
//! Where we may, nodes are made, so that who owns and changes them inside changes nothing of the host's. A user
//! namespace may not: there the host's own are bind-mounted, and nothing else of the host's /dev shows. A /dev that
//! is itself the host's, bind-mounted by the user, is left as it is.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const path = @import("path.zig");
const procfs = @import("../procfs.zig");
const linux = sys.linux;
const S = linux.S;

/// Kinds of files as in st_mode.
const Kind = enum(u32) { character = S.IFCHR, block = S.IFBLK, fifo = S.IFIFO };

const Device = struct {
    path: [:0]const u8,
    kind: Kind = .character,
    major: u32 = 0,
    minor: u32 = 0,
    mode: u32 = default_mode,
    uid: u32 = 0,
    gid: u32 = 0,

    const default_mode = 0o666;
};

/// The kernel's limits for new numbers (include/linux/kdev_t.h).
const major_max = (1 << 12) - 1;
const minor_max = (1 << 20) - 1;

/// runtime-spec, "Default Devices"; /dev/console and /dev/ptmx are made from the container's devpts.
const default_devices = [_]Device{
    .{ .path = "/dev/null", .major = 1, .minor = 3 },    .{ .path = "/dev/zero", .major = 1, .minor = 5 },
    .{ .path = "/dev/full", .major = 1, .minor = 7 },    .{ .path = "/dev/random", .major = 1, .minor = 8 },
    .{ .path = "/dev/urandom", .major = 1, .minor = 9 }, .{ .path = "/dev/tty", .major = 5, .minor = 0 },
};

const links = [_][2][:0]const u8{
    .{ "/proc/self/fd", "fd" },
    .{ "/proc/self/fd/0", "stdin" },
    .{ "/proc/self/fd/1", "stdout" },
    .{ "/proc/self/fd/2", "stderr" },
    .{ "/proc/kcore", "core" },
};

pub const Plan = struct {
    extra: []const Device,
    /// Trying is no use in a user namespace of our own making.
    may_make: bool,
    /// The host's /dev is bind-mounted there.
    is_host: bool,
};

pub fn prepare(arena: std.mem.Allocator, spec: *const contract.Spec, may_make: bool) sys.Error!Plan {
    const extra = arena.alloc(Device, spec.linux.devices.len) catch return sys.fail("device", "out of memory");
    for (spec.linux.devices, extra) |device, *slot| slot.* = try prepareOne(device);
    return .{ .extra = extra, .may_make = may_make, .is_host = isHost(spec.mounts) };
}

fn prepareOne(device: contract.Device) sys.Error!Device {
    const kinds = std.StaticStringMap(Kind).initComptime(.{
        .{ "c", .character }, .{ "u", .character }, .{ "b", .block }, .{ "p", .fifo },
    });
    const kind = kinds.get(device.type) orelse
        return sys.failFormat("device", "{s}: \"{s}\" is no type of a device", .{ device.path, device.type });
    if (device.path.len < 2 or device.path[0] != '/') {
        return sys.failFormat("device", "the path \"{s}\" is not absolute", .{device.path});
    }
    const is_number = device.major >= 0 and device.major <= major_max and device.minor >= 0 and device.minor <= minor_max;
    if (kind != .fifo and !is_number) {
        return sys.failFormat("device", "{s}: no device has the number {d}:{d}", .{ device.path, device.major, device.minor });
    }
    const is_fifo = kind == .fifo;
    return .{
        .path = device.path,
        .kind = kind,
        .major = if (is_fifo) 0 else @intCast(device.major),
        .minor = if (is_fifo) 0 else @intCast(device.minor),
        .mode = (device.fileMode orelse Device.default_mode) & 0o7777,
        .uid = device.uid orelse 0,
        .gid = device.gid orelse 0,
    };
}

fn isHost(mounts: []const contract.Mount) bool {
    for (mounts) |mount| {
        if (!std.mem.eql(u8, std.mem.trim(u8, mount.destination, "/"), "dev")) continue;
        if (std.mem.eql(u8, mount.type orelse "", "bind")) return true;
        for (mount.options) |option| {
            if (std.mem.eql(u8, option, "bind") or std.mem.eql(u8, option, "rbind")) return true;
        }
    }
    return false;
}

pub fn populate(root: linux.fd_t, plan: *const Plan, has_devpts: bool) sys.Error!void {
    var may_make = plan.may_make and !plan.is_host;
    const before = linux.syscall1(.umask, 0);
    defer _ = linux.syscall1(.umask, before);
    if (!plan.is_host) {
        for (&default_devices) |*device| try provide(root, device, &may_make, .ours);
    }
    for (plan.extra) |*device| {
        if (plan.is_host and std.mem.startsWith(u8, device.path, "/dev/")) {
            if (!try isThere(root, device, .theirs)) return sys.failFormat("device", "the host's /dev has no {s}", .{device.path});
        } else try provide(root, device, &may_make, .theirs);
    }
    if (plan.is_host) return;

    const dev = try sys.checkFd("openat2", "/dev", path.find(root, "/dev"));
    defer _ = linux.close(dev);
    for (links) |link| try symlink(link[0], dev, link[1]);
    if (has_devpts) {
        // The multiplexer of the container's own devpts: an image's leftover node would be the wrong one.
        _ = linux.unlinkat(dev, "ptmx", 0);
        try symlink("pts/ptmx", dev, "ptmx");
    }
}

fn symlink(target: [:0]const u8, dev: linux.fd_t, name: [:0]const u8) sys.Error!void {
    const rc = linux.symlinkat(target, dev, name);
    if (linux.errno(rc) != .EXIST) _ = try sys.check("symlinkat", name, rc);
}

/// Ours replace what an image has in their place; what config.json names must not lie on something else.
const Origin = enum { ours, theirs };

fn provide(root: linux.fd_t, device: *const Device, may_make: *bool, origin: Origin) sys.Error!void {
    if (try isThere(root, device, origin)) return;
    if (may_make.* or device.kind == .fifo) {
        if (try make(root, device)) return;
        may_make.* = false;
    }
    try bindDevice(root, device);
}

/// An empty file is where a device was mounted the last time.
fn isThere(root: linux.fd_t, device: *const Device, origin: Origin) sys.Error!bool {
    const rc = path.find(root, device.path);
    if (linux.errno(rc) == .NOENT) return false;
    const found = try sys.checkFd("openat2", device.path, rc);
    defer _ = linux.close(found);
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", device.path, sys.statFd(found, &stat));
    if (isSame(device, &stat)) return true;
    const is_mount_point = S.ISREG(stat.mode) and stat.size == 0;
    if (origin == .ours or is_mount_point) return false;
    return sys.failFormat("device", "something else is at {s} already", .{device.path});
}

fn isSame(device: *const Device, stat: *const linux.Statx) bool {
    if (stat.mode & S.IFMT != @intFromEnum(device.kind)) return false;
    return device.kind == .fifo or (stat.rdev_major == device.major and stat.rdev_minor == device.minor);
}

/// False: we may not. What was in its place, if anything, is gone then.
fn make(root: linux.fd_t, device: *const Device) sys.Error!bool {
    const place = try path.ensureParent(root, device.path);
    defer _ = linux.close(place.parent);
    const name = place.name();
    const mode = @intFromEnum(device.kind) | device.mode;
    const number = encode(device.major, device.minor);
    var rc = linux.mknodat(place.parent, name, mode, number);
    if (linux.errno(rc) == .EXIST) {
        _ = try sys.check("unlinkat", device.path, linux.unlinkat(place.parent, name, 0));
        rc = linux.mknodat(place.parent, name, mode, number);
    }
    if (linux.errno(rc) == .PERM) return false;
    _ = try sys.check("mknodat", device.path, rc);
    if (device.uid == 0 and device.gid == 0) return true;
    const chown = linux.fchownat(place.parent, name, device.uid, device.gid, linux.AT.SYMLINK_NOFOLLOW);
    _ = try sys.check("fchownat", device.path, chown);
    return true;
}

/// new_encode_dev() of include/linux/kdev_t.h.
fn encode(major: u32, minor: u32) u32 {
    return (minor & 0xff) | (major << 8) | ((minor & ~@as(u32, 0xff)) << 12);
}

/// The host's node of that number.
fn bindDevice(root: linux.fd_t, device: *const Device) sys.Error!void {
    const node = try findOnHost(device);
    defer _ = linux.close(node);
    try attach(root, device.path, node);
}

/// Wherever a symlink of the image leads, but never onto what /proc says (CVE-2025-52565).
fn attach(root: linux.fd_t, name: [:0]const u8, node: linux.fd_t) sys.Error!void {
    const target = try path.ensureFile(root, name);
    defer _ = linux.close(target.fd);
    if (procfs.isProc(target.fd)) return sys.failFormat("device", "{s} lies inside /proc", .{name});
    _ = try sys.check("mount", name, sys.moveMount(node, target.fd));
}

fn findOnHost(device: *const Device) sys.Error!linux.fd_t {
    if (bindable(device, device.path)) |node| return node;
    var buffer: [linux.PATH_MAX]u8 = undefined;
    if (kernelName(device, &buffer)) |name| if (bindable(device, name)) |node| return node;
    return sys.failFormat("device", "{s}: this host has no {s} device {d}:{d} there, and only real root could make one", .{
        device.path, @tagName(device.kind), device.major, device.minor,
    });
}

fn bindable(device: *const Device, name: [:0]const u8) ?linux.fd_t {
    const rc = sys.cloneTree(linux.AT.FDCWD, name, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const node: linux.fd_t = @intCast(rc);
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(node, &stat)) == .SUCCESS and isSame(device, &stat)) return node;
    _ = linux.close(node);
    return null;
}

/// Where devtmpfs(5) has it: the kernel tells the name of every number (Documentation/ABI/testing/sysfs-uevent).
fn kernelName(device: *const Device, buffer: *[linux.PATH_MAX]u8) ?[:0]const u8 {
    var path_buffer: [64]u8 = undefined;
    const kind = if (device.kind == .block) "block" else "char";
    const file = std.fmt.bufPrintZ(&path_buffer, "/sys/dev/{s}/{d}:{d}/uevent", .{ kind, device.major, device.minor }) catch unreachable;
    const rc = linux.open(file, .{ .ACCMODE = .RDONLY, .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var text: [4096]u8 = undefined;
    const length = linux.read(fd, &text, text.len);
    if (linux.errno(length) != .SUCCESS) return null;
    var lines = std.mem.splitScalar(u8, text[0..length], '\n');
    while (lines.next()) |line| {
        const prefix = "DEVNAME=";
        if (!std.mem.startsWith(u8, line, prefix)) continue;
        return std.fmt.bufPrintZ(buffer, "/dev/{s}", .{line[prefix.len..]}) catch null;
    }
    return null;
}

/// The terminal `slave` as /dev/console.
pub fn bindConsole(root: linux.fd_t, slave: linux.fd_t) sys.Error!void {
    const tree = try sys.checkFd("open_tree", "/dev/console", sys.cloneTree(slave, "", sys.at_empty_path));
    defer _ = linux.close(tree);
    try attach(root, "/dev/console", tree);
}

test "prepare() checks what config.json says of a device" {
    const fifo = try prepareOne(.{ .path = "/p", .type = "p", .major = -5, .fileMode = 0o10600 });
    try std.testing.expectEqual(Device{ .path = "/p", .kind = .fifo, .mode = 0o600 }, fifo);
    const fuse = try prepareOne(.{ .path = "/dev/fuse", .type = "u", .major = 10, .minor = 229, .uid = 7 });
    try std.testing.expectEqual(@as(u32, 10 << 8 | 229), encode(fuse.major, fuse.minor));
    try std.testing.expectEqual(@as(u32, 0x123_fff_45), encode(0xfff, 0x12345));
    for ([_]contract.Device{
        .{ .path = "/x", .type = "d" },                .{ .path = "x", .type = "c" },
        .{ .path = "", .type = "c" },                  .{ .path = "/x", .type = "c", .major = -1 },
        .{ .path = "/x", .type = "b", .major = 4096 }, .{ .path = "/x", .type = "b", .minor = 1 << 20 },
    }) |bad| try std.testing.expectError(error.Syscall, prepareOne(bad));
}

test "isHost()" {
    const bound = [_]contract.Mount{.{ .destination = "/dev/", .options = &.{ "ro", "rbind" } }};
    try std.testing.expect(isHost(&bound));
    const fresh = [_]contract.Mount{ .{ .destination = "/dev", .type = "tmpfs" }, .{ .destination = "/dev/x", .type = "bind" } };
    try std.testing.expect(!isHost(&fresh));
}
