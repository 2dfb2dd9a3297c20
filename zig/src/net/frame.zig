//! Frames for a container, made in one static buffer: the payload is put (or received) where it is to stay, the headers
//! are written in front of it, and one write hands all of it to the TAP.
//!
//! TCP and UDP leave with only the sum of their pseudo header: the virtio header says so, and the kernel finishes it
//! where the frame leaves its memory, which mostly is never.
const std = @import("std");
const linux = std.os.linux;
const Address = @import("address.zig").Address;
const Endpoint = @import("address.zig").Endpoint;
const packet = @import("packet.zig");
const checksum = @import("checksum.zig");
const Tap = @import("tap.zig").Tap;

/// struct virtio_net_hdr, which IFF_VNET_HDR puts before every frame, in the byte order of the machine.
pub const Offload = extern struct {
    flags: u8 = 0,
    gso_type: u8 = 0,
    /// How much of the frame is headers: the rest goes into whole pages.
    header_bytes: u16 = 0,
    gso_bytes: u16 = 0,
    checksum_start: u16 = 0,
    checksum_offset: u16 = 0,

    const needs_checksum = 1;
    /// VIRTIO_NET_HDR_GSO_UDP_L4: datagrams of `gso_bytes` each.
    pub const datagrams = 5;
    const gso_ecn = 0x80;

    /// How long each of the datagrams is that the frame holds, the last of which may be shorter. 0: it holds one of any length.
    pub fn datagramBytes(offload: Offload) usize {
        return if (offload.gso_type & ~@as(u8, gso_ecn) == datagrams) offload.gso_bytes else 0;
    }

    comptime {
        std.debug.assert(@sizeOf(Offload) == 10);
    }
};

/// Headers in front of the payload at most: virtio, Ethernet, IPv6, TCP with all its options.
const room = 128;
pub const payload_bytes_max = 65536;

var buffer: [room + payload_bytes_max]u8 align(64) = undefined;

/// Where the payload of the next frame goes.
pub fn space() []u8 {
    return buffer[room..];
}

const hops = 64;

pub const Tcp = struct {
    from: Endpoint,
    /// A port of the container.
    to: u16,
    seq: u32,
    ack: u32 = 0,
    flags: packet.Flags,
    window: u16 = 0,
    /// A multiple of four bytes.
    options: []const u8 = "",
};

/// `data_bytes` of the payload. False: the container cannot take it now.
pub fn sendTcp(tap: *const Tap, segment: Tcp, data_bytes: usize) bool {
    const length = 20 + segment.options.len;
    const header = buffer[room - length .. room];
    write16(header, 0, segment.from.port);
    write16(header, 2, segment.to);
    std.mem.writeInt(u32, header[4..8], segment.seq, .big);
    std.mem.writeInt(u32, header[8..12], segment.ack, .big);
    header[12] = @intCast(length / 4 << 4);
    header[13] = @bitCast(segment.flags);
    write16(header, 14, segment.window);
    write16(header, 18, 0);
    @memcpy(header[20..], segment.options);
    return send(tap, segment.from.address, packet.protocol.tcp, length, data_bytes, 16);
}

pub fn sendUdp(tap: *const Tap, from: Endpoint, to: u16, data_bytes: usize) bool {
    writeUdp(from, to, data_bytes);
    return send(tap, from.address, packet.protocol.udp, 8, data_bytes, 6);
}

/// What is around a datagram to or from somebody.
pub fn udpHeaders(peer: Endpoint) usize {
    return if (peer.address.isV4()) 28 else 48;
}

/// One datagram that lies elsewhere, or several of one length (the last may be shorter) in a frame that the container's
/// kernel takes apart. The first of `parts` is for the headers.
pub fn sendUdpOf(tap: *const Tap, from: Endpoint, to: u16, parts: []std.posix.iovec_const) linux.E {
    var data_bytes: usize = 0;
    for (parts[1..]) |part| data_bytes += part.len;
    writeUdp(from, to, data_bytes);
    var offload: Offload = .{};
    const start = writeHeaders(tap, from.address, packet.protocol.udp, 8, data_bytes, 6, &offload) orelse return .NODEV;
    if (parts.len > 2) {
        offload.gso_type = Offload.datagrams;
        offload.gso_bytes = @intCast(parts[1].len);
    }
    const first = writeOffload(offload, start);
    parts[0] = .{ .base = buffer[first..].ptr, .len = room - first };
    return linux.errno(linux.writev(tap.fd, parts.ptr, parts.len));
}

/// The same in as many frames as it takes: somebody's MTU is smaller than what the world sends.
pub fn sendUdpCut(tap: *const Tap, from: Endpoint, to: u16, data_bytes: usize) bool {
    const start = room - 8;
    const total = 8 + data_bytes;
    const own = tap.addressLike(from.address) orelse return false;
    const header = buffer[start..room];
    write16(header, 0, from.port);
    write16(header, 2, to);
    write16(header, 4, @intCast(total));
    write16(header, 6, 0);
    const of_pseudo = checksum.pseudo(from.address, own, packet.protocol.udp, total);
    const whole_sum = ~checksum.fold(of_pseudo + checksum.sum(buffer[start..][0..total]));
    write16(header, 6, if (whole_sum == 0) 0xffff else whole_sum);
    const ip_bytes: usize = if (from.address.isV4()) 20 else 48;
    const part_bytes_max = (tap.mtu - ip_bytes) / 8 * 8;
    cut_id +%= 1;
    var offset: usize = 0;
    while (offset < total) : (offset += part_bytes_max) {
        // The headers go where what was sent before has been.
        const part_bytes = @min(part_bytes_max, total - offset);
        const ip = buffer[start + offset - ip_bytes .. start + offset];
        const part: Part = .{ .bytes = part_bytes, .offset = @intCast(offset), .more = offset + part_bytes < total };
        if (from.address.isV4())
            writePartV4(ip[0..20], from.address, own, part)
        else
            writePartV6(ip[0..48], from.address, own, part);
        const type_: u16 = if (from.address.isV4()) packet.Ethernet.ipv4 else packet.Ethernet.ipv6;
        writeEthernet(tap, type_, start + offset - ip_bytes);
        if (!writeUpTo(tap, .{}, start + offset - ip_bytes - packet.ethernet_bytes, start + offset + part_bytes)) return false;
    }
    return true;
}

/// Of what is cut: others with the same number would be taken for parts of it.
var cut_id: u32 = 0;
const Part = struct { bytes: usize, offset: u16, more: bool };

fn writePartV4(ip: *[20]u8, from: Address, to: Address, part: Part) void {
    writeV4(ip, from, to, packet.protocol.udp, part.bytes);
    write16(ip, 4, @truncate(cut_id));
    write16(ip, 6, part.offset / 8 | @as(u16, if (part.more) 0x2000 else 0));
    write16(ip, 10, 0);
    write16(ip, 10, checksum.of(ip));
}

fn writePartV6(ip: *[48]u8, from: Address, to: Address, part: Part) void {
    const fragment_header = 44;
    writeV6(ip[0..40], from, to, fragment_header, 8 + part.bytes);
    ip[40..44].* = .{ packet.protocol.udp, 0, 0, 0 };
    write16(ip, 42, part.offset | @intFromBool(part.more));
    std.mem.writeInt(u32, ip[44..48], cut_id, .big);
}

/// The same to somebody who may not have an address yet.
pub fn sendUdpTo(tap: *const Tap, from: Endpoint, to: Endpoint, data_bytes: usize) bool {
    const head = buffer[room - 28 .. room];
    writeV4(head[0..20], from.address, to.address, packet.protocol.udp, 8 + data_bytes);
    write16(head, 20, from.port);
    write16(head, 22, to.port);
    write16(head, 24, @intCast(8 + data_bytes));
    write16(head, 26, 0); // without a checksum (RFC 768)
    writeEthernet(tap, packet.Ethernet.ipv4, room - 28);
    return write(tap, .{}, room - 28 - packet.ethernet_bytes, data_bytes);
}

/// The whole message is the payload; its checksum is made here.
pub fn sendIcmp(tap: *const Tap, from: Address, bytes: usize) bool {
    const message = buffer[room..][0..bytes];
    const to = tap.addressLike(from) orelse return false;
    write16(message, 2, 0);
    const of_pseudo = if (from.isV4()) 0 else checksum.pseudo(from, to, packet.protocol.icmp6, bytes);
    write16(message, 2, ~checksum.fold(of_pseudo + checksum.sum(message)));
    return send(tap, from, if (from.isV4()) packet.protocol.icmp else packet.protocol.icmp6, 0, bytes, null);
}

/// A payload that is all that follows the Ethernet header.
pub fn sendRaw(tap: *const Tap, ethernet_type: u16, bytes: usize) bool {
    writeEthernet(tap, ethernet_type, room);
    return write(tap, .{}, room - packet.ethernet_bytes, bytes);
}

fn writeUdp(from: Endpoint, to: u16, data_bytes: usize) void {
    const header = buffer[room - 8 .. room];
    write16(header, 0, from.port);
    write16(header, 2, to);
    write16(header, 4, @intCast(8 + data_bytes));
}

fn send(tap: *const Tap, from: Address, protocol: u8, header_bytes: usize, data_bytes: usize, checksum_at: ?usize) bool {
    var offload: Offload = .{};
    const start = writeHeaders(tap, from, protocol, header_bytes, data_bytes, checksum_at, &offload) orelse return false;
    return write(tap, offload, start, data_bytes);
}

/// In front of those of `protocol`, which are there. Where the frame begins; null: the container has no such address.
fn writeHeaders(
    tap: *const Tap,
    from: Address,
    protocol: u8,
    header_bytes: usize,
    data_bytes: usize,
    checksum_at: ?usize,
    offload: *Offload,
) ?usize {
    const to = tap.addressLike(from) orelse return null;
    const start = room - header_bytes;
    const total = header_bytes + data_bytes;
    const ip_bytes: usize = if (from.isV4()) 20 else 40;
    offload.* = .{ .header_bytes = @intCast(packet.ethernet_bytes + ip_bytes + header_bytes) };
    if (checksum_at) |at| {
        write16(&buffer, start + at, checksum.fold(checksum.pseudo(from, to, protocol, total)));
        offload.flags = Offload.needs_checksum;
        offload.checksum_start = @intCast(packet.ethernet_bytes + ip_bytes);
        offload.checksum_offset = @intCast(at);
    }
    const ip = buffer[start - ip_bytes .. start];
    if (from.isV4()) writeV4(ip[0..20], from, to, protocol, total) else writeV6(ip[0..40], from, to, protocol, total);
    const type_: u16 = if (from.isV4()) packet.Ethernet.ipv4 else packet.Ethernet.ipv6;
    writeEthernet(tap, type_, start - ip_bytes);
    return start - ip_bytes - packet.ethernet_bytes;
}

pub fn writeV4(ip: *[20]u8, from: Address, to: Address, protocol: u8, payload_bytes: usize) void {
    ip.* = .{ 0x45, 0, 0, 0, 0, 0, 0x40, 0, hops, protocol, 0, 0 } ++ .{0} ** 8; // it may not be fragmented
    write16(ip, 2, @intCast(20 + payload_bytes));
    ip[12..16].* = from.v4();
    ip[16..20].* = to.v4();
    write16(ip, 10, checksum.of(ip));
}

pub fn writeV6(ip: *[40]u8, from: Address, to: Address, protocol: u8, payload_bytes: usize) void {
    ip[0..8].* = .{ 0x60, 0, 0, 0, 0, 0, protocol, hops };
    write16(ip, 4, @intCast(payload_bytes));
    ip[8..24].* = from.bytes;
    ip[24..40].* = to.bytes;
}

fn writeEthernet(tap: *const Tap, ethernet_type: u16, end: usize) void {
    const header = buffer[end - packet.ethernet_bytes .. end];
    header[0..6].* = tap.mac;
    header[6..12].* = Tap.gateway_mac;
    write16(header, 12, ethernet_type);
}

fn write(tap: *const Tap, offload: Offload, start: usize, data_bytes: usize) bool {
    return writeUpTo(tap, offload, start, room + data_bytes);
}

fn writeUpTo(tap: *const Tap, offload: Offload, start: usize, end: usize) bool {
    const first = writeOffload(offload, start);
    const rc = linux.write(tap.fd, buffer[first..].ptr, end - first);
    return linux.errno(rc) == .SUCCESS;
}

/// Where what is written begins.
fn writeOffload(offload: Offload, start: usize) usize {
    const first = start - @sizeOf(Offload);
    buffer[first..][0..@sizeOf(Offload)].* = @bitCast(offload);
    return first;
}

pub fn write16(bytes: []u8, at: usize, value: u16) void {
    std.mem.writeInt(u16, bytes[at..][0..2], value, .big);
}

test "a frame of ours is understood by what takes theirs apart" {
    var pair: [2]i32 = undefined;
    _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM, 0, &pair);
    defer for (pair) |fd| {
        _ = linux.close(fd);
    };
    const Prefix = @import("address.zig").Prefix;
    const tap: Tap = .{ .fd = pair[0], .address4 = Prefix.parse("10.0.2.100/24"), .address6 = Prefix.parse("fd00::100/64") };
    for ([_][]const u8{ "192.0.2.1", "fd00::2" }) |text| {
        @memcpy(space()[0..5], "hello");
        const from: Endpoint = .{ .address = Address.parse(text).?, .port = 80 };
        try std.testing.expect(sendTcp(&tap, .{ .from = from, .to = 4000, .seq = 7, .flags = .{ .ack = true } }, 5));
        var got: [256]u8 = undefined;
        const n = linux.read(pair[1], &got, got.len);
        const ip = try packet.parseIp((try packet.Ethernet.parse(got[10..n])).payload);
        const segment = try packet.Segment.parse(ip.payload);
        try std.testing.expectEqualStrings("hello", segment.data);
        try std.testing.expect(ip.source.eql(from.address) and segment.seq == 7 and segment.destination == 4000);
        if (ip.isV4()) try std.testing.expectEqual(0, checksum.of(ip.whole[0..20]));
    }
}
