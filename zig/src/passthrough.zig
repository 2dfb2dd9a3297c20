//! The short way of `run --rm` when nobody can observe the difference: the standard streams are the container's own,
//! and the caller's process is the monitor. No relay, no log, no second process.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const contract = @import("contract.zig");
const prepare = @import("prepare.zig");
const launch = @import("monitor/launch.zig");
const monitors = @import("monitor/monitor.zig");
const client = @import("client/client.zig");
const linux = sys.linux;

const exit_failed = 125;
const pipefs_magic = 0x50495045;

var monitor: monitors.Monitor = .{};

/// Anonymous pipes and /dev/null only: any other file handed in would be a handle on the host.
pub fn isPossible(container: *const prepare.Container, attach: contract.Attach) bool {
    if (container.helper.runtime != null) return false; // what that says on stderr would be the container's
    if (container.helper.isRestarted() or container.helper.health != null) return false;
    if (!attach.passthrough or !attach.sigProxy or container.plan.program.terminal) return false;
    if (attach.stdin and !isHarmless(0)) return false;
    return isHarmless(1) and isHarmless(2);
}

fn isHarmless(fd: linux.fd_t) bool {
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS) return false;
    if (linux.S.ISCHR(stat.mode)) return stat.rdev_major == 1 and stat.rdev_minor == 3;
    if (!linux.S.ISFIFO(stat.mode)) return false;
    return sys.fileSystemType(fd) == pipefs_magic;
}

pub fn run(container: *prepare.Container, attach: contract.Attach) sys.Error!u8 {
    const m = &monitor;
    try m.set(&container.helper);
    m.config.forwards_signals = true;
    const mask = client.signalMask();
    _ = linux.sigprocmask(linux.SIG.BLOCK, &mask, null);
    const null_fd = try sys.checkFd("open", "/dev/null", linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0));
    const stdin: linux.fd_t = if (attach.stdin) 0 else null_fd;
    const target: launch.Target = .{ .container = &container.plan };
    var started = try launch.Launch.start(target, .{ .stdin = stdin, .stdout = 1, .stderr = 2 });
    const result = bringUp(m, &started, container, mask) catch |err| {
        started.abandon();
        m.abandon();
        return err;
    };
    const running = switch (result) {
        .running => |running| running,
        .failed => |line| {
            m.abandon();
            event.emit(line);
            return exit_failed;
        },
    };
    m.adopt(running) catch |err| {
        started.abandon();
        m.abandon();
        return err;
    };
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0); // before anybody is told of it
    event.emit(event.started(running.pid));
    // Whoever reads or writes the other ends must see the container's, not ours.
    for (0..3) |fd| _ = linux.dup3(null_fd, @intCast(fd), 0);
    const ending = m.run().?; // nothing of it is ever started again
    event.emit(event.exited(ending.code, ending.signal, ending.oom_killed));
    m.cleanUp();
    return @truncate(ending.code);
}

fn bringUp(
    m: *monitors.Monitor,
    started: *launch.Launch,
    container: *prepare.Container,
    mask: linux.sigset_t,
) sys.Error!launch.Result {
    const target: launch.Target = .{ .container = &container.plan };
    try started.writeMaps(target);
    if (m.config.auto_remove) m.userns_fd = launch.openUserNamespace(started.pid);
    try m.makeFiles(.{ .driver = .none }, false);
    try m.watchSignals(mask);
    try started.proceed(target);
    return started.finish(target);
}
