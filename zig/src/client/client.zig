//! Theory of operation: the process in the foreground of an attached run, exec or attach. It moves bytes between our
//! standard streams and the monitor's frames, and nothing else: the container does not depend on it.
//!
//! Never waits in one direction: typing, output, signals and the window size are served by one ppoll(2) loop, and
//! what cannot be sent now keeps its source unread. It may be killed at any time.
//!
//! Signals: those sent to us with kill(2) go to the container (`sigProxy`). Those the terminal sent to the whole
//! foreground group carry si_code SI_KERNEL and are dropped: our parent got the same one and forwards it, so it must
//! not arrive twice. SIGWINCH sets the window size; SIGCONT puts the terminal back into raw mode; SIGTSTP, SIGTTIN and
//! SIGTTOU stop us as they stop any program.
const std = @import("std");
const sys = @import("../sys.zig");
const frame = @import("../monitor/frame.zig");
const terminal = @import("../process/terminal.zig");
const tty = @import("tty.zig");
const outputs = @import("output.zig");
const detach = @import("detach.zig");
const Repeats = @import("repeats.zig").Repeats;
const linux = sys.linux;

pub const Options = struct {
    /// Forward our standard input.
    stdin: bool,
    /// The container has a terminal.
    terminal: bool,
    detach_keys: []const u8,
    /// Whom signals go to: the container's (or exec's) first process. Not through the socket, where they would have to
    /// queue behind typed bytes that nobody reads. Null: they end us instead.
    signals_to: ?linux.fd_t,
};

pub const Outcome = union(enum) {
    /// `is_over`: its monitor does not start it again.
    ended: struct { code: u32, signal: ?u8, oom_killed: bool, is_over: bool, lost: ?Loss },
    detached,
    /// A signal ended us, the container lives on.
    interrupted: u8,
    /// The monitor went away without a word: it was killed, or dropped us for being slow.
    lost,
};

/// Not all of its output is where it was to go.
pub const Loss = struct { stream: []const u8, errno: linux.E };

const piece_bytes = frame.payload_bytes_max;
/// What a terminal has at once at most (N_TTY_BUF_SIZE).
const terminal_bytes = 4096;
var in_buffer: [frame.header_bytes + frame.payload_bytes_max]u8 = undefined;
var typed: [piece_bytes]u8 = undefined;
var out_buffer: [2 * frame.header_bytes + piece_bytes + 4]u8 = undefined; // and a window size

/// All that a program may forward; to be blocked before the container is started, so that none is lost or deadly.
pub fn signalMask() linux.sigset_t {
    var mask = linux.sigfillset();
    const left_alone = [_]linux.SIG{
        .KILL, .STOP, .CHLD, .PIPE, .TSTP, .TTIN, .TTOU, .URG, .SEGV, .BUS, .FPE, .ILL, .TRAP, .SYS,
    };
    for (left_alone) |signal| linux.sigdelset(&mask, signal);
    return mask;
}

const Client = struct {
    options: Options,
    socket: linux.fd_t,
    signals: linux.fd_t,
    repeats: Repeats = .{},
    stdout: outputs.Output,
    stderr: outputs.Output,
    raw: ?tty.Raw = null,
    detector: detach.Detector,
    reads_stdin: bool,
    /// Of `in_buffer`.
    in_have: usize = 0,
    /// Of `out_buffer`: frames on their way to the monitor.
    out_start: usize = 0,
    out_end: usize = 0,
    /// A frame that waits for room in `out_buffer`.
    resizes: bool = false,
    /// The streams whose readers are gone and of which the monitor knows.
    told_closed: [2]bool = @splat(false),
    outcome: ?Outcome = null,

    fn send(c: *Client, kind: frame.Type, payload: []const u8) void {
        if (c.out_start == c.out_end) {
            c.out_start = 0;
            c.out_end = 0;
        }
        std.debug.assert(c.out_end + frame.header_bytes + payload.len <= out_buffer.len);
        @memcpy(out_buffer[c.out_end..][0..frame.header_bytes], &frame.header(kind, payload.len));
        @memcpy(out_buffer[c.out_end + frame.header_bytes ..][0..payload.len], payload);
        c.out_end += frame.header_bytes + payload.len;
        c.flush();
    }

    fn flush(c: *Client) void {
        while (c.out_start < c.out_end) {
            const rest = out_buffer[c.out_start..c.out_end];
            const n = linux.sendto(c.socket, rest.ptr, rest.len, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
            switch (linux.errno(n)) {
                .SUCCESS => c.out_start += n,
                .INTR => {},
                .AGAIN => return,
                else => { // it is gone: what it still had to say is read first
                    c.out_start = 0;
                    c.out_end = 0;
                    c.reads_stdin = false;
                },
            }
        }
    }

    fn isSending(c: *const Client) bool {
        return c.out_start < c.out_end;
    }

    fn readStdin(c: *Client) void {
        const n = linux.read(0, &typed, if (c.options.terminal) terminal_bytes else typed.len);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .INTR, .AGAIN => return,
            else => return c.endStdin(),
        }
        if (n == 0) return c.endStdin();
        var forward: []const u8 = typed[0..n];
        var scratch: [terminal_bytes + detach.keys_max]u8 = undefined;
        var is_detached = false;
        if (c.options.terminal) {
            const result = c.detector.feed(forward, &scratch);
            forward = result.forward;
            is_detached = result.detached;
        }
        if (forward.len > 0) c.send(.stdin, forward);
        if (is_detached) c.outcome = .detached;
    }

    fn endStdin(c: *Client) void {
        c.reads_stdin = false;
        c.send(.end_of_stdin, "");
    }

    fn sendSize(c: *Client) void {
        if (!c.options.terminal) return;
        if (c.isSending()) {
            c.resizes = true;
            return;
        }
        c.resizes = false;
        const size = windowSize() orelse return;
        var payload: [4]u8 = undefined;
        std.mem.writeInt(u16, payload[0..2], size.rows, .little);
        std.mem.writeInt(u16, payload[2..4], size.columns, .little);
        c.send(.resize, &payload);
    }

    /// `tspod run ... | head -1`: the container shall notice, as it would without us in between.
    fn tellClosed(c: *Client) void {
        for ([_]*const outputs.Output{ &c.stdout, &c.stderr }, &c.told_closed, 1..) |output, *told, number| {
            if (!output.is_closed or told.* or c.isSending()) continue;
            told.* = true;
            var payload: [4]u8 = undefined;
            std.mem.writeInt(u32, &payload, @intCast(number), .little);
            c.send(.output_closed, &payload);
        }
    }

    fn takeSignal(c: *Client) void {
        var info: linux.signalfd_siginfo = undefined;
        const n = linux.read(c.signals, @ptrCast(&info), @sizeOf(@TypeOf(info)));
        if (linux.errno(n) != .SUCCESS) return;
        const signal: linux.SIG = @enumFromInt(info.signo);
        switch (signal) {
            .WINCH => return c.sendSize(),
            .CONT => {
                if (c.raw) |*raw| raw.apply();
                return c.sendSize();
            },
            else => {},
        }
        const pidfd = c.options.signals_to orelse {
            c.outcome = .{ .interrupted = @intCast(info.signo) };
            return;
        };
        if (c.repeats.isNew(&info)) _ = linux.pidfd_send_signal(pidfd, signal, null, 0);
    }

    /// One read, then every whole frame in it. Stops at an output that cannot take its bytes yet.
    fn readSocket(c: *Client) void {
        const space = in_buffer[c.in_have..];
        const n = linux.recvfrom(c.socket, space.ptr, space.len, linux.MSG.DONTWAIT, null, null);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .INTR, .AGAIN => return,
            else => {
                c.outcome = .lost;
                return;
            },
        }
        if (n == 0) {
            c.outcome = .lost;
            return;
        }
        c.in_have += n;
        c.takeFrames();
    }

    fn isWriting(c: *const Client) bool {
        return c.stdout.rest.len > 0 or c.stderr.rest.len > 0;
    }

    var consumed: usize = 0;

    fn takeFrames(c: *Client) void {
        while (!c.isWriting() and c.outcome == null) {
            const have = in_buffer[consumed..c.in_have];
            if (have.len < frame.header_bytes) break;
            const head = frame.parse(have[0..frame.header_bytes]) orelse {
                c.outcome = .lost;
                return;
            };
            const whole = frame.header_bytes + head.length;
            if (have.len < whole) break;
            c.takeFrame(head.kind, have[frame.header_bytes..whole]);
            consumed += whole;
        }
        if (c.isWriting()) return; // its bytes are in the buffer: nothing is moved
        std.mem.copyForwards(u8, &in_buffer, in_buffer[consumed..c.in_have]);
        c.in_have -= consumed;
        consumed = 0;
    }

    fn loss(c: *const Client) ?Loss {
        if (c.stdout.lost) |errno| return .{ .stream = "standard output", .errno = errno };
        if (c.stderr.lost) |errno| return .{ .stream = "standard error", .errno = errno };
        return null;
    }

    fn takeFrame(c: *Client, kind: frame.Type, payload: []const u8) void {
        switch (kind) {
            .stdout => c.stdout.write(payload),
            .stderr => c.stderr.write(payload),
            .ended => {
                const word = std.mem.readInt(u32, payload[0..4], .little);
                const signal: u8 = @truncate(word >> 8);
                c.outcome = .{ .ended = .{
                    .code = word & 0xff,
                    .signal = if (signal == 0) null else signal,
                    .oom_killed = word >> 16 & 1 != 0,
                    .is_over = word >> 24 & 1 == 0,
                    .lost = c.loss(),
                } };
            },
            else => {},
        }
    }
};

fn windowSize() ?terminal.Size {
    for (0..3) |fd| if (terminal.getSize(@intCast(fd))) |size| return size;
    return null;
}

/// The size a new terminal of the container should have from its first moment.
pub const currentSize = windowSize;

/// Serve until the container has ended, or the user went away. `socket` is closed by the caller.
pub fn run(socket: linux.fd_t, options: Options) sys.Error!Outcome {
    const mask = signalMask();
    _ = linux.sigprocmask(linux.SIG.BLOCK, &mask, null);
    ignorePipe();
    const signals = try sys.checkFd("signalfd", "", linux.signalfd(-1, &mask, linux.SFD.CLOEXEC | linux.SFD.NONBLOCK));
    var client: Client = .{
        .options = options,
        .socket = socket,
        .signals = signals,
        .stdout = .open(1),
        .stderr = .open(2),
        .detector = .{ .keys = options.detach_keys },
        .reads_stdin = options.stdin,
    };
    if (options.terminal and options.stdin) client.raw = tty.Raw.enter(0);
    defer if (client.raw) |*raw| raw.leave();
    client.sendSize();
    while (client.outcome == null) wait(&client);
    return client.outcome.?;
}

fn ignorePipe() void {
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = linux.sigemptyset(), .flags = 0 };
    _ = linux.sigaction(.PIPE, &ignore, null);
}

fn wait(c: *Client) void {
    const in: i16 = linux.POLL.IN;
    const out: i16 = linux.POLL.OUT;
    const idle = -1; // poll(2) passes negative descriptors over
    const to_socket: i16 = if (c.isSending()) out else 0;
    const from_socket: i16 = if (c.isWriting()) 0 else in;
    var fds = [_]linux.pollfd{
        .{ .fd = if (c.reads_stdin and !c.isSending()) 0 else idle, .events = in, .revents = 0 },
        .{ .fd = if (to_socket | from_socket == 0) idle else c.socket, .events = to_socket | from_socket, .revents = 0 },
        .{ .fd = c.signals, .events = in, .revents = 0 },
        .{ .fd = if (c.stdout.rest.len > 0) c.stdout.fd else idle, .events = out, .revents = 0 },
        .{ .fd = if (c.stderr.rest.len > 0) c.stderr.fd else idle, .events = out, .revents = 0 },
    };
    const n = linux.poll(&fds, fds.len, -1);
    if (linux.errno(n) != .SUCCESS) return;
    if (fds[3].revents != 0) c.stdout.flush();
    if (fds[4].revents != 0) c.stderr.flush();
    if ((fds[3].revents | fds[4].revents) != 0) c.takeFrames();
    if (fds[1].revents & out != 0) c.flush();
    if (fds[2].revents != 0) c.takeSignal();
    if (fds[0].revents != 0 and !c.isSending()) c.readStdin();
    if (c.resizes and !c.isSending()) c.sendSize();
    c.tellClosed();
    if (fds[1].revents & ~out != 0 and !c.isWriting()) c.readSocket();
}
