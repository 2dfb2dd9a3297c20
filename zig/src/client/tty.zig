//! The caller's own terminal: raw while attached, as it was afterwards.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Raw = struct {
    fd: linux.fd_t,
    before: linux.termios,

    /// Null: `fd` is no terminal.
    pub fn enter(fd: linux.fd_t) ?Raw {
        var before: linux.termios = undefined;
        if (linux.errno(linux.tcgetattr(fd, &before)) != .SUCCESS) return null;
        const raw: Raw = .{ .fd = fd, .before = before };
        raw.apply();
        return raw;
    }

    /// cfmakeraw(3). Again after the process was stopped: the shell has put its own settings in between.
    pub fn apply(raw: *const Raw) void {
        var t = raw.before;
        t.iflag.IGNBRK = false;
        t.iflag.BRKINT = false;
        t.iflag.PARMRK = false;
        t.iflag.ISTRIP = false;
        t.iflag.INLCR = false;
        t.iflag.IGNCR = false;
        t.iflag.ICRNL = false;
        t.iflag.IXON = false;
        t.oflag.OPOST = false;
        t.lflag.ECHO = false;
        t.lflag.ECHONL = false;
        t.lflag.ICANON = false;
        t.lflag.ISIG = false;
        t.lflag.IEXTEN = false;
        t.cflag.PARENB = false;
        t.cflag.CSIZE = .CS8;
        t.cc[@intFromEnum(linux.V.MIN)] = 1;
        t.cc[@intFromEnum(linux.V.TIME)] = 0;
        _ = linux.tcsetattr(raw.fd, .DRAIN, &t);
    }

    pub fn leave(raw: *const Raw) void {
        _ = linux.tcsetattr(raw.fd, .DRAIN, &raw.before);
    }
};
