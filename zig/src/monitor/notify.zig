//! Tells the service manager that started us how far we are: sd_notify(3), one datagram to the socket that the variable
//! NOTIFY_SOCKET names. Nobody listening is no failure.
//!
//! A container that says itself when it is ready says it to us, on a socket that is mounted into it: systemd listens to
//! nobody outside of the service's cgroup, and may be told more by a socket of its own than a container should say.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const record = @import("record.zig");
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

const socket_name = "notify.sock"; // src/spec/life.ts mounts it

/// Where a container says that it is ready: in its directory, for all of its users.
pub fn listen(container_dir: [:0]const u8) sys.Error!linux.fd_t {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const directory = try sys.checkFd("open", container_dir, linux.open(container_dir, flags, 0));
    defer _ = linux.close(directory);
    _ = linux.unlinkat(directory, socket_name, 0); // of the start before
    const kind = linux.SOCK.DGRAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const fd = try sys.checkFd("socket", socket_name, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    const where = record.address(directory, socket_name);
    _ = try sys.check("bind", socket_name, linux.bind(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("chmod", socket_name, linux.fchmodat(directory, socket_name, 0o666));
    return fd;
}

/// One datagram of the container's: whether it is ready. Nothing else it says is for anybody.
pub fn hears(fd: linux.fd_t) bool {
    var buffer: [4096]u8 = undefined; // systemd takes no more
    const n = linux.read(fd, &buffer, buffer.len);
    return linux.errno(n) == .SUCCESS and isReady(buffer[0..n]);
}

fn isReady(text: []const u8) bool {
    var lines = std.mem.splitScalar(u8, text, '\n');
    while (lines.next()) |line| if (std.mem.eql(u8, line, "READY=1")) return true;
    return false;
}

test "isReady() takes the word alone" {
    try std.testing.expect(isReady("STATUS=up\nREADY=1\n"));
    try std.testing.expect(isReady("READY=1"));
    for ([_][]const u8{ "", "READY=10", "XREADY=1", "STATUS=READY=1\n" }) |other| try std.testing.expect(!isReady(other));
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
