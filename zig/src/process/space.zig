//! The mount namespace of a process, by which those of one container are known where they share their numbers with others.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Space = extern struct {
    ino: u64,
    dev_major: u32,
    dev_minor: u32,

    /// Null: a process that is not ours to look at, or has ended.
    pub fn of(pid: linux.pid_t) ?Space {
        var buffer: [32]u8 = undefined;
        return at(std.fmt.bufPrintZ(&buffer, "/proc/{d}/ns/mnt", .{pid}) catch unreachable);
    }

    pub fn ofSelf() ?Space {
        return at("/proc/self/ns/mnt");
    }

    /// As it was sent.
    pub fn from(bytes: []const u8) Space {
        return @bitCast(bytes[0..@sizeOf(Space)].*);
    }

    fn at(path: [:0]const u8) ?Space {
        var stat: linux.Statx = undefined;
        const rc = linux.statx(linux.AT.FDCWD, path, 0, linux.STATX.BASIC_STATS, &stat);
        if (linux.errno(rc) != .SUCCESS) return null;
        return .{ .ino = stat.ino, .dev_major = stat.dev_major, .dev_minor = stat.dev_minor };
    }
};

test "of() tells a process that has ended from one that is here" {
    try std.testing.expectEqual(Space.ofSelf().?, Space.of(linux.getpid()).?);
    try std.testing.expectEqual(null, Space.of(std.math.maxInt(i32)));
}
