//! Neighbour discovery (RFC 4861) for the far end of one link: it is the router, and every address there but the
//! container's own. Solicitations in, advertisements out; what the container advertises by itself is of no interest, for
//! its hardware address is known. Pure, over the ICMPv6 part of a packet.
const std = @import("std");
const mem = std.mem;

pub const Address = [16]u8;
pub const Mac = [6]u8;

pub const Settings = struct {
    /// Of the far end.
    mac: Mac,
    /// Its link-local address: a router has to speak from one.
    router: Address,
    /// What it answers for besides: the gateway, the name server.
    own: []const Address,
    /// The network: what comes after `prefix_length` bits is zero.
    prefix: Address,
    prefix_length: u8,
    dns: Address,
    mtu: u32,
    /// Whether who likes to may make himself an address of prefix and hardware address (`autonomous`): then packets from
    /// that have to be taken as well.
    is_autonomous: bool,
};

pub const Packet = struct { source: Address, destination: Address, hop_limit: u8 = 255, icmp: []const u8 };

/// Room for any answer.
pub const answer_bytes_max = 16 + 8 + 8 + 32 + 24;

const all_nodes: Address = .{ 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
const unspecified: Address = @splat(0);

const router_solicitation = 133;
const router_advertisement = 134;
const neighbour_solicitation = 135;
const neighbour_advertisement = 136;

/// As long as it can be (RFC 8319): nobody advertises again unless he is asked.
const router_lifetime_seconds = 65_535;
const infinite_seconds = 0xffff_ffff;

/// Null: nothing of ours, or something that has not come from this link. That the checksum is right, the caller has seen.
pub fn answer(packet: Packet, settings: Settings, out: *[answer_bytes_max]u8) ?Packet {
    const icmp = packet.icmp;
    if (packet.hop_limit != 255 or icmp.len < 8 or icmp[1] != 0) return null;
    if (!areOptionsWhole(icmp)) return null;
    return switch (icmp[0]) {
        router_solicitation => advertiseRouter(packet, settings, out),
        neighbour_solicitation => advertiseNeighbour(packet, settings, out),
        else => null,
    };
}

/// Each has its length, in units of eight bytes, and none has 0: RFC 4861 4.6.
fn areOptionsWhole(icmp: []const u8) bool {
    var at: usize = if (icmp[0] == neighbour_solicitation) 24 else 8;
    while (at < icmp.len) {
        if (icmp.len - at < 8) return false;
        const length = @as(usize, icmp[at + 1]) * 8;
        if (length == 0 or length > icmp.len - at) return false;
        at += length;
    }
    return at == icmp.len;
}

fn advertiseNeighbour(packet: Packet, settings: Settings, out: *[answer_bytes_max]u8) ?Packet {
    if (packet.icmp.len < 24) return null;
    const target: Address = packet.icmp[8..24].*;
    if (!isOurs(target, settings)) return null;
    // somebody who looks whether the address is free is told that it is not, with everybody else
    const is_probe = mem.eql(u8, &packet.source, &unspecified);
    var writer: Writer = .{ .buffer = out };
    writer.bytes(&.{ neighbour_advertisement, 0, 0, 0, if (is_probe) 0xa0 else 0xe0, 0, 0, 0 });
    writer.bytes(&target);
    writer.bytes(&.{ 2, 1 }); // target's hardware address
    writer.bytes(&settings.mac);
    return writer.finish(target, if (is_probe) all_nodes else packet.source);
}

fn isOurs(target: Address, settings: Settings) bool {
    if (mem.eql(u8, &target, &settings.router)) return true;
    for (settings.own) |own| {
        if (mem.eql(u8, &target, &own)) return true;
    }
    return false;
}

fn advertiseRouter(packet: Packet, settings: Settings, out: *[answer_bytes_max]u8) Packet {
    var writer: Writer = .{ .buffer = out };
    writer.bytes(&.{ router_advertisement, 0, 0, 0, 64, 0 }); // no DHCPv6
    writer.int(u16, router_lifetime_seconds);
    writer.int(u64, 0); // reachable and retransmission time: as they are
    writer.bytes(&.{ 1, 1 });
    writer.bytes(&settings.mac);
    writer.bytes(&.{ 5, 1, 0, 0 });
    writer.int(u32, settings.mtu);
    const on_link_and_autonomous: u8 = if (settings.is_autonomous) 0xc0 else 0x80;
    writer.bytes(&.{ 3, 4, settings.prefix_length, on_link_and_autonomous });
    writer.int(u32, infinite_seconds);
    writer.int(u32, infinite_seconds);
    writer.int(u32, 0);
    writer.bytes(&settings.prefix);
    writer.bytes(&.{ 25, 3, 0, 0 }); // RFC 8106
    writer.int(u32, infinite_seconds);
    writer.bytes(&settings.dns);
    const is_anonymous = mem.eql(u8, &packet.source, &unspecified);
    return writer.finish(settings.router, if (is_anonymous) all_nodes else packet.source);
}

const Writer = struct {
    buffer: *[answer_bytes_max]u8,
    used: usize = 0,

    fn bytes(writer: *Writer, text: []const u8) void {
        @memcpy(writer.buffer[writer.used..][0..text.len], text);
        writer.used += text.len;
    }

    fn int(writer: *Writer, comptime T: type, value: T) void {
        mem.writeInt(T, writer.buffer[writer.used..][0..@sizeOf(T)], value, .big);
        writer.used += @sizeOf(T);
    }

    fn finish(writer: *Writer, source: Address, destination: Address) Packet {
        const icmp = writer.buffer[0..writer.used];
        mem.writeInt(u16, icmp[2..4], checksum(source, destination, icmp), .big);
        return .{ .source = source, .destination = destination, .icmp = icmp };
    }
};

/// Of an ICMPv6 message whose field for it is zero (RFC 4443 2.3); of a right one as it is, 0.
pub fn checksum(source: Address, destination: Address, icmp: []const u8) u16 {
    const next_header_icmp = 58;
    var sum: u64 = next_header_icmp + icmp.len;
    for ([_][]const u8{ &source, &destination, icmp }) |part| {
        var at: usize = 0;
        while (at + 1 < part.len) : (at += 2) sum += mem.readInt(u16, part[at..][0..2], .big);
        if (at < part.len) sum += @as(u16, part[at]) << 8;
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return ~@as(u16, @intCast(sum));
}

/// The address that somebody makes himself of a prefix of 64 bits and his hardware address (RFC 4291 appendix A).
pub fn autonomous(prefix: Address, mac: Mac) Address {
    return prefix[0..8].* ++ .{ mac[0] ^ 0x02, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };
}

const testing = std.testing;

fn addressOf(comptime high: u16, comptime low: u8) Address {
    var address: Address = @splat(0);
    address[0..2].* = .{ high >> 8, high & 0xff };
    address[15] = low;
    return address;
}

const container = addressOf(0xfd00, 100);
const gateway = addressOf(0xfd00, 2);
const settings_of_test: Settings = .{
    .mac = .{ 2, 0, 0, 0, 0, 1 },
    .router = addressOf(0xfe80, 2),
    .own = &.{ gateway, addressOf(0xfd00, 3) },
    .prefix = addressOf(0xfd00, 0),
    .prefix_length = 64,
    .dns = addressOf(0xfd00, 3),
    .mtu = 65520,
    .is_autonomous = true,
};

fn solicitation(target: Address) [32]u8 {
    return "\x87\x00\x00\x00\x00\x00\x00\x00".* ++ target ++ "\x01\x01\x02\x00\x00\x00\x00\x09".*;
}

test "answer() advertises addresses of the far end, and no other" {
    var out: [answer_bytes_max]u8 = undefined;
    const icmp = solicitation(gateway);
    const packet = answer(.{ .source = container, .destination = gateway, .icmp = &icmp }, settings_of_test, &out).?;
    try testing.expectEqual(gateway, packet.source);
    try testing.expectEqual(container, packet.destination);
    try testing.expectEqualSlices(u8, "\xe0\x00\x00\x00" ++ gateway ++ "\x02\x01\x02\x00\x00\x00\x00\x01", packet.icmp[4..]);
    try testing.expectEqual(@as(u16, 0), checksum(packet.source, packet.destination, packet.icmp));
    const own = solicitation(container);
    const probe: Packet = .{ .source = unspecified, .destination = gateway, .icmp = &own };
    try testing.expectEqual(null, answer(probe, settings_of_test, &out));
}

test "answer() tells all nodes when somebody looks whether an address is free" {
    var out: [answer_bytes_max]u8 = undefined;
    const icmp = solicitation(gateway)[0..24].*;
    const packet = answer(.{ .source = unspecified, .destination = gateway, .icmp = &icmp }, settings_of_test, &out).?;
    try testing.expectEqual(all_nodes, packet.destination);
    try testing.expectEqual(@as(u8, 0xa0), packet.icmp[4]);
}

test "answer() advertises the router with prefix, MTU and name server" {
    var out: [answer_bytes_max]u8 = undefined;
    const icmp = "\x85\x00\x00\x00\x00\x00\x00\x00";
    const asking: Packet = .{ .source = addressOf(0xfe80, 9), .destination = all_nodes, .icmp = icmp };
    const packet = answer(asking, settings_of_test, &out).?;
    try testing.expectEqual(settings_of_test.router, packet.source);
    try testing.expectEqual(@as(usize, answer_bytes_max), packet.icmp.len);
    try testing.expectEqualSlices(u8, "\x40\x00\xff\xff", packet.icmp[4..8]);
    try testing.expectEqualSlices(u8, "\x05\x01\x00\x00\x00\x00\xff\xf0\x03\x04\x40\xc0", packet.icmp[24..36]);
    try testing.expectEqual(@as(u16, 0), checksum(packet.source, packet.destination, packet.icmp));
}

test "answer() is silent to what is cut off, has come from afar, or has an option without length" {
    var out: [answer_bytes_max]u8 = undefined;
    const icmp = solicitation(gateway);
    for (0..icmp.len) |length| {
        if (length == 24) continue; // without the option it is one as well
        const cut: Packet = .{ .source = container, .destination = gateway, .icmp = icmp[0..length] };
        try testing.expectEqual(null, answer(cut, settings_of_test, &out));
    }
    const afar: Packet = .{ .source = container, .destination = gateway, .hop_limit = 64, .icmp = &icmp };
    try testing.expectEqual(null, answer(afar, settings_of_test, &out));
    var odd = icmp;
    odd[25] = 0;
    try testing.expectEqual(null, answer(.{ .source = container, .destination = gateway, .icmp = &odd }, settings_of_test, &out));
}

test "autonomous() is what a kernel makes of its hardware address" {
    const own = autonomous(settings_of_test.prefix, .{ 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 });
    try testing.expectEqualSlices(u8, "\x00\x11\x22\xff\xfe\x33\x44\x55", own[8..]);
}

test "fuzz: no packet crashes it, and what it says is right" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var buffer: [256]u8 = undefined;
            var out: [answer_bytes_max]u8 = undefined;
            const icmp = buffer[0..smith.slice(&buffer)];
            const packet: Packet = .{ .source = container, .destination = gateway, .icmp = icmp };
            const said = answer(packet, settings_of_test, &out) orelse return;
            try testing.expectEqual(@as(u16, 0), checksum(said.source, said.destination, said.icmp));
        }
    }.one, .{ .corpus = &.{"\x85\x00\x00\x00\x00\x00\x00\x00"} });
}
