//! A program of the host's that makes a container's network in our process's stead (pasta, slirp4netns): started by the
//! monitor once the namespace is there, ended with the container. It stays in the foreground and says something on its
//! standard output when it is ready; what it says on standard error is told when it fails. Its standard input ends with
//! the monitor, whatever becomes of that.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const config = @import("../net/config.zig");
const linux = sys.linux;

/// Any of them is ready in a tenth of a second.
const patience_ms = 10_000;
const words_max = 64;
/// The last words of a program that are kept: it cannot write more than that.
const said_bytes_max = 4096;
/// The word that stands for the container's process.
const pid_word = "{pid}";

pub const Started = struct {
    pidfd: linux.fd_t,
    /// The other end of its standard input.
    control: linux.fd_t,
};

/// It is ready when this returns.
pub fn start(tool: *const config.Tool, pid: linux.pid_t) sys.Error!Started {
    if (tool.words.len > words_max) return sys.fail("network", "its tool has too many words");
    const said = try openSaid();
    defer _ = linux.close(said);
    const input = try pipe();
    defer _ = linux.close(input[0]);
    errdefer _ = linux.close(input[1]);
    const output = try pipe();
    defer _ = linux.close(output[0]);
    var pidfd: linux.fd_t = -1;
    const args: sys.CloneArgs = .{ .flags = linux.CLONE.PIDFD, .pidfd = @intFromPtr(&pidfd) };
    const rc = sys.clone3(&args);
    if (rc == 0) become(tool, pid, .{ input[0], output[1], said });
    _ = linux.close(output[1]);
    _ = try sys.check("clone3", "the network's tool", rc);
    if (isReady(output[0])) return .{ .pidfd = pidfd, .control = input[1] };
    _ = linux.pidfd_send_signal(pidfd, .KILL, null, 0);
    _ = sys.waitExitFd(pidfd) catch {};
    _ = linux.close(pidfd);
    return failed(tool.path, said);
}

fn pipe() sys.Error![2]linux.fd_t {
    var pair: [2]linux.fd_t = undefined;
    _ = try sys.check("pipe", "network", linux.pipe2(&pair, .{ .CLOEXEC = true }));
    return pair;
}

fn openSaid() sys.Error!linux.fd_t {
    const flags = linux.MFD.CLOEXEC | linux.MFD.ALLOW_SEALING;
    const fd = try sys.checkFd("memfd_create", "network", linux.memfd_create("said", flags));
    _ = linux.ftruncate(fd, said_bytes_max);
    const add_seals = 1033; // F_ADD_SEALS
    const seal_grow = 4;
    _ = linux.fcntl(fd, add_seals, seal_grow); // a write beyond that fails, and hurts nobody
    return fd;
}

fn isReady(output: linux.fd_t) bool {
    var poll = [1]linux.pollfd{.{ .fd = output, .events = linux.POLL.IN, .revents = 0 }};
    if (linux.poll(&poll, 1, patience_ms) != 1) return false;
    var byte: [16]u8 = undefined;
    const n = linux.read(output, &byte, byte.len);
    return linux.errno(n) == .SUCCESS and n > 0;
}

fn failed(path: []const u8, said: linux.fd_t) sys.Error {
    var buffer: [said_bytes_max]u8 = undefined;
    const n = linux.pread(said, &buffer, buffer.len, 0);
    const all = if (linux.errno(n) == .SUCCESS) std.mem.trim(u8, buffer[0..n], " \n\x00") else "";
    const last = if (std.mem.findScalarLast(u8, all, '\n')) |at| all[at + 1 ..] else all;
    if (last.len == 0) return sys.failFormat("network", "{s} does not work here", .{path});
    return sys.failFormat("network", "{s} says: {s}", .{ path, last[0..@min(last.len, 300)] });
}

/// In the child.
fn become(tool: *const config.Tool, pid: linux.pid_t, streams: [3]linux.fd_t) noreturn {
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
    child.defaultSignals();
    _ = linux.setsid(); // what a terminal sends to its group is not for it
    _ = linux.chdir("/");
    // one may be where another is to be
    var moved: [3]linux.fd_t = undefined;
    for (streams, &moved) |fd, *to| {
        const rc = linux.fcntl(fd, linux.F.DUPFD_CLOEXEC, 3);
        if (linux.errno(rc) != .SUCCESS) linux.exit_group(125);
        to.* = @intCast(rc);
    }
    for (moved, 0..) |fd, to| _ = linux.dup3(fd, @intCast(to), 0);
    sys.closeOnExecFrom(3);
    var number: [16]u8 = undefined;
    const pid_text = std.fmt.bufPrintZ(&number, "{d}", .{pid}) catch unreachable;
    var words: [words_max + 1:null]?[*:0]const u8 = undefined;
    words[0] = tool.path;
    for (tool.words, 1..) |word, i| words[i] = if (std.mem.eql(u8, word, pid_word)) pid_text else word;
    words[tool.words.len + 1] = null;
    const environment = [_:null]?[*:0]const u8{};
    _ = linux.execve(tool.path, &words, &environment);
    linux.exit_group(127);
}
