//! Our standard output or standard error, written without ever waiting: while a reader is slow, signals and typing
//! still get through. Not by making the descriptor itself non-blocking, which others share: pipes and terminals are
//! opened once more instead.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Output = struct {
    fd: linux.fd_t,
    is_private: bool = false,
    /// Bytes that could not be written yet.
    rest: []const u8 = "",
    is_closed: bool = false,
    /// Why bytes were lost that somebody was to have; a reader that went away wanted no more.
    lost: ?linux.E = null,

    pub fn open(fd: linux.fd_t) Output {
        var stat: linux.Statx = undefined;
        if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS) return .{ .fd = fd };
        if (!linux.S.ISFIFO(stat.mode) and !linux.S.ISCHR(stat.mode)) return .{ .fd = fd };
        var name: [32]u8 = undefined;
        const path = std.fmt.bufPrintZ(&name, "/proc/self/fd/{d}", .{fd}) catch unreachable;
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .NONBLOCK = true, .NOCTTY = true, .CLOEXEC = true };
        const rc = linux.open(path, flags, 0);
        // A terminal that belongs to somebody else (su): written to as it is.
        if (linux.errno(rc) != .SUCCESS) return .{ .fd = fd };
        return .{ .fd = @intCast(rc), .is_private = true };
    }

    pub fn close(output: *Output) void {
        if (output.is_private) _ = linux.close(output.fd);
    }

    /// Takes all of `bytes`, which must stay valid until `rest` is empty. A reader that went away takes nothing more.
    pub fn write(output: *Output, bytes: []const u8) void {
        std.debug.assert(output.rest.len == 0);
        if (output.is_closed) return;
        output.rest = bytes;
        output.flush();
    }

    /// A pipe without a reader, a terminal that was hung up.
    fn isGone(output: *const Output, errno: linux.E) bool {
        return errno == .PIPE or (errno == .IO and output.is_private);
    }

    pub fn flush(output: *Output) void {
        while (output.rest.len > 0) {
            const n = linux.write(output.fd, output.rest.ptr, output.rest.len);
            switch (linux.errno(n)) {
                .SUCCESS => output.rest = output.rest[n..],
                .INTR => {},
                .AGAIN => return,
                else => |errno| {
                    if (!output.isGone(errno)) output.lost = errno;
                    output.is_closed = true;
                    output.rest = "";
                },
            }
        }
    }
};
