//! The container's own pseudoterminal, made from the container's devpts: a terminal of the host is never passed in.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Size = struct { rows: u16, columns: u16 };

pub const Pair = struct { master: linux.fd_t, slave: linux.fd_t };

const tiocgptpeer = 0x5441; // Linux 4.13
const devpts_magic = 0x1cd1;
const ptmx_major = 5;
const ptmx_minor = 2;

/// `directory` is a descriptor of a devpts; checked, because in exec the container has had it in its hands
/// (CVE-2025-52565 and its kin).
pub fn open(directory: linux.fd_t, size: ?Size) sys.Error!Pair {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .NOCTTY = true, .CLOEXEC = true, .NOFOLLOW = true };
    const path_flags: linux.O = .{ .PATH = true, .NOFOLLOW = true, .CLOEXEC = true };
    const node = try sys.checkFd("open", "/dev/pts/ptmx", linux.openat(directory, "ptmx", path_flags, 0));
    defer _ = linux.close(node);
    try expectMultiplexer(node);
    const master = try sys.checkFd("open", "/dev/pts/ptmx", linux.openat(directory, "ptmx", flags, 0));
    errdefer _ = linux.close(master);
    try expectMultiplexer(master);
    var unlock: c_int = 0;
    const unlocked = linux.ioctl(master, linux.T.IOCSPTLCK, @intFromPtr(&unlock));
    _ = try sys.check("TIOCSPTLCK", "/dev/pts/ptmx", unlocked);
    const slave = try sys.checkFd("TIOCGPTPEER", "/dev/pts/ptmx", openPeer(master));
    if (size) |s| setSize(master, s);
    return .{ .master = master, .slave = slave };
}

/// The other end of a master, whatever directory it lies in.
pub fn openPeer(master: linux.fd_t) usize {
    const flags: linux.O = .{ .ACCMODE = .RDWR, .NOCTTY = true, .CLOEXEC = true };
    return linux.ioctl(master, tiocgptpeer, @as(u32, @bitCast(flags)));
}

/// How the slave is called in its devpts.
pub fn nameOf(master: linux.fd_t, buffer: *[32]u8) []const u8 {
    var number: c_uint = 0;
    _ = linux.ioctl(master, linux.T.IOCGPTN, @intFromPtr(&number));
    return std.fmt.bufPrint(buffer, "/dev/pts/{d}", .{number}) catch unreachable;
}

fn expectMultiplexer(fd: linux.fd_t) sys.Error!void {
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", "/dev/pts/ptmx", sys.statFd(fd, &stat));
    const is_ptmx = linux.S.ISCHR(stat.mode) and stat.rdev_major == ptmx_major and stat.rdev_minor == ptmx_minor;
    if (!is_ptmx or sys.fileSystemType(fd) != devpts_magic) return sys.fail("terminal", "/dev/pts is no devpts");
}

pub fn setSize(fd: linux.fd_t, size: Size) void {
    const value: std.posix.winsize = .{ .row = size.rows, .col = size.columns, .xpixel = 0, .ypixel = 0 };
    _ = linux.ioctl(fd, linux.T.IOCSWINSZ, @intFromPtr(&value));
}

pub fn getSize(fd: linux.fd_t) ?Size {
    var value: std.posix.winsize = undefined;
    const rc = linux.ioctl(fd, linux.T.IOCGWINSZ, @intFromPtr(&value));
    if (linux.errno(rc) != .SUCCESS) return null;
    return .{ .rows = value.row, .columns = value.col };
}

/// The slave becomes the three standard streams and, of a new session, the controlling terminal.
pub fn adopt(slave: linux.fd_t, as_controlling: bool) sys.Error!void {
    for (0..3) |fd| _ = try sys.check("dup3", "the terminal", linux.dup3(slave, @intCast(fd), 0));
    if (!as_controlling) return;
    _ = try sys.check("TIOCSCTTY", "the terminal", linux.ioctl(0, linux.T.IOCSCTTY, 0));
}
