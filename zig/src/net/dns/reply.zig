//! What a name server answered, as far as an egress policy has to know it: the addresses, and how long they hold.
//! Pure, over untrusted bytes. That the packet answers what was asked is for the caller to see to (`answers`).
const std = @import("std");
const message = @import("message.zig");
const mem = std.mem;

pub const Record = struct { address: message.Address, ttl_seconds: u32 };

/// Whether the packet is an answer to this query: the same number and, where there is a question, the same one.
pub fn answers(packet: []const u8, query: []const u8) bool {
    if (packet.len < message.header_bytes or query.len < message.header_bytes) return false;
    if (packet[2] & 0x80 == 0 or !mem.eql(u8, packet[0..2], query[0..2])) return false;
    const count = message.read16(packet, 4);
    if (count == 0) return true; // a server that cannot even read the question
    var buffers: [2][message.name_text_bytes_max]u8 = undefined;
    const theirs = message.parseQuestion(packet, &buffers[0]) catch return false;
    const ours = message.parseQuestion(query, &buffers[1]) catch return false;
    return count == 1 and theirs.type == ours.type and theirs.class == ours.class and mem.eql(u8, theirs.name, ours.name);
}

/// The A and AAAA records of the answer section, whatever their names: a name may be an alias of another.
pub fn records(packet: []const u8) Records {
    var buffer: [message.name_text_bytes_max]u8 = undefined;
    const q = message.parseQuestion(packet, &buffer) catch return .{ .packet = packet, .at = 0, .left = 0 };
    if (message.read16(packet, 4) != 1) return .{ .packet = packet, .at = 0, .left = 0 };
    return .{ .packet = packet, .at = q.end, .left = message.read16(packet, 6) };
}

pub const Records = struct {
    packet: []const u8,
    at: usize,
    left: u16,

    pub fn next(all: *Records) ?Record {
        while (all.left > 0) {
            all.left -= 1;
            const raw = all.take() orelse {
                all.left = 0; // the rest cannot be found
                return null;
            };
            if (raw.class != message.class_in) continue;
            if (raw.type == message.Type.a and raw.data.len == 4) {
                return .{ .address = .{ .v4 = raw.data[0..4].* }, .ttl_seconds = raw.ttl };
            }
            if (raw.type == message.Type.aaaa and raw.data.len == 16) {
                return .{ .address = .{ .v6 = raw.data[0..16].* }, .ttl_seconds = raw.ttl };
            }
        }
        return null;
    }

    const Raw = struct { type: u16, class: u16, ttl: u32, data: []const u8 };

    fn take(all: *Records) ?Raw {
        const start = skipName(all.packet, all.at) orelse return null;
        if (all.packet.len - start < 10) return null;
        const fixed = all.packet[start..][0..10];
        const length = message.read16(fixed, 8);
        if (all.packet.len - start - 10 < length) return null;
        all.at = start + 10 + length;
        const ttl = mem.readInt(u32, fixed[4..8], .big);
        return .{
            .type = message.read16(fixed, 0),
            .class = message.read16(fixed, 2),
            .ttl = if (ttl > std.math.maxInt(i32)) 0 else ttl, // RFC 2181 8
            .data = all.packet[start + 10 ..][0..length],
        };
    }
};

/// Where what follows a name begins: nothing is followed, so nothing can go in circles.
fn skipName(packet: []const u8, from: usize) ?usize {
    var at = from;
    while (at < packet.len) {
        const length = packet[at];
        if (length == 0) return at + 1;
        if (length & 0xc0 == 0xc0) return if (packet.len - at >= 2) at + 2 else null;
        if (length > 63) return null;
        at += 1 + @as(usize, length);
    }
    return null;
}

const testing = std.testing;

const example_query = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01";
const alias = "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01b\xc0\x0e";
const found = "\x01b\xc0\x0e\x00\x01\x00\x01\x00\x00\x01\x00\x00\x04\xc0\x00\x02\x07";
const found6 = "\xc0\x0c\x00\x1c\x00\x01\xff\xff\xff\xff\x00\x10" ++ "\x20\x01" ++ "\x00" ** 14;
const reply = "\x12\x34\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00\x01A\x04test\x00\x00\x01\x00\x01" ++ alias ++ found ++ found6;

test "records() gives the addresses behind an alias, with their time" {
    try testing.expect(answers(reply, example_query));
    var all = records(reply);
    const first = all.next().?;
    try testing.expectEqualSlices(u8, &.{ 192, 0, 2, 7 }, &first.address.v4);
    try testing.expectEqual(@as(u32, 256), first.ttl_seconds);
    const second = all.next().?;
    try testing.expectEqual(@as(u8, 0x20), second.address.v6[0]);
    try testing.expectEqual(@as(u32, 0), second.ttl_seconds);
    try testing.expectEqual(null, all.next());
}

test "answers() wants the number and the question of the query" {
    var other: [reply.len]u8 = reply.*;
    other[0] +%= 1;
    try testing.expect(!answers(&other, example_query));
    other = reply.*;
    other[13] = 'x';
    try testing.expect(!answers(&other, example_query));
    try testing.expect(!answers(example_query, example_query));
    try testing.expect(!answers(reply[0..20], example_query));
    try testing.expect(answers("\x12\x34\x81\x81\x00\x00\x00\x00\x00\x00\x00\x00", example_query));
}

test "records() of a reply that is cut off are those that are whole" {
    for (0..reply.len) |length| {
        var all = records(reply[0..length]);
        var count: usize = 0;
        while (all.next()) |_| count += 1;
        const first_end = reply.len - found6.len;
        try testing.expectEqual(@as(usize, if (length < first_end) 0 else 1), count);
    }
}

test "fuzz: no reply crashes the reader" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var buffer: [1500]u8 = undefined;
            const packet = buffer[0..smith.slice(&buffer)];
            _ = answers(packet, example_query);
            var all = records(packet);
            var count: usize = 0;
            while (all.next()) |_| count += 1;
            try testing.expect(count * 14 <= packet.len); // none takes less room
        }
    }.one, .{ .corpus = &.{reply} });
}
