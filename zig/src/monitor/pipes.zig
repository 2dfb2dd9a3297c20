//! Theory of operation: the pipes of whoever waits for an attached container. What the container says goes into them,
//! and what they have for it goes to it, page by page (splice(2), tee(2)) instead of through the client's socket: no byte
//! is copied, and the client has nothing to do.
//!
//! Pipes only: a write to a file, a terminal or a socket may take long, and the monitor never waits. For those there are
//! frames. The container gets no descriptor of the caller's. When the client goes, so do they.
//!
//! Limits: a full pipe of the caller's holds back that one stream of the container's, as if it wrote there itself.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Pipes = struct {
    /// Where the container's standard input comes from.
    source: ?linux.fd_t = null,
    /// Its output and its errors.
    sinks: [2]?linux.fd_t = @splat(null),
    is_source_watched: bool = false,

    /// Our standard streams, as far as they are pipes; ours stay as they are.
    pub fn open(with_stdin: bool) Pipes {
        var pipes: Pipes = .{};
        if (with_stdin) pipes.source = reopen(0, .RDONLY);
        for (&pipes.sinks, 1..) |*sink, fd| sink.* = reopen(@intCast(fd), .WRONLY);
        return pipes;
    }

    pub fn close(pipes: *const Pipes) void {
        for ([_]?linux.fd_t{ pipes.source, pipes.sinks[0], pipes.sinks[1] }) |open_fd| {
            if (open_fd) |fd| _ = linux.close(fd);
        }
    }
};

/// With flags of its own: what others share stays blocking. Null also where it is somebody else's (su).
fn reopen(fd: linux.fd_t, mode: std.posix.ACCMODE) ?linux.fd_t {
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS or !linux.S.ISFIFO(stat.mode)) return null;
    var name: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&name, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    const rc = linux.open(path, .{ .ACCMODE = mode, .NONBLOCK = true, .CLOEXEC = true }, 0);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}

pub const Moved = union(enum) {
    bytes: usize,
    /// The one has no more, the other takes no more: for now, or for ever.
    nothing,
    full,
    ended,
    broken,
};

/// Never waits.
pub fn move(from: linux.fd_t, to: linux.fd_t, bytes_max: usize) Moved {
    return transfer(.splice, from, to, bytes_max);
}

/// The same, and `from` keeps what was given.
pub fn copy(from: linux.fd_t, to: linux.fd_t, bytes_max: usize) Moved {
    return transfer(.tee, from, to, bytes_max);
}

fn transfer(call: enum { splice, tee }, from: linux.fd_t, to: linux.fd_t, bytes_max: usize) Moved {
    const nonblock = 2; // SPLICE_F_NONBLOCK
    const in: usize = @intCast(from);
    const out: usize = @intCast(to);
    while (true) {
        const n = switch (call) {
            .splice => linux.syscall6(.splice, in, 0, out, 0, bytes_max, nonblock),
            .tee => linux.syscall4(.tee, in, out, bytes_max, nonblock),
        };
        switch (linux.errno(n)) {
            .SUCCESS => if (n > 0) return .{ .bytes = n },
            .INTR, .AGAIN => {},
            else => return .broken,
        }
        // Nothing was moved. Whose fault it was the answer does not tell, not even 0.
        if (reason(from, to)) |known| return known;
    }
}

/// Null: it would go now.
fn reason(from: linux.fd_t, to: linux.fd_t) ?Moved {
    const poll = linux.POLL;
    var fds = [_]linux.pollfd{
        .{ .fd = from, .events = poll.IN, .revents = 0 },
        .{ .fd = to, .events = poll.OUT, .revents = 0 },
    };
    if (linux.errno(linux.poll(&fds, fds.len, 0)) != .SUCCESS) return null;
    if (fds[1].revents & poll.ERR != 0) return .broken;
    if (fds[0].revents & poll.IN != 0) return if (fds[1].revents & poll.OUT != 0) null else .full;
    return if (fds[0].revents & (poll.HUP | poll.ERR) != 0) .ended else .nothing;
}

/// Whoever fills a whole pipe between two looks has more to say: with a larger one both sides are woken less often. The
/// kernel refuses when the user has too many of them.
pub fn widen(fd: linux.fd_t) void {
    const set_pipe_size = 1031; // F_SETPIPE_SZ
    _ = linux.fcntl(fd, set_pipe_size, wide_bytes);
}

pub const wide_bytes = 256 * 1024;

test "what was moved, and why not" {
    var from: [2]linux.fd_t = undefined;
    var to: [2]linux.fd_t = undefined;
    try std.testing.expectEqual(0, linux.pipe2(&from, .{ .CLOEXEC = true }));
    try std.testing.expectEqual(0, linux.pipe2(&to, .{ .CLOEXEC = true, .NONBLOCK = true }));
    defer for ([_]linux.fd_t{ from[0], to[1] }) |fd| {
        _ = linux.close(fd);
    };
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = linux.sigemptyset(), .flags = 0 };
    _ = linux.sigaction(.PIPE, &ignore, null);
    try std.testing.expectEqual(Moved.nothing, move(from[0], to[1], 9));
    _ = linux.write(from[1], "abcdef", 6);
    try std.testing.expectEqual(Moved{ .bytes = 4 }, copy(from[0], to[1], 4));
    try std.testing.expectEqual(Moved{ .bytes = 6 }, move(from[0], to[1], 9));
    var space: [16]u8 = undefined;
    try std.testing.expectEqualStrings("abcdabcdef", space[0..linux.read(to[0], &space, space.len)]);
    while (linux.errno(linux.write(to[1], "." ** 4096, 4096)) == .SUCCESS) {}
    _ = linux.write(from[1], "x", 1);
    try std.testing.expectEqual(Moved.full, copy(from[0], to[1], 9));
    try std.testing.expectEqual(Moved.full, move(from[0], to[1], 9));
    _ = linux.close(to[0]);
    try std.testing.expectEqual(Moved.broken, move(from[0], to[1], 9));
    _ = linux.read(from[0], &space, 1);
    _ = linux.close(from[1]);
    const null_fd: linux.fd_t = @intCast(linux.open("/dev/null", .{ .ACCMODE = .WRONLY, .CLOEXEC = true }, 0));
    defer _ = linux.close(null_fd);
    try std.testing.expectEqual(Moved.ended, move(from[0], null_fd, 9));
}
