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

/// Remember a failure that no single system call explains: `sentence` says it all.
pub fn fail(call: []const u8, sentence: []const u8) Error {
    failure = .{ .call = call, .detail = sentence, .errno = .SUCCESS };
    return error.Syscall;
}

/// clone3(2), Linux 5.3. With `stack` = 0 it returns twice, like fork.
pub const CloneArgs = extern struct {
    flags: u64 align(8),
    pidfd: u64 = 0, // address of an i32
    child_tid: u64 = 0,
    parent_tid: u64 = 0,
    exit_signal: u64 = @intFromEnum(linux.SIG.CHLD),
    stack: u64 = 0,
    stack_size: u64 = 0,
    tls: u64 = 0,
    set_tid: u64 = 0,
    set_tid_size: u64 = 0,
    cgroup: u64 = 0, // directory descriptor, with CLONE.INTO_CGROUP

    comptime {
        std.debug.assert(@sizeOf(CloneArgs) == 88); // CLONE_ARGS_SIZE_VER2
    }
};

pub fn clone3(args: *const CloneArgs) usize {
    return linux.syscall2(.clone3, @intFromPtr(args), @sizeOf(CloneArgs));
}

/// waitid(2) for one child by pid, through EINTR. 0-255: exited; 128 + n: killed by signal n.
pub fn waitExit(pid: linux.pid_t) Error!u32 {
    return waitStatus(.PID, pid);
}

/// The same by descriptor (P_PIDFD, Linux 5.4), which no reused pid can fool.
pub fn waitExitFd(pidfd: linux.fd_t) Error!u32 {
    return waitStatus(.PIDFD, pidfd);
}

fn waitStatus(kind: linux.P, id: i32) Error!u32 {
    var info: linux.siginfo_t = undefined;
    while (true) {
        const rc = linux.waitid(kind, id, &info, linux.W.EXITED, null);
        if (linux.errno(rc) == .INTR) continue;
        _ = try check("waitid", "", rc);
        const status: u32 = @intCast(info.fields.common.second.sigchld.status);
        return if (info.code == @intFromEnum(linux.CLD.EXITED)) status else 128 + status;
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
