//! The internet checksum (RFC 1071) and the pseudo header it covers. Pure.
const std = @import("std");
const Address = @import("address.zig").Address;

/// The one's complement sum of big-endian words, not folded: what `fold` and further sums take.
pub fn sum(bytes: []const u8) u64 {
    var total: u64 = 0;
    var i: usize = 0;
    while (i + 4 <= bytes.len) : (i += 4) total += std.mem.readInt(u32, bytes[i..][0..4], .big);
    if (i + 2 <= bytes.len) {
        total += std.mem.readInt(u16, bytes[i..][0..2], .big);
        i += 2;
    }
    if (i < bytes.len) total += @as(u64, bytes[i]) << 8;
    return total;
}

pub fn fold(total: u64) u16 {
    var value = total;
    while (value >> 16 != 0) value = (value & 0xffff) + (value >> 16);
    return @intCast(value);
}

pub fn of(bytes: []const u8) u16 {
    return ~fold(sum(bytes));
}

/// Of the addresses, the protocol and the length that TCP, UDP and ICMPv6 count in.
pub fn pseudo(from: Address, to: Address, protocol: u8, length: usize) u64 {
    const skipped: usize = if (to.isV4()) 12 else 0;
    return sum(from.bytes[skipped..]) + sum(to.bytes[skipped..]) + protocol + length;
}

test "of() has odd lengths, too" {
    try std.testing.expectEqual(@as(u16, 0xFBFD), of(&.{ 0x01, 0x00, 0x03, 0x02 }));
    try std.testing.expectEqual(@as(u16, 0xF9FD), of(&.{ 0x01, 0x02, 0x05 }));
    try std.testing.expectEqual(@as(u16, 0xF6FC), of(&.{ 0x01, 0x02, 0x05, 0x00, 0x03, 0x01 }));
}
