//! Who has this address? We have, whoever it is, unless it is the container's own: ARP (RFC 826) and neighbour discovery
//! (RFC 4861).
const std = @import("std");
const frame = @import("frame.zig");
const packet = @import("packet.zig");
const Tap = @import("tap.zig").Tap;
const Address = @import("address.zig").Address;

const request_head = [_]u8{ 0, 1, 8, 0, 6, 4, 0, 1 };

pub fn takeArp(tap: *const Tap, bytes: []const u8) void {
    if (bytes.len < 28 or !std.mem.eql(u8, bytes[0..8], &request_head)) return;
    const target: Address = .ofV4(bytes[24..28].*);
    if (tap.address4 == null or tap.isOwn(target) or target.isUnspecified()) return;
    const reply = frame.space()[0..28];
    reply[0..8].* = request_head;
    reply[7] = 2;
    reply[8..14].* = Tap.gateway_mac;
    reply[14..18].* = target.v4();
    reply[18..28].* = bytes[8..18].*;
    _ = frame.sendRaw(tap, packet.Ethernet.arp, 28);
}

const solicitation = 135;
const advertisement = 136;

/// A neighbour solicitation for anybody but itself.
pub fn takeNdp(tap: *const Tap, ip: *const packet.Ip) void {
    const message = ip.payload;
    if (message.len < 24 or message[0] != solicitation or message[1] != 0 or ip.hops != 255) return;
    const target: Address = .{ .bytes = message[8..24].* };
    if (ip.source.isUnspecified() or target.isMulticast() or tap.isOwn(target) or target.eql(ip.source)) return;
    const reply = frame.space()[0 .. 40 + 32];
    frame.writeV6(reply[0..40], target, ip.source, packet.protocol.icmp6, 32);
    reply[7] = 255; // nobody further away may say this
    reply[40..48].* = .{ advertisement, 0, 0, 0, 0x60, 0, 0, 0 }; // solicited, override
    reply[48..64].* = target.bytes;
    reply[64..66].* = .{ 2, 1 };
    reply[66..72].* = Tap.gateway_mac;
    const checksum = @import("checksum.zig");
    const total = checksum.pseudo(target, ip.source, packet.protocol.icmp6, 32) + checksum.sum(reply[40..]);
    frame.write16(reply, 42, ~checksum.fold(total));
    _ = frame.sendRaw(tap, packet.Ethernet.ipv6, 72);
}
