//! config.json's hooks (runtime-spec, "POSIX-platform Hooks"): other programs at certain moments in the life of a
//! container, with its state on their standard input.
//!
//! They are prepared before anything exists (`Set`), and run by whoever is at that moment: prestart, createRuntime,
//! poststart and poststop by the runtime; createContainer by the container's process, before its root is changed;
//! startContainer by it right before its program, and confined as that is. Running one allocates nothing.
//!
//! The state is a file in memory, so a hook that does not read it holds nobody up. What a hook says on standard error
//! is kept to be told with its failure; what it says on standard output is dropped.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const clock = @import("../monitor/clock.zig");
const child = @import("child.zig");
const report = @import("report.zig");
const linux = sys.linux;

pub const Kind = enum { prestart, createRuntime, createContainer, startContainer, poststart, poststop };

pub const Environment = [*:null]const ?[*:0]const u8;

/// The environments for hooks that name none: those of the container are told nothing about the host's.
pub const Inherited = struct {
    runtime: Environment,
    container: Environment = &[_:null]?[*:0]const u8{},
};

pub const Hook = struct {
    path: [:0]const u8,
    argv: [:null]const ?[*:0]const u8,
    envp: Environment,
    timeout_ms: ?u64,
};

/// What is told of the container; its pid and its status change.
pub const Told = struct {
    ociVersion: []const u8,
    id: []const u8,
    bundle: []const u8,
    annotations: contract.Map([:0]const u8),
};

/// The last words of a hook that are kept.
const words_bytes_max = 512;

pub const Set = struct {
    lists: std.EnumArray(Kind, []const Hook),
    /// The state as a JSON object that is not closed yet.
    head: []const u8,
    /// The container's process: when it ends while a hook runs, nobody waits for that hook.
    watched: ?linux.fd_t = null,

    /// Null: there are no hooks. What is wrong with one is said before anything is made.
    pub fn prepare(
        arena: std.mem.Allocator,
        hooks: *const contract.Hooks,
        told: Told,
        inherited: Inherited,
    ) sys.Error!?Set {
        var set: Set = .{ .lists = .initFill(&.{}), .head = "" };
        var count: usize = 0;
        inline for (comptime std.enums.values(Kind)) |kind| {
            const list = @field(hooks, @tagName(kind));
            set.lists.set(kind, try prepareList(arena, kind, list, switch (kind) {
                .createContainer, .startContainer => inherited.container,
                else => inherited.runtime,
            }));
            count += list.len;
        }
        if (count == 0) return null;
        var head: std.Io.Writer.Allocating = .init(arena);
        std.json.Stringify.value(told, .{}, &head.writer) catch return sys.fail("hooks", "out of memory");
        set.head = head.written()[0 .. head.written().len - 1];
        return set;
    }

    pub fn has(set: *const Set, kind: Kind) bool {
        return set.lists.get(kind).len > 0;
    }

    /// One after the other; the first that fails ends it. `pid` is 0 when the process is gone.
    pub fn run(set: *const Set, kind: Kind, status: []const u8, pid: linux.pid_t) sys.Error!void {
        return set.runConfined(kind, status, pid, {}, unconfined);
    }

    /// The same with hooks that are first put where `confine` says.
    pub fn runConfined(
        set: *const Set,
        kind: Kind,
        status: []const u8,
        pid: linux.pid_t,
        context: anytype,
        comptime confine: fn (@TypeOf(context)) sys.Error!void,
    ) sys.Error!void {
        if (!set.has(kind)) return;
        const state = try set.openState(status, pid);
        defer _ = linux.close(state);
        for (set.lists.get(kind), 0..) |*hook, index| {
            var running: Running = .{ .kind = kind, .index = index, .hook = hook, .watched = set.watched };
            try running.start(state, context, confine);
            try running.finish();
        }
    }

    /// Every one of them, whether others fail or not; `failed` is told of each that does.
    pub fn runEach(
        set: *const Set,
        kind: Kind,
        status: []const u8,
        context: anytype,
        comptime failed: fn (@TypeOf(context)) void,
    ) void {
        const state = set.openState(status, 0) catch return failed(context);
        defer _ = linux.close(state);
        for (set.lists.get(kind), 0..) |*hook, index| {
            var running: Running = .{ .kind = kind, .index = index, .hook = hook, .watched = set.watched };
            running.start(state, {}, unconfined) catch {
                failed(context);
                continue;
            };
            running.finish() catch failed(context);
        }
    }

    fn openState(set: *const Set, status: []const u8, pid: linux.pid_t) sys.Error!linux.fd_t {
        const fd = try sys.checkFd("memfd_create", "hooks", linux.memfd_create("state", linux.MFD.CLOEXEC));
        errdefer _ = linux.close(fd);
        var buffer: [64]u8 = undefined;
        const tail = std.fmt.bufPrint(&buffer, ",\"status\":\"{s}\",\"pid\":{d}}}", .{ status, pid }) catch unreachable;
        try sys.writeAll(fd, set.head);
        try sys.writeAll(fd, tail);
        return fd;
    }
};

/// What the container's process does when everything is mounted and its root is still the host's: the runtime runs
/// its hooks, then it its own, which the field runs in what becomes the root.
pub fn runBeforeRoot(set: *const Set, root: linux.fd_t, channel: linux.fd_t) sys.Error!void {
    if (set.has(.prestart) or set.has(.createRuntime)) {
        report.send(channel, .hooks, "");
        report.awaitGo(channel);
    }
    _ = try sys.check("fchdir", "the container's root", linux.fchdir(root));
    try set.run(.createContainer, "creating", linux.getpid());
}

fn unconfined(_: void) sys.Error!void {}

fn prepareList(
    arena: std.mem.Allocator,
    kind: Kind,
    hooks: []const contract.Hook,
    environ: Environment,
) sys.Error![]const Hook {
    const list = arena.alloc(Hook, hooks.len) catch return sys.fail("hooks", "out of memory");
    for (hooks, list, 0..) |*hook, *prepared, index| {
        if (hook.path.len == 0 or hook.path[0] != '/') {
            return sys.failFormat("hooks", "hooks.{t}[{d}]: path \"{s}\" is not absolute", .{ kind, index, hook.path });
        }
        if (hook.timeout) |seconds| if (seconds <= 0) {
            return sys.failFormat("hooks", "hooks.{t}[{d}]: timeout {d} is not above zero", .{ kind, index, seconds });
        };
        prepared.* = prepareOne(arena, hook, environ) catch return sys.fail("hooks", "out of memory");
    }
    return list;
}

fn prepareOne(arena: std.mem.Allocator, hook: *const contract.Hook, environ: Environment) error{OutOfMemory}!Hook {
    const words: []const [:0]const u8 = if (hook.args.len > 0) hook.args else &.{hook.path};
    return .{
        .path = hook.path,
        .argv = try vector(arena, words),
        .envp = if (hook.env) |env| try vector(arena, env) else environ,
        .timeout_ms = if (hook.timeout) |seconds| @as(u64, @intCast(seconds)) *| 1000 else null,
    };
}

fn vector(arena: std.mem.Allocator, texts: []const [:0]const u8) error{OutOfMemory}![:null]const ?[*:0]const u8 {
    const slots = try arena.allocSentinel(?[*:0]const u8, texts.len, null);
    for (texts, slots) |text, *slot| slot.* = text.ptr;
    return slots;
}

const Running = struct {
    kind: Kind,
    index: usize,
    hook: *const Hook,
    pid: linux.pid_t = 0,
    pidfd: linux.fd_t = -1,
    watched: ?linux.fd_t,
    /// Where its standard error comes out; it never blocks us.
    stderr: linux.fd_t = -1,
    words: [words_bytes_max]u8 = undefined,
    words_bytes: usize = 0,

    fn start(
        running: *Running,
        state: linux.fd_t,
        context: anytype,
        comptime confine: fn (@TypeOf(context)) sys.Error!void,
    ) sys.Error!void {
        var pipe: [2]linux.fd_t = undefined;
        _ = try sys.check("pipe2", "hooks", linux.pipe2(&pipe, .{ .CLOEXEC = true }));
        running.stderr = pipe[0];
        const args: sys.CloneArgs = .{ .flags = linux.CLONE.PIDFD, .pidfd = @intFromPtr(&running.pidfd) };
        const rc = sys.clone3(&args);
        if (linux.errno(rc) == .SUCCESS and rc == 0) running.become(state, pipe[1], context, confine);
        _ = linux.close(pipe[1]);
        errdefer _ = linux.close(pipe[0]);
        running.pid = @intCast(try sys.check("clone3", "a hook", rc));
    }

    /// The new process. Its failure is told as a program tells: on standard error.
    fn become(
        running: *const Running,
        state: linux.fd_t,
        stderr: linux.fd_t,
        context: anytype,
        comptime confine: fn (@TypeOf(context)) sys.Error!void,
    ) noreturn {
        child.defaultSignals();
        _ = linux.setsid(); // a group of its own, to be killed as one
        _ = linux.lseek(state, 0, linux.SEEK.SET);
        const rc = linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0);
        const null_fd: linux.fd_t = if (linux.errno(rc) == .SUCCESS) @intCast(rc) else stderr;
        child.takeStreams(.{ .stdin = state, .stdout = null_fd, .stderr = stderr }) catch linux.exit_group(exit_not_run);
        sys.closeOnExecFrom(3);
        confine(context) catch linux.exit_group(exit_not_run);
        var name: [32]u8 = undefined;
        const failed = linux.execve(running.hook.path, running.hook.argv.ptr, running.hook.envp);
        sys.writeAll(2, "it cannot be executed: ") catch {};
        sys.writeAll(2, sys.errnoName(linux.errno(failed), &name)) catch {};
        linux.exit_group(exit_not_run);
    }

    const exit_not_run = 127;

    /// Until it has ended, or its time has.
    fn finish(running: *Running) sys.Error!void {
        defer _ = linux.close(running.pidfd);
        defer _ = linux.close(running.stderr);
        const deadline: ?u64 = if (running.hook.timeout_ms) |ms| clock.monotonicMs() +| ms else null;
        var is_open = true;
        while (true) {
            var fds = [_]linux.pollfd{
                .{ .fd = running.pidfd, .events = linux.POLL.IN, .revents = 0 },
                .{ .fd = if (is_open) running.stderr else -1, .events = linux.POLL.IN, .revents = 0 },
                .{ .fd = running.watched orelse -1, .events = linux.POLL.IN, .revents = 0 },
            };
            const left_ms = timeLeft(deadline) orelse return running.giveUp("took longer than its timeout");
            if (linux.errno(linux.poll(&fds, fds.len, left_ms)) != .SUCCESS) continue;
            if (fds[1].revents != 0) is_open = running.hear();
            if (fds[0].revents == 0) {
                if (fds[2].revents != 0) return running.giveUp("was ended, for the container was");
                continue;
            }
            const status = try sys.waitExitFd(running.pidfd);
            running.hearRest();
            return running.judge(status);
        }
    }

    /// For poll(2): -1 is for ever. Null: it is over.
    fn timeLeft(deadline: ?u64) ?i32 {
        const end = deadline orelse return -1;
        const now = clock.monotonicMs();
        if (now >= end) return null;
        return @intCast(@min(end - now, std.math.maxInt(i32)));
    }

    /// False: nothing more comes. The last bytes are the ones that matter.
    fn hear(running: *Running) bool {
        var piece: [words_bytes_max]u8 = undefined;
        const n = linux.read(running.stderr, &piece, piece.len);
        if (linux.errno(n) == .INTR) return true;
        if (linux.errno(n) != .SUCCESS or n == 0) return false;
        const kept = @min(running.words_bytes, words_bytes_max - n);
        std.mem.copyForwards(u8, running.words[0..kept], running.words[running.words_bytes - kept .. running.words_bytes]);
        @memcpy(running.words[kept..][0..n], piece[0..n]);
        running.words_bytes = kept + n;
        return true;
    }

    /// What it had said when it ended; whoever it left behind is not waited for.
    fn hearRest(running: *Running) void {
        while (true) {
            var fds = [_]linux.pollfd{.{ .fd = running.stderr, .events = linux.POLL.IN, .revents = 0 }};
            if (linux.poll(&fds, 1, 0) != 1 or fds[0].revents & linux.POLL.IN == 0) return;
            if (!running.hear()) return;
        }
    }

    fn judge(running: *const Running, status: u32) sys.Error!void {
        if (status == 0) return;
        const words = std.mem.trim(u8, running.words[0..running.words_bytes], " \n");
        return sys.failFormat("hooks", "hooks.{t}[{d}] \"{s}\" failed with status {d}{s}{s}", .{
            running.kind,                    running.index, running.hook.path, status,
            if (words.len > 0) ": " else "", words,
        });
    }

    fn giveUp(running: *const Running, why: []const u8) sys.Error!void {
        _ = linux.kill(-running.pid, .KILL); // not reaped yet, so the number is still its own
        _ = linux.pidfd_send_signal(running.pidfd, .KILL, null, 0);
        _ = sys.waitExitFd(running.pidfd) catch {};
        return sys.failFormat("hooks", "hooks.{t}[{d}] \"{s}\" {s}", .{
            running.kind, running.index, running.hook.path, why,
        });
    }
};

fn setOf(arena: std.mem.Allocator, script: []const u8, timeout: ?i64) !Set {
    const text = try arena.dupeZ(u8, script);
    const hooks: contract.Hooks = .{ .poststop = &.{.{
        .path = "/bin/sh",
        .args = &.{ "sh", "-c", text },
        .env = &.{"A=b"},
        .timeout = timeout,
    }} };
    const told: Told = .{ .ociVersion = "1.2.0", .id = "c", .bundle = "/b", .annotations = .{} };
    return (try Set.prepare(arena, &hooks, told, .{ .runtime = &[_:null]?[*:0]const u8{} })).?;
}

test "a hook gets its state and its environment; its last words are told with its failure" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const set = try setOf(arena, "echo dropped; { echo \"$A\"; cat; } >&2; exit 3", null);
    try std.testing.expectError(error.Syscall, set.run(.poststop, "stopped", 0));
    try std.testing.expectEqualStrings("hooks.poststop[0] \"/bin/sh\" failed with status 3: b\n" ++
        "{\"ociVersion\":\"1.2.0\",\"id\":\"c\",\"bundle\":\"/b\",\"annotations\":{},\"status\":\"stopped\",\"pid\":0}", sys.failure.?.detail);
    try set.run(.poststart, "running", 1); // there is none of these
}

test "a hook that talks a lot does not block, one that leaves a child behind is not waited for" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const talks = try setOf(arena, "i=0; while [ $i -lt 20000 ]; do echo 0123456789 >&2; i=$((i+1)); done; echo end >&2; exit 1", 60);
    try std.testing.expectError(error.Syscall, talks.run(.poststop, "stopped", 0));
    try std.testing.expect(std.mem.endsWith(u8, sys.failure.?.detail, "0123456789\nend"));
    const leaves = try setOf(arena, "sleep 5 & exit 0", 4);
    try leaves.run(.poststop, "stopped", 0);
}

test "a hook that takes too long is killed" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const set = try setOf(arena_state.allocator(), "sleep 1000 & wait", 1);
    try std.testing.expectError(error.Syscall, set.run(.poststop, "stopped", 0));
    try std.testing.expect(std.mem.endsWith(u8, sys.failure.?.detail, "took longer than its timeout"));
}

test "prepare() refuses what cannot be run" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const told: Told = .{ .ociVersion = "", .id = "", .bundle = "", .annotations = .{} };
    try std.testing.expect(try Set.prepare(arena, &.{}, told, .{ .runtime = &[_:null]?[*:0]const u8{} }) == null);
    for ([_]contract.Hook{ .{ .path = "sh" }, .{ .path = "" }, .{ .path = "/x", .timeout = 0 }, .{ .path = "/x", .timeout = -1 } }) |hook| {
        const hooks: contract.Hooks = .{ .prestart = &.{hook} };
        try std.testing.expectError(error.Syscall, Set.prepare(arena, &hooks, told, .{ .runtime = &[_:null]?[*:0]const u8{} }));
    }
}
