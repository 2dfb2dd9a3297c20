//! A filter that asks somebody (SCMP_ACT_NOTIFY): installed, and its descriptor handed to the parent, who gives it to the
//! agent (agent.zig).
//!
//! From the moment it is installed any call of this process may have to wait for an agent that does not have the
//! descriptor yet, the call that would hand it over included. So a second thread does that: a filter holds for the
//! thread that installs it, and descriptors are common to both. The first thread makes no call until the parent says that
//! the agent has it; where it says nothing, and is gone or gives up, the process ends and nothing of the container's runs.
const std = @import("std");
const sys = @import("../sys.zig");
const seccomp = @import("seccomp.zig");
const report = @import("report.zig");
const linux = sys.linux;

const waiting = -1;
const given_up = -2;

/// Shared by the two threads; each word has one writer at a time.
const Shared = struct {
    listener: i32 = waiting,
    is_done: bool = false,
    channel: linux.fd_t = -1,

    fn set(comptime field: std.meta.FieldEnum(Shared), value: @FieldType(Shared, @tagName(field))) void {
        @atomicStore(@TypeOf(value), &@field(shared, @tagName(field)), value, .release);
    }

    fn get(comptime field: std.meta.FieldEnum(Shared)) @FieldType(Shared, @tagName(field)) {
        const address: *volatile @FieldType(Shared, @tagName(field)) = &@field(shared, @tagName(field));
        return address.*;
    }
};
var shared: Shared = .{};
var stack: [16 * 1024]u8 align(16) = undefined;

pub fn install(filter: seccomp.Filter, channel: linux.fd_t) sys.Error!void {
    shared = .{ .channel = channel };
    const flags: u32 = linux.CLONE.VM | linux.CLONE.FS | linux.CLONE.FILES | linux.CLONE.SIGHAND |
        linux.CLONE.THREAD | linux.CLONE.SYSVSEM;
    const top = @intFromPtr(&stack) + stack.len;
    _ = try sys.check("clone", "a thread", linux.clone(handOver, top, flags, 0, null, 0, null));
    const rc = seccomp.load(filter, seccomp.flag_new_listener);
    if (linux.errno(rc) != .SUCCESS) {
        Shared.set(.listener, given_up);
        _ = try sys.check("seccomp", "a filter that notifies", rc);
    }
    Shared.set(.listener, @intCast(rc));
    while (!Shared.get(.is_done)) std.atomic.spinLoopHint();
}

fn handOver(_: usize) callconv(.c) u8 {
    const pause: linux.timespec = .{ .sec = 0, .nsec = 20_000 };
    while (Shared.get(.listener) == waiting) _ = linux.nanosleep(&pause, null);
    const fd = Shared.get(.listener);
    if (fd >= 0) {
        report.sendDescriptor(shared.channel, .listener, fd) catch {}; // nobody there: then there is no word either
        _ = linux.close(fd); // with the agent the last of it is gone, and nobody waits for its answers
        report.awaitGo(shared.channel);
    }
    Shared.set(.is_done, true);
    return 0;
}

/// A process under a filter that asks about its calls, which makes one at once: 42 when that was answered with EXDEV.
const Asking = struct {
    pid: linux.pid_t,
    channel: linux.fd_t,
    listener: linux.fd_t,

    fn start() !Asking {
        const builtin_calls = [_][]const u8{ "mkdirat", "sendto", "sendmsg", "recvmsg", "close" };
        const static = struct {
            var work: seccomp.Workspace = undefined;
        };
        const filter = try seccomp.compile(&static.work, &.{
            .defaultAction = "SCMP_ACT_ALLOW",
            .listenerPath = "/unused",
            .syscalls = &.{.{ .names = &builtin_calls, .action = "SCMP_ACT_NOTIFY" }},
        });
        const channel = try report.open();
        const pid = try sys.check("fork", "", linux.fork());
        if (pid == 0) {
            _ = linux.close(channel.parent);
            _ = linux.prctl(@intFromEnum(linux.PR.SET_NO_NEW_PRIVS), 1, 0, 0, 0);
            install(filter, channel.child) catch linux.exit_group(1);
            const rc = linux.mkdirat(linux.AT.FDCWD, "/answered-for", 0);
            linux.exit_group(if (linux.errno(rc) == .XDEV) 42 else 2);
        }
        _ = linux.close(channel.child);
        var buffer: [1 + @import("../event.zig").line_bytes_max]u8 = undefined;
        const message = report.receive(channel.parent, &buffer) orelse return error.TestUnexpectedResult;
        try std.testing.expectEqual(report.Kind.listener, message.kind);
        return .{ .pid = @intCast(pid), .channel = channel.parent, .listener = message.fd.? };
    }
};

test "a process whose listener reached no agent ends before its first call" {
    const asking: Asking = try .start();
    _ = linux.close(asking.channel);
    _ = linux.close(asking.listener); // a call of its would fail now, and not wait
    try std.testing.expectEqual(@as(u32, 125), try sys.waitExit(asking.pid));
}

test "an agent answers for the calls of a process, the first included" {
    const asking: Asking = try .start();
    report.send(asking.channel, .go, "");
    var notification: [80]u8 align(8) = @splat(0); // struct seccomp_notif
    const receive = 0xc0502100; // SECCOMP_IOCTL_NOTIF_RECV
    _ = try sys.check("ioctl", "", linux.ioctl(asking.listener, receive, @intFromPtr(&notification)));
    var response: [24]u8 align(8) = @splat(0); // struct seccomp_notif_resp
    @memcpy(response[0..8], notification[0..8]);
    std.mem.writeInt(i32, response[16..20], -@as(i32, @intFromEnum(linux.E.XDEV)), .little);
    const send = 0xc0182101; // SECCOMP_IOCTL_NOTIF_SEND
    _ = try sys.check("ioctl", "", linux.ioctl(asking.listener, send, @intFromPtr(&response)));
    try std.testing.expectEqual(@as(u32, 42), try sys.waitExit(asking.pid));
    _ = linux.close(asking.listener);
    _ = linux.close(asking.channel);
}
