//! Datagrams that a container's kernel has cut because they do not fit into its MTU (RFC 791, RFC 8200 section 4.5), put
//! together again. A fixed number at a time; one too many takes the place of the one that has waited longest, of those of
//! the container that has most: nobody takes all from the others.
//!
//! What overlaps, lies about its length or is cut at no multiple of eight is nothing that a kernel sends: the whole of it
//! is thrown away (RFC 5722). Nobody is told of what never became whole.
const std = @import("std");
const frame = @import("frame.zig");
const loop = @import("loop.zig");
const packet = @import("packet.zig");
const Address = @import("address.zig").Address;

const wholes_max = 8;
/// As Linux's net.ipv4.ipfrag_time.
const patience_ms = 30_000;
const payload_bytes_max = 65535;
const header_bytes_max = 40;
/// Fragments begin and, but for the last, end at multiples of that.
const unit_bytes = 8;

const Whole = struct {
    is_used: bool = false,
    tap: u8 = 0,
    protocol: u8 = 0,
    hops: u8 = 0,
    id: u32 = 0,
    source: Address = .{},
    destination: Address = .{},
    due_ms: u64 = 0,
    /// How much has come, and how much there is once the last has.
    got: usize = 0,
    total: ?usize = null,
    /// Units that are there.
    there: std.bit_set.ArrayBitSet(usize, payload_bytes_max / unit_bytes + 1) = undefined,
    bytes: [header_bytes_max + payload_bytes_max]u8 = undefined,

    fn isOf(whole: *const Whole, tap: u8, ip: *const packet.Ip) bool {
        return whole.is_used and whole.tap == tap and whole.id == ip.fragment.?.id and
            whole.protocol == ip.protocol and whole.source.eql(ip.source) and whole.destination.eql(ip.destination);
    }
};

var wholes: [wholes_max]Whole = @splat(.{});

/// One more part, of a packet with `fragment`. The packet, once it is whole; it lies here until the next call.
pub fn take(tap: u8, ip: *const packet.Ip) ?packet.Ip {
    const whole = find(tap, ip);
    put(whole, ip.fragment.?, ip.payload) catch {
        whole.is_used = false;
        return null;
    };
    if (whole.total == null or whole.got < whole.total.?) return null;
    whole.is_used = false;
    return packetOf(whole, whole.total.?) catch null;
}

fn find(tap: u8, ip: *const packet.Ip) *Whole {
    for (&wholes) |*whole| {
        if (whole.is_used and whole.due_ms <= loop.now_ms) whole.is_used = false;
        if (whole.isOf(tap, ip)) return whole;
    }
    const whole = place();
    whole.is_used = true;
    whole.tap = tap;
    whole.protocol = ip.protocol;
    whole.hops = ip.hops;
    whole.id = ip.fragment.?.id;
    whole.source = ip.source;
    whole.destination = ip.destination;
    whole.due_ms = loop.now_ms + patience_ms;
    whole.got = 0;
    whole.total = null;
    whole.there = .empty;
    return whole;
}

fn place() *Whole {
    var chosen = &wholes[0];
    var most: usize = 0;
    for (&wholes) |*whole| {
        if (!whole.is_used) return whole;
        const count = countOf(whole.tap);
        if (count < most or (count == most and whole.due_ms >= chosen.due_ms)) continue;
        chosen = whole;
        most = count;
    }
    return chosen;
}

fn countOf(tap: u8) usize {
    var count: usize = 0;
    for (&wholes) |*whole| count += @intFromBool(whole.is_used and whole.tap == tap);
    return count;
}

fn put(whole: *Whole, fragment: packet.Fragment, part: []const u8) packet.Error!void {
    const offset: usize = fragment.offset;
    const end = offset + part.len;
    if (part.len == 0 or end > payload_bytes_max) return error.Malformed;
    if (fragment.more and part.len % unit_bytes != 0) return error.Malformed;
    if (whole.total) |total| if (end > total or !fragment.more) return error.Malformed;
    const first = offset / unit_bytes;
    const last = std.math.divCeil(usize, end, unit_bytes) catch unreachable;
    for (first..last) |unit| {
        if (whole.there.isSet(unit)) return error.Malformed;
        whole.there.set(unit);
    }
    if (!fragment.more) {
        whole.total = end;
        if (whole.got + part.len > end) return error.Malformed; // something lies behind the end
    }
    @memcpy(whole.bytes[header_bytes_max + offset ..][0..part.len], part);
    whole.got += part.len;
}

/// With a header as if nobody had cut it.
fn packetOf(whole: *Whole, total: usize) packet.Error!packet.Ip {
    const is_v4 = whole.destination.isV4();
    const start: usize = header_bytes_max - @as(usize, if (is_v4) 20 else 40);
    if (header_bytes_max - start + total > payload_bytes_max) return error.Malformed;
    const header = whole.bytes[start..header_bytes_max];
    if (is_v4)
        frame.writeV4(header[0..20], whole.source, whole.destination, whole.protocol, total)
    else
        frame.writeV6(header[0..40], whole.source, whole.destination, whole.protocol, total);
    header[if (is_v4) 8 else 7] = whole.hops;
    return packet.parseIp(whole.bytes[start .. header_bytes_max + total]);
}

const testing = std.testing;

fn partOf(destination: []const u8, id: u32, offset: u16, more: bool, data: []const u8) packet.Ip {
    const to = Address.parse(destination).?;
    return .{
        .source = Address.parse(if (to.isV4()) "10.0.2.100" else "fd00::100").?,
        .destination = to,
        .protocol = packet.protocol.udp,
        .hops = 64,
        .is_fragment = true,
        .fragment = .{ .id = id, .offset = offset, .more = more },
        .whole = "",
        .payload = data,
    };
}

test "parts in any order become the whole, of both versions" {
    for ([_][]const u8{ "192.0.2.1", "2001:db8::1" }) |to| {
        try testing.expectEqual(null, take(0, &partOf(to, 7, 16, false, "end")));
        try testing.expectEqual(null, take(0, &partOf(to, 8, 0, true, "anotherX")));
        try testing.expectEqual(null, take(1, &partOf(to, 7, 0, true, "a strang")));
        try testing.expectEqual(null, take(0, &partOf(to, 7, 0, true, "01234567")));
        const ip = take(0, &partOf(to, 7, 8, true, "abcdefgh")).?;
        try testing.expectEqualStrings("01234567abcdefghend", ip.payload);
        try testing.expect(!ip.is_fragment and ip.isV4() == Address.parse(to).?.isV4());
    }
}

test "what overlaps, goes on behind its end or is cut anywhere is thrown away" {
    const to = "192.0.2.1";
    _ = take(0, &partOf(to, 20, 0, true, "01234567"));
    _ = take(0, &partOf(to, 20, 0, true, "overlaps"));
    try testing.expectEqual(null, take(0, &partOf(to, 20, 8, false, "end")));
    _ = take(0, &partOf(to, 21, 8, false, "end"));
    _ = take(0, &partOf(to, 21, 16, true, "too late"));
    try testing.expectEqual(null, take(0, &partOf(to, 21, 0, true, "01234567")));
    try testing.expectEqual(null, take(0, &partOf(to, 22, 0, true, "odd")));
    try testing.expectEqual(null, take(0, &partOf(to, 23, 65528, true, "01234567")));
    for (&wholes) |*whole| whole.is_used = false;
}

test "what is cut for a container is whole again for who puts it together" {
    const linux = std.os.linux;
    var pair: [2]i32 = undefined;
    _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.NONBLOCK, 0, &pair);
    defer for (pair) |fd| {
        _ = linux.close(fd);
    };
    const Prefix = @import("address.zig").Prefix;
    const tap: @import("tap.zig").Tap = .{
        .fd = pair[0],
        .mtu = 1500,
        .address4 = Prefix.parse("10.0.2.100/24"),
        .address6 = Prefix.parse("fd00::100/64"),
    };
    for ([_][]const u8{ "192.0.2.1", "2001:db8::1" }) |text| {
        for (frame.space()[0..9000], 0..) |*byte, i| byte.* = @truncate(i * 7 >> 3);
        const from: @import("address.zig").Endpoint = .{ .address = Address.parse(text).?, .port = 53 };
        try testing.expect(frame.sendUdpCut(&tap, from, 4000, 9000));
        var got: [2048]u8 = undefined;
        const whole = while (true) {
            const n = linux.read(pair[1], &got, got.len);
            try testing.expect(n < 1600);
            const ip = try packet.parseIp((try packet.Ethernet.parse(got[@sizeOf(frame.Offload)..n])).payload);
            if (take(0, &ip)) |whole| break whole;
        };
        const datagram = try packet.Datagram.parse(whole.payload);
        try testing.expectEqual(9000, datagram.data.len);
        for (datagram.data, 0..) |byte, i| try testing.expectEqual(@as(u8, @truncate(i * 7 >> 3)), byte);
        const checksum = @import("checksum.zig");
        const of_pseudo = checksum.pseudo(whole.source, whole.destination, packet.protocol.udp, whole.payload.len);
        try testing.expectEqual(0xffff, checksum.fold(of_pseudo + checksum.sum(whole.payload)));
    }
}

test "however many are begun, the last one becomes whole" {
    for (0..50) |id| _ = take(0, &partOf("192.0.2.1", @intCast(100 + id), 0, true, "01234567"));
    try testing.expect(take(0, &partOf("192.0.2.1", 149, 8, false, "end")) != null);
    for (&wholes) |*whole| whole.is_used = false;
}

test "whoever begins many takes none from a container that has fewer" {
    for ([_]u8{ 1, 2 }) |tap| _ = take(tap, &partOf("192.0.2.1", 1, 0, true, "01234567"));
    for (0..50) |id| _ = take(0, &partOf("192.0.2.1", @intCast(100 + id), 0, true, "01234567"));
    for ([_]u8{ 1, 2 }) |tap| try testing.expect(take(tap, &partOf("192.0.2.1", 1, 8, false, "end")) != null);
    for (0..3) |id| _ = take(1, &partOf("192.0.2.1", @intCast(id), 0, true, "01234567"));
    for (0..3) |id| try testing.expect(take(1, &partOf("192.0.2.1", @intCast(id), 8, false, "end")) != null);
    for (&wholes) |*whole| whole.is_used = false;
}

test "fuzz: no parts lead outside the whole" {
    var random_state: std.Random.DefaultPrng = .init(3);
    const random = random_state.random();
    const data: [70_000]u8 = @splat('x');
    for (0..20_000) |_| {
        const length = if (random.boolean()) random.uintLessThan(usize, 4096) else random.uintLessThan(usize, data.len);
        const offset = random.int(u16) & 0xfff8;
        const ip = take(0, &partOf("192.0.2.1", random.uintLessThan(u32, 12), offset, random.boolean(), data[0..length])) orelse continue;
        try testing.expect(ip.whole.len == 20 + ip.payload.len);
    }
    for (&wholes) |*whole| whole.is_used = false;
}
