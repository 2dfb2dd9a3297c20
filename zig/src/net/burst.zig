//! Several datagrams of a socket in one call, and on to the container those of one length in one frame, which its kernel
//! takes apart again (VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2; before that each goes in a frame of its own).
//!
//! Each has the address space of the largest one; what was never filled takes no memory.
const std = @import("std");
const linux = std.os.linux;
const frame = @import("frame.zig");
const addresses = @import("address.zig");
const Endpoint = addresses.Endpoint;
const SocketAddress = addresses.SocketAddress;
const Tap = @import("tap.zig").Tap;

pub const count_max = 16;

var data: [count_max][frame.payload_bytes_max]u8 align(4096) = undefined;
var names: [count_max]SocketAddress = undefined;
var vectors: [count_max]std.posix.iovec = undefined;
var messages: [count_max]linux.mmsghdr = undefined;
/// How many there are since the last receive().
pub var count: usize = 0;

/// No more than `most`. With `is_named` each says whom it is from, see from().
pub fn receive(fd: linux.fd_t, most: usize, is_named: bool) linux.E {
    const wanted = @min(most, count_max);
    for (vectors[0..wanted], messages[0..wanted], 0..) |*vector, *message, i| {
        vector.* = .{ .base = &data[i], .len = data[i].len };
        message.* = .{ .len = 0, .hdr = .{
            .name = if (is_named) &names[i].any else null,
            .namelen = if (is_named) SocketAddress.size else 0,
            .iov = vector[0..1],
            .iovlen = 1,
            .control = null,
            .controllen = 0,
            .flags = 0,
        } };
    }
    const rc = linux.recvmmsg(fd, &messages, @intCast(wanted), linux.MSG.DONTWAIT, null);
    const e = linux.errno(rc);
    count = if (e == .SUCCESS) rc else 0;
    return e;
}

pub fn at(index: usize) []const u8 {
    return data[index][0..messages[index].len];
}

pub fn from(index: usize) Endpoint {
    return names[index].endpoint();
}

/// A kernel that does not know such frames has said so.
var has_trains = true;

/// Those of `first..end` to the container. What finds no room is lost, as datagrams are.
pub fn pass(tap: *const Tap, peer: Endpoint, port: u16, first: usize, end: usize) void {
    var next = first;
    while (next < end) {
        const last = trainEnd(tap, peer, next, end);
        const is_train = last - next > 1 and has_trains;
        if (is_train and send(tap, peer, port, next, last) == .INVAL) {
            has_trains = false;
            continue;
        }
        if (!is_train) for (next..last) |i| sendOne(tap, peer, port, i);
        next = last;
    }
}

/// Before which one a frame ends: all are as long as the first, the last may be shorter (udp(7), UDP_SEGMENT).
fn trainEnd(tap: *const Tap, peer: Endpoint, first: usize, end: usize) usize {
    const each = messages[first].len;
    if (each == 0 or each + frame.udpHeaders(peer) > tap.mtu) return first + 1;
    var total: usize = each;
    for (messages[first + 1 .. end], first + 1..) |*message, i| {
        if (message.len == 0 or message.len > each or total + message.len > total_bytes_max) return i;
        total += message.len;
        if (message.len < each) return i + 1;
    }
    return end;
}

const total_bytes_max = 65535 - 48;

fn send(tap: *const Tap, peer: Endpoint, port: u16, first: usize, end: usize) linux.E {
    var parts: [1 + count_max]std.posix.iovec_const = undefined;
    for (parts[1..][0 .. end - first], first..) |*part, i| part.* = .{ .base = &data[i], .len = messages[i].len };
    return frame.sendUdpOf(tap, peer, port, parts[0 .. 1 + end - first]);
}

fn sendOne(tap: *const Tap, peer: Endpoint, port: u16, index: usize) void {
    const bytes = messages[index].len;
    if (bytes + frame.udpHeaders(peer) <= tap.mtu) {
        _ = send(tap, peer, port, index, index + 1);
        return;
    }
    @memcpy(frame.space()[0..bytes], data[index][0..bytes]);
    _ = frame.sendUdpCut(tap, peer, port, bytes);
}

const packet = @import("packet.zig");

/// A socket that gives what was sent to it, and a TAP that shows what was written.
const Bench = struct {
    sockets: [2]i32,
    tap_ends: [2]i32,
    tap: Tap,

    fn init() Bench {
        var bench: Bench = undefined;
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM, 0, &bench.sockets);
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM, 0, &bench.tap_ends);
        bench.tap = .{ .fd = bench.tap_ends[0], .mtu = 1500, .address4 = .parse("10.0.2.100/24") };
        return bench;
    }

    fn deinit(bench: *const Bench) void {
        for (bench.sockets ++ bench.tap_ends) |fd| _ = linux.close(fd);
    }
};

test "datagrams of one length go together, and each keeps its bytes" {
    const bench: Bench = .init();
    defer bench.deinit();
    const peer: Endpoint = .{ .address = addresses.Address.parse("192.0.2.1").?, .port = 53 };
    const lengths = [_]usize{ 64, 64, 64, 10, 64, 2000, 0, 5 };
    for (lengths, 0..) |length, i| {
        const bytes: [2000]u8 = @splat(@intCast('a' + i));
        _ = linux.write(bench.sockets[1], &bytes, length);
    }
    try std.testing.expectEqual(.SUCCESS, receive(bench.sockets[0], 64, false));
    try std.testing.expectEqual(lengths.len, count);
    pass(&bench.tap, peer, 4000, 0, count);
    const expected = [_]struct { []const u8, u16 }{
        .{ "a" ** 64 ++ "b" ** 64 ++ "c" ** 64 ++ "d" ** 10, 64 }, .{ "e" ** 64, 0 }, // then the one that is cut in two
        .{ "", 0 },                                                .{ "hhhhh", 0 },
    };
    var place: usize = 0;
    var fragments: usize = 0;
    while (true) {
        var got: [4096]u8 = undefined;
        const n = linux.recvfrom(bench.tap_ends[1], &got, got.len, linux.MSG.DONTWAIT, null, null);
        if (linux.errno(n) != .SUCCESS) break;
        const offload: frame.Offload = @bitCast(got[0..10].*);
        const ip = try packet.parseIp((try packet.Ethernet.parse(got[10..n])).payload);
        if (ip.whole[6] & 0x3f != 0 or ip.whole[7] != 0) {
            fragments += 1;
            continue;
        }
        const datagram = try packet.Datagram.parse(ip.payload);
        const text, const each = expected[place];
        try std.testing.expectEqualStrings(text, datagram.data);
        try std.testing.expectEqual(each, offload.gso_bytes);
        try std.testing.expectEqual(@as(u8, if (each > 0) 5 else 0), offload.gso_type);
        place += 1;
    }
    try std.testing.expectEqual(expected.len, place);
    try std.testing.expectEqual(2, fragments);
}
