//! What `hello` sees around itself, by system calls that change nothing. What cannot be seen is null, never an error.
const std = @import("std");
const parse = @import("parse.zig");
const linux = std.os.linux;

pub const Namespace = enum { user, pid, mnt, net, uts, ipc, cgroup };
pub const Namespaces = std.EnumSet(Namespace);

/// ioctl_ns(2): the user namespace that owns this one, as a descriptor; EPERM when it is outside of ours.
const ns_get_userns = 0xb701;

/// The namespaces that were made for this container: those our own user namespace owns, and that one itself when it
/// has a parent (asking for an ancestor is refused with EPERM).
pub fn ownNamespaces() Namespaces {
    var own: Namespaces = .initEmpty();
    const user = inode("/proc/self/ns/user") orelse return own;
    inline for (comptime std.enums.values(Namespace)) |namespace| {
        if (owned("/proc/self/ns/" ++ @tagName(namespace), namespace == .user, user)) own.insert(namespace);
    }
    return own;
}

/// linux/proc_ns.h PROC_USER_INIT_INO: the one user namespace that nobody made.
const initial_user_namespace = 0xEFFFFFFD;

fn owned(path: [*:0]const u8, is_user: bool, user: u64) bool {
    if (is_user) return user != initial_user_namespace;
    const fd = open(path) orelse return false;
    defer _ = linux.close(fd);
    const rc = linux.ioctl(fd, ns_get_userns, 0);
    if (linux.errno(rc) != .SUCCESS) return false;
    const owner: linux.fd_t = @intCast(rc);
    defer _ = linux.close(owner);
    return (inodeOf(owner) orelse return false) == user;
}

/// Text of a small file, "" when it cannot be read.
pub fn text(path: [*:0]const u8, buffer: []u8) []const u8 {
    const fd = open(path) orelse return "";
    defer _ = linux.close(fd);
    const rc = linux.read(fd, buffer.ptr, buffer.len);
    if (linux.errno(rc) != .SUCCESS) return "";
    return buffer[0..rc];
}

pub fn memoryBytes() ?u64 {
    var info: linux.Sysinfo = undefined;
    if (linux.errno(linux.sysinfo(&info)) != .SUCCESS) return null;
    return @as(u64, info.totalram) *| info.mem_unit;
}

/// sched_getaffinity(2): the processors we may use, which a cpuset narrows.
pub fn processors() ?u32 {
    var set: linux.cpu_set_t = @splat(0);
    if (linux.errno(linux.sched_getaffinity(0, @sizeOf(linux.cpu_set_t), &set)) != .SUCCESS) return null;
    var count: u32 = 0;
    for (set) |word| count += @popCount(word);
    return count;
}

/// netdevice(7): one entry of SIOCGIFCONF, which lists the interfaces that have an IPv4 address.
pub const Interface = extern struct {
    name: [16]u8,
    family: u16,
    port: u16,
    address: [4]u8,
    unused: [16]u8,
};
const InterfaceList = extern struct { size_bytes: i32, entries: [*]Interface };
const siocgifconf = 0x8912;
comptime {
    std.debug.assert(@sizeOf(Interface) == 40); // struct ifreq on 64-bit
    std.debug.assert(@sizeOf(InterfaceList) == 16);
}

/// Interfaces with an IPv4 address, loopback included; as many as `buffer` holds.
pub fn interfaces(buffer: []Interface) []Interface {
    const rc = linux.socket(linux.AF.INET, linux.SOCK.DGRAM | linux.SOCK.CLOEXEC, 0);
    if (linux.errno(rc) != .SUCCESS) return buffer[0..0];
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var list: InterfaceList = .{ .size_bytes = @intCast(buffer.len * @sizeOf(Interface)), .entries = buffer.ptr };
    if (linux.errno(linux.ioctl(fd, siocgifconf, @intFromPtr(&list))) != .SUCCESS) return buffer[0..0];
    return buffer[0 .. @as(usize, @intCast(list.size_bytes)) / @sizeOf(Interface)];
}

/// Milliseconds since `start` (CLOCK_REALTIME, as the one who started us read it); null when the clock was set back.
pub fn millisecondsSince(start: i64) ?u64 {
    var now: linux.timespec = undefined;
    if (linux.errno(linux.clock_gettime(.REALTIME, &now)) != .SUCCESS) return null;
    const now_ms = now.sec * 1000 + @divTrunc(now.nsec, 1_000_000);
    return if (now_ms >= start) @intCast(now_ms - start) else null;
}

pub fn isTerminal(fd: linux.fd_t) bool {
    var size: [4]u16 = undefined; // struct winsize
    return linux.errno(linux.ioctl(fd, linux.T.IOCGWINSZ, @intFromPtr(&size))) == .SUCCESS;
}

fn open(path: [*:0]const u8) ?linux.fd_t {
    const rc = linux.openat(linux.AT.FDCWD, path, .{ .ACCMODE = .RDONLY, .CLOEXEC = true }, 0);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}

fn inode(path: [*:0]const u8) ?u64 {
    const fd = open(path) orelse return null;
    defer _ = linux.close(fd);
    return inodeOf(fd);
}

fn inodeOf(fd: linux.fd_t) ?u64 {
    var stat: linux.Statx = undefined;
    const rc = linux.statx(fd, "", linux.AT.EMPTY_PATH, .{ .INO = true }, &stat);
    return if (linux.errno(rc) == .SUCCESS) stat.ino else null;
}

test "what this machine has can be seen" {
    try std.testing.expect(processors().? >= 1);
    try std.testing.expect(memoryBytes().? > 1 << 20);
    try std.testing.expect(inode("/proc/self/ns/user") != null);
    try std.testing.expect(millisecondsSince(0).? > 1_700_000_000_000);
    try std.testing.expect(millisecondsSince(std.math.maxInt(i64)) == null);
    var buffer: [64]u8 = undefined;
    try std.testing.expect(parse.idMap(text("/proc/self/uid_map", &buffer)).ids >= 1);
    try std.testing.expectEqualStrings("", text("/proc/self/nothing", &buffer));
}
