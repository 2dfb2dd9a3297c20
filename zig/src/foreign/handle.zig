//! The monitor's side of a keeper: which process is the container's, and how it ended.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const report = @import("../process/report.zig");
const joined = @import("../process/joined.zig");
const linux = sys.linux;

/// The container's (or exec's) process that a keeper watches over, as we see it.
pub const Program = struct {
    pid: linux.pid_t,
    pidfd: linux.fd_t,

    /// The keeper knows the process by another number; the descriptor tells ours (proc_pid_fdinfo(5)).
    pub fn of(pidfd: linux.fd_t) sys.Error!Program {
        var name: [48]u8 = undefined;
        const path = std.fmt.bufPrintZ(&name, "/proc/self/fdinfo/{d}", .{pidfd}) catch unreachable;
        const fd = try sys.checkFd("open", "/proc/self/fdinfo", linux.open(path, .{ .CLOEXEC = true }, 0));
        defer _ = linux.close(fd);
        var buffer: [512]u8 = undefined;
        const n = try sys.check("read", "/proc/self/fdinfo", linux.read(fd, &buffer, buffer.len));
        const pid = parsePid(buffer[0..n]) orelse return sys.fail("runtime", "the container's process is gone");
        return .{ .pid = pid, .pidfd = pidfd };
    }
};

fn parsePid(text: []const u8) ?linux.pid_t {
    var lines = std.mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        if (!std.mem.startsWith(u8, line, "Pid:")) continue;
        const pid = std.fmt.parseInt(linux.pid_t, std.mem.trim(u8, line[4..], " \t"), 10) catch return null;
        return if (pid > 0) pid else null; // -1: it has been reaped
    }
    return null;
}

pub const Ending = extern struct {
    code: u32,
    /// 0: none.
    signal: u32 = 0,

    /// Of a status as waitpid(2) has it.
    pub fn from(status: u32) Ending {
        if (linux.W.IFEXITED(status)) return .{ .code = linux.W.EXITSTATUS(status) };
        const signal: u32 = @intFromEnum(linux.W.TERMSIG(status));
        return .{ .code = 128 + signal, .signal = signal };
    }
};

/// Those of a keeper that are not ours. One that shares its pid namespace with somebody who may trace lets nobody near.
pub fn namespacesOf(keeper: linux.pid_t) sys.Error!u32 {
    return joined.namespacesOf(keeper) catch |err| {
        if (sys.failure.?.errno != .ACCES) return err;
        return sys.fail("exec", "another runtime's container that shares the processes of others lets nobody in");
    };
}

/// The process between the monitor and the container's: while it lives, so may they.
pub const Keeper = struct {
    pid: linux.pid_t,
    pidfd: linux.fd_t,
    channel: linux.fd_t,

    /// How the program ended; null when the keeper was killed before it could know, and everything with it. Never waits:
    /// call it once the keeper has ended.
    pub fn lastWord(keeper: *const Keeper) ?Ending {
        var buffer: [1 + event.line_bytes_max]u8 = undefined;
        while (report.receive(keeper.channel, &buffer)) |message| {
            if (message.kind != .ended or message.text.len != @sizeOf(Ending)) continue;
            return std.mem.bytesToValue(Ending, message.text[0..@sizeOf(Ending)]);
        }
        return null;
    }
};

test "parsePid()" {
    const text = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1\nPid:\t4711\nNSpid:\t4711\t1\n";
    try std.testing.expectEqual(@as(?linux.pid_t, 4711), parsePid(text));
    try std.testing.expectEqual(@as(?linux.pid_t, null), parsePid("Pid:\t-1\n"));
    try std.testing.expectEqual(@as(?linux.pid_t, null), parsePid("pos:\t0\n"));
}
