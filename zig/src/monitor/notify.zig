//! Tells the service manager that started us how far we are: sd_notify(3), one datagram to the socket that the variable
//! NOTIFY_SOCKET names. Nobody listening is no failure.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const ourselves = @import("../process/ourselves.zig");
const linux = sys.linux;

/// The process to watch is we: with us ends the container.
pub fn ready() void {
    send("MAINPID={d}\nREADY=1\n");
}

/// The container says itself when it is ready.
pub fn mainPid() void {
    send("MAINPID={d}\n");
}

/// A service manager is to follow us, and follows only what stays in its service's cgroup.
pub fn isFollowed(mode: @FieldType(contract.Helper, "notify")) bool {
    return mode != .ignore and variable("NOTIFY_SOCKET=") != null;
}

fn send(comptime format: []const u8) void {
    const name = variable("NOTIFY_SOCKET=") orelse return;
    var where: linux.sockaddr.un = undefined;
    const length = fill(&where, name) orelse return;
    const rc = linux.socket(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.CLOEXEC, 0);
    if (linux.errno(rc) != .SUCCESS) return;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var text: [64]u8 = undefined;
    const message = std.fmt.bufPrint(&text, format, .{linux.getpid()}) catch unreachable;
    const flags = linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT;
    _ = linux.sendto(fd, message.ptr, message.len, flags, @ptrCast(&where), length);
}

fn variable(prefix: []const u8) ?[]const u8 {
    var i: usize = 0;
    while (ourselves.environ[i]) |entry| : (i += 1) {
        const text = std.mem.span(entry);
        if (std.mem.startsWith(u8, text, prefix)) return text[prefix.len..];
    }
    return null;
}

/// "/path", or "@name" in the abstract namespace.
fn fill(where: *linux.sockaddr.un, name: []const u8) ?linux.socklen_t {
    where.* = .{ .path = @splat(0) };
    if (name.len == 0 or name.len >= where.path.len or (name[0] != '/' and name[0] != '@')) return null;
    @memcpy(where.path[0..name.len], name);
    if (name[0] == '@') where.path[0] = 0;
    return @intCast(@offsetOf(linux.sockaddr.un, "path") + name.len);
}

test "fill() takes paths and abstract names" {
    var where: linux.sockaddr.un = undefined;
    try std.testing.expectEqual(2 + 6, fill(&where, "/run/x").?);
    try std.testing.expectEqual(2 + 2, fill(&where, "@x").?);
    try std.testing.expectEqual(0, where.path[0]);
    for ([_][]const u8{ "", "relative", "/" ++ "x" ** 120 }) |bad| try std.testing.expectEqual(null, fill(&where, bad));
}
