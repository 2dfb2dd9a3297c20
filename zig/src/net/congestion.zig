//! Congestion control belongs to what lies between machines. Some of it (BBR) sends by the clock: one timer for every few
//! segments, and to set a timer is, in a virtual machine, the hypervisor's business. Between programs of one machine that
//! costs more than everything else. So whoever only ever speaks with a neighbour has what is built into every kernel and
//! allowed to everybody; what goes to another machine has what the host, or its way (ip-route(8), congctl), has chosen.
const std = @import("std");
const linux = std.os.linux;
const host = @import("host.zig");

/// Of a container, whose own TCP never gets further than to us.
pub const neighbourly = "reno";

const name_bytes_max = 16; // TCP_CA_NAME_MAX
const Name = struct { bytes: [name_bytes_max]u8 = @splat(0), length: linux.socklen_t = 0 };

/// The host's, if it is one that sends by the clock. As of when it was first asked for.
var clocked: Name = .{};
var is_known: bool = false;

/// Who comes to such a listener is taken for a neighbour from its first segment on: a socket that has begun to send by the
/// clock goes on to, whatever it is told later. Whoever turns out to be none needs `leaveToHost`.
pub fn expectNeighbours(listener: linux.fd_t) void {
    if (isClocked()) _ = set(listener, neighbourly);
}

/// Before it connects to a program of this machine.
pub fn towardsNeighbour(fd: linux.fd_t) void {
    if (isClocked()) _ = set(fd, neighbourly);
}

/// It has come from another machine.
pub fn leaveToHost(fd: linux.fd_t) void {
    if (!isClocked()) return;
    const own = of(fd);
    if (std.mem.eql(u8, text(&own), neighbourly)) _ = set(fd, text(&clocked));
}

fn isClocked() bool {
    if (!is_known) {
        is_known = true;
        clocked = ask();
    }
    return clocked.length > 0;
}

/// A new socket tells. What could not be given back is not taken away.
fn ask() Name {
    const fd = host.socket(.ofV4(.{ 127, 0, 0, 1 }), linux.SOCK.STREAM, 0) orelse return .{};
    defer _ = linux.close(fd);
    const name = of(fd);
    if (!std.mem.startsWith(u8, text(&name), "bbr")) return .{};
    return if (set(fd, neighbourly) and set(fd, text(&name))) name else .{};
}

fn of(fd: linux.fd_t) Name {
    var name: Name = .{ .length = name_bytes_max };
    const rc = linux.getsockopt(fd, linux.IPPROTO.TCP, linux.TCP.CONGESTION, &name.bytes, &name.length);
    return if (linux.errno(rc) == .SUCCESS) name else .{};
}

fn text(name: *const Name) []const u8 {
    return std.mem.sliceTo(name.bytes[0..name.length], 0);
}

fn set(fd: linux.fd_t, name: []const u8) bool {
    return linux.errno(linux.setsockopt(fd, linux.IPPROTO.TCP, linux.TCP.CONGESTION, name.ptr, @intCast(name.len))) == .SUCCESS;
}

test "a neighbour is not sent to by the clock, and whoever is none has what the host has chosen" {
    const publish = @import("publish.zig");
    const addresses = @import("address.zig");
    if (!isClocked()) return error.SkipZigTest; // the host's own is none of those
    const own: addresses.Endpoint = .{ .address = .ofV4(.{ 127, 0, 0, 1 }) };
    var listener: linux.fd_t = undefined;
    try std.testing.expectEqual(linux.E.SUCCESS, publish.bind(.tcp, own, &listener));
    defer _ = linux.close(listener);
    expectNeighbours(listener);
    const client = host.socket(own.address, linux.SOCK.STREAM, 0).?;
    defer _ = linux.close(client);
    _ = host.connect(client, host.nameOf(listener).?);
    var poll = [1]linux.pollfd{.{ .fd = listener, .events = linux.POLL.IN, .revents = 0 }};
    try std.testing.expectEqual(1, linux.poll(&poll, 1, 5_000));
    const accepted: linux.fd_t = @intCast(linux.accept4(listener, null, null, linux.SOCK.CLOEXEC));
    defer _ = linux.close(accepted);
    const before = of(accepted);
    try std.testing.expectEqualStrings(neighbourly, text(&before));
    leaveToHost(accepted);
    const after = of(accepted);
    const clients = of(client);
    try std.testing.expectEqualStrings(text(&clients), text(&after));
    try std.testing.expectStringStartsWith(text(&after), "bbr");
    towardsNeighbour(client);
    const told = of(client);
    try std.testing.expectEqualStrings(neighbourly, text(&told));
}
