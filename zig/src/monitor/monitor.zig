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
const callers = @import("pipes.zig");
const clock = @import("clock.zig");
const logs = @import("log.zig");
const record = @import("record.zig");
const removals = @import("remove.zig");
const frame = @import("frame.zig");
const launch = @import("launch.zig");
const stragglers = @import("stragglers.zig");
const timers = @import("timers.zig");
const restart = @import("restart.zig");
const eventlog = @import("events.zig");
const healths = @import("health.zig");
const oom = @import("oom.zig");
const notify = @import("notify.zig");
const networks = @import("network.zig");
const memberships = @import("memberships.zig");
const at_rest = @import("at_rest.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const Repeats = @import("../client/repeats.zig").Repeats;
const linux = sys.linux;

const sigkill = @intFromEnum(linux.SIG.KILL);

/// What it needs of helper.json, copied: the arena is given back.
pub const Config = struct {
    id_buffer: [128]u8 = undefined,
    id_bytes: usize = 0,
    runtime_dir: record.Path = .{},
    container_dir: record.Path = .{},
    trash_dir: record.Path = .{},
    /// Empty: nobody lists it.
    at_rest_dir: record.Path = .{},
    auto_remove: bool = false,
    /// Exec has no files, no sockets and no record.
    has_files: bool = false,
    stop_signal: u8 = 15,
    /// Signals sent to us go to the container.
    forwards_signals: bool = false,
    /// Of its cgroup; empty when it has none.
    cgroup: record.Path = .{},
    stop_timeout_ms: u32 = 0,
    /// 0: it may run for ever.
    lifetime_ms: u64 = 0,
    notify: @FieldType(contract.Helper, "notify") = .ignore,

    pub fn set(config: *Config, helper: *const contract.Helper) sys.Error!void {
        try config.setId(helper.id);
        try config.runtime_dir.set(helper.runtimeDir);
        try config.container_dir.set(helper.containerDir);
        try config.trash_dir.set(helper.trashDir);
        try config.at_rest_dir.set(helper.atRestDir orelse "");
        config.auto_remove = helper.autoRemove;
        config.has_files = true;
        config.stop_signal = helper.stopSignal;
        config.stop_timeout_ms = helper.stopTimeoutMs;
        config.lifetime_ms = helper.lifetimeMs;
        config.notify = helper.notify;
    }

    fn setId(config: *Config, text: []const u8) sys.Error!void {
        if (text.len > config.id_buffer.len) return sys.fail("open", "the container's id is too long");
        @memcpy(config.id_buffer[0..text.len], text);
        config.id_bytes = text.len;
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

/// Of the container as we see it.
const Phase = enum {
    running,
    /// It has ended, and is to be started again after a pause.
    resting,
    /// That pause is over.
    due,
    /// It has ended for good.
    over,
};

const Output = struct {
    fd: ?linux.fd_t = null,
    stream: logs.Stream,
    /// Its pipe was made larger.
    is_wide: bool = false,
    /// Until the caller's pipe has room.
    waits: bool = false,

    fn widen(output: *Output, fd: linux.fd_t) void {
        if (output.is_wide) return;
        output.is_wide = true;
        callers.widen(fd);
    }

    fn ref(output: *const Output, fd: linux.fd_t) epolls.Ref {
        return .{ .kind = if (output.stream == .stdout) .stdout else .stderr, .fd = fd };
    }
};

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
    network: networks.Network = .{},
    control_fd: ?linux.fd_t = null,
    attach_fd: ?linux.fd_t = null,
    /// Where the container says that it is ready.
    ready_fd: ?linux.fd_t = null,
    /// It has.
    is_ready: bool = false,
    timers: timers.Timers = .{},
    restarts: restart.Restarts = .{},
    health: healths.Health = .{},
    oom: oom.Watch = .{},
    events: eventlog.Events = .{},
    signal_fd: ?linux.fd_t = null,
    repeats: Repeats = .{},
    log: logs.Log = .{},
    stdin: stdins.Stdin = .{},
    pipes: callers.Pipes = .{},
    stdout: Output = .{ .stream = .stdout },
    stderr: Output = .{ .stream = .stderr },
    terminal: ?linux.fd_t = null,
    terminal_peer: ?linux.fd_t = null,
    has_pipes: bool = false,
    is_held_back: bool = false,
    /// The last piece of output filled the buffer: there may be more.
    is_whole: bool = false,
    started_at: clock.Text = undefined,
    finished_at: clock.Text = undefined,
    started_ms: u64 = 0,
    pid_start: u64 = 0,
    phase: Phase = .running,
    ending: ?Ending = null,
    /// Why it could not be started again: the event `failed`.
    failure: ?event.Line = null,
    gives_up: bool = false,

    /// After the container's end, how long a slow client may take for the rest. The primary takes what it needs.
    const farewell_ms = 2_000;

    /// What helper.json says, again with each start.
    pub fn set(m: *Monitor, helper: *const contract.Helper) sys.Error!void {
        try m.config.set(helper);
        try m.events.set(helper.events orelse "", helper.name, helper.imageName);
        m.restarts.rule = helper.restart;
        m.health.set(helper.health);
    }

    /// What is mounted into the container, before it is started. It stays for all starts.
    pub fn makeMounted(m: *Monitor) sys.Error!void {
        if (m.config.notify == .container) m.ready_fd = try notify.listen(m.config.container_dir.get());
    }

    /// Of a further process of a container, what is told of it.
    pub fn setExec(m: *Monitor, exec: *const contract.Exec) sys.Error!void {
        try m.config.setId(exec.id);
        try m.events.set(exec.events orelse "", exec.name, exec.imageName);
    }

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
        if (m.ready_fd) |fd| try m.epoll.add(.{ .kind = .ready, .fd = fd }, epolls.in);
        try m.log.open(log);
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
        m.network = running.network;
        try m.config.cgroup.set(running.cgroup.path);
        if (running.cgroup.isNone()) m.stragglers.space = running.space;
        m.started_at = clock.now();
        m.started_ms = clock.monotonicMs();
        m.ending = null;
        m.failure = null;
        m.phase = .running;
        try m.epoll.add(.{ .kind = .child, .fd = m.childFd() }, epolls.in);
        if (m.terminal) |fd| try m.adoptTerminal(fd);
        for ([_]*const Output{ &m.stdout, &m.stderr }) |output| {
            const fd = output.fd orelse continue;
            try m.epoll.add(output.ref(fd), epolls.in);
        }
        m.watchSource(true);
        if (!m.config.has_files) return m.events.write(m.config.id(), "exec", &.{});
        m.pid_start = record.startTime(pid) orelse 0;
        m.watchNetwork();
        m.health.begin(m.config.container_dir.get());
        m.oom.begin(m.epoll, m.config.group());
        at_rest.end(m.config.at_rest_dir.get(), m.config.id());
        try m.publishState();
        try m.refuseRemoved();
        if (!m.config.auto_remove) record.writeRun(m.config.container_dir.get(), &m.started_at) catch {}; // a full disk
        m.events.write(m.config.id(), "start", &.{});
        m.tellOom(); // it may have been quick
        control.answerStarted(m.epoll);
        if (m.restarts.count == 0) switch (m.config.notify) {
            .started => notify.ready(),
            .container => notify.mainPid(),
            .ignore, .healthy => {},
        };
        if (m.config.lifetime_ms > 0) m.arm(.lifetime, m.config.lifetime_ms);
        if (m.health.isDueAtOnce()) m.askHealth() else m.armHealth();
    }

    /// Whoever had it started was killed, and the next command removes what does not run yet. It takes helper.json away
    /// before it looks whether somebody runs (src/container/remove.ts), we look for that after we have told that we run: one
    /// of the two sees the other.
    fn refuseRemoved(m: *const Monitor) sys.Error!void {
        var buffer: [linux.PATH_MAX]u8 = undefined;
        const path = std.fmt.bufPrintZ(&buffer, "{s}/helper.json", .{m.config.container_dir.get()}) catch return;
        if (linux.errno(linux.access(path, linux.F_OK)) == .SUCCESS) return;
        return sys.fail("start", "the container has been removed meanwhile");
    }

    fn publishState(m: *const Monitor) sys.Error!void {
        const directory = m.runtime_fd orelse return;
        const self = linux.getpid();
        const rests = m.phase != .running;
        return record.writeState(directory, .{
            .contract = contract.contract_version,
            .id = m.config.id(),
            .status = if (rests) "restarting" else "running",
            .pid = if (rests) 0 else m.pid,
            .pidStart = if (rests) 0 else m.pid_start,
            .monitorPid = self,
            .monitorStart = record.startTime(self) orelse 0,
            .startedAt = &m.started_at,
            .cgroup = if (rests) "" else m.config.cgroup.get(),
            .keeper = if (rests) null else if (m.keeper) |keeper| .{
                .pid = keeper.pid,
                .pidStart = record.startTime(keeper.pid) orelse 0,
            } else null,
            .restartCount = if (m.restarts.count > 0) m.restarts.count else null,
            .health = if (m.health.is_on) @tagName(m.health.state.status) else null,
            .oomKilled = if (m.oom.kills > 0) true else null,
            .exitCode = if (rests) m.ending.?.code else null,
            .finishedAt = if (rests) &m.finished_at else null,
        });
    }

    fn arm(m: *Monitor, purpose: timers.Purpose, in_ms: u64) void {
        if (m.timers.set(m.epoll, purpose, in_ms)) return;
        m.expire(purpose); // better at once than never
    }

    fn childFd(m: *const Monitor) linux.fd_t {
        return if (m.keeper) |keeper| keeper.pidfd else m.pidfd;
    }

    /// We keep the other end open as well: a terminal that nobody has open right now would report a hangup, over and
    /// over.
    fn adoptTerminal(m: *Monitor, master: linux.fd_t) sys.Error!void {
        m.terminal_peer = try sys.checkFd("TIOCGPTPEER", "the terminal", terminal.openPeer(master));
        try setNonBlocking(master);
        m.stdout.fd = master;
        m.stdin = .{ .fd = master, .is_terminal = true };
    }

    /// Until the container has ended and everybody who matters has its last byte: how it ended. Null: it is to be
    /// started again.
    pub fn run(m: *Monitor) ?Ending {
        var events: [16]linux.epoll_event = undefined;
        var has_grown = true;
        var first_turns: usize = 16; // whose streams mostly begin, or end, with the container
        while (true) {
            if (m.ending) |ending| if (m.isDone()) {
                if (m.phase == .over) return ending;
                if (m.phase == .due) return null;
            };
            const heard = if (has_grown) m.epoll.rest(&events) else m.epoll.wait(&events);
            has_grown = first_turns > 0;
            first_turns -|= 1;
            for (heard) |e| {
                const ref: epolls.Ref = @bitCast(e.data.u64);
                m.handle(ref, e.events);
                has_grown = has_grown or !isStream(ref, e.events);
            }
        }
    }

    /// What comes as often as the container speaks. All else is rare, and goes through code that is not needed at rest.
    fn isStream(ref: epolls.Ref, events: u32) bool {
        return switch (ref.kind) {
            .stdout, .stderr, .stdin, .source, .sink => true,
            .client => events & epolls.closed == 0,
            else => false,
        };
    }

    fn isDone(m: *const Monitor) bool {
        if (clients.holdsBack()) return false;
        if (m.isHeld()) return false;
        return m.gives_up or !clients.anyPending();
    }

    fn handle(m: *Monitor, ref: epolls.Ref, events: u32) void {
        switch (ref.kind) {
            .child => m.reap(),
            .stdout => {
                if (events & epolls.out != 0) m.flushStdin();
                if (events & ~@as(u32, epolls.out) != 0) m.pumpSome(&m.stdout);
            },
            .stderr => m.pumpSome(&m.stderr),
            .stdin => m.flushStdin(),
            .source => m.passStdin(),
            .sink => m.resumeOutput(if (ref.index == 0) &m.stdout else &m.stderr),
            .attach => m.acceptClient(),
            .client => m.serveClient(ref.index, events),
            .control => if (!control.accept(m.epoll, ref.fd)) m.epoll.change(ref, 0),
            .request => m.serveRequest(ref.index),
            .timer => while (m.timers.next()) |purpose| m.expire(purpose),
            .health => m.takeHealth(),
            .network => m.reviveNetwork(),
            .network_request => m.network.answer(m.epoll),
            .membership => if (memberships.hear(m.epoll, ref.index) == .lost) m.loseNetwork(),
            .signal => m.forwardSignals(),
            .oom => m.tellOom(),
            // The socket stays: who waits for his word to be heard sends a descriptor after it, whose end he waits for
            // (sd_notify_barrier(3), systemd-notify since 246), and is told that it failed where nobody takes it.
            .ready => if (notify.hears(ref.fd) and !m.is_ready) {
                m.is_ready = true;
                notify.ready();
            },
        }
        if (m.has_pipes and !clients.hasPrimary()) m.leavePipes();
    }

    // The caller's pipes -----------------------------------------------------------------------------------------

    /// For as long as the primary client is there.
    pub fn takePipes(m: *Monitor, pipes: callers.Pipes) void {
        m.pipes = pipes;
        m.has_pipes = true;
        m.watchSource(true);
    }

    fn leavePipes(m: *Monitor) void {
        m.has_pipes = false;
        m.closeSource();
        for ([_]*Output{ &m.stdout, &m.stderr }) |output| m.leaveSink(output);
        if (m.ending != null) m.drain();
    }

    fn leaveSink(m: *Monitor, output: *Output) void {
        const sink = &m.pipes.sinks[@intFromEnum(output.stream)];
        if (sink.*) |fd| m.epoll.close(fd);
        sink.* = null;
        output.waits = false;
        m.watchOutput(output);
    }

    fn watchSource(m: *Monitor, wanted: bool) void {
        const fd = m.pipes.source orelse return;
        if (m.pipes.is_source_watched == wanted) return;
        m.pipes.is_source_watched = wanted;
        const ref: epolls.Ref = .{ .kind = .source, .fd = fd };
        if (wanted) m.epoll.add(ref, epolls.in) catch m.closeSource() else m.epoll.remove(fd);
    }

    fn closeSource(m: *Monitor) void {
        if (m.pipes.source) |fd| m.epoll.close(fd);
        m.pipes.source = null;
    }

    /// A few pieces: others have their turn then.
    fn passStdin(m: *Monitor) void {
        if (m.ending != null) return m.watchSource(false); // the rest is for the next start, or nobody's
        for (0..pieces_max) |_| {
            const fd = m.pipes.source orelse return;
            if (m.stdin.isBusy()) return m.watchSource(false); // with what another client typed
            // What the container no longer reads is thrown away, as with frames: our own input is /dev/null.
            switch (callers.move(fd, m.stdin.fd orelse 0, callers.wide_bytes)) {
                .bytes => {},
                .nothing => return m.watchSource(true),
                .full => {
                    m.watchSource(false);
                    return m.stdin.awaitRoom(m.epoll);
                },
                .broken => if (m.stdin.fd == null) return m.closeSource() else m.stdin.close(m.epoll),
                .ended => {
                    m.closeSource();
                    return m.stdin.finish(m.epoll);
                },
            }
        }
    }

    /// A piece of output straight to the caller's pipe; to the log and to further clients where there are any.
    fn pass(m: *Monitor, output: *Output, fd: linux.fd_t, sink: linux.fd_t) bool {
        const is_shown = m.log.fd != null or clients.hasOthers();
        const moved = if (is_shown) callers.copy(fd, sink, piece.len) else callers.move(fd, sink, callers.wide_bytes);
        switch (moved) {
            .bytes => |count| {
                m.is_whole = count >= piece.len;
                if (m.is_whole) output.widen(fd);
                var left = if (is_shown) count else 0;
                while (left > 0) {
                    const n = linux.read(fd, &piece, left);
                    if (linux.errno(n) != .SUCCESS or n == 0) break; // it was there a moment ago, and is nobody else's
                    left -= n;
                    m.show(output, piece[0..n], .others);
                }
                return true;
            },
            .nothing => return false,
            .ended => {
                m.closeOutput(output);
                return false;
            },
            .full => {
                m.awaitSink(output, sink);
                return false;
            },
            .broken => { // what it has said meanwhile still has the log; then it is to notice
                m.leaveSink(output);
                _ = m.pump(output);
                m.closeOutput(output);
                return false;
            },
        }
    }

    fn awaitSink(m: *Monitor, output: *Output, sink: linux.fd_t) void {
        const ref: epolls.Ref = .{ .kind = .sink, .index = @intFromEnum(output.stream), .fd = sink };
        m.epoll.add(ref, epolls.out) catch return;
        output.waits = true;
        m.watchOutput(output);
    }

    fn resumeOutput(m: *Monitor, output: *Output) void {
        const sink = m.pipes.sinks[@intFromEnum(output.stream)] orelse return;
        if (!output.waits) return;
        m.epoll.remove(sink);
        output.waits = false;
        m.pumpSome(output);
        if (!output.waits) m.watchOutput(output);
        if (m.ending != null) m.drain();
    }

    // Output ---------------------------------------------------------------------------------------------------

    const pieces_max = 4;

    var piece: [frame.payload_bytes_max]u8 = undefined;

    /// A few pieces, while they are whole ones: others have their turn then.
    fn pumpSome(m: *Monitor, output: *Output) void {
        for (0..pieces_max) |_| {
            m.is_whole = false;
            if (!m.pump(output) or !m.is_whole) return;
        }
    }

    /// Move one piece of output to the log and to the clients. False: nothing is there, or nobody may take it now.
    fn pump(m: *Monitor, output: *Output) bool {
        const fd = output.fd orelse return false;
        if (m.is_held_back or output.waits) return false;
        if (m.pipes.sinks[@intFromEnum(output.stream)]) |sink| return m.pass(output, fd, sink);
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
        m.is_whole = n == piece.len;
        if (m.is_whole and m.terminal == null) output.widen(fd);
        m.show(output, piece[0..n], .all);
        return true;
    }

    fn show(m: *Monitor, output: *const Output, bytes: []const u8, whom: clients.Whom) void {
        m.log.write(m.events.who(m.config.id()), output.stream, bytes);
        clients.broadcast(m.epoll, if (output.stream == .stdout) .stdout else .stderr, bytes, whom);
        m.holdBack(clients.holdsBack());
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
        for ([_]*Output{ &m.stdout, &m.stderr }) |output| m.watchOutput(output);
        if (!held and m.ending != null) m.drain();
    }

    fn watchOutput(m: *Monitor, output: *const Output) void {
        const fd = output.fd orelse return;
        const events: u32 = if (m.is_held_back or output.waits) 0 else epolls.in;
        const typed: u32 = if (m.stdin.is_watched and m.terminal != null) epolls.out else 0;
        m.epoll.change(output.ref(fd), events | typed);
    }

    /// Not all of what it said has found its way.
    fn isHeld(m: *const Monitor) bool {
        return m.is_held_back or m.stdout.waits or m.stderr.waits;
    }

    fn drain(m: *Monitor) void {
        while (m.pump(&m.stdout)) {}
        while (m.pump(&m.stderr)) {}
        if (!m.isHeld()) m.sayFarewell();
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
        if (!m.stdin.isBusy()) m.watchSource(true);
        clients.setReading(m.epoll, !m.stdin.isBusy());
    }

    fn signal(m: *Monitor, number: u32) void {
        if (number == 0 or number > 64 or m.ending != null) return;
        _ = linux.pidfd_send_signal(m.pidfd, @enumFromInt(number), null, 0);
        if (number == sigkill) m.killGroup();
    }

    /// Not only its processes are there: who is about to join it may stand still with it, and the first process does not end
    /// before those that have come in so.
    fn killGroup(m: *const Monitor) void {
        const group = m.config.group();
        if (!group.isNone()) group.killAll() catch {};
    }

    // Control --------------------------------------------------------------------------------------------------

    fn serveRequest(m: *Monitor, index: usize) void {
        const request = control.read(m.epoll, index) orelse {
            if (m.control_fd) |fd| m.epoll.change(.{ .kind = .control, .fd = fd }, epolls.in);
            return;
        };
        switch (request.op) {
            .ping => control.answerOk(m.epoll, index, m.pid),
            .wait => control.wait(index, request.condition),
            .resize => {
                if (m.terminal) |fd| terminal.setSize(fd, .{ .rows = request.rows, .columns = request.columns });
                control.answerOk(m.epoll, index, m.pid);
            },
            .signal => m.answerSignal(index, request.signal),
            .stop => m.stop(index, &request),
            .restart => m.startAnew(index, &request),
            .rename => {
                m.events.rename(request.name);
                memberships.rename(m.config.container_dir.get());
                control.answerOk(m.epoll, index, m.pid);
            },
            .refresh => {
                memberships.refresh(m.config.container_dir.get());
                control.answerOk(m.epoll, index, m.pid);
            },
            .policy => m.changePolicy(index, &request),
            .health => m.answerHealth(index),
            .check => m.changeHealth(index, &request),
            .connect, .disconnect => m.changeNetworks(index, &request),
        }
        m.answerMet();
        if (m.control_fd) |fd| m.epoll.change(.{ .kind = .control, .fd = fd }, epolls.in);
    }

    /// Asked for by the user: it stays stopped, whatever its policy. One that rests is over at once.
    fn stop(m: *Monitor, index: usize, request: *const control.Request) void {
        m.restarts.is_stopped = true;
        control.wait(index, .ended);
        if (m.isResting()) return m.endRest();
        m.signal(request.signal);
        if (!m.timers.setAtMost(m.epoll, .kill, request.timeoutMs)) m.signal(sigkill);
    }

    /// Asked for by the user. Not where the caller's streams are the container's own: a second run has none.
    fn startAnew(m: *Monitor, index: usize, request: *const control.Request) void {
        if (m.config.forwards_signals) return control.refuse(m.epoll, index, .OPNOTSUPP);
        if (m.phase == .over or m.restarts.is_stopped) return control.refuse(m.epoll, index, .SRCH);
        control.waitForStart(index);
        if (m.isResting()) return m.arm(.restart, 0);
        m.restarts.is_asked = true;
        m.signal(request.signal);
        if (!m.timers.setAtMost(m.epoll, .kill, request.timeoutMs)) m.signal(sigkill);
    }

    /// Not where a second run would have no streams.
    fn changePolicy(m: *Monitor, index: usize, request: *const control.Request) void {
        if (m.config.forwards_signals and request.policy != .no) return control.refuse(m.epoll, index, .OPNOTSUPP);
        m.restarts.rule = .{ .policy = request.policy, .retriesMax = request.retriesMax };
        control.answerOk(m.epoll, index, m.pid);
    }

    fn isResting(m: *const Monitor) bool {
        return m.phase == .resting or m.phase == .due;
    }

    fn answerSignal(m: *Monitor, index: usize, number: u8) void {
        if (number > 64) return control.refuse(m.epoll, index, .INVAL);
        const stops = number == sigkill or number == m.config.stop_signal;
        if (stops) m.restarts.is_stopped = true;
        if (m.isResting() and stops) {
            control.answerOk(m.epoll, index, 0);
            return m.endRest();
        }
        if (m.phase != .running) return control.refuse(m.epoll, index, .SRCH);
        const rc = linux.pidfd_send_signal(m.pidfd, @enumFromInt(number), null, 0);
        if (linux.errno(rc) != .SUCCESS) return control.refuse(m.epoll, index, linux.errno(rc));
        if (number == sigkill) m.killGroup();
        var text: [4]u8 = undefined;
        const name = std.fmt.bufPrint(&text, "{d}", .{number}) catch unreachable;
        if (number != 0) m.events.write(m.config.id(), "kill", &.{.{ .name = "signal", .value = name }});
        control.answerOk(m.epoll, index, m.pid);
    }

    fn expire(m: *Monitor, purpose: timers.Purpose) void {
        switch (purpose) {
            .kill, .lifetime => m.signal(sigkill),
            .farewell => {
                m.gives_up = true;
                clients.dropSlow(m.epoll);
            },
            .restart => if (m.phase == .resting) {
                m.phase = .due;
            },
            .health => m.askHealth(),
            .network => m.startNetworkAgain(),
            .networks => m.rejoinNetworks(),
        }
    }

    // Memory ---------------------------------------------------------------------------------------------------

    /// Something in it was killed for want of memory, not necessarily its first process.
    fn tellOom(m: *Monitor) void {
        if (!m.oom.hear(m.epoll, m.config.group())) return;
        m.events.write(m.config.id(), "oom", &.{});
        if (m.ending == null) m.publishState() catch {}; // a full disk: its end says so
    }

    // Health ---------------------------------------------------------------------------------------------------

    fn armHealth(m: *Monitor) void {
        if (m.health.pause()) |ms| _ = m.timers.set(m.epoll, .health, ms);
    }

    /// One check at a time: who comes while one runs gets its answer too.
    fn askHealth(m: *Monitor) void {
        if (m.health.pidfd != null or m.phase != .running) return;
        if (!m.health.ask(m.config.container_dir.get())) return m.armHealth();
        m.epoll.add(.{ .kind = .health, .fd = m.health.pidfd.? }, epolls.in) catch {
            if (m.health.abandon()) |fd| _ = linux.close(fd);
            m.armHealth();
        };
    }

    fn answerHealth(m: *Monitor, index: usize) void {
        if (!m.health.is_on) return control.refuse(m.epoll, index, .NOENT);
        if (m.phase != .running) return control.refuse(m.epoll, index, .SRCH);
        control.waitForHealth(index);
        m.askHealth();
        if (m.health.pidfd == null) control.refuse(m.epoll, index, .AGAIN);
    }

    /// Whoever waits for an answer of the check that runs now gets that of the new one.
    fn changeHealth(m: *Monitor, index: usize, request: *const control.Request) void {
        if (m.phase == .over) return control.refuse(m.epoll, index, .SRCH);
        const demands = if (request.check) |check| check.restarts() else false;
        if (m.config.forwards_signals and demands) return control.refuse(m.epoll, index, .OPNOTSUPP);
        const pidfd = m.health.abandon();
        if (pidfd) |fd| m.epoll.close(fd);
        m.timers.cancel(.health);
        m.health.change(request.check, request.isNew, m.started_ms, m.config.container_dir.get());
        if (m.ending == null or m.isResting()) m.publishState() catch {}; // a full disk: the old status stays
        if (m.phase == .running) m.armHealth();
        if (pidfd != null and m.health.is_on) m.askHealth();
        if (m.health.pidfd == null) control.answerHealth(m.epoll, healths.exit_unasked);
        control.answerOk(m.epoll, index, m.pid);
    }

    fn takeHealth(m: *Monitor) void {
        const fd = m.health.pidfd orelse return;
        if (!m.health.hasEnded()) return; // what was heard is of one that has been abandoned
        const before = m.health.state;
        const answer = m.health.answer();
        m.epoll.close(fd);
        m.armHealth();
        const found = answer orelse return control.answerHealth(m.epoll, healths.exit_unasked);
        const now = m.health.state;
        if (now.status != before.status) m.publishState() catch {}; // a full disk: the old status stays
        m.events.write(m.config.id(), "health_status", &.{.{ .name = "health_status", .value = @tagName(now.status) }});
        if (m.config.notify == .healthy and now.status == .healthy and before.status != .healthy) notify.ready();
        const ill: u32 = if (found.startup == null) 1 else healths.exit_starting;
        control.answerHealth(m.epoll, if (found.is_well) 0 else ill);
        m.answerMet();
        if (found.startup == .failed) return m.demandRestart();
        if (found.startup == .passed and m.health.pause() != null) return m.askHealth();
        if (now.status == .unhealthy and before.status != .unhealthy) m.actOnHealth();
    }

    /// Whoever waits for a state that is there already.
    fn answerMet(m: *Monitor) void {
        switch (m.health.state.status) {
            .healthy => control.answerCondition(m.epoll, true),
            .unhealthy => control.answerCondition(m.epoll, false),
            else => {},
        }
    }

    fn actOnHealth(m: *Monitor) void {
        switch (m.health.on_failure) {
            .none => return,
            .kill => return m.signal(sigkill),
            .stop => m.restarts.is_stopped = true,
            .restart => return m.demandRestart(),
        }
        m.endGently();
    }

    fn demandRestart(m: *Monitor) void {
        m.restarts.is_demanded = true;
        m.endGently();
    }

    fn endGently(m: *Monitor) void {
        m.signal(m.config.stop_signal);
        if (!m.timers.setAtMost(m.epoll, .kill, m.config.stop_timeout_ms)) m.signal(sigkill);
    }

    // Network --------------------------------------------------------------------------------------------------

    fn watchNetwork(m: *Monitor) void {
        memberships.watch(m.epoll);
        if (m.network.pidfd < 0) return;
        m.epoll.add(.{ .kind = .network, .fd = m.network.pidfd }, epolls.in) catch {}; // then nobody starts it again
        if (m.network.is_tool) return; // it asks for nothing
        m.epoll.add(.{ .kind = .network_request, .fd = m.network.control }, epolls.in) catch {};
    }

    /// Somebody has killed it: connections are lost, but not the network.
    fn reviveNetwork(m: *Monitor) void {
        if (m.network.pidfd < 0) return;
        memberships.forgetOwn();
        m.network.bury(m.epoll);
        if (m.network.is_tool) return m.events.write(m.config.id(), "network_lost", &.{});
        m.reviveNetworkLater();
    }

    fn reviveNetworkLater(m: *Monitor) void {
        const pause_ms = m.network.pauseMs();
        if (pause_ms > 0 and m.timers.set(m.epoll, .network, pause_ms)) return;
        m.startNetworkAgain();
    }

    fn startNetworkAgain(m: *Monitor) void {
        if (m.network.revive(m.config.container_dir.get())) {
            m.events.write(m.config.id(), "network_restart", &.{});
            memberships.adoptOwn(m.network.control);
            return m.watchNetwork();
        }
        // Somebody has taken a port of it, or this host has nothing left: that may pass.
        if (m.network.failures <= 2) m.events.write(m.config.id(), "network_lost", &.{});
        _ = m.timers.set(m.epoll, .network, m.network.pauseMs());
    }

    /// The process of a network with others has ended.
    fn loseNetwork(m: *Monitor) void {
        if (m.phase != .running) return;
        const pause_ms = memberships.pauseMs();
        if (pause_ms > 0 and m.timers.set(m.epoll, .networks, pause_ms)) return;
        m.rejoinNetworks();
    }

    fn changeNetworks(m: *Monitor, index: usize, request: *const control.Request) void {
        if (m.phase != .running) return control.refuse(m.epoll, index, .SRCH);
        const change = if (request.op == .connect) &memberships.connect else &memberships.disconnect;
        change(m.epoll, m.config.container_dir.get(), request.network, m.pidfd) catch {
            if (request.op == .disconnect) _ = m.timers.set(m.epoll, .networks, 0); // what is there is to be whole again
            return control.refuseFailed(m.epoll, index);
        };
        control.answerOk(m.epoll, index, m.pid);
    }

    fn rejoinNetworks(m: *Monitor) void {
        if (m.phase != .running or !memberships.isLost()) return;
        if (memberships.revive(m.epoll, m.config.container_dir.get())) {
            return m.events.write(m.config.id(), "network_restart", &.{});
        }
        // As with the private one.
        if (memberships.failures <= 2) m.events.write(m.config.id(), "network_lost", &.{});
        _ = m.timers.set(m.epoll, .networks, memberships.pauseMs());
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
            if (info.signo == @intFromEnum(linux.SIG.TERM)) m.restarts.is_leaving = true;
            if (m.isResting()) {
                m.endRest();
                continue;
            }
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
        if (m.config.has_files) m.tellOom();
        m.ending.?.oom_killed = m.oom.kills > 0;
        m.oom.end(m.epoll);
        m.epoll.close(m.childFd());
        m.stdin.close(m.epoll);
        // What the container wrote before it ended comes first, then the record.
        while (m.pump(&m.stdout)) {}
        while (m.pump(&m.stderr)) {}
        m.log.finish();
        m.finish();
        if (!m.isHeld()) m.sayFarewell();
    }

    /// It has ended: for good, or until it is started again.
    fn finish(m: *Monitor) void {
        m.phase = .over;
        if (!m.config.has_files) return m.tell("exec_died");
        m.timers.cancelAll();
        if (m.health.abandon()) |fd| m.epoll.close(fd);
        control.answerHealth(m.epoll, healths.exit_unasked);
        m.config.group().destroy() catch {}; // recovery finds what could not be removed
        memberships.forgetOwn();
        m.network.stop();
        memberships.stop();
        m.stragglers.kill();
        m.finished_at = clock.now();
        const was_stopped = m.restarts.is_stopped;
        const ran_ms = clock.monotonicMs() -| m.started_ms;
        const delay = m.restarts.after(m.ending.?.code, if (m.failure == null) ran_ms else 0);
        m.tellEnd(was_stopped);
        if (delay) |ms| m.rest(ms) else m.recordEnd();
    }

    fn tellEnd(m: *const Monitor, was_stopped: bool) void {
        const id = m.config.id();
        m.tell("died");
        if (was_stopped) m.events.write(id, "stop", &.{});
    }

    fn tell(m: *const Monitor, status: []const u8) void {
        var text: [12]u8 = undefined;
        const code = std.fmt.bufPrint(&text, "{d}", .{m.ending.?.code}) catch unreachable;
        m.events.write(m.config.id(), status, &.{.{ .name = "exitCode", .value = code }});
    }

    /// The sockets stay; those who wait for an end are answered.
    fn rest(m: *Monitor, delay_ms: u64) void {
        m.phase = .resting;
        _ = m.writeExit();
        m.publishState() catch {}; // a full disk: it looks as if it ran, for that long
        control.answerWaiting(m.epoll, m.ending.?.code);
        m.arm(.restart, delay_ms);
    }

    /// There will be no further start after all.
    fn endRest(m: *Monitor) void {
        m.phase = .over;
        m.timers.cancel(.restart);
        if (m.restarts.is_stopped) m.events.write(m.config.id(), "stop", &.{});
        m.recordEnd();
    }

    /// It could not be started again: an end like any other.
    pub fn failAgain(m: *Monitor, failure: event.Line) void {
        m.failure = failure;
        m.started_at = clock.now();
        m.ending = .{ .code = exitCodeOf(failure.bytes()), .signal = null };
        m.finish();
    }

    /// What belongs to the last run, before the next.
    pub fn forget(m: *Monitor) void {
        if (m.stdout.fd) |fd| m.epoll.close(fd);
        if (m.stderr.fd) |fd| m.epoll.close(fd);
        m.stdout = .{ .stream = .stdout };
        m.stderr = .{ .stream = .stderr };
        if (m.terminal_peer) |fd| _ = linux.close(fd);
        m.terminal_peer = null;
        m.terminal = null;
        m.stdin = .{};
        m.gives_up = false;
        if (m.keeper) |keeper| for ([_]linux.fd_t{ m.pidfd, keeper.channel }) |fd| {
            _ = linux.close(fd);
        };
        m.keeper = null;
        m.stragglers = .{};
        m.events.write(m.config.id(), "restart", &.{});
    }

    /// What has been written; null on a full disk: whoever looks finds a container that runs no more.
    fn writeExit(m: *const Monitor) ?record.Exit {
        const exit: record.Exit = .{
            .exitCode = m.ending.?.code,
            .signal = m.ending.?.signal,
            .oomKilled = m.ending.?.oom_killed,
            .startedAt = &m.started_at,
            .finishedAt = &m.finished_at,
            .stoppedByUser = if (m.restarts.is_stopped) true else null,
            .restartCount = if (m.restarts.count > 0) m.restarts.count else null,
            .failure = if (m.failure) |*line| .{ .text = std.mem.trimEnd(u8, line.bytes(), "\n") } else null,
        };
        record.writeExit(m.config.container_dir.get(), exit) catch return null;
        return exit;
    }

    fn recordEnd(m: *Monitor) void {
        if (m.config.auto_remove) {
            m.discardContainer();
            m.events.write(m.config.id(), "remove", &.{});
        } else if (m.writeExit()) |exit| at_rest.begin(m.config.at_rest_dir.get(), m.config.id(), exit);
        if (m.attach_fd) |fd| m.epoll.close(fd);
        m.attach_fd = null;
        record.removeRuntimeDir(m.runtime_fd.?, m.config.runtime_dir.get());
        if (m.control_fd) |fd| {
            control.takeLast(m.epoll, fd);
            m.epoll.close(fd);
        }
        m.control_fd = null;
        control.answerWaiting(m.epoll, m.ending.?.code);
        control.refuseWaiting(m.epoll);
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
        const rests: u32 = @intFromBool(m.isResting());
        std.mem.writeInt(u32, &payload, ending.code | signal_number << 8 | oom_killed << 16 | rests << 24, .little);
        clients.broadcast(m.epoll, .ended, &payload, .all);
        if (clients.anyPending()) m.arm(.farewell, farewell_ms);
    }
};

/// As the command line has it (src/errors.ts).
fn exitCodeOf(failure: []const u8) u32 {
    const has = struct {
        fn has(text: []const u8, part: []const u8) bool {
            return std.mem.indexOf(u8, text, part) != null;
        }
    }.has;
    if (has(failure, "\"call\":\"lookup\"")) return 127;
    if (!has(failure, "\"call\":\"execve\"")) return 125;
    return if (has(failure, "\"errno\":\"ENOENT\"")) 127 else 126;
}

pub fn setNonBlocking(fd: linux.fd_t) sys.Error!void {
    const flags = try sys.check("fcntl", "", linux.fcntl(fd, linux.F.GETFL, 0));
    const nonblock: u32 = @bitCast(linux.O{ .NONBLOCK = true });
    _ = try sys.check("fcntl", "", linux.fcntl(fd, linux.F.SETFL, flags | nonblock));
}
