//! Who has this address? We have, whoever it is, unless it is the container's own: ARP (RFC 826), neighbour and router
//! discovery (ndp.zig); and what address has the container? The one it has (dhcp.zig).
const std = @import("std");
const dhcp = @import("dhcp.zig");
const frame = @import("frame.zig");
const ndp = @import("ndp.zig");
const packet = @import("packet.zig");
const Tap = @import("tap.zig").Tap;
const Address = @import("address.zig").Address;

const request_head = [_]u8{ 0, 1, 8, 0, 6, 4, 0, 1 };

pub fn takeArp(tap: *const Tap, bytes: []const u8) void {
    if (bytes.len < 28 or !std.mem.eql(u8, bytes[0..8], &request_head)) return;
    const target: Address = .ofV4(bytes[24..28].*);
    if (tap.address4 == null or tap.isOwn(target) or target.isUnspecified()) return;
    if (tap.is_switched and !isOurs(tap, target)) return;
    const reply = frame.space()[0..28];
    reply[0..8].* = request_head;
    reply[7] = 2;
    reply[8..14].* = Tap.gateway_mac;
    reply[14..18].* = target.v4();
    reply[18..28].* = bytes[8..18].*;
    _ = frame.sendRaw(tap, packet.Ethernet.arp, 28);
}

/// On a network with others, we are nobody but its gateway.
pub fn isOurs(tap: *const Tap, target: Address) bool {
    return tap.isGateway(target) or tap.isDns(target) or std.mem.eql(u8, &target.bytes, &router_address);
}

/// Of a router as of a host (RFC 4861); every neighbour but the container itself is this one.
const router_address = [_]u8{ 0xfe, 0x80 } ++ [_]u8{0} ** 13 ++ [_]u8{2};

pub fn takeNdp(tap: *const Tap, ip: *const packet.Ip) void {
    const prefix = tap.address6 orelse return;
    if (ip.payload.len < 8 or ip.source.isMulticast()) return;
    var target: Address = .{};
    if (ip.payload.len >= 24) target = .{ .bytes = ip.payload[8..24].* };
    // Whoever probes for its own address must not hear that it is taken.
    if (tap.isOwn(target) or (target.isLinkLocal() and !std.mem.eql(u8, &target.bytes, &router_address))) return;
    // Nobody there looks for a router: it was told of its own, if it has one.
    if (tap.is_switched and !isOurs(tap, target)) return;
    var network = prefix.address.bytes;
    for (&network, 0..) |*byte, i| byte.* &= maskOf(prefix.bits, i);
    const answer = ndp.answer(.{
        .source = ip.source.bytes,
        .destination = ip.destination.bytes,
        .hop_limit = ip.hops,
        .icmp = ip.payload,
    }, .{
        .mac = Tap.gateway_mac,
        .router = router_address,
        .own = &.{target.bytes},
        .prefix = network,
        .prefix_length = prefix.bits,
        .dns = (tap.dns6 orelse prefix.address).bytes,
        .mtu = tap.mtu,
        .is_autonomous = false,
    }, frame.space()[40..][0..ndp.answer_bytes_max]) orelse return;
    const head = frame.space()[0..40];
    const from: Address = .{ .bytes = answer.source };
    frame.writeV6(head, from, .{ .bytes = answer.destination }, packet.protocol.icmp6, answer.icmp.len);
    head[7] = answer.hop_limit;
    _ = frame.sendRaw(tap, packet.Ethernet.ipv6, 40 + answer.icmp.len);
}

fn maskOf(bits: u8, index: usize) u8 {
    const left = bits -| index * 8;
    return if (left >= 8) 0xff else @truncate(@as(u16, 0xff00) >> @intCast(left));
}

const dhcp_server = 67;
const dhcp_client = 68;

/// True: it was for a DHCP server.
pub fn takeDhcp(tap: *const Tap, ip: *const packet.Ip) bool {
    if (ip.protocol != packet.protocol.udp or ip.is_fragment or !ip.isV4()) return false;
    const datagram = packet.Datagram.parse(ip.payload) catch return false;
    if (datagram.destination != dhcp_server or datagram.source != dhcp_client) return false;
    const prefix = tap.address4 orelse return true;
    const gateway = tap.gateway4 orelse return true;
    const answer = dhcp.reply(datagram.data, .{
        .address = prefix.address.v4(),
        .prefix_length = @intCast(prefix.length()),
        .gateway = gateway.v4(),
        .dns = (tap.dns4 orelse gateway).v4(),
        .mtu = @intCast(tap.mtu),
    }, frame.space()[0..dhcp.reply_bytes]) orelse return true;
    // To all: the client may not have the address yet that it gets.
    _ = frame.sendUdpTo(tap, .{ .address = gateway, .port = dhcp_server }, .{
        .address = .ofV4(.{ 255, 255, 255, 255 }),
        .port = dhcp_client,
    }, answer.payload.len);
    return true;
}

test "maskOf()" {
    try std.testing.expectEqual(0xff, maskOf(64, 7));
    try std.testing.expectEqual(0, maskOf(64, 8));
    try std.testing.expectEqual(0xf0, maskOf(68, 8));
}
