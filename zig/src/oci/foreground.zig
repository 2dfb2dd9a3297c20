//! Theory of operation: what `run` and `exec` do while their program runs. Without a terminal its streams are ours
//! already: it only remains to pass on signals and to wait. With one, this process stands between the container's
//! terminal and our streams: what is typed goes in, what is shown comes out, the window's size follows ours.
//!
//! One poll(2) loop, one piece under way in each direction; what cannot be written yet keeps its source unread. When
//! the program has ended, what its terminal still holds is shown, and nobody is waited for who may still have it open.
const std = @import("std");
const sys = @import("../sys.zig");
const client = @import("../client/client.zig");
const outputs = @import("../client/output.zig");
const tty = @import("../client/tty.zig");
const terminals = @import("../process/terminal.zig");
const linux = sys.linux;

const end_of_transmission = 4; // ^D

var typed: [4096]u8 = undefined;
var shown: [16 * 1024]u8 = undefined;

const Relay = struct {
    master: linux.fd_t,
    raw: ?tty.Raw,
    stdout: outputs.Output,
    reads_stdin: bool = true,
    /// Of `typed`: not written yet.
    start: usize = 0,
    end: usize = 0,
    /// Everything that had it open is gone.
    is_closed: bool = false,

    fn open(master: linux.fd_t) sys.Error!Relay {
        try setNonBlocking(master);
        try holdOpen(master);
        const relay: Relay = .{ .master = master, .raw = tty.Raw.enter(0), .stdout = .open(1) };
        relay.copySize();
        return relay;
    }

    fn close(relay: *Relay) void {
        if (relay.raw) |*raw| raw.leave();
        relay.stdout.close();
        _ = linux.close(relay.master);
    }

    fn copySize(relay: *const Relay) void {
        if (client.currentSize()) |size| terminals.setSize(relay.master, size);
    }

    fn readStdin(relay: *Relay) void {
        const n = linux.read(0, &typed, typed.len);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .INTR, .AGAIN => return,
            else => return relay.endStdin(),
        }
        if (n == 0) return relay.endStdin();
        relay.start = 0;
        relay.end = n;
        relay.flush();
    }

    fn endStdin(relay: *Relay) void {
        relay.reads_stdin = false;
        typed[0] = end_of_transmission;
        relay.start = 0;
        relay.end = 1;
        relay.flush();
    }

    fn flush(relay: *Relay) void {
        while (relay.start < relay.end) {
            const n = linux.write(relay.master, typed[relay.start..].ptr, relay.end - relay.start);
            switch (linux.errno(n)) {
                .SUCCESS => relay.start += n,
                .INTR => {},
                .AGAIN => return,
                else => relay.start = relay.end,
            }
        }
    }

    fn isSending(relay: *const Relay) bool {
        return relay.start < relay.end;
    }

    /// False: there is nothing more now.
    fn readMaster(relay: *Relay) bool {
        const n = linux.read(relay.master, &shown, shown.len);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .INTR => return true,
            .AGAIN => return false,
            else => {
                relay.is_closed = true;
                return false;
            },
        }
        relay.stdout.write(shown[0..n]);
        return n > 0;
    }

    /// The rest, to a reader that may be slow.
    fn drain(relay: *Relay) void {
        while (true) {
            while (relay.stdout.rest.len > 0) {
                var fds = [1]linux.pollfd{.{ .fd = relay.stdout.fd, .events = linux.POLL.OUT, .revents = 0 }};
                _ = linux.poll(&fds, 1, -1);
                relay.stdout.flush();
            }
            if (!relay.readMaster()) return;
        }
    }
};

/// Block the signals that will be passed on: before anything is started, so that none is lost or deadly.
pub fn blockSignals() void {
    const mask = client.signalMask();
    _ = linux.sigprocmask(linux.SIG.BLOCK, &mask, null);
}

/// Serve until the program has ended. Its exit status, or 128 + the signal that ended it.
pub fn watch(pidfd: linux.fd_t, terminal: ?linux.fd_t) sys.Error!u8 {
    const mask = client.signalMask();
    const flags = linux.SFD.CLOEXEC | linux.SFD.NONBLOCK;
    const signals = try sys.checkFd("signalfd", "", linux.signalfd(-1, &mask, flags));
    var relay: ?Relay = if (terminal) |master| try Relay.open(master) else null;
    defer if (relay) |*r| r.close();
    while (true) {
        const has_ended = wait(pidfd, signals, if (relay) |*r| r else null);
        if (!has_ended) continue;
        const status = try sys.waitExitFd(pidfd);
        if (relay) |*r| r.drain();
        return @truncate(status);
    }
}

/// One round. True: the program has ended.
fn wait(pidfd: linux.fd_t, signals: linux.fd_t, relay: ?*Relay) bool {
    const in: i16 = linux.POLL.IN;
    const out: i16 = linux.POLL.OUT;
    const idle = -1; // poll(2) passes negative descriptors over
    var fds = [_]linux.pollfd{
        .{ .fd = pidfd, .events = in, .revents = 0 },
        .{ .fd = signals, .events = in, .revents = 0 },
        .{ .fd = idle, .events = in, .revents = 0 },
        .{ .fd = idle, .events = 0, .revents = 0 },
        .{ .fd = idle, .events = out, .revents = 0 },
    };
    var count: usize = 2;
    if (relay) |r| {
        count = fds.len;
        if (r.reads_stdin and !r.isSending()) fds[2].fd = 0;
        const is_waiting = r.stdout.rest.len > 0;
        fds[3].events = (if (is_waiting) 0 else in) | if (r.isSending()) out else 0;
        if (fds[3].events != 0 and !r.is_closed) fds[3].fd = r.master;
        if (is_waiting) fds[4].fd = r.stdout.fd;
    }
    if (linux.errno(linux.poll(&fds, count, -1)) != .SUCCESS) return false;
    if (fds[1].revents != 0) passOn(signals, pidfd, relay);
    if (relay) |r| {
        if (fds[4].revents != 0) r.stdout.flush();
        if (fds[3].revents & out != 0) r.flush();
        if (fds[3].revents & ~out != 0 and r.stdout.rest.len == 0) _ = r.readMaster();
        if (fds[2].revents != 0 and !r.isSending()) r.readStdin();
    }
    return fds[0].revents != 0;
}

fn passOn(signals: linux.fd_t, pidfd: linux.fd_t, relay: ?*Relay) void {
    var info: linux.signalfd_siginfo = undefined;
    while (linux.errno(linux.read(signals, @ptrCast(&info), @sizeOf(@TypeOf(info)))) == .SUCCESS) {
        const signal: linux.SIG = @enumFromInt(info.signo);
        if (relay) |r| switch (signal) {
            .WINCH => {
                r.copySize();
                continue;
            },
            .CONT => {
                if (r.raw) |*raw| raw.apply(); // the shell has put its own settings in between
                r.copySize();
            },
            else => {},
        };
        _ = linux.pidfd_send_signal(pidfd, signal, null, 0);
    }
}

fn setNonBlocking(fd: linux.fd_t) sys.Error!void {
    const flags = try sys.check("fcntl", "the terminal", linux.fcntl(fd, linux.F.GETFL, 0));
    const nonblock: u32 = @bitCast(linux.O{ .NONBLOCK = true });
    _ = try sys.check("fcntl", "the terminal", linux.fcntl(fd, linux.F.SETFL, flags | nonblock));
}

/// A terminal that nobody has open for a while would report a hangup, over and over. It is gone with us.
fn holdOpen(master: linux.fd_t) sys.Error!void {
    _ = try sys.check("TIOCGPTPEER", "the terminal", terminals.openPeer(master));
}
