//! The one system call layer: raw Linux calls, decoded once, with what failed remembered for the event stream.
//! It knows no domain word; what std lacks or gets wrong (clone3, openat2, mount_setattr, capset) is added here.
const std = @import("std");
pub const linux = std.os.linux;

/// What failed and on what: becomes the `failed{call,detail,errno}` event.
pub const Failure = struct { call: []const u8, detail: []const u8 = "", errno: linux.E };

/// The process is single-threaded: one slot is enough.
pub var failure: ?Failure = null;

pub const Error = error{Syscall};

/// Decode a raw return value; on failure remember which call it was. `detail` must outlive the report.
pub fn check(call: []const u8, detail: []const u8, rc: usize) Error!usize {
    const e = linux.errno(rc);
    if (e == .SUCCESS) return rc;
    failure = .{ .call = call, .detail = detail, .errno = e };
    return error.Syscall;
}

/// Same, for calls that return a file descriptor.
pub fn checkFd(call: []const u8, detail: []const u8, rc: usize) Error!linux.fd_t {
    return @intCast(try check(call, detail, rc));
}

/// Write everything, through EINTR and short writes.
pub fn writeAll(fd: linux.fd_t, bytes: []const u8) Error!void {
    var done: usize = 0;
    while (done < bytes.len) {
        const rc = linux.write(fd, bytes.ptr + done, bytes.len - done);
        if (linux.errno(rc) == .INTR) continue;
        done += try check("write", "", rc);
    }
}

/// The name of an errno as C spells it ("ENOENT"), also for values std has no name for.
pub fn errnoName(e: linux.E, buffer: *[32]u8) []const u8 {
    if (std.enums.tagName(linux.E, e)) |name| return std.fmt.bufPrint(buffer, "E{s}", .{name}) catch "E?";
    return std.fmt.bufPrint(buffer, "E{d}", .{@intFromEnum(e)}) catch "E?";
}

test "check() remembers what failed" {
    try std.testing.expectError(error.Syscall, check("close", "x", linux.close(-1)));
    try std.testing.expectEqual(linux.E.BADF, failure.?.errno);
    var buffer: [32]u8 = undefined;
    try std.testing.expectEqualStrings("EBADF", errnoName(failure.?.errno, &buffer));
}
