//! Reading bits of a Zstandard stream, forwards (table descriptions) and backwards (everything else; RFC 8878,
//! section 4.1). It decides nothing about what the bits mean.
const std = @import("std");

pub const Error = error{Corrupt};

/// A load of eight bytes may begin at the last byte: so many bytes behind every input must be readable.
pub const slack = 8;

fn load(bytes: []const u8, index: usize) u64 {
    return std.mem.readInt(u64, bytes.ptr[index..][0..8], .little);
}

fn mask(value: u64, count: u6) u64 {
    return value & ((@as(u64, 1) << count) - 1);
}

/// From the first byte's lowest bit up.
pub const Forward = struct {
    bytes: []const u8,
    position: usize = 0,

    /// Up to 32 bits, without taking them. What is behind the end is anything.
    pub fn peek(bits: *const Forward, count: u6) Error!u32 {
        if (bits.position >= bits.bytes.len * 8) return error.Corrupt;
        return @intCast(mask(load(bits.bytes, bits.position / 8) >> @intCast(bits.position % 8), count));
    }

    pub fn skip(bits: *Forward, count: usize) void {
        bits.position += count;
    }

    /// How many bytes have been begun.
    pub fn bytesUsed(bits: *const Forward) Error!usize {
        const used = (bits.position + 7) / 8;
        return if (used <= bits.bytes.len) used else error.Corrupt;
    }
};

/// From below the highest set bit of the last byte down.
pub const Backward = struct {
    bytes: []const u8,
    /// Bits left; negative when more have been taken than there were.
    left: isize,

    pub fn init(bytes: []const u8) Error!Backward {
        if (bytes.len == 0 or bytes[bytes.len - 1] == 0) return error.Corrupt;
        const padding: isize = @as(isize, @clz(bytes[bytes.len - 1])) + 1;
        return .{ .bytes = bytes, .left = @as(isize, @intCast(bytes.len * 8)) - padding };
    }

    /// Up to 32 bits. Below the beginning there are zeroes.
    pub inline fn take(bits: *Backward, count: u6) u64 {
        const value = bits.peek(count);
        bits.left -= count;
        return value;
    }

    pub inline fn peek(bits: *const Backward, count: u6) u64 {
        const start = bits.left - count;
        if (start >= 0) {
            const at: usize = @intCast(start);
            return mask(load(bits.bytes, at / 8) >> @intCast(at % 8), count);
        }
        if (bits.left <= 0) return 0;
        return mask(load(bits.bytes, 0), @intCast(bits.left)) << @intCast(-start);
    }

    /// The next bits at the top of a word, at least 56 of them valid. Only with 64 bits or more left.
    pub inline fn top(bits: *const Backward) u64 {
        const at: usize = @intCast(bits.left);
        const first = (at - 57) / 8;
        return load(bits.bytes, first) << @intCast(64 - (at - first * 8));
    }
};

test "Backward starts below the mark and ends in zeroes" {
    const bytes = [_]u8{ 0b1010_0101, 0b0000_1011 } ++ [_]u8{0xff} ** slack;
    var bits = try Backward.init(bytes[0..2]);
    try std.testing.expectEqual(11, bits.left);
    try std.testing.expectEqual(0b011, bits.take(3));
    try std.testing.expectEqual(0b1010, bits.take(4));
    try std.testing.expectEqual(0b010100, bits.take(6));
    try std.testing.expectEqual(-2, bits.left);
    try std.testing.expectError(error.Corrupt, Backward.init(&.{0}));
}

test "Forward reads across bytes and notices the end" {
    const bytes = [_]u8{ 0b1010_0101, 0b0000_1011 } ++ [_]u8{0} ** slack;
    var bits: Forward = .{ .bytes = bytes[0..2] };
    bits.skip(4);
    try std.testing.expectEqual(0b011_1010, try bits.peek(7));
    bits.skip(12);
    try std.testing.expectError(error.Corrupt, bits.peek(1));
    try std.testing.expectEqual(2, try bits.bytesUsed());
}
