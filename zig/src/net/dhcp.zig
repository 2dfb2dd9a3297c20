//! DHCP (RFC 2131, 2132) for the one client there can be: whoever asks gets the address that the interface has anyway, for
//! programs inside that configure the network by themselves. Pure: the payload of a UDP datagram to port 67 in, the one
//! to port 68 out. It keeps nothing, so there is nothing to run out of.
const std = @import("std");
const mem = std.mem;

pub const Settings = struct {
    address: [4]u8,
    prefix_length: u6,
    gateway: [4]u8,
    /// The forwarder.
    dns: [4]u8,
    mtu: u16,
};

pub const Reply = struct {
    payload: []const u8,
    /// To 255.255.255.255 and every station: the client cannot take what is sent to an address that it has not yet.
    is_broadcast: bool,
};

/// Room for any reply; older clients take no shorter one.
pub const reply_bytes = 300;

const fixed_bytes = 236;
const magic = "\x63\x82\x53\x63";
const lease_seconds = 24 * 60 * 60; // an hour would wake an idle client for nothing

const Option = struct {
    const mask: u8 = 1;
    const router: u8 = 3;
    const dns: u8 = 6;
    const mtu: u8 = 26;
    const requested: u8 = 50;
    const lease: u8 = 51;
    const kind: u8 = 53;
    const server: u8 = 54;
    const renewal: u8 = 58;
    const rebinding: u8 = 59;
    const end: u8 = 255;
};

const Kind = struct {
    const discover: u8 = 1;
    const offer: u8 = 2;
    const request: u8 = 3;
    const ack: u8 = 5;
    const nak: u8 = 6;
    const inform: u8 = 8;
};

/// Null: it is no request, or one that nobody answers (a release, what was meant for another server). `out` has
/// `reply_bytes`.
pub fn reply(request: []const u8, settings: Settings, out: *[reply_bytes]u8) ?Reply {
    const asked = Request.parse(request) orelse return null;
    if (asked.server) |server| if (!mem.eql(u8, &server, &settings.gateway)) return null;
    const kind = switch (asked.kind) {
        Kind.discover => Kind.offer,
        Kind.request => if (asked.wants(settings.address)) Kind.ack else Kind.nak,
        Kind.inform => Kind.ack,
        else => return null,
    };
    @memset(out, 0);
    out[0] = 2; // BOOTREPLY
    @memcpy(out[1..3], request[1..3]); // kind and length of hardware addresses
    @memcpy(out[4..8], request[4..8]); // the transaction
    @memcpy(out[10..12], request[10..12]); // flags
    if (asked.kind == Kind.inform) @memcpy(out[12..16], request[12..16]);
    if (asked.kind != Kind.inform and kind != Kind.nak) out[16..20].* = settings.address;
    @memcpy(out[28..44], request[28..44]); // the client's hardware address
    writeOptions(out, asked, kind, settings);
    return .{ .payload = out, .is_broadcast = kind == Kind.nak or asked.wants_broadcast };
}

fn writeOptions(out: *[reply_bytes]u8, asked: Request, kind: u8, settings: Settings) void {
    var options: Options = .{ .buffer = out[fixed_bytes..] };
    options.bytes(magic);
    options.add(Option.kind, &.{kind});
    options.add(Option.server, &settings.gateway);
    if (kind != Kind.nak) {
        const ones = @as(u32, std.math.maxInt(u32));
        const mask: u32 = if (settings.prefix_length == 0) 0 else ones << @intCast(32 - settings.prefix_length);
        options.addInt(u32, Option.mask, mask);
        options.add(Option.router, &settings.gateway);
        options.add(Option.dns, &settings.dns);
        options.addInt(u16, Option.mtu, settings.mtu);
        if (asked.kind != Kind.inform) {
            options.addInt(u32, Option.lease, lease_seconds);
            options.addInt(u32, Option.renewal, lease_seconds / 2);
            options.addInt(u32, Option.rebinding, lease_seconds / 8 * 7);
        }
    }
    options.bytes(&.{Option.end});
}

const Options = struct {
    buffer: []u8,
    used: usize = 0,

    fn bytes(options: *Options, text: []const u8) void {
        @memcpy(options.buffer[options.used..][0..text.len], text); // all there are fit: see `reply_bytes`
        options.used += text.len;
    }

    fn add(options: *Options, option: u8, value: []const u8) void {
        options.bytes(&.{ option, @intCast(value.len) });
        options.bytes(value);
    }

    fn addInt(options: *Options, comptime T: type, option: u8, value: T) void {
        var text: [@sizeOf(T)]u8 = undefined;
        mem.writeInt(T, &text, value, .big);
        options.add(option, &text);
    }
};

const Request = struct {
    kind: u8,
    /// The address it wants, by the option or (renewing) because it has it. Null: any.
    address: ?[4]u8,
    /// Whose offer it takes.
    server: ?[4]u8,
    wants_broadcast: bool,

    fn wants(request: Request, address: [4]u8) bool {
        return if (request.address) |wanted| mem.eql(u8, &wanted, &address) else true;
    }

    fn parse(packet: []const u8) ?Request {
        if (packet.len < fixed_bytes + magic.len) return null;
        const is_ethernet = packet[1] == 1 and packet[2] == 6;
        if (packet[0] != 1 or !is_ethernet) return null;
        if (!mem.eql(u8, packet[fixed_bytes..][0..magic.len], magic)) return null;
        const has = packet[12..16].*;
        var request: Request = .{
            .kind = 0,
            .address = if (mem.allEqual(u8, &has, 0)) null else has,
            .server = null,
            .wants_broadcast = packet[10] & 0x80 != 0,
        };
        var at: usize = fixed_bytes + magic.len;
        while (at < packet.len and packet[at] != Option.end) {
            const option = packet[at];
            at += 1;
            if (option == 0) continue; // padding
            if (at == packet.len) return null;
            const length = packet[at];
            at += 1;
            if (length > packet.len - at) return null;
            const value = packet[at..][0..length];
            at += length;
            switch (option) {
                Option.kind => if (length == 1) {
                    request.kind = value[0];
                },
                Option.requested => if (length == 4) {
                    request.address = value[0..4].*;
                },
                Option.server => if (length == 4) {
                    request.server = value[0..4].*;
                },
                else => {},
            }
        }
        return request;
    }
};

const testing = std.testing;

const settings_of_test: Settings = .{
    .address = .{ 10, 0, 2, 100 },
    .prefix_length = 24,
    .gateway = .{ 10, 0, 2, 2 },
    .dns = .{ 10, 0, 2, 3 },
    .mtu = 65520,
};

fn requestOf(comptime options: []const u8) [fixed_bytes + 4 + options.len]u8 {
    var packet: [fixed_bytes + 4 + options.len]u8 = @splat(0);
    packet[0..4].* = .{ 1, 1, 6, 0 };
    packet[4..8].* = "abcd".*;
    packet[28..34].* = .{ 2, 0, 0, 0, 0, 9 };
    packet[fixed_bytes..].* = (magic ++ options).*;
    return packet;
}

test "reply() offers the address, with all that goes with it" {
    var out: [reply_bytes]u8 = undefined;
    const offer = reply(&requestOf("\x35\x01\x01\xff"), settings_of_test, &out).?;
    try testing.expect(!offer.is_broadcast);
    try testing.expectEqualSlices(u8, "\x02\x01\x06\x00abcd", offer.payload[0..8]);
    try testing.expectEqualSlices(u8, &.{ 10, 0, 2, 100 }, offer.payload[16..20]);
    try testing.expectEqualSlices(u8, &.{ 2, 0, 0, 0, 0, 9 }, offer.payload[28..34]);
    const options = magic ++ "\x35\x01\x02\x36\x04\x0a\x00\x02\x02\x01\x04\xff\xff\xff\x00\x03\x04\x0a\x00\x02\x02" ++
        "\x06\x04\x0a\x00\x02\x03\x1a\x02\xff\xf0\x33\x04\x00\x01\x51\x80";
    try testing.expectStringStartsWith(offer.payload[fixed_bytes..], options);
}

test "reply() grants what it has offered, and nothing else" {
    var out: [reply_bytes]u8 = undefined;
    const kind = struct {
        fn of(answer: ?Reply) ?u8 {
            return if (answer) |one| one.payload[fixed_bytes + 6] else null;
        }
    }.of;
    const ours = "\x35\x01\x03\x32\x04\x0a\x00\x02\x64";
    try testing.expectEqual(Kind.ack, kind(reply(&requestOf(ours ++ "\x36\x04\x0a\x00\x02\x02\xff"), settings_of_test, &out)));
    try testing.expectEqual(null, kind(reply(&requestOf(ours ++ "\x36\x04\x0a\x00\x02\x09"), settings_of_test, &out)));
    const other = reply(&requestOf("\x35\x01\x03\x32\x04\x0a\x00\x02\x65\xff"), settings_of_test, &out).?;
    try testing.expectEqual(Kind.nak, kind(other));
    try testing.expect(other.is_broadcast and mem.allEqual(u8, other.payload[16..20], 0));
    const informed = reply(&requestOf("\x35\x01\x08\xff"), settings_of_test, &out).?;
    try testing.expectEqual(Kind.ack, kind(informed));
    try testing.expect(mem.find(u8, informed.payload, "\x33\x04") == null); // no lease
    try testing.expectEqual(null, kind(reply(&requestOf("\x35\x01\x07\xff"), settings_of_test, &out)));
}

test "reply() is silent to what is cut off or no request" {
    var out: [reply_bytes]u8 = undefined;
    const whole = requestOf("\x35\x01\x01\x32\x04\x0a\x00\x02\x64");
    for (0..whole.len) |length| {
        if (length == fixed_bytes + 4 + 3) continue; // that is one as well
        try testing.expectEqual(null, reply(whole[0..length], settings_of_test, &out));
    }
    var odd = whole;
    odd[0] = 2;
    try testing.expectEqual(null, reply(&odd, settings_of_test, &out));
    odd = whole;
    odd[2] = 16;
    try testing.expectEqual(null, reply(&odd, settings_of_test, &out));
}

test "fuzz: no request crashes it" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var packet: [600]u8 = undefined;
            var out: [reply_bytes]u8 = undefined;
            const length = smith.slice(&packet);
            _ = reply(packet[0..length], settings_of_test, &out);
            packet[0..3].* = .{ 1, 1, 6 };
            packet[fixed_bytes..][0..7].* = (magic ++ "\x35\x01\x03").*;
            _ = reply(packet[0..@max(length, fixed_bytes + 7)], settings_of_test, &out);
        }
    }.one, .{ .corpus = &.{"\x35\x01\x01\x32\x04\x0a\x00\x02\x64\xff"} });
}
