//! Where the containers of a network meet: `<runtime>/networks/<id>/net.sock`, and the process behind it (network.zig).
//! Whoever comes first starts that. It is nobody's child, and ends by itself when the last container has left; so whoever
//! is turned away by an end starts a new one. A lock keeps two from starting one each; it is held by no longer than that.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const ourselves = @import("../process/ourselves.zig");
const record = @import("record.zig");
const linux = sys.linux;

const directory_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
const backlog = 512;
const lock_exclusive = 2; // LOCK_EX
const lock_at_once = 4; // LOCK_NB
/// A network's process answers at once, or it is stuck. Before the container runs there is time to wait for a machine
/// that is busy; afterwards all that the container says waits with us.
const patience_s = 5;
const patience_running_s = 2;
var answer_s: i64 = patience_s;

/// The container runs.
pub fn hurry() void {
    answer_s = patience_running_s;
}

/// A connection to the process of the network whose socket is at `path`.
pub fn connect(path: [:0]const u8) sys.Error!linux.fd_t {
    const directory = try openDirectory(path);
    defer _ = linux.close(directory);
    if (try tryConnect(directory)) |fd| return fd;
    const lock = try sys.checkFd("open", path, linux.openat(directory, "lock", .{
        .ACCMODE = .RDWR,
        .CREAT = true,
        .CLOEXEC = true,
        .NOFOLLOW = true,
    }, 0o600));
    defer _ = linux.close(lock);
    if (try awaitLock(lock, directory)) |fd| return fd;
    if (try tryConnect(directory)) |fd| return fd;
    try startProcess(path, directory);
    return try tryConnect(directory) orelse sys.fail("network", "its process cannot be started");
}

/// Null: it is ours. Whoever has it starts the process, and needs milliseconds; one that was stopped in the middle must
/// not stop all others for ever.
fn awaitLock(lock: linux.fd_t, directory: linux.fd_t) sys.Error!?linux.fd_t {
    const pause: linux.timespec = .{ .sec = 0, .nsec = 5_000_000 };
    const pauses_max = patience_s * 1000 / 5;
    for (0..pauses_max) |_| {
        if (linux.errno(linux.flock(lock, lock_exclusive | lock_at_once)) == .SUCCESS) return null;
        if (try tryConnect(directory)) |fd| return fd;
        _ = linux.nanosleep(&pause, null);
    }
    return sys.fail("network", "another container has begun to start its process, and does not end it");
}

fn openDirectory(path: [:0]const u8) sys.Error!linux.fd_t {
    var parent: record.Path = .{};
    try parent.set(std.fs.path.dirname(path) orelse return sys.fail("network", "its socket has no directory"));
    const rc = linux.open(parent.get(), directory_flags, 0);
    if (linux.errno(rc) == .SUCCESS) return @intCast(rc);
    if (linux.errno(rc) != .NOENT) return sys.checkFd("open", path, rc);
    try makeDirectories(parent.get());
    return sys.checkFd("open", path, linux.open(parent.get(), directory_flags, 0));
}

/// The network's own, and the one of all networks.
fn makeDirectories(path: [:0]const u8) sys.Error!void {
    var parent: record.Path = .{};
    try parent.set(std.fs.path.dirname(path) orelse "/");
    for ([_][:0]const u8{ parent.get(), path }) |one| {
        const rc = linux.mkdir(one, 0o700);
        if (linux.errno(rc) != .EXIST) _ = try sys.check("mkdir", path, rc);
    }
}

const socket_name = "net.sock";

/// Null: nobody is there.
fn tryConnect(directory: linux.fd_t) sys.Error!?linux.fd_t {
    const fd = try record.patientSocket(linux.SOCK.SEQPACKET, socket_name, answer_s);
    errdefer _ = linux.close(fd);
    const where = record.address(directory, socket_name);
    const rc = linux.connect(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un));
    switch (linux.errno(rc)) {
        .SUCCESS => return fd,
        .NOENT, .CONNREFUSED => {
            _ = linux.close(fd);
            return null;
        },
        else => _ = try sys.check("connect", "the network's process", rc),
    }
    unreachable;
}

fn startProcess(path: [:0]const u8, directory: linux.fd_t) sys.Error!void {
    _ = linux.unlinkat(directory, socket_name, 0);
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const listener = try sys.checkFd("socket", path, linux.socket(linux.AF.UNIX, kind, 0));
    defer _ = linux.close(listener);
    const where = record.address(directory, socket_name);
    _ = try sys.check("bind", path, linux.bind(listener, @ptrCast(&where), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("listen", path, linux.listen(listener, backlog));
    var pidfd: linux.fd_t = -1;
    const args: sys.CloneArgs = .{ .flags = linux.CLONE.PIDFD, .pidfd = @intFromPtr(&pidfd) };
    const rc = try sys.check("clone3", "the network's process", sys.clone3(&args));
    if (rc == 0) { // it must not be ours: it outlives us
        const second = linux.fork();
        if (linux.errno(second) == .SUCCESS and second == 0) become(path, listener);
        linux.exit_group(if (linux.errno(second) == .SUCCESS) 0 else 125);
    }
    defer _ = linux.close(pidfd);
    if (try sys.waitExitFd(pidfd) != 0) return sys.fail("network", "its process cannot be started: there are too many");
}

/// In the process: nothing of the monitor's is passed on but the socket.
fn become(path: [:0]const u8, listener: linux.fd_t) noreturn {
    child.defaultSignals();
    _ = linux.setsid();
    _ = linux.chdir("/");
    const rc = linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) linux.exit_group(125);
    for (0..3) |fd| _ = linux.dup3(@intCast(rc), @intCast(fd), 0);
    sys.closeOnExecFrom(3);
    _ = linux.fcntl(listener, linux.F.SETFD, 0);
    var number: [16]u8 = undefined;
    var parent: record.Path = .{};
    parent.set(std.fs.path.dirname(path) orelse "/") catch linux.exit_group(125);
    const words = [_:null]?[*:0]const u8{
        ourselves.argv[0],
        "native",
        "network",
        parent.get(),
        std.fmt.bufPrintZ(&number, "{d}", .{listener}) catch unreachable,
    };
    const environment = [_:null]?[*:0]const u8{};
    _ = linux.execve("/proc/self/exe", &words, &environment);
    linux.exit_group(125);
}
