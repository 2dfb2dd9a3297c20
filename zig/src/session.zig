//! A program with a monitor of its own: run and exec, detached or attached. Forks the monitor, waits until
//! the program runs, and then either leaves or stays as the client.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const contract = @import("contract.zig");
const child = @import("process/child.zig");
const descriptors = @import("process/descriptors.zig");
const report = @import("process/report.zig");
const launch = @import("monitor/launch.zig");
const after = @import("monitor/after.zig");
const monitors = @import("monitor/monitor.zig");
const record = @import("monitor/record.zig");
const clients = @import("monitor/clients.zig");
const pipes = @import("monitor/pipes.zig");
const client = @import("client/client.zig");
const prepare = @import("prepare.zig");
const cgroups = @import("cgroup/cgroup.zig");
const foreign = @import("foreign/foreign.zig");
const linux = sys.linux;

const exit_failed = 125;

pub const Options = struct {
    target: launch.Target,
    /// Null: exec, which leaves nothing on disk.
    helper: ?*const contract.Helper,
    attach: ?contract.Attach,
    stdin_open: bool,
    exec: ?*const contract.Exec = null,

    /// The caller's streams are the program's own (the log driver "passthrough").
    fn passesStreams(options: *const Options) bool {
        const helper = options.helper orelse return false;
        return helper.log.driver == .passthrough and !options.target.hasTerminal();
    }

    /// The caller's, that the monitor serves itself.
    fn openPipes(options: *const Options) pipes.Pipes {
        const attach = options.attach orelse return .{};
        if (options.target.hasTerminal() or options.passesStreams()) return .{};
        return .open(attach.stdin);
    }
};

/// The caller's streams, for every start of the program.
const Callers = struct {
    fds: [3]linux.fd_t = @splat(-1),

    fn keep(kept: *Callers, with_stdin: bool) sys.Error!void {
        for (&kept.fds, 0..) |*fd, i| {
            if (i == 0 and !with_stdin) continue;
            fd.* = try copy(@intCast(i));
        }
    }

    fn copy(fd: linux.fd_t) sys.Error!linux.fd_t {
        const first_free = 3;
        const dupfd_cloexec = 1030; // F_DUPFD_CLOEXEC
        return sys.checkFd("fcntl", "a standard stream", linux.fcntl(fd, dupfd_cloexec, first_free));
    }

    /// Nobody starts it again: whoever waits for the end of a stream must get it.
    fn close(kept: *Callers) void {
        for (&kept.fds) |*fd| {
            if (fd.* >= 0) _ = linux.close(fd.*);
            fd.* = -1;
        }
    }
};

var callers: Callers = .{};

var monitor: monitors.Monitor = .{};

/// `arena` holds everything the plan points to; the monitor gives it back once the program runs.
pub fn run(arena: *std.heap.ArenaAllocator, options: Options) sys.Error!u8 {
    const status = try report.open();
    var pair: [2]linux.fd_t = .{ -1, -1 };
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC;
    if (options.attach != null) {
        _ = try sys.check("socketpair", "", linux.socketpair(linux.AF.UNIX, kind, 0, &pair));
        // Before anything is started: a signal that comes early waits, and is forwarded like the others.
        const mask = client.signalMask();
        _ = linux.sigprocmask(linux.SIG.BLOCK, &mask, null);
    }
    const served = options.openPipes();
    const watcher = try sys.check("fork", "", linux.fork());
    if (watcher == 0) {
        _ = linux.close(status.parent);
        if (pair[0] >= 0) _ = linux.close(pair[0]);
        const primary: ?Primary = if (pair[1] >= 0) .{ .socket = pair[1], .pipes = served } else null;
        linux.exit_group(watchOver(arena, options, status.child, primary));
    }
    served.close();
    _ = linux.close(status.child);
    options.target.passed().close();
    if (pair[1] >= 0) _ = linux.close(pair[1]);
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    const message = report.receive(status.parent, &buffer) orelse return exit_failed; // the monitor has told why
    _ = linux.close(status.parent);
    var attach = options.attach orelse return 0;
    if (served.source != null) attach.stdin = false;
    const outcome = try beClient(pair[0], attach, options.target.hasTerminal(), message.fd);
    const code = tell(outcome);
    // Its last act is to leave: with it everything of this container is gone.
    if (outcome == .ended and outcome.ended.is_over) _ = sys.waitExit(@intCast(watcher)) catch {};
    return code;
}

fn beClient(socket: linux.fd_t, attach: contract.Attach, has_terminal: bool, pidfd: ?linux.fd_t) sys.Error!client.Outcome {
    return client.run(socket, .{
        .stdin = attach.stdin,
        .terminal = has_terminal,
        .detach_keys = attach.detachKeys,
        .signals_to = if (attach.sigProxy) pidfd else null,
    });
}

/// The last event and the exit status of a client.
pub fn tell(outcome: client.Outcome) u8 {
    switch (outcome) {
        .ended => |ending| {
            if (ending.lost) |loss| {
                sys.failure = .{ .call = "output", .detail = loss.stream, .errno = loss.errno };
                event.emit(event.failed());
                return exit_failed;
            }
            event.emit(event.exited(ending.code, ending.signal, ending.oom_killed));
            return @truncate(ending.code);
        },
        .detached => {
            event.emit(event.detached());
            return 0;
        },
        .interrupted => |signal| return @truncate(128 + @as(u32, signal)),
        .lost => {
            sys.fail("attach", "the container's monitor is gone, or dropped us for reading too slowly") catch {};
            event.emit(event.failed());
            return exit_failed;
        },
    }
}

/// The client that comes with the program.
const Primary = struct { socket: linux.fd_t, pipes: pipes.Pipes };

/// The monitor's life.
fn watchOver(arena: *std.heap.ArenaAllocator, options: Options, status: linux.fd_t, primary: ?Primary) u8 {
    const ending = watch(arena, options, status, primary) catch {
        event.emit(event.failed());
        return exit_failed;
    };
    return @truncate((ending orelse return exit_failed).code);
}

fn watch(arena: *std.heap.ArenaAllocator, options: Options, status: linux.fd_t, primary: ?Primary) sys.Error!?monitors.Ending {
    if (options.passesStreams()) try callers.keep(options.stdin_open);
    leaveCaller();
    const m = &monitor;
    if (options.helper) |helper| {
        try m.set(helper);
        try m.makeMounted();
    }
    if (options.exec) |exec| try m.setExec(exec);
    var streams: Streams = .{};
    try streams.openFor(options);
    var started = try launch.Launch.start(options.target, streams.theirs());
    streams.closeTheirs();
    const result = bringUp(m, &started, options) catch |err| {
        started.abandon();
        m.abandon();
        return err;
    };
    const running = switch (result) {
        .running => |running| running,
        .failed => |line| {
            m.abandon();
            event.emit(line);
            return null;
        },
    };
    take(m, running, &streams);
    m.adopt(running) catch |err| {
        started.abandon();
        m.abandon();
        return err;
    };
    if (primary) |client_there| {
        clients.add(m.epoll, client_there.socket, true);
        m.takePipes(client_there.pipes);
    }
    try m.watchSignals(forwardedSignals());
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0); // before anybody is told of it
    event.emit(event.started(running.pid));
    if (options.helper) |helper| if (!helper.isRestarted()) callers.close();
    report.sendDescriptor(status, .executing, running.pidfd) catch {};
    _ = linux.close(status);
    _ = linux.close(event.descriptor);
    event.descriptor = -1;
    arena.deinit();
    const ending = while (true) {
        break m.run() orelse {
            startAgain(m);
            continue;
        };
    };
    var last: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const command = after.read(last.allocator(), m.removal.path.get());
    m.cleanUp();
    if (command) |wanted| after.become(wanted);
    return ending;
}

fn take(m: *monitors.Monitor, running: launch.Running, streams: *const Streams) void {
    m.terminal = running.terminal;
    m.stdin.fd = streams.stdin;
    m.stdout.fd = streams.stdout;
    m.stderr.fd = streams.stderr;
}

/// The same container once more, from its files as they are now.
fn startAgain(m: *monitors.Monitor) void {
    m.forget();
    reapStrangers();
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    // A process that nobody may look into has no id maps that we may write, and a child is as its parent is.
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 1, 0, 0, 0);
    const failure = tryAgain(m, &arena) catch event.failed();
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    if (failure) |line| m.failAgain(line);
}

/// Null: it runs.
fn tryAgain(m: *monitors.Monitor, arena: *std.heap.ArenaAllocator) sys.Error!?event.Line {
    var container = try prepare.load(arena.allocator(), m.config.container_dir.get());
    if (container.helper.joined) |joined| if (record.startTime(joined.pid) != joined.pidStart) {
        return sys.fail("joined", "the container whose namespaces it shares has ended");
    };
    container.plan.cgroup.stayIn(m.config.cgroup.get());
    try m.set(&container.helper);
    var other: foreign.Plan = undefined;
    var target: launch.Target = .{ .container = &container.plan };
    if (container.helper.runtime != null) {
        other = try foreign.ofContainer(arena, &container);
        target = .{ .foreign = &other };
    }
    const options: Options = .{
        .target = target,
        .helper = &container.helper,
        .attach = null,
        .stdin_open = container.helper.stdinOpen,
    };
    var streams: Streams = .{};
    errdefer streams.closeOurs();
    try streams.openFor(options);
    var started = launch.Launch.start(target, streams.theirs()) catch |err| {
        streams.closeTheirs();
        return err;
    };
    streams.closeTheirs();
    const result = bringUp(m, &started, options) catch |err| {
        started.abandon();
        return err;
    };
    switch (result) {
        .running => |running| {
            take(m, running, &streams);
            streams = .{}; // its own now
            m.adopt(running) catch |err| {
                started.abandon();
                return err;
            };
            return null;
        },
        .failed => |line| {
            streams.closeOurs();
            return line;
        },
    }
}

/// What a run has left us as its parent: who served its mounts has ended with them.
fn reapStrangers() void {
    var info: linux.siginfo_t = undefined;
    const flags = linux.W.EXITED | linux.W.NOHANG;
    while (true) {
        info.fields.common.first.piduid.pid = 0;
        if (linux.errno(linux.waitid(.ALL, 0, &info, flags, null)) != .SUCCESS) return;
        if (info.fields.common.first.piduid.pid == 0) return;
    }
}

fn bringUp(m: *monitors.Monitor, started: *launch.Launch, options: Options) sys.Error!launch.Result {
    try started.writeMaps(options.target);
    if (m.config.auto_remove) {
        if (m.userns_fd) |fd| _ = linux.close(fd);
        m.userns_fd = launch.openUserNamespace(started.pid);
    }
    if (m.epoll.fd < 0) {
        const log: contract.Log = if (options.helper) |helper| helper.log else .{ .driver = .none };
        try m.makeFiles(log, true);
    }
    try started.proceed(options.target);
    return started.finish(options.target);
}

/// A session of its own and none of the caller's streams: whoever waits for their end must get it.
fn leaveCaller() void {
    _ = linux.setsid();
    _ = linux.chdir("/");
    const rc = linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0);
    if (linux.errno(rc) == .SUCCESS) {
        for (0..3) |fd| _ = linux.dup3(@intCast(rc), @intCast(fd), 0);
        _ = linux.close(@intCast(rc));
    }
    _ = linux.syscall1(.umask, 0o077);
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = linux.sigemptyset(), .flags = 0 };
    _ = linux.sigaction(.HUP, &ignore, null);
    _ = linux.sigaction(.PIPE, &ignore, null);
    _ = linux.sigaction(.XFSZ, &ignore, null); // a limit on the log's size loses lines, not the container
    const none = linux.sigemptyset();
    _ = linux.sigprocmask(linux.SIG.SETMASK, &none, null);
}

/// Asking the monitor to end (a logout, a shutdown) asks the container.
fn forwardedSignals() linux.sigset_t {
    var mask = linux.sigemptyset();
    linux.sigaddset(&mask, .TERM);
    return mask;
}

/// A program's streams: our ends do not block, its ends are as any program expects them.
const Streams = struct {
    stdin: ?linux.fd_t = null,
    stdout: ?linux.fd_t = null,
    stderr: ?linux.fd_t = null,
    their_stdin: linux.fd_t = -1,
    their_stdout: linux.fd_t = -1,
    their_stderr: linux.fd_t = -1,

    fn openFor(streams: *Streams, options: Options) sys.Error!void {
        if (options.target.hasTerminal()) return;
        if (options.helper == null and options.attach == null) return streams.openNowhere();
        if (!options.passesStreams()) return streams.open(options.stdin_open);
        streams.their_stdin = if (callers.fds[0] >= 0)
            try Callers.copy(callers.fds[0])
        else
            try sys.checkFd("open", "/dev/null", linux.open("/dev/null", .{ .CLOEXEC = true }, 0));
        streams.their_stdout = try Callers.copy(callers.fds[1]);
        streams.their_stderr = try Callers.copy(callers.fds[2]);
    }

    /// What a further process says that nobody stays with is nobody's.
    fn openNowhere(streams: *Streams) sys.Error!void {
        for ([_]*linux.fd_t{ &streams.their_stdin, &streams.their_stdout, &streams.their_stderr }) |fd| {
            fd.* = try sys.checkFd("open", "/dev/null", linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0));
        }
    }

    fn open(streams: *Streams, stdin_open: bool) sys.Error!void {
        var pair: [2]linux.fd_t = undefined;
        if (stdin_open) {
            _ = try sys.check("pipe2", "", linux.pipe2(&pair, .{ .CLOEXEC = true }));
            streams.their_stdin = pair[0];
            streams.stdin = pair[1];
            try monitors.setNonBlocking(pair[1]);
        } else {
            const rc = linux.open("/dev/null", .{ .CLOEXEC = true }, 0);
            streams.their_stdin = try sys.checkFd("open", "/dev/null", rc);
        }
        _ = try sys.check("pipe2", "", linux.pipe2(&pair, .{ .CLOEXEC = true }));
        streams.stdout = pair[0];
        streams.their_stdout = pair[1];
        try monitors.setNonBlocking(pair[0]);
        _ = try sys.check("pipe2", "", linux.pipe2(&pair, .{ .CLOEXEC = true }));
        streams.stderr = pair[0];
        streams.their_stderr = pair[1];
        try monitors.setNonBlocking(pair[0]);
    }

    fn theirs(streams: *const Streams) ?child.Streams {
        if (streams.their_stdin < 0) return null;
        return .{ .stdin = streams.their_stdin, .stdout = streams.their_stdout, .stderr = streams.their_stderr };
    }

    fn closeTheirs(streams: *Streams) void {
        for ([_]linux.fd_t{ streams.their_stdin, streams.their_stdout, streams.their_stderr }) |fd| {
            if (fd >= 0) _ = linux.close(fd);
        }
    }

    fn closeOurs(streams: *Streams) void {
        for ([_]?linux.fd_t{ streams.stdin, streams.stdout, streams.stderr }) |ours| if (ours) |fd| {
            _ = linux.close(fd);
        };
    }
};

/// Which descriptors of ours the program is to have ("3,4"): then the one for events follows them.
pub fn takeDescriptors(words: []const [*:0]const u8) sys.Error!descriptors.Passed {
    const passed: descriptors.Passed = if (words.len == 0) .{} else try .parse(std.mem.span(words[0]));
    event.descriptor = passed.end();
    ensureStandardStreams();
    return passed;
}

/// Descriptors we open must never become a standard stream, or the one for events, by accident.
pub fn ensureStandardStreams() void {
    while (true) {
        const rc = linux.open("/dev/null", .{ .ACCMODE = .RDWR }, 0);
        if (linux.errno(rc) != .SUCCESS) return;
        if (rc <= event.descriptor) continue;
        _ = linux.close(@intCast(rc));
        return;
    }
}
