//! What a container sends, taken apart: Ethernet, IP of both versions, TCP, UDP, ICMP echo. Pure functions over slices
//! that trust no length; the payloads are slices of what was given.
//!
//! Checksums are not verified: a frame comes out of the kernel's memory, mostly before anybody computed one, and what is
//! in it reaches the world through sockets that make their own.
const std = @import("std");
const Address = @import("address.zig").Address;

pub const Error = error{Malformed};

pub const ethernet_bytes = 14;
pub const Mac = [6]u8;

pub const Ethernet = struct {
    destination: Mac,
    source: Mac,
    type: u16,
    payload: []const u8,

    pub const ipv4 = 0x0800;
    pub const arp = 0x0806;
    pub const ipv6 = 0x86dd;

    pub fn parse(frame: []const u8) Error!Ethernet {
        if (frame.len < ethernet_bytes) return error.Malformed;
        return .{
            .destination = frame[0..6].*,
            .source = frame[6..12].*,
            .type = read16(frame, 12),
            .payload = frame[ethernet_bytes..],
        };
    }
};

pub const protocol = struct {
    pub const icmp = 1;
    pub const tcp = 6;
    pub const udp = 17;
    pub const icmp6 = 58;
};

pub const Fragment = struct {
    id: u32,
    /// In bytes, always a multiple of eight.
    offset: u16,
    more: bool,
};

pub const Ip = struct {
    source: Address,
    destination: Address,
    protocol: u8,
    /// Time to live, hop limit.
    hops: u8,
    /// Part of a larger one: only the first part has ports (fragments.zig).
    is_fragment: bool,
    fragment: ?Fragment = null,
    /// The header and all it announces.
    whole: []const u8,
    payload: []const u8,

    pub fn isV4(ip: *const Ip) bool {
        return ip.whole[0] >> 4 == 4;
    }
};

/// `bytes` may be longer than the packet: Ethernet pads.
pub fn parseIp(bytes: []const u8) Error!Ip {
    if (bytes.len == 0) return error.Malformed;
    return switch (bytes[0] >> 4) {
        4 => parseV4(bytes),
        6 => parseV6(bytes),
        else => error.Malformed,
    };
}

fn parseV4(bytes: []const u8) Error!Ip {
    if (bytes.len < 20) return error.Malformed;
    const header = @as(usize, bytes[0] & 0xf) * 4;
    const total = read16(bytes, 2);
    if (header < 20 or total < header or total > bytes.len) return error.Malformed;
    const flags = read16(bytes, 6);
    const fragment: ?Fragment = if (flags & 0x3fff == 0) null else .{
        .id = read16(bytes, 4),
        .offset = (flags & 0x1fff) << 3,
        .more = flags & 0x2000 != 0,
    };
    return .{
        .source = .ofV4(bytes[12..16].*),
        .destination = .ofV4(bytes[16..20].*),
        .protocol = bytes[9],
        .hops = bytes[8],
        .is_fragment = fragment != null,
        .fragment = fragment,
        .whole = bytes[0..total],
        .payload = bytes[header..total],
    };
}

const v6_header = 40;
const extensions_max = 8;

/// A header of version 6 that others follow (RFC 8200, section 4), as far as they are understood here.
pub fn isExtension(protocol_number: u8) bool {
    return switch (protocol_number) {
        0, 43, 44, 60 => true,
        else => false,
    };
}

fn parseV6(bytes: []const u8) Error!Ip {
    if (bytes.len < v6_header) return error.Malformed;
    const total = v6_header + @as(usize, read16(bytes, 4));
    if (total > bytes.len) return error.Malformed;
    var ip: Ip = .{
        .source = .{ .bytes = bytes[8..24].* },
        .destination = .{ .bytes = bytes[24..40].* },
        .protocol = bytes[6],
        .hops = bytes[7],
        .is_fragment = false,
        .whole = bytes[0..total],
        .payload = bytes[v6_header..total],
    };
    // ::ffff:a.b.c.d on the wire would be an address of version 4 to everybody behind us (RFC 4942, section 2.2).
    if (ip.source.isV4() or ip.destination.isV4()) return error.Malformed;
    for (0..extensions_max) |_| {
        const rest = ip.payload;
        const length: usize = switch (ip.protocol) {
            0, 43, 60 => if (rest.len < 8) return error.Malformed else 8 + @as(usize, rest[1]) * 8,
            44 => 8,
            else => return ip,
        };
        if (rest.len < length) return error.Malformed;
        const is_fragment = ip.protocol == 44 and read16(rest, 2) & 0xfff9 != 0;
        ip.protocol = rest[0];
        ip.payload = rest[length..];
        if (!is_fragment) continue;
        ip.is_fragment = true;
        ip.fragment = .{ .id = read32(rest, 4), .offset = read16(rest, 2) & 0xfff8, .more = rest[3] & 1 != 0 };
        return ip; // what follows is the middle of something
    }
    return error.Malformed;
}

pub const Flags = packed struct(u8) {
    fin: bool = false,
    syn: bool = false,
    rst: bool = false,
    psh: bool = false,
    ack: bool = false,
    urg: bool = false,
    rest: u2 = 0,
};

pub const Segment = struct {
    source: u16,
    destination: u16,
    seq: u32,
    ack: u32,
    flags: Flags,
    window: u16,
    urgent: u16,
    options: []const u8,
    data: []const u8,

    pub fn parse(bytes: []const u8) Error!Segment {
        if (bytes.len < 20) return error.Malformed;
        const header = @as(usize, bytes[12] >> 4) * 4;
        if (header < 20 or header > bytes.len) return error.Malformed;
        const segment: Segment = .{
            .source = read16(bytes, 0),
            .destination = read16(bytes, 2),
            .seq = read32(bytes, 4),
            .ack = read32(bytes, 8),
            .flags = @bitCast(bytes[13]),
            .window = read16(bytes, 14),
            .urgent = read16(bytes, 18),
            .options = bytes[20..header],
            .data = bytes[header..],
        };
        if (segment.source == 0 or segment.destination == 0) return error.Malformed;
        return segment;
    }

    /// The maximum segment size and the window scale a SYN offers; what is wrong counts as absent.
    pub fn offer(segment: *const Segment) Offer {
        var offered: Offer = .{};
        var rest = segment.options;
        while (rest.len > 0) {
            const kind = rest[0];
            if (kind == 0) break;
            if (kind == 1) {
                rest = rest[1..];
                continue;
            }
            if (rest.len < 2 or rest[1] < 2 or rest[1] > rest.len) break;
            const value = rest[2..rest[1]];
            if (kind == 2 and value.len == 2) offered.mss = read16(value, 0);
            if (kind == 3 and value.len == 1) offered.scale = @min(14, value[0]); // RFC 7323, section 2.3
            rest = rest[rest[1]..];
        }
        return offered;
    }
};

pub const Offer = struct { mss: ?u16 = null, scale: ?u4 = null };

pub const Datagram = struct {
    source: u16,
    destination: u16,
    data: []const u8,

    pub fn parse(bytes: []const u8) Error!Datagram {
        if (bytes.len < 8) return error.Malformed;
        const length = read16(bytes, 4);
        if (length < 8 or length > bytes.len) return error.Malformed;
        return .{ .source = read16(bytes, 0), .destination = read16(bytes, 2), .data = bytes[8..length] };
    }
};

/// An echo request or reply of either version, whose header is the same.
pub const Echo = struct {
    type: u8,
    id: u16,
    sequence: u16,
    data: []const u8,

    pub fn parse(bytes: []const u8) Error!Echo {
        if (bytes.len < 8 or bytes[1] != 0) return error.Malformed;
        return .{ .type = bytes[0], .id = read16(bytes, 4), .sequence = read16(bytes, 6), .data = bytes[8..] };
    }
};

pub fn read16(bytes: []const u8, at: usize) u16 {
    return std.mem.readInt(u16, bytes[at..][0..2], .big);
}

pub fn read32(bytes: []const u8, at: usize) u32 {
    return std.mem.readInt(u32, bytes[at..][0..4], .big);
}

/// A SYN of a Linux client, as it leaves a TAP.
const recorded_syn = "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00" ++
    "\x45\x00\x00\x3c\x1c\x46\x40\x00\x40\x06\x00\x00\x0a\x00\x02\x64\xc0\x00\x02\x01" ++
    "\xd4\x31\x00\x50\x11\x22\x33\x44\x00\x00\x00\x00\xa0\x02\xff\xff\x00\x00\x00\x00" ++
    "\x02\x04\xff\xc8\x04\x02\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07";

test "a recorded SYN is understood" {
    const ethernet = try Ethernet.parse(recorded_syn);
    try std.testing.expectEqual(Ethernet.ipv4, ethernet.type);
    const ip = try parseIp(ethernet.payload);
    try std.testing.expect(ip.destination.eql(Address.parse("192.0.2.1").?) and !ip.is_fragment);
    const segment = try Segment.parse(ip.payload);
    try std.testing.expectEqual(80, segment.destination);
    try std.testing.expect(segment.flags.syn and !segment.flags.ack);
    try std.testing.expectEqual(Offer{ .mss = 0xffc8, .scale = 7 }, segment.offer());
}

test "lengths that lie are refused" {
    var frame = recorded_syn[ethernet_bytes..].*;
    frame[3] = 0x3d; // one byte more than there is
    try std.testing.expectError(error.Malformed, parseIp(&frame));
    frame[3] = 0x13; // less than its own header
    try std.testing.expectError(error.Malformed, parseIp(&frame));
    var tcp = frame[20..].*;
    tcp[12] = 0xf0;
    try std.testing.expectError(error.Malformed, Segment.parse(&tcp));
    try std.testing.expectError(error.Malformed, Datagram.parse("\x00\x01\x00\x02\x00\x09\x00\x00"));
}

test "version 6: extension headers are passed over, fragments are known" {
    var bytes = [_]u8{ 0x60, 0, 0, 0, 0, 24, 0, 64 } ++ [_]u8{0xfd} ** 32 ++ [_]u8{ 44, 0 } ++ [_]u8{0} ** 6 ++
        [_]u8{ 17, 0, 0, 8, 0, 0, 0, 0 } ++ [_]u8{ 0, 1, 0, 2, 0, 8, 0, 0 };
    const ip = try parseIp(&bytes);
    try std.testing.expect(ip.is_fragment);
    try std.testing.expectEqual(protocol.udp, ip.protocol);
    try std.testing.expectEqual(8, ip.payload.len);
    try std.testing.expectEqual(Fragment{ .id = 0, .offset = 8, .more = false }, ip.fragment.?);
    bytes[41] = 200;
    try std.testing.expectError(error.Malformed, parseIp(&bytes));
}

fn takeApart(frame: []const u8) void {
    const ethernet = Ethernet.parse(frame) catch return;
    const ip = parseIp(ethernet.payload) catch return;
    std.debug.assert(ip.whole.len <= frame.len and ip.payload.len < ip.whole.len or ip.payload.len == 0);
    if (Segment.parse(ip.payload)) |segment| _ = segment.offer() else |_| {}
    if (Datagram.parse(ip.payload)) |datagram| std.debug.assert(datagram.data.len <= ip.payload.len) else |_| {}
    _ = Echo.parse(ip.payload) catch {};
}

test "fuzz: no frame leads outside itself" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [256]u8 = undefined;
            takeApart(buffer[0..smith.slice(&buffer)]);
        }
    }.one, .{ .corpus = &.{recorded_syn} });
}

test "twenty thousand damages to a frame" {
    var random_state: std.Random.DefaultPrng = .init(5);
    const random = random_state.random();
    for (0..20_000) |_| {
        var frame = recorded_syn.*;
        for (0..1 + random.uintLessThan(usize, 4)) |_| frame[random.uintLessThan(usize, frame.len)] = random.int(u8);
        takeApart(frame[0 .. frame.len - random.uintLessThan(usize, 12)]);
    }
}
