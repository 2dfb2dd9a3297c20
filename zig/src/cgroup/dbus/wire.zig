//! D-Bus messages as bytes (D-Bus Specification 0.42, "Message Format"), as much of it as a call of systemd needs: we
//! write calls, and read the header of any message and strings at the beginning of a body. Little endian only, which
//! is what a message of the same machine is. Pure: fixed buffers, nothing that was received is trusted.
const std = @import("std");

pub const Type = enum(u8) { call = 1, reply = 2, failure = 3, signal = 4, _ };

/// Before the header's fields: the lengths that say where the message ends.
pub const prologue_bytes = 16;

const protocol_version = 1;
const little_endian = 'l';

/// "Maximum message length" of the specification.
const message_bytes_max = 128 * 1024 * 1024;

const Field = enum(u8) {
    path = 1,
    interface = 2,
    member = 3,
    error_name = 4,
    reply_serial = 5,
    destination = 6,
    signature = 8,
    _,
};

pub const Call = struct {
    destination: []const u8,
    path: []const u8,
    interface: []const u8,
    member: []const u8,
    signature: []const u8,
};

/// Writes values with the alignment of the specification, counted from the beginning of `buffer`. Too much is an error
/// that `finish` reports, so that nothing in between has to.
pub const Writer = struct {
    buffer: []u8,
    used: usize = 0,
    overflowed: bool = false,
    body: usize = 0,

    /// The header; the body follows, written by the caller.
    pub fn begin(buffer: []u8, serial: u32, call: Call) Writer {
        var w: Writer = .{ .buffer = buffer };
        w.byte(little_endian);
        w.byte(@intFromEnum(Type.call));
        w.byte(0);
        w.byte(protocol_version);
        w.uint32(0); // the body's length, set by finish
        w.uint32(serial);
        const fields = w.beginArray(8);
        w.field(.path, "o", call.path);
        w.field(.interface, "s", call.interface);
        w.field(.member, "s", call.member);
        w.field(.destination, "s", call.destination);
        if (call.signature.len > 0) {
            w.pad(8);
            w.byte(@intFromEnum(Field.signature));
            w.signature("g");
            w.signature(call.signature);
        }
        w.endArray(fields);
        w.pad(8);
        w.body = w.used;
        return w;
    }

    pub fn finish(w: *Writer) error{TooLong}![]const u8 {
        if (w.overflowed) return error.TooLong;
        std.mem.writeInt(u32, w.buffer[4..8], @intCast(w.used - w.body), .little);
        return w.buffer[0..w.used];
    }

    fn field(w: *Writer, code: Field, kind: []const u8, text: []const u8) void {
        w.pad(8);
        w.byte(@intFromEnum(code));
        w.signature(kind);
        w.string(text);
    }

    pub fn byte(w: *Writer, value: u8) void {
        w.raw(&.{value});
    }

    pub fn uint32(w: *Writer, value: u32) void {
        w.pad(4);
        w.raw(&std.mem.toBytes(std.mem.nativeToLittle(u32, value)));
    }

    pub fn uint64(w: *Writer, value: u64) void {
        w.pad(8);
        w.raw(&std.mem.toBytes(std.mem.nativeToLittle(u64, value)));
    }

    /// Of type s or o.
    pub fn string(w: *Writer, text: []const u8) void {
        w.uint32(@intCast(text.len));
        w.raw(text);
        w.byte(0);
    }

    /// Of type g; also what a variant begins with.
    pub fn signature(w: *Writer, text: []const u8) void {
        w.byte(@intCast(text.len));
        w.raw(text);
        w.byte(0);
    }

    pub const Array = struct { length_at: usize, first: usize };

    /// `alignment` is that of an element: padding before the first does not count.
    pub fn beginArray(w: *Writer, alignment: usize) Array {
        w.uint32(0);
        const length_at = w.used - @min(w.used, 4);
        w.pad(alignment);
        return .{ .length_at = length_at, .first = w.used };
    }

    pub fn endArray(w: *Writer, array: Array) void {
        if (w.overflowed) return;
        std.mem.writeInt(u32, w.buffer[array.length_at..][0..4], @intCast(w.used - array.first), .little);
    }

    /// Elements of an a(sv) begin so; the value follows.
    pub fn property(w: *Writer, name: []const u8, kind: []const u8) void {
        w.pad(8);
        w.string(name);
        w.signature(kind);
    }

    fn pad(w: *Writer, alignment: usize) void {
        while (w.used % alignment != 0 and !w.overflowed) w.byte(0);
    }

    fn raw(w: *Writer, bytes: []const u8) void {
        if (w.overflowed or bytes.len > w.buffer.len - w.used) {
            w.overflowed = true;
            return;
        }
        @memcpy(w.buffer[w.used..][0..bytes.len], bytes);
        w.used += bytes.len;
    }
};

/// What is asked of a message that was received. The texts lie in it.
pub const Message = struct {
    type: Type,
    /// The call that it answers; 0 for none.
    reply_serial: u32 = 0,
    member: []const u8 = "",
    error_name: []const u8 = "",
    signature: []const u8 = "",
    body: []const u8 = "",

    /// A body that begins with strings and 32-bit numbers.
    pub fn reader(message: *const Message) Reader {
        return .{ .bytes = message.body };
    }
};

/// How long the message is whose first `prologue_bytes` these are.
pub fn lengthOf(prologue: *const [prologue_bytes]u8) error{Malformed}!usize {
    if (prologue[0] != little_endian or prologue[3] != protocol_version) return error.Malformed;
    const body: u64 = std.mem.readInt(u32, prologue[4..8], .little);
    const fields: u64 = std.mem.readInt(u32, prologue[12..16], .little);
    const length = prologue_bytes + std.mem.alignForward(u64, fields, 8) + body;
    if (length > message_bytes_max) return error.Malformed;
    return @intCast(length);
}

/// `bytes` is one whole message.
pub fn parse(bytes: []const u8) error{Malformed}!Message {
    if (bytes.len < prologue_bytes) return error.Malformed;
    if (try lengthOf(bytes[0..prologue_bytes]) != bytes.len) return error.Malformed;
    const fields_bytes = std.mem.readInt(u32, bytes[12..16], .little);
    var message: Message = .{ .type = @enumFromInt(bytes[1]) };
    var fields: Reader = .{ .bytes = bytes[0 .. prologue_bytes + fields_bytes], .at = prologue_bytes };
    while (fields.at < fields.bytes.len) {
        try fields.pad(8);
        const code: Field = @enumFromInt(try fields.byte());
        const kind = try fields.signature();
        // Every field we know and any other of the specification is of one of these types.
        if (std.mem.eql(u8, kind, "s") or std.mem.eql(u8, kind, "o")) {
            const text = try fields.string();
            switch (code) {
                .member => message.member = text,
                .error_name => message.error_name = text,
                else => {},
            }
        } else if (std.mem.eql(u8, kind, "g")) {
            const text = try fields.signature();
            if (code == .signature) message.signature = text;
        } else if (std.mem.eql(u8, kind, "u")) {
            const number = try fields.uint32();
            if (code == .reply_serial) message.reply_serial = number;
        } else return error.Malformed;
    }
    message.body = bytes[std.mem.alignForward(usize, prologue_bytes + fields_bytes, 8)..];
    return message;
}

pub const Reader = struct {
    bytes: []const u8,
    at: usize = 0,

    pub fn uint32(r: *Reader) error{Malformed}!u32 {
        try r.pad(4);
        return std.mem.readInt(u32, (try r.take(4))[0..4], .little);
    }

    pub fn string(r: *Reader) error{Malformed}![]const u8 {
        const length = try r.uint32();
        return r.terminated(length);
    }

    fn signature(r: *Reader) error{Malformed}![]const u8 {
        return r.terminated(try r.byte());
    }

    fn byte(r: *Reader) error{Malformed}!u8 {
        return (try r.take(1))[0];
    }

    fn terminated(r: *Reader, length: usize) error{Malformed}![]const u8 {
        const text = try r.take(length);
        if (try r.byte() != 0) return error.Malformed;
        return text;
    }

    fn pad(r: *Reader, alignment: usize) error{Malformed}!void {
        const next = std.mem.alignForward(usize, r.at, alignment);
        if (next > r.bytes.len) return error.Malformed;
        r.at = next;
    }

    fn take(r: *Reader, count: usize) error{Malformed}![]const u8 {
        if (count > r.bytes.len - r.at) return error.Malformed;
        defer r.at += count;
        return r.bytes[r.at..][0..count];
    }
};

/// An answer as systemd sends it, for the tests.
fn example(buffer: []u8) []const u8 {
    var w: Writer = .begin(buffer, 7, .{
        .destination = ":1.5",
        .path = "/org/freedesktop/systemd1",
        .interface = "org.freedesktop.systemd1.Manager",
        .member = "JobRemoved",
        .signature = "uoss",
    });
    w.uint32(30);
    w.string("/org/freedesktop/systemd1/job/30");
    w.string("tspod-x.scope");
    w.string("done");
    return w.finish() catch unreachable;
}

test "a message that was written is read again" {
    var buffer: [512]u8 = undefined;
    const bytes = example(&buffer);
    try std.testing.expectEqual(bytes.len, try lengthOf(bytes[0..prologue_bytes]));
    const message = try parse(bytes);
    try std.testing.expectEqualStrings("JobRemoved", message.member);
    try std.testing.expectEqualStrings("uoss", message.signature);
    var reader = message.reader();
    try std.testing.expectEqual(30, try reader.uint32());
    _ = try reader.string();
    try std.testing.expectEqualStrings("tspod-x.scope", try reader.string());
    try std.testing.expectEqualStrings("done", try reader.string());
    try std.testing.expectError(error.Malformed, reader.string());
}

test "finish() tells of a buffer that is too small, wherever it ended" {
    var whole: [512]u8 = undefined;
    const length = example(&whole).len;
    var buffer: [512]u8 = undefined;
    for (0..length) |limit| {
        var w: Writer = .begin(buffer[0..limit], 1, .{ .destination = "a", .path = "/", .interface = "i", .member = "m", .signature = "as" });
        const array = w.beginArray(4);
        for (0..64) |_| w.string("0123456789");
        w.endArray(array);
        try std.testing.expectError(error.TooLong, w.finish());
    }
}

test "parse() survives every truncation and every changed byte" {
    var buffer: [512]u8 = undefined;
    const bytes = example(&buffer);
    for (0..bytes.len) |length| try std.testing.expectError(error.Malformed, parse(bytes[0..length]));
    var changed: [512]u8 = undefined;
    for (0..bytes.len) |at| for ([_]u8{ 0, 1, 0x7f, 0x80, 0xff }) |value| {
        @memcpy(changed[0..bytes.len], bytes);
        changed[at] = value;
        const message = parse(changed[0..bytes.len]) catch continue;
        var reader = message.reader();
        _ = reader.uint32() catch continue;
        while (reader.string()) |_| {} else |_| {}
    };
}

test "fuzz: no message crashes the parser" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [1024]u8 = undefined;
            const bytes = buffer[0..smith.slice(&buffer)];
            if (bytes.len >= prologue_bytes) _ = lengthOf(bytes[0..prologue_bytes]) catch {};
            const message = parse(bytes) catch return;
            var reader = message.reader();
            _ = reader.uint32() catch return;
            while (reader.string()) |_| {} else |_| {}
        }
    }.one, .{});
}
