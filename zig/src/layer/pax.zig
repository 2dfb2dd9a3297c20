//! pax extended header records: "LENGTH KEY=VALUE\n" (POSIX pax(1), "pax Extended Header"). Pure.
//! It splits records and reads their numbers and times; what a key means is decided in archive.zig.
const std = @import("std");

pub const Record = struct { key: []const u8, value: []const u8 };

pub const Timestamp = struct { seconds: i64, nanoseconds: u32 = 0 };

pub const Error = error{BadPaxRecord};

/// Iterates records; every slice points into `rest` as it was given.
pub const Records = struct {
    rest: []const u8,

    pub fn next(self: *Records) Error!?Record {
        if (self.rest.len == 0) return null;
        const space = std.mem.findScalar(u8, self.rest, ' ') orelse return error.BadPaxRecord;
        const length = try unsigned(self.rest[0..space]);
        if (length > self.rest.len or length < space + "k=\n".len) return error.BadPaxRecord;
        const record = self.rest[space + 1 .. @intCast(length)];
        if (record[record.len - 1] != '\n') return error.BadPaxRecord;
        const equals = std.mem.findScalar(u8, record, '=') orelse return error.BadPaxRecord;
        const key = record[0..equals];
        if (key.len == 0 or std.mem.findScalar(u8, key, 0) != null) return error.BadPaxRecord;
        self.rest = self.rest[@intCast(length)..];
        return .{ .key = key, .value = record[equals + 1 .. record.len - 1] };
    }
};

/// Decimal digits only: no sign, no separators, at most 63 bits.
pub fn unsigned(text: []const u8) Error!u64 {
    if (text.len == 0) return error.BadPaxRecord;
    var value: u64 = 0;
    for (text) |digit| {
        if (digit < '0' or digit > '9') return error.BadPaxRecord;
        if (value > (std.math.maxInt(i64) - 9) / 10) return error.BadPaxRecord;
        value = value * 10 + (digit - '0');
    }
    return value;
}

/// "[-]SECONDS[.FRACTION]"; digits past nanoseconds are cut off towards the past.
pub fn time(text: []const u8) Error!Timestamp {
    const is_negative = std.mem.startsWith(u8, text, "-");
    const plain = if (is_negative) text[1..] else text;
    const dot = std.mem.findScalar(u8, plain, '.') orelse plain.len;
    const seconds: i64 = @intCast(try unsigned(plain[0..dot]));
    var nanoseconds: u32 = 0;
    const fraction = if (dot < plain.len) plain[dot + 1 ..] else "";
    for (fraction) |digit| if (digit < '0' or digit > '9') return error.BadPaxRecord;
    for (0..9) |place| {
        nanoseconds = nanoseconds * 10 + if (place < fraction.len) fraction[place] - '0' else 0;
    }
    if (!is_negative) return .{ .seconds = seconds, .nanoseconds = nanoseconds };
    if (nanoseconds == 0) return .{ .seconds = -seconds };
    return .{ .seconds = -seconds - 1, .nanoseconds = 1_000_000_000 - nanoseconds };
}

const testing = std.testing;

test "next() splits records, whatever is in the value" {
    var records: Records = .{ .rest = "12 path=a=b\n21 SCHILY.xattr.x=\n\x00\n" };
    const path = (try records.next()).?;
    try testing.expectEqualStrings("path", path.key);
    try testing.expectEqualStrings("a=b", path.value);
    const xattr = (try records.next()).?;
    try testing.expectEqualStrings("SCHILY.xattr.x", xattr.key);
    try testing.expectEqualStrings("\n\x00", xattr.value);
    try testing.expectEqual(null, try records.next());
}

test "next() refuses malformed records" {
    const malformed = [_][]const u8{
        "x",           "12",           "12 path=a=b",             "99 path=a\n",               "3 a=",
        "4 =\n",       "3 a\n",        "6 =aa\n",                 "7 a\x00=b\n",               "7 abcd\n",
        "-7 a=b\n",    "+6 a=b\n",     "0 a=b\n",                 "1 a=b\n",                   "2 \n",
        "07 path=a\n", "6_0 path=a\n", "99999999999999999 a=b\n", "999999999999999999999 a\n", " 6 a=b\n",
    };
    for (malformed) |text| {
        var records: Records = .{ .rest = text };
        try testing.expectError(error.BadPaxRecord, records.next());
    }
}

test time {
    const Case = struct { text: []const u8, seconds: i64, nanoseconds: u32 };
    const cases = [_]Case{
        .{ .text = "0", .seconds = 0, .nanoseconds = 0 },
        .{ .text = "1350244992.023960108", .seconds = 1350244992, .nanoseconds = 23960108 },
        .{ .text = "1.5", .seconds = 1, .nanoseconds = 500_000_000 },
        .{ .text = "1.", .seconds = 1, .nanoseconds = 0 },
        .{ .text = "1.0000000019", .seconds = 1, .nanoseconds = 1 },
        .{ .text = "-1", .seconds = -1, .nanoseconds = 0 },
        .{ .text = "-1.5", .seconds = -2, .nanoseconds = 500_000_000 },
    };
    for (cases) |case| {
        const got = try time(case.text);
        try testing.expectEqual(case.seconds, got.seconds);
        try testing.expectEqual(case.nanoseconds, got.nanoseconds);
    }
    for ([_][]const u8{ "", "-", ".", "1.x", "1e3", "--1", "1.-5", "99999999999999999999" }) |text| {
        try testing.expectError(error.BadPaxRecord, time(text));
    }
}

test "fuzz Records and time()" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var buffer: [256]u8 = undefined;
            const bytes = buffer[0..smith.slice(&buffer)];
            if (time(bytes)) |got| try testing.expect(got.nanoseconds < 1_000_000_000) else |_| {}
            var records: Records = .{ .rest = bytes };
            while (records.next() catch null) |record| {
                try testing.expect(record.key.len > 0);
                try testing.expect(record.key.len + record.value.len + 4 <= bytes.len);
            }
        }
    }.one, .{ .corpus = &.{ "12 path=a=b\n", "1350244992.023960108", "-1.5", "20 mtime=1.123456789\n" } });
}
