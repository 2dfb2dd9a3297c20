//! `run ID`: create and start in one. In the foreground its status becomes ours, signals sent to us go to it, and it
//! is deleted at its end.
const std = @import("std");
const sys = @import("../sys.zig");
const client = @import("../client/client.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const making = @import("making.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Text = contexts.Text;

const Options = struct {
    bundle: ?Text = null,
    config: ?Text = null,
    pid_file: ?Text = null,
    console_socket: ?Text = null,
    preserve_fds: ?u64 = null,
    no_pivot: bool = false,
    no_new_keyring: bool = false,
    no_subreaper: bool = false,
    detach: bool = false,
    keep: bool = false,
    pub const names = .{ .{ "b", "bundle" }, .{ "f", "config" }, .{ "d", "detach" } };
};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const o = parsed.options;
    const mask = client.signalMask();
    if (!o.detach) _ = linux.sigprocmask(linux.SIG.BLOCK, &mask, null); // what comes early is forwarded later
    const made = try making.make(context, .{
        .id = try words.one(parsed.words, "run [OPTION]... ID"),
        .options = .{
            .bundle = o.bundle,
            .config = o.config,
            .pid_file = o.pid_file,
            .console_socket = o.console_socket,
            .preserve_fds = o.preserve_fds,
            .no_pivot = o.no_pivot,
            .no_new_keyring = o.no_new_keyring,
            .no_subreaper = o.no_subreaper,
        },
        .waits = false,
    });
    if (o.detach) return 0;
    const status = try watch(made.running.pidfd, mask);
    if (!o.keep) made.entry.remove();
    return status;
}

/// Until it ends.
fn watch(pidfd: linux.fd_t, mask: linux.sigset_t) sys.Error!u8 {
    const flags = linux.SFD.CLOEXEC | linux.SFD.NONBLOCK;
    const signals = try sys.checkFd("signalfd", "", linux.signalfd(-1, &mask, flags));
    while (true) {
        var fds = [_]linux.pollfd{
            .{ .fd = pidfd, .events = linux.POLL.IN, .revents = 0 },
            .{ .fd = signals, .events = linux.POLL.IN, .revents = 0 },
        };
        if (linux.errno(linux.poll(&fds, fds.len, -1)) != .SUCCESS) continue;
        if (fds[1].revents != 0) forward(signals, pidfd);
        if (fds[0].revents != 0) return @truncate(try sys.waitExitFd(pidfd));
    }
}

fn forward(signals: linux.fd_t, pidfd: linux.fd_t) void {
    var info: linux.signalfd_siginfo = undefined;
    const n = linux.read(signals, @ptrCast(&info), @sizeOf(@TypeOf(info)));
    if (linux.errno(n) != .SUCCESS) return;
    _ = linux.pidfd_send_signal(pidfd, @enumFromInt(info.signo), null, 0);
}
