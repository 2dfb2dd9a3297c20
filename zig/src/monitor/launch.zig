//! From a prepared plan to a running container: one clone3, the id maps, the handshake until execve. Nothing stays
//! behind when it fails.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const report = @import("../process/report.zig");
const child = @import("../process/child.zig");
const linux = sys.linux;

pub const Running = struct {
    pid: linux.pid_t,
    pidfd: linux.fd_t,
    /// The terminal's master, when there is one.
    terminal: ?linux.fd_t,
};

/// A failure after which `line` is the event to emit: the child's own, or ours.
pub const Result = union(enum) { running: Running, failed: event.Line };

/// A child in its new namespaces that waits for `proceed`.
pub const Launch = struct {
    pid: linux.pid_t,
    pidfd: linux.fd_t,
    channel: linux.fd_t,

    /// The parent's copies of `streams` stay open: closing them is the caller's.
    pub fn start(plan: *child.Plan, streams: ?child.Streams) sys.Error!Launch {
        const channel = try report.open();
        errdefer _ = linux.close(channel.parent);
        var pidfd: linux.fd_t = -1;
        const args: sys.CloneArgs = .{
            .flags = linux.CLONE.PIDFD | plan.new_namespaces,
            .pidfd = @intFromPtr(&pidfd),
        };
        const rc = sys.clone3(&args);
        if (linux.errno(rc) == .SUCCESS and rc == 0) {
            _ = linux.close(channel.parent);
            child.run(plan, streams, channel.child);
        }
        _ = linux.close(channel.child);
        return .{
            .pid = @intCast(try sys.check("clone3", "new namespaces", rc)),
            .pidfd = pidfd,
            .channel = channel.parent,
        };
    }

    /// Write the id maps and let the child go on.
    pub fn proceed(launch: *const Launch, plan: *const child.Plan) sys.Error!void {
        if (plan.maps) |*maps| try maps.write(launch.pid);
        report.send(launch.channel, .go, "");
    }

    /// Follow the child until it executed its program. Warnings are passed on.
    pub fn finish(launch: *const Launch, plan: *const child.Plan) Result {
        var buffer: [1 + event.line_bytes_max]u8 = undefined;
        var terminal: ?linux.fd_t = null;
        var failure: ?event.Line = null;
        var is_executing = false;
        while (report.receive(launch.channel, &buffer)) |message| switch (message.kind) {
            .terminal => terminal = message.fd,
            .executing => is_executing = true,
            .warning => sys.writeAll(event.descriptor, message.text) catch {},
            .failed => {
                var line: event.Line = .{ .used = message.text.len };
                @memcpy(line.buffer[0..line.used], message.text);
                failure = line;
            },
            .fuse => {
                @import("../rootfs/fuse.zig").mount(launch.pidfd, &plan.root) catch {
                    failure = event.failed();
                    launch.abandon();
                    break;
                };
                report.send(launch.channel, .go, "");
            },
            else => {},
        };
        _ = linux.close(launch.channel);
        if (failure == null and is_executing) {
            return .{ .running = .{ .pid = launch.pid, .pidfd = launch.pidfd, .terminal = terminal } };
        }
        launch.abandon();
        if (terminal) |fd| _ = linux.close(fd);
        if (failure) |line| return .{ .failed = line };
        sys.fail("start", "the container's process was killed before it could start") catch {};
        return .{ .failed = event.failed() };
    }

    /// Kill and reap it: with it go its namespaces and everything mounted in them.
    pub fn abandon(launch: *const Launch) void {
        _ = linux.pidfd_send_signal(launch.pidfd, .KILL, null, 0);
        _ = sys.waitExitFd(launch.pidfd) catch {};
        _ = linux.close(launch.pidfd);
    }
};
