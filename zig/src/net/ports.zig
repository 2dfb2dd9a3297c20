//! Published ports: sockets of the host's that were bound before the container's program began, and what they lead to.
const std = @import("std");
const linux = std.os.linux;
const loop = @import("loop.zig");
const host = @import("host.zig");
const udp = @import("udp.zig");
const congestion = @import("congestion.zig");
const pools = @import("pool.zig");
const packet = @import("packet.zig");
const splice = @import("splice.zig");
const taps = @import("taps.zig");
const connect = @import("tcp/connect.zig");
const flows = @import("tcp/flow.zig");
const addresses = @import("address.zig");
const Endpoint = addresses.Endpoint;
const SocketAddress = addresses.SocketAddress;
const Tap = @import("tap.zig").Tap;

pub const Port = struct {
    is_used: bool = false,
    generation: u32 = 0,
    is_tcp: bool = true,
    tap: u8 = 0,
    fd: linux.fd_t = -1,
    outer: Endpoint = .{},
    /// The container's.
    inner: u16 = 0,
};

pub const ports_max = 4096;
/// All zeros: memory that is not in the file, and not touched by processes without ports.
const nobody: Port = .{ .is_tcp = false, .fd = 0 };
pub var all: [ports_max]Port = @splat(nobody);
pub var used_to: usize = 0;
/// Nobody is accepted until then: there were no descriptors left.
var resting_until_ms: u64 = 0;
const rest_ms = 100;
const turn_clients = 64;

/// A bound (and for TCP listening) socket becomes ours. False: there is no place for it.
pub fn add(port: Port) bool {
    const place = for (&all) |*place| {
        if (!place.is_used) break place;
    } else return false;
    const generation = place.generation +% 1;
    place.* = port;
    place.is_used = true;
    place.generation = generation;
    const index = indexOf(place);
    used_to = @max(used_to, index + 1);
    if (port.is_tcp) congestion.expectNeighbours(port.fd);
    if (loop.add(port.fd, refOf(place), loop.in)) return true;
    place.is_used = false;
    return false;
}

pub fn remove(port: *Port) void {
    port.is_used = false;
    if (!port.is_tcp) udp.forget(port.fd);
    _ = linux.close(port.fd);
}

/// The container has ended: nobody else gets in.
pub fn removeAll() void {
    for (all[0..used_to]) |*port| if (port.is_used) remove(port);
}

/// The same of one among several.
pub fn removeOf(tap_index: u8) void {
    for (all[0..used_to]) |*port| if (port.is_used and port.tap == tap_index) remove(port);
}

fn indexOf(port: *const Port) usize {
    return (@intFromPtr(port) - @intFromPtr(&all)) / @sizeOf(Port);
}

fn refOf(port: *const Port) loop.Ref {
    const kind: loop.Kind = if (port.is_tcp) .listener else .datagram_listener;
    return .{ .kind = kind, .index = @intCast(indexOf(port)), .generation = port.generation };
}

pub fn at(index: usize, generation: u32) ?*Port {
    const port = &all[index];
    return if (port.is_used and port.generation == generation) port else null;
}

/// As whom the container sees a client: itself, or the gateway when it is on the host's loopback, which the container
/// has one of its own of. Null: not at all.
pub fn seenAs(tap: *const Tap, client: Endpoint) ?Endpoint {
    const own = tap.addressLike(client.address) orelse return null;
    const is_within = if (tap.is_switched) tap.isOnLink(client.address) else client.address.eql(own);
    if (!client.address.isLoopback() and !is_within and !client.address.isLinkLocal()) return client;
    return .{ .address = tap.gatewayLike(client.address) orelse return null, .port = client.port };
}

pub fn accept(port: *Port) void {
    for (0..turn_clients) |_| {
        var from: SocketAddress = undefined;
        var length = SocketAddress.size;
        const rc = linux.accept4(port.fd, &from.any, &length, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
        switch (linux.errno(rc)) {
            .SUCCESS => welcome(port, @intCast(rc), from.endpoint()),
            .INTR, .CONNABORTED => {},
            .AGAIN => return,
            else => return rest(),
        }
    }
}

fn welcome(port: *const Port, fd: linux.fd_t, client: Endpoint) void {
    if (client.address.isLoopback() and splice.offer(port, fd, client)) return;
    const tap = &taps.all[port.tap];
    var seen = seenAs(tap, client) orelse {
        _ = linux.close(fd);
        return;
    };
    var key: pools.Key = .{ .peer = seen, .port = port.inner, .tap = port.tap, .protocol = packet.protocol.tcp };
    // Two clients of different addresses may have the same port, and one be seen as the gateway.
    const tries_max = 64;
    for (0..tries_max) |_| {
        if (flows.pool.find(&key) == null) {
            if (!client.address.isLoopback()) congestion.leaveToHost(fd);
            return connect.offer(fd, key);
        }
        seen.port = if (seen.port == 65535) 1024 else seen.port + 1;
        key.peer = seen;
    }
    _ = linux.close(fd);
}

/// Without descriptors a waiting client would wake us over and over.
fn rest() void {
    resting_until_ms = loop.now_ms + rest_ms;
    loop.dueAt(resting_until_ms);
    watchAll(0);
}

fn watchAll(events: u32) void {
    for (all[0..used_to]) |*port| {
        if (port.is_used and port.is_tcp) loop.change(port.fd, refOf(port), events);
    }
}

pub fn sweep() void {
    if (resting_until_ms == 0) return;
    if (loop.now_ms < resting_until_ms) return loop.dueAt(resting_until_ms);
    resting_until_ms = 0;
    watchAll(loop.in);
}
