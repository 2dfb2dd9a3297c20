//! What a container leaves behind that has neither a pid namespace nor a cgroup of its own: nobody ends those processes
//! with its first one. They are known by the container's mount namespace, which they cannot leave without privileges.
//! What hides from us (a /proc mounted with hidepid) is not found.
const std = @import("std");
const sys = @import("../sys.zig");
const Space = @import("../process/space.zig").Space;
const linux = sys.linux;

/// Looking again and again: each round kills what the one before has not seen.
const rounds_max = 100;

/// For the last of a round to be gone.
const wait_ms = 1000;

pub const Stragglers = struct {
    space: ?Space = null,

    /// Until there are none.
    pub fn kill(stragglers: Stragglers) void {
        const space = stragglers.space orelse return;
        for (0..rounds_max) |_| {
            const last = killRound(space) orelse return;
            defer _ = linux.close(last);
            var poll = [1]linux.pollfd{.{ .fd = last, .events = linux.POLL.IN, .revents = 0 }};
            _ = linux.poll(&poll, 1, wait_ms);
        }
    }
};

/// One look at all processes. A descriptor of the last that was killed; the caller closes it.
fn killRound(space: Space) ?linux.fd_t {
    const flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
    const rc = linux.open("/proc", flags, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const directory: linux.fd_t = @intCast(rc);
    defer _ = linux.close(directory);
    var last: ?linux.fd_t = null;
    var buffer: [4096]u8 align(8) = undefined;
    while (true) {
        const n = linux.getdents64(directory, &buffer, buffer.len);
        if (linux.errno(n) != .SUCCESS or n == 0) return last;
        var at: usize = 0;
        while (at < n) {
            const entry: *align(1) const linux.dirent64 = @ptrCast(&buffer[at]);
            at += entry.reclen;
            const name = std.mem.span(@as([*:0]const u8, @ptrCast(&entry.name)));
            const pid = std.fmt.parseInt(linux.pid_t, name, 10) catch continue;
            const pidfd = killIn(space, pid) orelse continue;
            if (last) |fd| _ = linux.close(fd);
            last = pidfd;
        }
    }
}

/// By a descriptor, taken before the look: a number may be somebody else's a moment later.
fn killIn(space: Space, pid: linux.pid_t) ?linux.fd_t {
    if (!std.meta.eql(Space.of(pid), space)) return null;
    const rc = linux.pidfd_open(pid, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const pidfd: linux.fd_t = @intCast(rc);
    const is_still = std.meta.eql(Space.of(pid), space);
    if (is_still and linux.errno(linux.pidfd_send_signal(pidfd, .KILL, null, 0)) == .SUCCESS) return pidfd;
    _ = linux.close(pidfd);
    return null;
}

test "kill() of nobody in particular kills nobody" {
    const nobody: Stragglers = .{};
    nobody.kill();
}
