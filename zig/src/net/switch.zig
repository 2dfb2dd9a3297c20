//! Theory of operation: a network of several containers is a switch among their TAPs. A frame goes from the one TAP to
//! the other as it is, with its virtio header: so what one kernel would have cut into a hundred segments the other gets
//! whole, and no checksum is ever made. Whoever cannot take a frame does not get it; nobody waits for him.
//!
//! Nobody can be anybody else: frames are only taken from a container's own hardware address, with its own addresses in
//! them, and what would make others believe something else (ARP and neighbour discovery about addresses that are not its
//! own, advice of routers, answers of DHCP servers) goes nowhere. A question who has an address is brought only to who
//! has it. What is for everybody goes to everybody, up to a rate.
//!
//! Not here: other protocols than ARP and IP; learning (everybody's addresses are known); multicast groups.
const std = @import("std");
const linux = std.os.linux;
const frame = @import("frame.zig");
const loop = @import("loop.zig");
const neighbours = @import("neighbours.zig");
const packet = @import("packet.zig");
const taps = @import("taps.zig");
const Address = @import("address.zig").Address;
const Tap = @import("tap.zig").Tap;

/// What is to become of a frame.
pub const Way = union(enum) {
    /// It is for the gateway: out, or to be answered.
    gateway,
    to: *Tap,
    everybody,
    nowhere,
};

/// To everybody, of one container, at once and in each second.
const flood_max = 256;
const flood_per_second = 1024;

/// `whole` begins with the virtio header. True: it is for the gateway.
pub fn take(tap: *Tap, whole: []const u8) packet.Error!bool {
    switch (try decide(tap, whole[@sizeOf(frame.Offload)..])) {
        .gateway => return true,
        .nowhere => {},
        .to => |other| pass(other, whole),
        .everybody => if (mayFlood(tap)) for (taps.used()) |*other| {
            if (other.fd >= 0 and other != tap) pass(other, whole);
        },
    }
    return false;
}

fn pass(other: *const Tap, whole: []const u8) void {
    _ = linux.write(other.fd, whole.ptr, whole.len); // it is lost to him who has no room
}

fn mayFlood(tap: *Tap) bool {
    const passed_ms = loop.now_ms -| tap.flood_ms;
    const more = @min(flood_max, passed_ms * flood_per_second / 1000);
    if (more > 0) {
        tap.flood_left = @min(flood_max, tap.flood_left + @as(u32, @intCast(more)));
        tap.flood_ms = loop.now_ms;
    }
    if (tap.flood_left == 0) return false;
    tap.flood_left -= 1;
    return true;
}

/// `bytes` begins with the Ethernet header.
pub fn decide(tap: *const Tap, bytes: []const u8) packet.Error!Way {
    const ethernet = try packet.Ethernet.parse(bytes);
    if (!std.mem.eql(u8, &ethernet.source, &tap.mac)) return .nowhere;
    switch (ethernet.type) {
        packet.Ethernet.arp => return decideArp(tap, &ethernet),
        packet.Ethernet.ipv4, packet.Ethernet.ipv6 => {},
        else => return .nowhere,
    }
    const ip = try packet.parseIp(ethernet.payload);
    if (ip.isV4() != (ethernet.type == packet.Ethernet.ipv4)) return error.Malformed;
    if (ip.fragment) |fragment| {
        if (mayBecomeAnything(&ip, fragment)) return .nowhere;
    } else {
        if (ip.protocol == packet.protocol.icmp6 and !ip.isV4() and ip.payload.len > 0) {
            if (decideNdp(tap, &ethernet, &ip)) |way| return way;
        }
        if (ip.protocol == packet.protocol.udp) if (decideDhcp(&ip)) |way| return way;
    }
    if (!isOwn(tap, ip.source)) return .nowhere;
    return wayTo(tap, ethernet.destination);
}

/// Put together by the other's kernel, a part may be of what nobody may send: headers could go on in it, and hide what is
/// behind them; and the answer of a DHCP server, whose first part tells. Neighbour discovery in parts is nothing (RFC 6980).
fn mayBecomeAnything(ip: *const packet.Ip, fragment: packet.Fragment) bool {
    if (!ip.isV4() and packet.isExtension(ip.protocol)) return true;
    if (ip.protocol == packet.protocol.icmp6 and !ip.isV4()) {
        return fragment.offset == 0 and (ip.payload.len == 0 or (ip.payload[0] >= 133 and ip.payload[0] <= 137));
    }
    if (ip.protocol != packet.protocol.udp or fragment.offset != 0) return false;
    return ip.payload.len < 2 or isDhcpServer(std.mem.readInt(u16, ip.payload[0..2], .big));
}

/// What a container may call itself in a packet.
fn isOwn(tap: *const Tap, source: Address) bool {
    return tap.isOwn(source) or (tap.address6 != null and tap.linkLocal().eql(source));
}

fn wayTo(tap: *const Tap, mac: packet.Mac) Way {
    if (std.mem.eql(u8, &mac, &Tap.gateway_mac)) return .gateway;
    if (mac[0] & 1 != 0) return .everybody;
    const other = taps.findByMac(mac) orelse return .nowhere;
    return if (other == tap) .nowhere else .{ .to = other };
}

fn wayToOwner(tap: *const Tap, address: Address) Way {
    if (neighbours.isOurs(tap, address)) return .gateway;
    const other = taps.findByAddress(address) orelse return .nowhere;
    return if (other == tap) .nowhere else .{ .to = other };
}

/// RFC 826: hardware and protocol addresses of the sender at 8 and 14, of the target at 18 and 24.
fn decideArp(tap: *const Tap, ethernet: *const packet.Ethernet) Way {
    const arp = ethernet.payload;
    const head = [_]u8{ 0, 1, 8, 0, 6, 4, 0 };
    if (arp.len < 28 or !std.mem.eql(u8, arp[0..head.len], &head)) return .nowhere;
    if (!std.mem.eql(u8, arp[8..14], &tap.mac)) return .nowhere;
    const sender: Address = .ofV4(arp[14..18].*);
    const target: Address = .ofV4(arp[24..28].*);
    const is_probe = std.mem.eql(u8, arp[14..18], &.{ 0, 0, 0, 0 }); // RFC 5227
    if (!is_probe and !tap.isOwn(sender)) return .nowhere;
    return switch (arp[7]) {
        1 => if (tap.isOwn(target)) wayTo(tap, ethernet.destination) else wayToOwner(tap, target),
        2 => if (is_probe) .nowhere else wayTo(tap, ethernet.destination),
        else => .nowhere,
    };
}

/// Null: it is no neighbour discovery (RFC 4861).
fn decideNdp(tap: *const Tap, ethernet: *const packet.Ethernet, ip: *const packet.Ip) ?Way {
    switch (ip.payload[0]) {
        133, 134, 137 => return .nowhere, // routers: there are none but the gateway, which is known
        135, 136 => {},
        else => return null,
    }
    if (ip.payload.len < 24 or ip.hops != 255) return .nowhere;
    const target: Address = .{ .bytes = ip.payload[8..24].* };
    const is_probe = ip.payload[0] == 135 and ip.source.isUnspecified() and !ip.source.isV4();
    if (!is_probe and !isOwn(tap, ip.source)) return .nowhere;
    if (ip.payload[0] == 135) return if (isOwn(tap, target)) .nowhere else wayToOwner(tap, target);
    return if (isOwn(tap, target)) wayTo(tap, ethernet.destination) else .nowhere;
}

const dhcp_server = 67;
const dhcp6_server = 547;

/// Only the gateway serves addresses. Null: it is something else.
fn decideDhcp(ip: *const packet.Ip) ?Way {
    const datagram = packet.Datagram.parse(ip.payload) catch return null;
    if (isDhcpServer(datagram.source)) return .nowhere;
    if (datagram.destination == dhcp_server and ip.isV4()) return .gateway;
    return if (datagram.destination == dhcp6_server and !ip.isV4()) .nowhere else null;
}

fn isDhcpServer(port: u16) bool {
    return port == dhcp_server or port == dhcp6_server;
}

test {
    _ = @import("switch_test.zig");
}
