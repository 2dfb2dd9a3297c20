//! The container's standard input as the monitor holds it: the writing end of a pipe, or the terminal. One buffer;
//! while it is not empty no client is read, which holds back whoever writes too fast.
const std = @import("std");
const sys = @import("../sys.zig");
const epolls = @import("epoll.zig");
const frame = @import("frame.zig");
const pipes = @import("pipes.zig");
const linux = sys.linux;

var buffer: [frame.payload_bytes_max]u8 = undefined;

pub const Stdin = struct {
    /// Null: the container has none, or it is closed; what is sent is thrown away.
    fd: ?linux.fd_t = null,
    is_terminal: bool = false,
    start: usize = 0,
    end: usize = 0,
    ends: bool = false,
    is_watched: bool = false,
    is_wide: bool = false,

    const end_of_transmission = 4; // ^D

    pub fn isBusy(stdin: *const Stdin) bool {
        return stdin.start < stdin.end;
    }

    /// Room for the next piece; only when not busy.
    pub fn space(stdin: *Stdin) []u8 {
        std.debug.assert(!stdin.isBusy());
        stdin.start = 0;
        stdin.end = 0;
        return &buffer;
    }

    /// `count` bytes of `space()` were filled.
    pub fn filled(stdin: *Stdin, epoll: epolls.Epoll, count: usize) void {
        if (stdin.fd == null) return;
        stdin.end = count;
        stdin.flush(epoll);
    }

    /// No more will come: a pipe is closed once it took everything, a terminal gets ^D.
    pub fn finish(stdin: *Stdin, epoll: epolls.Epoll) void {
        if (stdin.fd == null) return;
        stdin.ends = true;
        if (!stdin.isBusy()) stdin.flush(epoll);
    }

    pub fn flush(stdin: *Stdin, epoll: epolls.Epoll) void {
        const fd = stdin.fd orelse return;
        while (stdin.isBusy()) {
            const n = linux.write(fd, buffer[stdin.start..].ptr, stdin.end - stdin.start);
            switch (linux.errno(n)) {
                .SUCCESS => stdin.start += n,
                .INTR => {},
                .AGAIN => return stdin.watch(epoll, true),
                else => return stdin.close(epoll), // EPIPE: the container closed it
            }
        }
        stdin.watch(epoll, false);
        if (!stdin.ends) return;
        stdin.ends = false;
        if (!stdin.is_terminal) return stdin.close(epoll);
        _ = linux.write(fd, &[_]u8{end_of_transmission}, 1);
    }

    /// Its pipe is full of what did not come from here: `flush` is due when there is room.
    pub fn awaitRoom(stdin: *Stdin, epoll: epolls.Epoll) void {
        const fd = stdin.fd orelse return;
        if (!stdin.is_wide) pipes.widen(fd);
        stdin.is_wide = true;
        stdin.watch(epoll, true);
    }

    pub fn close(stdin: *Stdin, epoll: epolls.Epoll) void {
        const fd = stdin.fd orelse return;
        stdin.watch(epoll, false);
        if (!stdin.is_terminal) epoll.close(fd); // the terminal's belongs to the output
        stdin.* = .{};
    }

    fn watch(stdin: *Stdin, epoll: epolls.Epoll, wanted: bool) void {
        if (stdin.is_watched == wanted) return;
        stdin.is_watched = wanted;
        const fd = stdin.fd.?;
        if (stdin.is_terminal) {
            // Watched for output already, as stdout.
            epoll.change(.{ .kind = .stdout, .fd = fd }, if (wanted) epolls.in | epolls.out else epolls.in);
        } else if (wanted) {
            epoll.add(.{ .kind = .stdin, .fd = fd }, epolls.out) catch {};
        } else {
            _ = linux.epoll_ctl(epoll.fd, linux.EPOLL.CTL_DEL, fd, null);
        }
    }
};
