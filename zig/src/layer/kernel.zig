//! System calls that unpacking needs and std lacks, and the constants that go with them. No policy.
const std = @import("std");
const linux = std.os.linux;

/// struct open_how (linux/openat2.h).
const OpenHow = extern struct {
    flags: u64,
    mode: u64,
    resolve: u64,

    comptime {
        std.debug.assert(@sizeOf(OpenHow) == 24);
    }
};

/// RESOLVE_* (openat2(2), Linux 5.6).
pub const Resolve = struct {
    pub const no_xdev: u64 = 0x01;
    pub const no_magiclinks: u64 = 0x02;
    pub const no_symlinks: u64 = 0x04;
    pub const beneath: u64 = 0x08;
    pub const in_root: u64 = 0x10;
};

/// A rename somewhere on the machine can make the kernel unsure of "..": it says EAGAIN, and asking again helps. A container
/// can go on renaming without end; each time takes microseconds.
const openat2_attempts_max = 10_000;

pub fn openat2(dir: linux.fd_t, path: [*:0]const u8, flags: linux.O, resolve: u64) usize {
    const how: OpenHow = .{ .flags = @as(u32, @bitCast(flags)), .mode = 0, .resolve = resolve };
    for (0..openat2_attempts_max) |_| {
        const rc = linux.syscall4(
            .openat2,
            @bitCast(@as(isize, dir)),
            @intFromPtr(path),
            @intFromPtr(&how),
            @sizeOf(OpenHow),
        );
        if (linux.errno(rc) != .AGAIN and linux.errno(rc) != .INTR) return rc;
    }
    return linux.syscall4(.openat2, @bitCast(@as(isize, dir)), @intFromPtr(path), @intFromPtr(&how), @sizeOf(OpenHow));
}

pub fn umask(mask: u32) u32 {
    return @intCast(linux.syscall1(.umask, mask));
}

/// What statx(2) says of a name, never following a last symbolic link.
pub fn lookAt(dir: linux.fd_t, name: [*:0]const u8, stat: *linux.Statx) usize {
    const mask: linux.STATX = .BASIC_STATS;
    const flags = linux.AT.SYMLINK_NOFOLLOW | linux.AT.NO_AUTOMOUNT | linux.AT.EMPTY_PATH;
    return linux.statx(dir, name, flags, mask, stat);
}

pub fn isDirectory(stat: linux.Statx) bool {
    return stat.mode & linux.S.IFMT == linux.S.IFDIR;
}

/// STATX_ATTR_MOUNT_ROOT, Linux 5.8 (std has the attributes' bits wrong).
pub fn isMountRoot(stat: linux.Statx) bool {
    const mount_root: u64 = 0x2000;
    return @as(u64, @bitCast(stat.attributes)) & mount_root != 0;
}

/// overlayfs' whiteout: a character device 0:0 (Documentation/filesystems/overlayfs.rst, "whiteouts").
pub fn isWhiteout(stat: linux.Statx) bool {
    return stat.mode & linux.S.IFMT == linux.S.IFCHR and stat.rdev_major == 0 and stat.rdev_minor == 0;
}

/// The kernel's encoding of a device number (linux/kdev_t.h, new_encode_dev).
pub fn deviceNumber(major: u32, minor: u32) u32 {
    return (minor & 0xff) | (major << 8) | ((minor & ~@as(u32, 0xff)) << 12);
}

test deviceNumber {
    try std.testing.expectEqual(@as(u32, 0), deviceNumber(0, 0));
    try std.testing.expectEqual(@as(u32, 0x103), deviceNumber(1, 3));
    try std.testing.expectEqual(@as(u32, 0x10_00801), deviceNumber(8, 0x1001) & 0x1fffffff);
}
