//! Two TCP sockets of ours that are each other's far end: a flow (tcp/flow.zig) speaks to us as it does to anybody. There
//! is no such call for TCP, so one connects to the other over the host's loopback; its door is open for that moment only,
//! and whoever else comes through it is sent away.
const std = @import("std");
const host = @import("host.zig");
const addresses = @import("address.zig");
const linux = std.os.linux;
const SocketAddress = addresses.SocketAddress;

const patience_ms = 10;
const strangers_max = 16;

/// Null: it cannot be had, without descriptors or without a loopback.
pub fn make() ?[2]linux.fd_t {
    const loopback: addresses.Endpoint = .{ .address = .ofV4(.{ 127, 0, 0, 1 }) };
    const door = host.socket(loopback.address, linux.SOCK.STREAM, 0) orelse return null;
    defer _ = linux.close(door);
    const any: SocketAddress = .of(loopback);
    if (linux.errno(linux.bind(door, &any.any, any.length())) != .SUCCESS) return null;
    if (linux.errno(linux.listen(door, 1)) != .SUCCESS) return null;
    const place = host.nameOf(door) orelse return null;
    const first = host.socket(loopback.address, linux.SOCK.STREAM, 0) orelse return null;
    const second = meet(door, first, place) orelse {
        _ = linux.close(first);
        return null;
    };
    return .{ first, second };
}

fn meet(door: linux.fd_t, first: linux.fd_t, place: addresses.Endpoint) ?linux.fd_t {
    switch (host.connect(first, place)) {
        .SUCCESS, .INPROGRESS => {},
        else => return null,
    }
    const own = host.nameOf(first) orelse return null;
    for (0..strangers_max) |_| {
        var from: SocketAddress = undefined;
        var length = SocketAddress.size;
        const rc = linux.accept4(door, &from.any, &length, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
        if (linux.errno(rc) == .SUCCESS) {
            if (from.endpoint().eql(own)) return @intCast(rc);
            _ = linux.close(@intCast(rc));
            continue;
        }
        // They are neighbours: it has come by now, or the machine has more to do than to connect it.
        var poll = [1]linux.pollfd{.{ .fd = door, .events = linux.POLL.IN, .revents = 0 }};
        if (linux.errno(rc) != .AGAIN or linux.poll(&poll, 1, patience_ms) != 1) return null;
    }
    return null;
}

test "what goes in at one end comes out at the other" {
    const pair = make() orelse return error.SkipZigTest;
    defer for (pair) |fd| {
        _ = linux.close(fd);
    };
    for ([_][2]linux.fd_t{ pair, .{ pair[1], pair[0] } }) |ends| {
        try std.testing.expectEqual(3, linux.write(ends[0], "abc", 3));
        var poll = [1]linux.pollfd{.{ .fd = ends[1], .events = linux.POLL.IN, .revents = 0 }};
        try std.testing.expectEqual(1, linux.poll(&poll, 1, 5_000));
        var got: [8]u8 = undefined;
        try std.testing.expectEqualStrings("abc", got[0..linux.read(ends[1], &got, got.len)]);
    }
}
