//! DNS queries (RFC 1035, RFC 2181) as a forwarder sees them: what is asked, and the short answers it gives by itself.
//! Pure, over slices of untrusted bytes. Not here: who is asked (servers.zig), what others answer (reply.zig), sockets.
const std = @import("std");
const mem = std.mem;

pub const header_bytes = 12;
/// What a question's name takes at most as text: 255 bytes, each perhaps as "\255".
pub const name_text_bytes_max = 4 * 255;
/// Of an answer over UDP to somebody who has not said that he takes more (RFC 1035 4.2.1).
pub const udp_bytes_max = 512;

/// How long somebody may remember a name of ours: containers come and go.
const ttl_seconds = 10;

pub const Address = union(enum) { v4: [4]u8, v6: [16]u8 };

pub const Type = struct {
    pub const a: u16 = 1;
    pub const ptr: u16 = 12;
    pub const aaaa: u16 = 28;
    pub const any: u16 = 255;
};
pub const class_in: u16 = 1;

pub const Rcode = struct {
    pub const no_error: u4 = 0;
    pub const form_error: u4 = 1;
    pub const server_failure: u4 = 2;
    pub const no_such_name: u4 = 3;
    pub const not_implemented: u4 = 4;
    pub const refused: u4 = 5;
};

pub const Question = struct {
    /// Lower case, dotted, no dot at the end, "" of the root; bytes that are no text, and dots in a label, as "\DDD".
    name: []const u8,
    type: u16,
    class: u16,
    /// Where the question ends in the packet.
    end: usize,
};

/// The one question of a standard query. `buffer` holds the name: `name_text_bytes_max` always suffices. Malformed is also
/// what is well-formed and no query with one question: `refuse` answers all of them.
pub fn parse(packet: []const u8, buffer: []u8) error{Malformed}!Question {
    if (packet.len < header_bytes) return error.Malformed;
    const flags = read16(packet, 2);
    const is_response = flags & 0x8000 != 0;
    const opcode = flags >> 11 & 0xf;
    if (is_response or opcode != 0 or read16(packet, 4) != 1) return error.Malformed;
    return parseQuestion(packet, buffer);
}

/// The first question of a packet that has one, whatever else it is.
pub fn parseQuestion(packet: []const u8, buffer: []u8) error{Malformed}!Question {
    if (packet.len < header_bytes) return error.Malformed;
    var name: Text = .{ .buffer = buffer };
    var at: usize = header_bytes;
    while (true) {
        if (at >= packet.len) return error.Malformed;
        const length = packet[at];
        at += 1;
        if (length == 0) break;
        // nothing is before the first question that a compressed name could point to
        if (length > 63 or length > packet.len - at) return error.Malformed;
        if (at + length - header_bytes > 254) return error.Malformed;
        if (name.used > 0) try name.add(".");
        for (packet[at..][0..length]) |byte| try name.addByte(byte);
        at += length;
    }
    if (packet.len - at < 4) return error.Malformed;
    const kind = read16(packet, at);
    const class = read16(packet, at + 2);
    return .{ .name = name.buffer[0..name.used], .type = kind, .class = class, .end = at + 4 };
}

const Text = struct {
    buffer: []u8,
    used: usize = 0,

    fn add(text: *Text, bytes: []const u8) error{Malformed}!void {
        if (bytes.len > text.buffer.len - text.used) return error.Malformed;
        @memcpy(text.buffer[text.used..][0..bytes.len], bytes);
        text.used += bytes.len;
    }

    fn addByte(text: *Text, byte: u8) error{Malformed}!void {
        const is_plain = byte > ' ' and byte < 0x7f and byte != '.' and byte != '\\';
        if (is_plain) return text.add(&.{std.ascii.toLower(byte)});
        try text.add(&.{ '\\', '0' + byte / 100, '0' + byte / 10 % 10, '0' + byte % 10 });
    }
};

/// The whole answer for a name of ours: its addresses of the type asked for, or (NODATA) none. What does not fit is left
/// out, and the answer says so (TC). Empty: not even the question fits into `out`.
pub fn answer(query: []const u8, q: Question, addresses: []const Address, out: []u8) []const u8 {
    if (q.class != class_in and q.class != Type.any) return refuse(query, Rcode.refused, out);
    if (out.len < q.end) return out[0..0];
    writeHeader(query, out, .{ .is_ours = true });
    @memcpy(out[header_bytes..q.end], query[header_bytes..q.end]);
    write16(out, 4, 1);
    var used = q.end;
    var count: u16 = 0;
    for (addresses) |*address| {
        const kind, const bytes: []const u8 = switch (address.*) {
            .v4 => |*bytes| .{ Type.a, bytes },
            .v6 => |*bytes| .{ Type.aaaa, bytes },
        };
        if (q.type != kind and q.type != Type.any) continue;
        if (out.len - used < 12 + bytes.len) {
            out[2] |= 0x02;
            break;
        }
        write16(out, used, 0xc000 | header_bytes); // the name is the question's
        write16(out, used + 2, kind);
        write16(out, used + 4, class_in);
        write16(out, used + 6, 0);
        write16(out, used + 8, ttl_seconds);
        write16(out, used + 10, @intCast(bytes.len));
        @memcpy(out[used + 12 ..][0..bytes.len], bytes);
        used += 12 + bytes.len;
        count += 1;
    }
    write16(out, 6, count);
    return out[0..used];
}

/// The whole answer to the question whose address one is: its name, dotted.
pub fn answerName(query: []const u8, q: Question, name: []const u8, out: []u8) []const u8 {
    const head = answer(query, q, &.{}, out);
    var at = head.len + 12;
    if (head.len < q.end or at >= out.len) return head;
    var labels = mem.splitScalar(u8, name, '.');
    while (labels.next()) |label| {
        if (label.len == 0 or label.len > 63 or out.len - at < label.len + 2) return head;
        out[at] = @intCast(label.len);
        @memcpy(out[at + 1 ..][0..label.len], label);
        at += 1 + label.len;
    }
    out[at] = 0;
    at += 1;
    const used = head.len;
    write16(out, used, 0xc000 | header_bytes);
    write16(out, used + 2, Type.ptr);
    write16(out, used + 4, class_in);
    write16(out, used + 6, 0);
    write16(out, used + 8, ttl_seconds);
    write16(out, used + 10, @intCast(at - used - 12));
    write16(out, 6, 1);
    return out[0..at];
}

/// The address in "1.2.0.192.in-addr.arpa", or in the 32 digits before "ip6.arpa". `name` is in lower case.
pub fn addressOf(name: []const u8) ?Address {
    const is_v4 = mem.endsWith(u8, name, ".in-addr.arpa");
    if (!is_v4 and !mem.endsWith(u8, name, ".ip6.arpa")) return null;
    const text = name[0 .. name.len - @as(usize, if (is_v4) ".in-addr.arpa".len else ".ip6.arpa".len)];
    var labels = mem.splitBackwardsScalar(u8, text, '.');
    if (is_v4) {
        var bytes: [4]u8 = undefined;
        for (&bytes) |*byte| byte.* = std.fmt.parseInt(u8, labels.next() orelse return null, 10) catch return null;
        return if (labels.next() == null) .{ .v4 = bytes } else null;
    }
    var bytes: [16]u8 = undefined;
    for (&bytes) |*byte| {
        byte.* = 0;
        for (0..2) |_| {
            const label = labels.next() orelse return null;
            if (label.len != 1) return null;
            byte.* = byte.* << 4 | (std.fmt.charToDigit(label[0], 16) catch return null);
        }
    }
    return if (labels.next() == null) .{ .v6 = bytes } else null;
}

/// An answer without records. With the question where that can be read: resolvers look for it. Empty: not even a header
/// was sent, or it was an answer, to which nobody may answer.
pub fn refuse(query: []const u8, rcode: u4, out: []u8) []const u8 {
    if (query.len < header_bytes or out.len < header_bytes or query[2] & 0x80 != 0) return out[0..0];
    writeHeader(query, out, .{ .rcode = rcode });
    var buffer: [name_text_bytes_max]u8 = undefined;
    if (read16(query, 4) != 1) return out[0..header_bytes];
    const q = parseQuestion(query, &buffer) catch return out[0..header_bytes];
    if (out.len < q.end) return out[0..header_bytes];
    @memcpy(out[header_bytes..q.end], query[header_bytes..q.end]);
    write16(out, 4, 1);
    return out[0..q.end];
}

fn writeHeader(query: []const u8, out: []u8, how: struct { rcode: u4 = 0, is_ours: bool = false }) void {
    @memset(out[0..header_bytes], 0);
    out[0] = query[0];
    out[1] = query[1];
    // QR, and what was asked: its opcode and "recursion desired"
    out[2] = 0x80 | (query[2] & 0x79) | @as(u8, if (how.is_ours) 0x04 else 0);
    out[3] = 0x80 | @as(u8, how.rcode); // recursion is available
}

pub fn read16(bytes: []const u8, at: usize) u16 {
    return mem.readInt(u16, bytes[at..][0..2], .big);
}

pub fn write16(bytes: []u8, at: usize, value: u16) void {
    mem.writeInt(u16, bytes[at..][0..2], value, .big);
}

const testing = std.testing;

const example_query = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04host\x0aCONTAINERS\x08internal\x00\x00\x01\x00\x01";

test "parse() gives the name in lower case, and where the question ends" {
    var buffer: [name_text_bytes_max]u8 = undefined;
    const q = try parse(example_query ++ "rest", &buffer);
    try testing.expectEqualStrings("host.containers.internal", q.name);
    try testing.expectEqual(Type.a, q.type);
    try testing.expectEqual(class_in, q.class);
    try testing.expectEqual(example_query.len, q.end);
}

test "parse() tells a dot in a label from one between labels" {
    var buffer: [name_text_bytes_max]u8 = undefined;
    const head = "\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    const q = try parse(head ++ "\x03a.b\x02c\\\x01\xff\x00\x00\x1c\x00\x01", &buffer);
    try testing.expectEqualStrings("a\\046b.c\\092.\\255", q.name);
    const root = try parse(head ++ "\x00\x00\x02\x00\x01", &buffer);
    try testing.expectEqualStrings("", root.name);
}

test "parse() refuses what is cut off, compressed, too long, or no query with one question" {
    var buffer: [name_text_bytes_max]u8 = undefined;
    for (0..example_query.len) |length| {
        try testing.expectError(error.Malformed, parse(example_query[0..length], &buffer));
    }
    const head = "\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    const tail = "\x00\x00\x01\x00\x01";
    try testing.expectError(error.Malformed, parse(head ++ "\xc0\x0c\x00\x01\x00\x01", &buffer));
    try testing.expectError(error.Malformed, parse(head ++ "\x3f" ++ "a" ** 63 ++ ("\x3f" ++ "b" ** 63) ** 3 ++ tail, &buffer));
    _ = try parse(head ++ ("\x3f" ++ "a" ** 63) ** 3 ++ "\x3d" ++ "b" ** 61 ++ tail, &buffer);
    for ([_][]const u8{ "\x81\x00\x00\x01", "\x29\x00\x00\x01", "\x01\x00\x00\x02", "\x01\x00\x00\x00" }) |odd| {
        var packet: [example_query.len]u8 = example_query.*;
        @memcpy(packet[2..6], odd);
        try testing.expectError(error.Malformed, parse(&packet, &buffer));
    }
}

test "answer() gives the addresses of the type asked for" {
    var buffer: [name_text_bytes_max]u8 = undefined;
    var out: [512]u8 = undefined;
    const q = try parse(example_query, &buffer);
    const addresses = [_]Address{ .{ .v4 = .{ 10, 0, 2, 2 } }, .{ .v6 = @splat(7) } };
    const one = answer(example_query, q, &addresses, &out);
    try testing.expectEqualSlices(u8, "\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00", one[0..12]);
    try testing.expectEqualSlices(u8, example_query[12..], one[12..example_query.len]);
    try testing.expectEqualSlices(u8, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x04\x0a\x00\x02\x02", one[example_query.len..]);
    var other = q;
    other.type = 15;
    try testing.expectEqual(example_query.len, answer(example_query, other, &addresses, &out).len);
    other.type = Type.any;
    try testing.expectEqual(example_query.len + 16 + 28, answer(example_query, other, &addresses, &out).len);
    const cut = answer(example_query, other, &addresses, out[0 .. example_query.len + 20]);
    try testing.expectEqual(@as(u8, 0x87), cut[2]);
    try testing.expectEqual(@as(u16, 1), read16(cut, 6));
    other.class = 3;
    try testing.expectEqual(@as(u8, 0x85), answer(example_query, other, &addresses, &out)[3]);
}

test "answerName() and addressOf() are two ways of one question" {
    const query = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x012\x010\x0289\x0210\x07in-addr\x04arpa\x00\x00\x0c\x00\x01";
    var buffer: [name_text_bytes_max]u8 = undefined;
    var out: [512]u8 = undefined;
    const q = try parse(query, &buffer);
    try testing.expectEqualSlices(u8, &.{ 10, 89, 0, 2 }, &addressOf(q.name).?.v4);
    const reply = answerName(query, q, "c1.net", &out);
    try testing.expectStringEndsWith(reply, "\x00\x0c\x00\x01\x00\x00\x00\x0a\x00\x08\x02c1\x03net\x00");
    try testing.expectEqual(@as(u16, 1), read16(reply, 6));
    try testing.expectEqual(@as(u16, 0), read16(answerName(query, q, "a..b", &out), 6));
    try testing.expectEqual(@as(u16, 0), read16(answerName(query, q, "x" ** 64, &out), 6));
    const v6 = "1.0" ++ ".0" ** 28 ++ ".d.f.ip6.arpa";
    try testing.expectEqualSlices(u8, &(.{0xfd} ++ .{0} ** 14 ++ .{1}), &addressOf(v6).?.v6);
    for ([_][]const u8{ "in-addr.arpa", "1.2.3.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "300.1.1.1.in-addr.arpa", "a.ip6.arpa" }) |bad| {
        try testing.expectEqual(null, addressOf(bad));
    }
}

test "refuse() keeps the question, and answers no answer" {
    var out: [512]u8 = undefined;
    const refused = refuse(example_query, Rcode.server_failure, &out);
    try testing.expectEqualSlices(u8, "\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00", refused[0..12]);
    try testing.expectEqualSlices(u8, example_query[12..], refused[12..]);
    try testing.expectEqual(@as(usize, 12), refuse(example_query[0..20], Rcode.form_error, &out).len);
    try testing.expectEqual(@as(usize, 0), refuse(example_query[0..11], Rcode.form_error, &out).len);
    try testing.expectEqual(@as(usize, 0), refuse(refused, Rcode.form_error, &out).len);
}

test "fuzz: no packet crashes the parser, and what it accepts is answered" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var packet: [600]u8 = undefined;
            var buffer: [name_text_bytes_max]u8 = undefined;
            var out: [udp_bytes_max]u8 = undefined;
            const query = packet[0..smith.slice(&packet)];
            _ = refuse(query, Rcode.form_error, &out);
            const q = parse(query, &buffer) catch return;
            try testing.expect(q.end <= query.len and q.name.len <= name_text_bytes_max);
            const addresses = [_]Address{ .{ .v4 = @splat(1) }, .{ .v6 = @splat(2) } };
            try testing.expect(answer(query, q, &addresses, &out).len >= q.end);
        }
    }.one, .{ .corpus = &.{example_query} });
}
