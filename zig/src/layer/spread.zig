//! `native spread DIR...`: tells the file system that what is made in these directories has nothing to do with each other.
//!
//! ext4 puts a new directory near its parent and files near their directory, and passes over inodes that were freed in the
//! last five minutes, one by one and again for each new file (recently_deleted() in fs/ext4/ialloc.c): who unpacks a layer
//! soon after one of 20,000 files was removed beside it waits ten times as long. With the flag T (chattr(1)) each layer
//! begins in a part of the disk of its own. It is a hint: file systems that do not know it answer ENOTTY or EOPNOTSUPP.
const std = @import("std");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const walk = @import("walk.zig");
const linux = sys.linux;

/// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (linux/fs.h): _IOR('f', 1, long), _IOW('f', 2, long), of which the kernel reads 32 bits.
const get_flags = 0x80086601;
const set_flags = 0x40086602;
const topdir_flag: u32 = 0x0002_0000;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    if (args.len == 0) return reply.usage("spread");
    for (args) |directory| {
        spread(directory) catch |err| return reply.refused(std.mem.span(directory), err);
    }
    return reply.done(.{ .entries = args.len });
}

fn spread(directory: [*:0]const u8) sys.Error!void {
    const fd = try sys.checkFd("open", "", linux.open(directory, walk.open_directory, 0));
    defer _ = linux.close(fd);
    var flags: [2]u32 = .{ 0, 0 };
    if (linux.errno(linux.ioctl(fd, get_flags, @intFromPtr(&flags))) != .SUCCESS) return;
    flags[0] |= topdir_flag;
    _ = linux.ioctl(fd, set_flags, @intFromPtr(&flags));
}
