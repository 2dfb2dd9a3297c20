//! What a router would say to a container: unreachable, too big, too many hops; from the gateway, but that nobody is at
//! a port is said by whom it was sent to, which is where traceroute(8) ends. Always about a packet of the container's own.
const std = @import("std");
const frame = @import("frame.zig");
const packet = @import("packet.zig");
const taps = @import("taps.zig");
const Address = @import("address.zig").Address;
const Tap = @import("tap.zig").Tap;
const Key = @import("pool.zig").Key;

pub const Reason = union(enum) {
    no_route,
    no_host,
    no_port,
    forbidden,
    hops_exceeded,
    /// With the size that would pass.
    too_big: u32,
};

const Code = struct { type: u8, code: u8 };

fn codeOf(reason: Reason, is_v4: bool) Code {
    return if (is_v4) switch (reason) { // RFC 792, RFC 1812
        .no_route => .{ .type = 3, .code = 0 },
        .no_host => .{ .type = 3, .code = 1 },
        .no_port => .{ .type = 3, .code = 3 },
        .too_big => .{ .type = 3, .code = 4 },
        .forbidden => .{ .type = 3, .code = 13 },
        .hops_exceeded => .{ .type = 11, .code = 0 },
    } else switch (reason) { // RFC 4443
        .no_route => .{ .type = 1, .code = 0 },
        .forbidden => .{ .type = 1, .code = 1 },
        .no_host => .{ .type = 1, .code = 3 },
        .no_port => .{ .type = 1, .code = 4 },
        .too_big => .{ .type = 2, .code = 0 },
        .hops_exceeded => .{ .type = 3, .code = 0 },
    };
}

/// Both headers of what it is about, and the ports: enough for a kernel to find whose it was.
const quoted_max = 512;

/// `original` is an IP packet of the container.
pub fn tell(tap: *const Tap, reason: Reason, original: []const u8) void {
    const is_v4 = original[0] >> 4 == 4;
    const gateway = (if (is_v4) tap.gateway4 else tap.gateway6) orelse return;
    const asked: Address = if (is_v4) .ofV4(original[16..20].*) else .{ .bytes = original[24..40].* };
    const from = if (reason == .no_port) asked else gateway;
    const code = codeOf(reason, is_v4);
    const message = frame.space();
    message[0] = code.type;
    message[1] = code.code;
    @memset(message[2..8], 0);
    if (reason == .too_big) std.mem.writeInt(u32, message[4..8], reason.too_big, .big);
    const quoted = @min(original.len, quoted_max);
    @memcpy(message[8..][0..quoted], original[0..quoted]);
    _ = frame.sendIcmp(tap, from, 8 + quoted);
}

/// About what a flow has sent, of which nobody has kept anything: the headers are made again.
pub fn tellFlow(key: *const Key, reason: Reason) void {
    const tap = &taps.all[key.tap];
    const own = tap.addressLike(key.peer.address) orelse return;
    var original: [40 + 8]u8 = @splat(0);
    const start: usize = if (own.isV4()) 20 else 40;
    if (own.isV4())
        frame.writeV4(original[0..20], own, key.peer.address, key.protocol, 8)
    else
        frame.writeV6(original[0..40], own, key.peer.address, key.protocol, 8);
    switch (key.protocol) {
        packet.protocol.icmp, packet.protocol.icmp6 => { // an echo request, whose number is its "port"
            original[start] = if (own.isV4()) 8 else 128;
            frame.write16(&original, start + 4, key.port);
        },
        else => {
            frame.write16(&original, start, key.port);
            frame.write16(&original, start + 2, key.peer.port);
            if (key.protocol == packet.protocol.udp) frame.write16(&original, start + 4, 8);
        },
    }
    tell(tap, reason, original[0 .. start + 8]);
}
