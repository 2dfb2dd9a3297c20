//! Theory of operation: the one process that stays with a container. It owns the container's standard streams or its
//! terminal, writes the log, serves attach.sock and control.sock, reaps the container and records how it ended.
//!
//! One thread, one epoll loop, fixed buffers in static memory that are untouched until needed: at rest it uses no
//! CPU and little more memory than its stack. The container dies with it (PR_SET_PDEATHSIG), so there is no state in
//! which a container runs unwatched. It decides nothing about how the container is made (launch.zig, child.zig).
//!
//! Three uses: apart from the caller (run, detached or attached), within the caller (`passthrough`: the streams are
//! the container's own), and for exec (no files of its own).
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const contract = @import("../contract.zig");
const terminal = @import("../process/terminal.zig");
const foreign = @import("../foreign/foreign.zig");
const epolls = @import("epoll.zig");
const clients = @import("clients.zig");
const control = @import("control.zig");
const stdins = @import("stdin.zig");
const clock = @import("clock.zig");
const logs = @import("log.zig");
const record = @import("record.zig");
const removals = @import("remove.zig");
const frame = @import("frame.zig");
const footprint = @import("footprint.zig");
const launch = @import("launch.zig");
const stragglers = @import("stragglers.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const Repeats = @import("../client/repeats.zig").Repeats;
const linux = sys.linux;

/// What it needs of helper.json, copied: the arena is given back.
pub const Config = struct {
    id_buffer: [128]u8 = undefined,
    id_bytes: usize = 0,
    runtime_dir: record.Path = .{},
    container_dir: record.Path = .{},
    trash_dir: record.Path = .{},
    auto_remove: bool = false,
    /// Exec has no files, no sockets and no record.
    has_files: bool = false,
    stop_signal: u8 = 15,
    /// Signals sent to us go to the container.
    forwards_signals: bool = false,
    /// Of its cgroup; empty when it has none.
    cgroup: record.Path = .{},

    pub fn set(config: *Config, helper: *const contract.Helper) sys.Error!void {
        if (helper.id.len > config.id_buffer.len) return sys.fail("open", "the container's id is too long");
        @memcpy(config.id_buffer[0..helper.id.len], helper.id);
        config.id_bytes = helper.id.len;
        try config.runtime_dir.set(helper.runtimeDir);
        try config.container_dir.set(helper.containerDir);
        try config.trash_dir.set(helper.trashDir);
        config.auto_remove = helper.autoRemove;
        config.has_files = true;
        config.stop_signal = helper.stopSignal;
    }

    fn group(config: *const Config) cgroups.Cgroup {
        return .{ .path = config.cgroup.get() };
    }

    fn id(config: *const Config) []const u8 {
        return config.id_buffer[0..config.id_bytes];
    }
};

/// How it ended.
pub const Ending = struct { code: u32, signal: ?u8, oom_killed: bool = false };

const Output = struct { fd: ?linux.fd_t = null, stream: logs.Stream };

pub const Monitor = struct {
    config: Config = .{},
    epoll: epolls.Epoll = .{ .fd = -1 },
    pid: linux.pid_t = 0,
    pidfd: linux.fd_t = -1,
    /// Whom another runtime's container was left to: our child, which ends with it.
    keeper: ?foreign.Keeper = null,
    runtime_fd: ?linux.fd_t = null,
    userns_fd: ?linux.fd_t = null,
    removal: removals.Removal = .{},
    /// Whom nobody else ends.
    stragglers: stragglers.Stragglers = .{},
    control_fd: ?linux.fd_t = null,
    attach_fd: ?linux.fd_t = null,
    timer_fd: ?linux.fd_t = null,
    signal_fd: ?linux.fd_t = null,
    repeats: Repeats = .{},
    log: logs.Log = .{},
    stdin: stdins.Stdin = .{},
    stdout: Output = .{ .stream = .stdout },
    stderr: Output = .{ .stream = .stderr },
    terminal: ?linux.fd_t = null,
    is_held_back: bool = false,
    started_at: clock.Text = undefined,
    ending: ?Ending = null,
    gives_up: bool = false,

    /// After the container's end, how long a slow client may take for the rest. The primary takes what it needs.
    const farewell_ms = 2_000;

    /// Sockets and log: made while the container's process is busy.
    pub fn makeFiles(m: *Monitor, log: contract.Log, with_attach: bool) sys.Error!void {
        m.epoll = try .open();
        if (!m.config.has_files) return;
        const directory = try record.makeRuntimeDir(m.config.runtime_dir.get());
        m.runtime_fd = directory;
        const listeners = try record.listen(directory);
        m.control_fd = listeners.control;
        try m.epoll.add(.{ .kind = .control, .fd = listeners.control }, epolls.in);
        m.attach_fd = listeners.attach;
        if (with_attach) {
            try m.epoll.add(.{ .kind = .attach, .fd = listeners.attach }, epolls.in);
        } else {
            _ = linux.close(listeners.attach); // connecting is refused: there is nothing to attach to
            m.attach_fd = null;
        }
        if (log.driver == .@"k8s-file") m.log = try .open(log.path);
    }

    /// Undo `makeFiles` when the container could not be started. With `--rm` its directory goes as well.
    pub fn abandon(m: *Monitor) void {
        if (m.runtime_fd) |fd| record.removeRuntimeDir(fd, m.config.runtime_dir.get());
        if (!m.config.auto_remove) return;
        m.discardContainer();
        m.removal.finish(m.userns_fd);
    }

    /// The container runs: publish that, and take its streams.
    pub fn adopt(m: *Monitor, running: launch.Running) sys.Error!void {
        const pid = running.pid;
        const pidfd = running.pidfd;
        m.pid = pid;
        m.pidfd = pidfd;
        m.keeper = running.keeper;
        try m.config.cgroup.set(running.cgroup.path);
        if (running.cgroup.isNone()) m.stragglers.space = running.space;
        m.started_at = clock.now();
        try m.epoll.add(.{ .kind = .child, .fd = m.childFd() }, epolls.in);
        if (m.terminal) |fd| try m.adoptTerminal(fd);
        for ([_]*const Output{ &m.stdout, &m.stderr }) |output| {
            const fd = output.fd orelse continue;
            const kind: epolls.Kind = if (output.stream == .stdout) .stdout else .stderr;
            try m.epoll.add(.{ .kind = kind, .fd = fd }, epolls.in);
        }
        const directory = m.runtime_fd orelse return;
        const self = linux.getpid();
        try record.writeState(directory, .{
            .contract = contract.contract_version,
            .id = m.config.id(),
            .pid = pid,
            .pidStart = record.startTime(pid) orelse 0,
            .monitorPid = self,
            .monitorStart = record.startTime(self) orelse 0,
            .startedAt = &m.started_at,
            .cgroup = m.config.cgroup.get(),
            .keeper = if (m.keeper) |keeper| .{
                .pid = keeper.pid,
                .pidStart = record.startTime(keeper.pid) orelse 0,
            } else null,
        });
    }

    fn childFd(m: *const Monitor) linux.fd_t {
        return if (m.keeper) |keeper| keeper.pidfd else m.pidfd;
    }

    /// We keep the other end open as well: a terminal that nobody has open right now would report a hangup, over and
    /// over. Never closed; it is gone with us.
    fn adoptTerminal(m: *Monitor, master: linux.fd_t) sys.Error!void {
        _ = try sys.check("TIOCGPTPEER", "the terminal", terminal.openPeer(master));
        try setNonBlocking(master);
        m.stdout.fd = master;
        m.stdin = .{ .fd = master, .is_terminal = true };
    }

    /// Until the container has ended and everybody who matters has its last byte.
    pub fn run(m: *Monitor) Ending {
        var events: [16]linux.epoll_event = undefined;
        footprint.shrink();
        while (true) {
            for (m.epoll.wait(&events)) |e| m.handle(@bitCast(e.data.u64), e.events);
            if (m.ending) |ending| {
                if (m.isDone()) return ending;
            }
        }
    }

    fn isDone(m: *const Monitor) bool {
        if (clients.holdsBack()) return false;
        if (m.is_held_back) return false;
        return m.gives_up or !clients.anyPending();
    }

    fn handle(m: *Monitor, ref: epolls.Ref, events: u32) void {
        switch (ref.kind) {
            .child => m.reap(),
            .stdout => {
                if (events & epolls.out != 0) m.flushStdin();
                if (events & ~@as(u32, epolls.out) != 0) _ = m.pump(&m.stdout);
            },
            .stderr => _ = m.pump(&m.stderr),
            .stdin => m.flushStdin(),
            .attach => m.acceptClient(),
            .client => m.serveClient(ref.index, events),
            .control => if (!control.accept(m.epoll, ref.fd)) m.epoll.change(ref, 0),
            .request => m.serveRequest(ref.index),
            .timer => m.timeOut(),
            .signal => m.forwardSignals(),
        }
    }

    // Output ---------------------------------------------------------------------------------------------------

    var piece: [frame.payload_bytes_max]u8 = undefined;

    /// Move one piece of output to the log and to the clients. False: nothing is there, or nobody may take it now.
    fn pump(m: *Monitor, output: *Output) bool {
        const fd = output.fd orelse return false;
        if (m.is_held_back) return false;
        const n = linux.read(fd, &piece, piece.len);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .AGAIN => return false,
            .INTR => return true,
            else => { // EIO: the terminal is gone
                m.closeOutput(output);
                return false;
            },
        }
        if (n == 0) {
            m.closeOutput(output);
            return false;
        }
        m.log.write(output.stream, piece[0..n]);
        clients.broadcast(m.epoll, if (output.stream == .stdout) .stdout else .stderr, piece[0..n]);
        m.holdBack(clients.holdsBack());
        return true;
    }

    fn closeOutput(m: *Monitor, output: *Output) void {
        if (output.fd) |fd| {
            if (m.terminal != null) m.stdin.close(m.epoll);
            m.epoll.close(fd);
        }
        output.fd = null;
    }

    /// While the primary client does not read, the container's pipes fill up.
    fn holdBack(m: *Monitor, held: bool) void {
        if (m.is_held_back == held) return;
        m.is_held_back = held;
        const events: u32 = if (held) 0 else epolls.in;
        if (m.stdout.fd) |fd| {
            const also: u32 = if (m.stdin.is_watched and m.terminal != null) epolls.out else 0;
            m.epoll.change(.{ .kind = .stdout, .fd = fd }, events | also);
        }
        if (m.stderr.fd) |fd| m.epoll.change(.{ .kind = .stderr, .fd = fd }, events);
        if (!held and m.ending != null) m.drain();
    }

    fn drain(m: *Monitor) void {
        while (m.pump(&m.stdout)) {}
        while (m.pump(&m.stderr)) {}
        if (!m.is_held_back) m.sayFarewell();
    }

    // Clients --------------------------------------------------------------------------------------------------

    fn acceptClient(m: *Monitor) void {
        const rc = linux.accept4(m.attach_fd.?, null, null, linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK);
        if (linux.errno(rc) != .SUCCESS) return;
        clients.add(m.epoll, @intCast(rc), false);
    }

    fn serveClient(m: *Monitor, index: usize, events: u32) void {
        if (events & epolls.out != 0) {
            clients.flush(m.epoll, index);
            m.holdBack(clients.holdsBack());
        }
        if (events & ~@as(u32, epolls.out) == 0 or m.stdin.isBusy()) return;
        switch (clients.read(m.epoll, index, m.stdin.space())) {
            .nothing => {},
            .stdin => |count| m.stdin.filled(m.epoll, count),
            .end_of_stdin => m.stdin.finish(m.epoll),
            .resize => |size| if (m.terminal) |fd| terminal.setSize(fd, size),
            // As with a pipe: the container's next write fails. A terminal is no pipe.
            .output_closed => |number| if (m.terminal == null) switch (number) {
                1 => m.closeOutput(&m.stdout),
                2 => m.closeOutput(&m.stderr),
                else => {},
            },
            .gone => m.holdBack(clients.holdsBack()),
        }
        clients.setReading(m.epoll, !m.stdin.isBusy());
    }

    fn flushStdin(m: *Monitor) void {
        m.stdin.flush(m.epoll);
        clients.setReading(m.epoll, !m.stdin.isBusy());
    }

    fn signal(m: *Monitor, number: u32) void {
        if (number == 0 or number > 64 or m.ending != null) return;
        _ = linux.pidfd_send_signal(m.pidfd, @enumFromInt(number), null, 0);
    }

    // Control --------------------------------------------------------------------------------------------------

    fn serveRequest(m: *Monitor, index: usize) void {
        const request = control.read(m.epoll, index) orelse {
            if (m.control_fd) |fd| m.epoll.change(.{ .kind = .control, .fd = fd }, epolls.in);
            return;
        };
        switch (request.op) {
            .ping => control.answerOk(m.epoll, index, m.pid),
            .wait => control.wait(index),
            .resize => {
                if (m.terminal) |fd| terminal.setSize(fd, .{ .rows = request.rows, .columns = request.columns });
                control.answerOk(m.epoll, index, m.pid);
            },
            .signal => m.answerSignal(index, request.signal),
            .stop => {
                m.signal(request.signal);
                control.wait(index);
                m.setTimer(request.timeoutMs);
            },
        }
        if (m.control_fd) |fd| m.epoll.change(.{ .kind = .control, .fd = fd }, epolls.in);
    }

    fn answerSignal(m: *Monitor, index: usize, number: u8) void {
        if (number > 64) return control.refuse(m.epoll, index, .INVAL);
        const rc = linux.pidfd_send_signal(m.pidfd, @enumFromInt(number), null, 0);
        if (linux.errno(rc) != .SUCCESS) return control.refuse(m.epoll, index, linux.errno(rc));
        control.answerOk(m.epoll, index, m.pid);
    }

    /// SIGKILL after that long. A second `stop` may only shorten it.
    fn setTimer(m: *Monitor, timeout_ms: u32) void {
        const fd = m.timer_fd orelse new: {
            const rc = linux.timerfd_create(.MONOTONIC, .{ .CLOEXEC = true, .NONBLOCK = true });
            if (linux.errno(rc) != .SUCCESS) return m.signal(9);
            m.timer_fd = @intCast(rc);
            m.epoll.add(.{ .kind = .timer, .fd = m.timer_fd.? }, epolls.in) catch return m.signal(9);
            break :new m.timer_fd.?;
        };
        const wanted_ms = @max(1, timeout_ms); // 0 would disarm it
        var current: linux.itimerspec = undefined;
        _ = linux.timerfd_gettime(fd, &current);
        const left_ms = @as(i64, current.it_value.sec) * 1000 + @divTrunc(current.it_value.nsec, 1_000_000);
        const is_armed = current.it_value.sec != 0 or current.it_value.nsec != 0;
        if (is_armed and left_ms <= wanted_ms) return;
        const value: linux.itimerspec = .{
            .it_value = .{ .sec = wanted_ms / 1000, .nsec = @as(i32, @intCast(wanted_ms % 1000)) * 1_000_000 },
            .it_interval = .{ .sec = 0, .nsec = 0 },
        };
        _ = linux.timerfd_settime(fd, .{}, &value, null);
    }

    fn timeOut(m: *Monitor) void {
        var expirations: u64 = 0;
        _ = linux.read(m.timer_fd.?, @ptrCast(&expirations), @sizeOf(u64));
        if (m.ending == null) return m.signal(9);
        m.gives_up = true;
        clients.dropSlow(m.epoll);
    }

    // Signals --------------------------------------------------------------------------------------------------

    /// Take signals as events. Only those that somebody sent with kill(2) are passed on: what a terminal sends to its
    /// whole foreground group (si_code SI_KERNEL) our parent got as well, and forwards.
    pub fn watchSignals(m: *Monitor, mask: linux.sigset_t) sys.Error!void {
        _ = linux.sigprocmask(linux.SIG.BLOCK, &mask, null);
        const flags = linux.SFD.CLOEXEC | linux.SFD.NONBLOCK;
        m.signal_fd = try sys.checkFd("signalfd", "", linux.signalfd(-1, &mask, flags));
        try m.epoll.add(.{ .kind = .signal, .fd = m.signal_fd.? }, epolls.in);
    }

    fn forwardSignals(m: *Monitor) void {
        var info: linux.signalfd_siginfo = undefined;
        while (linux.errno(linux.read(m.signal_fd.?, @ptrCast(&info), @sizeOf(@TypeOf(info)))) == .SUCCESS) {
            if (!m.repeats.isNew(&info)) continue;
            m.signal(if (m.config.forwards_signals) info.signo else m.config.stop_signal);
        }
    }

    // The end --------------------------------------------------------------------------------------------------

    fn reap(m: *Monitor) void {
        if (m.ending != null) return;
        var info: linux.siginfo_t = undefined;
        const rc = linux.waitid(.PIDFD, m.childFd(), &info, linux.W.EXITED | linux.W.NOHANG, null);
        if (linux.errno(rc) != .SUCCESS) return;
        const status: u32 = @intCast(info.fields.common.second.sigchld.status);
        const by_itself = info.code == @intFromEnum(linux.CLD.EXITED);
        m.ending = if (by_itself)
            .{ .code = status, .signal = null }
        else
            .{ .code = 128 + status, .signal = @intCast(status) };
        if (m.keeper) |*keeper| if (keeper.lastWord()) |word| {
            m.ending = .{ .code = word.code, .signal = if (word.signal == 0) null else @intCast(word.signal) };
        };
        m.ending.?.oom_killed = m.config.group().oomKills() > 0;
        m.epoll.close(m.childFd());
        m.stdin.close(m.epoll);
        // What the container wrote before it ended comes first, then the record.
        while (m.pump(&m.stdout)) {}
        while (m.pump(&m.stderr)) {}
        m.recordEnd();
        if (!m.is_held_back) m.sayFarewell();
    }

    fn recordEnd(m: *Monitor) void {
        if (!m.config.has_files) return;
        m.config.group().destroy() catch {}; // recovery finds what could not be removed
        m.stragglers.kill();
        const finished_at = clock.now();
        if (m.config.auto_remove) {
            m.discardContainer();
        } else {
            record.writeExit(m.config.container_dir.get(), .{
                .exitCode = m.ending.?.code,
                .signal = m.ending.?.signal,
                .oomKilled = m.ending.?.oom_killed,
                .startedAt = &m.started_at,
                .finishedAt = &finished_at,
            }) catch {}; // a full disk: whoever looks finds a container that runs no more
        }
        if (m.control_fd) |fd| m.epoll.close(fd);
        m.control_fd = null;
        if (m.attach_fd) |fd| m.epoll.close(fd);
        m.attach_fd = null;
        record.removeRuntimeDir(m.runtime_fd.?, m.config.runtime_dir.get());
        control.answerWaiting(m.epoll, m.ending.?.code);
    }

    fn discardContainer(m: *Monitor) void {
        m.removal.begin(m.config.container_dir.get(), m.config.trash_dir.get(), m.config.id());
    }

    /// What nobody has to wait for: deleting the files of a container that removes itself.
    pub fn cleanUp(m: *const Monitor) void {
        if (m.config.auto_remove) m.removal.finish(m.userns_fd);
    }

    /// Everything is read: tell the clients how it ended. Slow ones get `farewell_ms`.
    fn sayFarewell(m: *Monitor) void {
        const ending = m.ending.?;
        var payload: [4]u8 = undefined;
        const signal_number: u32 = ending.signal orelse 0;
        const oom_killed: u32 = @intFromBool(ending.oom_killed);
        std.mem.writeInt(u32, &payload, ending.code | signal_number << 8 | oom_killed << 16, .little);
        clients.broadcast(m.epoll, .ended, &payload);
        if (clients.anyPending()) m.setTimer(farewell_ms);
    }
};

pub fn setNonBlocking(fd: linux.fd_t) sys.Error!void {
    const flags = try sys.check("fcntl", "", linux.fcntl(fd, linux.F.GETFL, 0));
    const nonblock: u32 = @bitCast(linux.O{ .NONBLOCK = true });
    _ = try sys.check("fcntl", "", linux.fcntl(fd, linux.F.SETFL, flags | nonblock));
}
