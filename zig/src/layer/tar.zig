//! One 512-byte tar header block -> its fields. Pure: no input, no output, no memory but the caller's.
//!
//! Reads what layers are made of: v7, ustar, star, GNU and the blocks that announce pax records (POSIX pax(1)
//! "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"). Where implementations differ it takes the
//! reading of the Go ecosystem (Docker, Podman, containerd), so that what a scanner saw is what is unpacked.
//! It does not know what follows a header: see archive.zig.
const std = @import("std");

pub const block_size = 512;
pub const Block = [block_size]u8;

/// prefix (155) + "/" + name (100).
pub const name_bytes_max = 256;

pub const Kind = enum {
    file,
    /// Before POSIX a directory was a file whose name ends in a slash: the name decides, once it is complete.
    old_file,
    hard_link,
    symlink,
    char_device,
    block_device,
    directory,
    fifo,
    /// Records for the next entry, and for all that follow.
    pax,
    pax_global,
    /// GNU: the next entry's name, and its link target, too long for the header.
    long_name,
    long_link,
    /// A volume's label: says nothing about a file.
    label,
    /// GNU sparse, multi-volume and incremental entries, and types nobody defined.
    unsupported,
};

pub const Header = struct {
    kind: Kind,
    /// Points into the name buffer given to `parse`.
    name: []const u8,
    /// Points into the block.
    link: []const u8,
    mode: u32,
    uid: i64,
    gid: i64,
    size: u64,
    mtime: i64,
    major: u32,
    minor: u32,
};

pub const Error = error{ BadChecksum, BadNumber, BadSize };

/// As POSIX lays a header out (ustar).
pub const Fields = extern struct {
    name: [100]u8,
    mode: [8]u8,
    uid: [8]u8,
    gid: [8]u8,
    size: [12]u8,
    mtime: [12]u8,
    checksum: [8]u8,
    kind: u8,
    link: [100]u8,
    magic: [6]u8,
    version: [2]u8,
    user: [32]u8,
    group: [32]u8,
    major: [8]u8,
    minor: [8]u8,
    prefix: [155]u8,
    rest: [12]u8,

    comptime {
        std.debug.assert(@sizeOf(Fields) == block_size);
    }
};

const checksum_offset = @offsetOf(Fields, "checksum");

/// Is this one of the zero blocks that end an archive?
pub fn isZero(block: *const Block) bool {
    return std.mem.allEqual(u8, block, 0);
}

pub fn parse(block: *const Block, name_buffer: *[name_bytes_max]u8) Error!Header {
    const fields: *const Fields = @ptrCast(block);
    if (!checksumMatches(block)) return error.BadChecksum;
    const kind = kindOf(fields.kind);
    const is_device = kind == .char_device or kind == .block_device;
    const size = try number(&fields.size);
    if (size < 0) return error.BadSize;
    return .{
        .kind = kind,
        .name = joinName(fields, name_buffer),
        .link = text(&fields.link),
        .mode = @truncate(@as(u64, @bitCast(try number(&fields.mode)))),
        .uid = try number(&fields.uid),
        .gid = try number(&fields.gid),
        .size = @intCast(size),
        .mtime = try number(&fields.mtime),
        .major = if (is_device) try deviceNumber(&fields.major) else 0,
        .minor = if (is_device) try deviceNumber(&fields.minor) else 0,
    };
}

fn kindOf(byte: u8) Kind {
    return switch (byte) {
        0 => .old_file,
        '0', '7' => .file,
        '1' => .hard_link,
        '2' => .symlink,
        '3' => .char_device,
        '4' => .block_device,
        '5' => .directory,
        '6' => .fifo,
        'x' => .pax,
        'g' => .pax_global,
        'L' => .long_name,
        'K' => .long_link,
        'V' => .label,
        else => .unsupported,
    };
}

fn joinName(fields: *const Fields, buffer: *[name_bytes_max]u8) []const u8 {
    const name = text(&fields.name);
    const prefix = namePrefix(fields);
    if (prefix.len == 0) {
        @memcpy(buffer[0..name.len], name);
        return buffer[0..name.len];
    }
    return std.fmt.bufPrint(buffer, "{s}/{s}", .{ prefix, name }) catch unreachable;
}

/// Only ustar and its kin have a prefix: GNU keeps times there, star too, at its end.
fn namePrefix(fields: *const Fields) []const u8 {
    if (!std.mem.eql(u8, &fields.magic, "ustar\x00")) return "";
    const is_star = std.mem.eql(u8, fields.rest[8..12], "tar\x00");
    return text(if (is_star) fields.prefix[0..131] else &fields.prefix);
}

fn text(field: []const u8) []const u8 {
    return std.mem.sliceTo(field, 0);
}

/// The sum of all bytes with the checksum field as spaces; some old programs summed signed bytes.
fn checksumMatches(block: *const Block) bool {
    const wanted = number(block[checksum_offset..][0..8]) catch return false;
    var unsigned: i64 = 0;
    var signed: i64 = 0;
    for (block, 0..) |byte, offset| {
        const is_sum = offset >= checksum_offset and offset < checksum_offset + 8;
        const value: u8 = if (is_sum) ' ' else byte;
        unsigned += value;
        signed += @as(i8, @bitCast(value));
    }
    return wanted == unsigned or wanted == signed;
}

fn deviceNumber(field: []const u8) Error!u32 {
    return std.math.cast(u32, try number(field)) orelse error.BadNumber;
}

/// Octal text padded by spaces and NULs, or, with the first bit set, big-endian two's complement (GNU base-256).
fn number(field: []const u8) Error!i64 {
    if (field[0] & 0x80 != 0) return base256(field);
    const digits = std.mem.trim(u8, field, " \x00");
    var value: i64 = 0; // at most 12 digits of 3 bits: cannot overflow
    for (digits) |digit| {
        if (digit < '0' or digit > '7') return error.BadNumber;
        value = value * 8 + (digit - '0');
    }
    return value;
}

fn base256(field: []const u8) Error!i64 {
    const is_negative = field[0] & 0x40 != 0;
    var value: i128 = if (is_negative) -1 else 0;
    for (field, 0..) |byte, index| {
        // The first byte's marker bit is not part of the number: there it repeats the sign.
        const digit: u8 = if (index > 0) byte else if (is_negative) byte | 0x80 else byte & 0x7f;
        value = (value << 8) | digit;
        if (std.math.cast(i64, value) == null) return error.BadNumber;
    }
    return @intCast(value);
}

const testing = std.testing;

/// A header for tests, with a right checksum.
pub fn testHeader(name: []const u8, kind: u8, size: u64) Block {
    var fields = std.mem.zeroes(Fields);
    @memcpy(fields.name[0..name.len], name);
    fields.kind = kind;
    _ = std.fmt.bufPrint(&fields.mode, "{o:0>7}", .{@as(u32, 0o644)}) catch unreachable;
    _ = std.fmt.bufPrint(&fields.size, "{o:0>11}", .{size}) catch unreachable;
    @memcpy(&fields.magic, "ustar\x00");
    @memcpy(&fields.version, "00");
    return seal(@bitCast(fields));
}

/// Put the right checksum in.
pub fn seal(unsealed: Block) Block {
    var block = unsealed;
    @memset(block[checksum_offset..][0..8], ' ');
    var sum: u32 = 0;
    for (block) |byte| sum += byte;
    _ = std.fmt.bufPrint(block[checksum_offset..][0..8], "{o:0>6}\x00 ", .{sum}) catch unreachable;
    return block;
}

test "parse() reads names, kinds and sizes" {
    const Case = struct { name: []const u8, byte: u8, kind: Kind };
    const cases = [_]Case{
        .{ .name = "etc/passwd", .byte = '0', .kind = .file },
        .{ .name = "etc/passwd", .byte = 0, .kind = .old_file },
        .{ .name = "etc/", .byte = '5', .kind = .directory },
        .{ .name = "a", .byte = '7', .kind = .file },
        .{ .name = "a", .byte = '1', .kind = .hard_link },
        .{ .name = "a", .byte = 'S', .kind = .unsupported },
        .{ .name = "a", .byte = 0xff, .kind = .unsupported },
    };
    for (cases) |case| {
        var buffer: [name_bytes_max]u8 = undefined;
        const header = try parse(&testHeader(case.name, case.byte, 0o1234), &buffer);
        try testing.expectEqual(case.kind, header.kind);
        try testing.expectEqualStrings(case.name, header.name);
        try testing.expectEqual(@as(u64, 0o1234), header.size);
        try testing.expectEqual(@as(u32, 0o644), header.mode);
    }
}

test "parse() joins the ustar prefix, and leaves GNU's times alone" {
    var block = testHeader("name", '0', 0);
    @memcpy(block[345..][0..6], "prefix");
    var buffer: [name_bytes_max]u8 = undefined;
    try testing.expectEqualStrings("prefix/name", (try parse(&seal(block), &buffer)).name);
    @memcpy(block[257..][0..8], "ustar  \x00");
    try testing.expectEqualStrings("name", (try parse(&seal(block), &buffer)).name);
    @memset(block[0..100], 'n');
    @memset(block[345..][0..155], 'p');
    @memcpy(block[257..][0..8], "ustar\x0000");
    try testing.expectEqual(@as(usize, 256), (try parse(&seal(block), &buffer)).name.len);
}

test "number() knows octal, padding and base 256" {
    const Case = struct { field: []const u8, value: Error!i64 };
    const cases = [_]Case{
        .{ .field = "0000755\x00", .value = 0o755 },
        .{ .field = "   755 \x00", .value = 0o755 },
        .{ .field = "\x00\x00\x00\x00\x00\x00\x00\x00", .value = 0 },
        .{ .field = "777777777777", .value = 0o777777777777 },
        .{ .field = "00000_1\x00", .value = error.BadNumber },
        .{ .field = "-000001\x00", .value = error.BadNumber },
        .{ .field = "0000008\x00", .value = error.BadNumber },
        .{ .field = "\x80\x00\x00\x00\x00\x00\x01\x00", .value = 256 },
        .{ .field = "\xff\xff\xff\xff\xff\xff\xff\xff", .value = -1 },
        .{ .field = "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", .value = std.math.maxInt(i64) },
        .{ .field = "\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00", .value = error.BadNumber },
        .{ .field = "\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", .value = error.BadNumber },
    };
    for (cases) |case| try testing.expectEqual(case.value, number(case.field));
}

test "parse() refuses a wrong checksum and a negative size" {
    var buffer: [name_bytes_max]u8 = undefined;
    var block = testHeader("a", '0', 0);
    block[0] = 'b';
    try testing.expectError(error.BadChecksum, parse(&block, &buffer));
    block = testHeader("a", '0', 0);
    @memset(block[124..][0..12], 0xff);
    try testing.expectError(error.BadSize, parse(&seal(block), &buffer));
    try testing.expect(isZero(&std.mem.zeroes(Block)));
}

test "fuzz parse()" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var block: Block = undefined;
            smith.bytes(&block);
            var buffer: [name_bytes_max]u8 = undefined;
            const header = parse(&seal(block), &buffer) catch return;
            try testing.expect(header.name.len <= name_bytes_max and header.link.len <= 100);
            try testing.expect(header.size <= std.math.maxInt(i64));
        }
    }.one, .{ .corpus = &.{ &testHeader("a", '0', 7), &testHeader("dir/", '5', 0), &testHeader("x", 'x', 30) } });
}
