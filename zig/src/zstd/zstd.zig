//! A Zstandard decoder (RFC 8878) from memory to memory, for what we packed ourselves: one frame, no dictionary, the
//! size known beforehand. It does not verify the optional checksum: the caller has its own. stream.zig has what takes
//! anything, of any size, with the same blocks. Damaged input gives error.Corrupt or wrong bytes, never an access
//! outside of `out` and `in`.
//!
//! It exists because the one in std takes twelve times as long, which would be two seconds of the first start.
const std = @import("std");
const bits = @import("bits.zig");
const fse = @import("fse.zig");
const huffman = @import("huffman.zig");

pub const stream = @import("stream.zig");

pub const Error = bits.Error;

/// So many bytes behind `in` must be readable.
pub const slack = bits.slack;

/// Of what is stored, and of what comes out.
pub const block_size_max = 128 * 1024;

/// What lives on from block to block. Too large for a stack.
const Decoder = struct {
    literals_buffer: [block_size_max + copy_step]u8 = @splat(0),
    huffman: huffman.Table = .{},
    literal_lengths: fse.Table(9, 35) = .{},
    offsets: fse.Table(8, 31) = .{},
    match_lengths: fse.Table(9, 52) = .{},
    recent: [3]usize = @splat(0),
};
var decoder: Decoder = .{};

/// Decode one frame whose content is exactly `out.len` bytes. Not reentrant.
pub fn decode(out: []u8, in: []const u8) Error!void {
    var rest = in[try frameHeaderSize(in)..];
    begin();
    var produced: usize = 0;
    while (true) {
        if (rest.len < BlockHeader.size) return error.Corrupt;
        const header = try BlockHeader.read(rest[0..BlockHeader.size]);
        rest = rest[BlockHeader.size..];
        if (rest.len < header.stored) return error.Corrupt;
        produced = try decodeBlock(out, produced, header, rest[0..header.stored]);
        rest = rest[header.stored..];
        if (header.is_last) break;
    }
    if (produced != out.len) return error.Corrupt;
}

/// Forget what a frame before has left.
pub fn begin() void {
    decoder.recent = .{ 1, 4, 8 };
    decoder.huffman.log = 0;
}

/// Section 3.1.1.2.
pub const BlockHeader = struct {
    pub const size = 3;

    kind: enum(u2) { raw, repeated, compressed, reserved },
    is_last: bool,
    /// What comes out, where it is not compressed.
    length: usize,
    /// Bytes that follow.
    stored: usize,

    pub fn read(bytes: *const [size]u8) Error!BlockHeader {
        const word = std.mem.readInt(u24, bytes, .little);
        const header: BlockHeader = .{
            .kind = @enumFromInt(word >> 1 & 3),
            .is_last = word & 1 != 0,
            .length = word >> 3,
            .stored = if (word >> 1 & 3 == 1) 1 else word >> 3,
        };
        return if (header.length > block_size_max or header.kind == .reserved) error.Corrupt else header;
    }
};

/// Decode what follows a header behind the `produced` bytes there are. Returns how many there are then.
pub fn decodeBlock(out: []u8, produced: usize, header: BlockHeader, content: []const u8) Error!usize {
    if (header.kind == .compressed) return decodeCompressed(out, produced, content);
    if (header.length > out.len - produced) return error.Corrupt;
    const target = out[produced..][0..header.length];
    if (header.kind == .raw) @memcpy(target, content) else @memset(target, content[0]);
    return produced + header.length;
}

/// Section 3.1.1.1. Only the size of the header matters: the window is the whole output.
fn frameHeaderSize(in: []const u8) Error!usize {
    if (in.len < 6 or std.mem.readInt(u32, in[0..4], .little) != 0xFD2FB528) return error.Corrupt;
    const is_single_segment = in[4] >> 5 & 1 != 0;
    if (in[4] & 0b1011 != 0) return error.Corrupt; // reserved, or a dictionary
    const content_size: usize = switch (in[4] >> 6) {
        0 => if (is_single_segment) 1 else 0,
        1 => 2,
        2 => 4,
        else => 8,
    };
    const size = 5 + content_size + @intFromBool(!is_single_segment);
    return if (size <= in.len) size else error.Corrupt;
}

/// Section 3.1.1.3. Returns how much there is in `out` now.
fn decodeCompressed(out: []u8, start: usize, block: []const u8) Error!usize {
    const literals = try readLiterals(block);
    const rest = block[literals.size_used..];
    if (rest.len == 0) return error.Corrupt;
    var at: usize = 1;
    var count: usize = rest[0];
    if (count >= 128) {
        if (rest.len < 3) return error.Corrupt;
        at = if (count == 255) 3 else 2;
        count = if (count == 255)
            std.mem.readInt(u16, rest[1..3], .little) + @as(usize, 0x7F00)
        else
            (count - 128 << 8) + rest[1];
    }
    if (count == 0) return appendRest(out, start, literals.bytes);
    if (rest.len <= at) return error.Corrupt;
    const modes = rest[at];
    at += 1;
    at += try readTable(&decoder.literal_lengths, modes >> 6, rest[at..], 6, &literal_length_default);
    at += try readTable(&decoder.offsets, modes >> 4, rest[at..], 5, &offset_default);
    at += try readTable(&decoder.match_lengths, modes >> 2, rest[at..], 6, &match_length_default);
    return executeSequences(out, start, literals.bytes, rest[at..], count);
}

const Literals = struct { bytes: []const u8, size_used: usize };

/// Section 3.1.1.3.1.
fn readLiterals(block: []const u8) Error!Literals {
    if (block.len < 3) return error.Corrupt;
    const kind = block[0] & 3;
    const format = block[0] >> 2 & 3;
    const word = std.mem.readInt(u40, block.ptr[0..5], .little);
    if (kind < 2) {
        const header: usize = if (format & 1 == 0) 1 else if (format == 1) 2 else 3;
        const size: usize = @intCast(switch (header) {
            1 => word >> 3 & 0x1f,
            2 => word >> 4 & 0xfff,
            else => word >> 4 & 0xfffff,
        });
        const stored = if (kind == 1) 1 else size;
        if (size > block_size_max or block.len < header + stored) return error.Corrupt;
        const literals = decoder.literals_buffer[0..size];
        if (kind == 1) @memset(literals, block[header]) else @memcpy(literals, block[header..][0..size]);
        return .{ .bytes = literals, .size_used = header + stored };
    }
    const width: u6 = if (format < 2) 10 else if (format == 2) 14 else 18;
    const header: usize = (4 + 2 * @as(usize, width)) / 8;
    const size: usize = @intCast(word >> 4 & (@as(u40, 1) << width) - 1);
    const compressed: usize = @intCast(word >> 4 + width & (@as(u40, 1) << width) - 1);
    if (size > block_size_max or block.len < header + compressed) return error.Corrupt;
    var stored = block[header..][0..compressed];
    if (kind == 2) stored = stored[try decoder.huffman.read(stored)..];
    if (decoder.huffman.log == 0) return error.Corrupt;
    const literals = decoder.literals_buffer[0..size];
    if (format == 0) {
        try decoder.huffman.decodeOne(literals, stored);
    } else try decoder.huffman.decodeFour(literals, stored);
    return .{ .bytes = literals, .size_used = header + compressed };
}

/// Section 3.1.1.3.2.1: the table is a given one, a single symbol, described here, or the one before. Returns how
/// many bytes the description took.
fn readTable(table: anytype, mode: u8, bytes: []const u8, default_log: u4, default: []const i16) Error!usize {
    switch (mode & 3) {
        0 => table.build(default_log, default),
        1 => {
            if (bytes.len == 0 or bytes[0] > 52) return error.Corrupt;
            table.buildSingle(bytes[0]);
            return 1;
        },
        2 => return table.read(bytes),
        else => {}, // what is there is a table in any case: that of a block before, or of a frame before
    }
    return 0;
}

fn executeSequences(out: []u8, start: usize, literals: []const u8, coded: []const u8, count: usize) Error!usize {
    var input = try bits.Backward.init(coded);
    const lengths = &decoder.literal_lengths;
    const offsets = &decoder.offsets;
    const matches = &decoder.match_lengths;
    var length_state = lengths.states[@intCast(input.take(lengths.log))];
    var offset_state = offsets.states[@intCast(input.take(offsets.log))];
    var match_state = matches.states[@intCast(input.take(matches.log))];
    var at = start;
    var literal: usize = 0;
    for (0..count) |i| {
        if (offset_state.symbol > 31 or match_state.symbol > 52 or length_state.symbol > 35) return error.Corrupt;
        const offset_value = (@as(usize, 1) << @intCast(offset_state.symbol)) + input.take(@intCast(offset_state.symbol));
        const match = match_length_base[match_state.symbol] + input.take(match_length_bits[match_state.symbol]);
        const length = literal_length_base[length_state.symbol] + input.take(literal_length_bits[length_state.symbol]);
        if (i + 1 < count) {
            length_state = lengths.states[@intCast(length_state.base + input.take(@intCast(length_state.count)))];
            match_state = matches.states[@intCast(match_state.base + input.take(@intCast(match_state.count)))];
            offset_state = offsets.states[@intCast(offset_state.base + input.take(@intCast(offset_state.count)))];
        }
        if (input.left < 0) return error.Corrupt;
        const offset = try resolveOffset(offset_value, length);
        if (length > literals.len - literal or length + match > out.len - at) return error.Corrupt;
        if (offset > at + length) return error.Corrupt;
        copyLiterals(out, at, literals[literal..].ptr, length);
        literal += length;
        at += length;
        copyMatch(out, at, offset, match);
        at += match;
    }
    if (input.left != 0) return error.Corrupt;
    return appendRest(out, at, literals[literal..]);
}

/// Section 3.1.1.5: 1 to 3 mean one of the offsets used last.
inline fn resolveOffset(value: usize, literal_length: usize) Error!usize {
    const first, const second, const third = decoder.recent;
    if (value > 3) {
        decoder.recent = .{ value - 3, first, second };
        return value - 3;
    }
    switch (value + @intFromBool(literal_length == 0)) {
        1 => {},
        2 => decoder.recent = .{ second, first, third },
        3 => decoder.recent = .{ third, first, second },
        else => decoder.recent = .{ first -% 1, first, second },
    }
    return if (decoder.recent[0] == 0) error.Corrupt else decoder.recent[0];
}

fn appendRest(out: []u8, at: usize, literals: []const u8) Error!usize {
    if (literals.len > out.len - at) return error.Corrupt;
    @memcpy(out[at..][0..literals.len], literals);
    return at + literals.len;
}

/// Copies are made in steps of this many bytes where there is room to write too much.
const copy_step = 16;

inline fn copyLiterals(out: []u8, at: usize, from: [*]const u8, length: usize) void {
    if (at + length + copy_step > out.len) return @memcpy(out[at..][0..length], from[0..length]);
    var done: usize = 0;
    while (true) {
        out[at + done ..][0..copy_step].* = from[done..][0..copy_step].*;
        done += copy_step;
        if (done >= length) return;
    }
}

/// Source and target overlap when the offset is smaller than the length: then what was just written is copied.
inline fn copyMatch(out: []u8, at: usize, offset: usize, length: usize) void {
    const from = at - offset;
    if (offset < copy_step or at + length + copy_step > out.len) {
        for (0..length) |i| out[at + i] = out[from + i];
        return;
    }
    var done: usize = 0;
    while (true) {
        out[at + done ..][0..copy_step].* = out[from + done ..][0..copy_step].*;
        done += copy_step;
        if (done >= length) return;
    }
}

// Codes of lengths: a base and how many more bits are added (section 3.1.1.3.2.1.1).
const literal_length_bits = [16]u6{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } ++
    [20]u6{ 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
const match_length_bits = @as([32]u6, @splat(0)) ++
    [21]u6{ 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
const literal_length_base = bases(36, 0, literal_length_bits);
const match_length_base = bases(53, 3, match_length_bits);

/// Each code begins where the one before it ends.
fn bases(comptime count: usize, first: usize, extra: [count]u6) [count]usize {
    var result: [count]usize = undefined;
    var next = first;
    for (&result, extra) |*base, width| {
        base.* = next;
        next += @as(usize, 1) << width;
    }
    return result;
}

// Section 3.1.1.3.2.2: the distributions to use when none is given.
const literal_length_default = [_]i16{ 4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1 } ++
    [_]i16{ 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1 };
const match_length_default = [_]i16{ 1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } ++
    [_]i16{ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1 };
const offset_default = [_]i16{ 1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1 };

test {
    _ = bits;
}
