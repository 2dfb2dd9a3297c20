//! The frames of attach.sock (src/helper/contract.ts): one byte of type, three zero bytes, length (u32, little
//! endian), then that many bytes. Pure encoding and decoding.
const std = @import("std");

pub const Type = enum(u8) {
    stdin = 0,
    end_of_stdin = 1,
    /// rows u16, columns u16
    resize = 2,
    stdout = 3,
    stderr = 4,
    /// exit code (lowest byte of a u32), number of the signal that ended it or 0 (next byte), in the third 1 when memory
    /// ran out, in the fourth 1 when it is to be started again
    ended = 5,
    /// 1 (stdout) or 2 (stderr), u32: who read it is gone. Only the client that came with the container may say so.
    output_closed = 6,
    _,
};

pub const payload_bytes_max = 64 * 1024;
pub const header_bytes = 8;

pub fn header(kind: Type, length: usize) [header_bytes]u8 {
    std.debug.assert(length <= payload_bytes_max);
    var bytes: [header_bytes]u8 = @splat(0);
    bytes[0] = @intFromEnum(kind);
    std.mem.writeInt(u32, bytes[4..8], @intCast(length), .little);
    return bytes;
}

pub const Header = struct { kind: Type, length: u32 };

/// Null: this is no frame of ours, the peer is to be dropped.
pub fn parse(bytes: *const [header_bytes]u8) ?Header {
    const kind: Type = @enumFromInt(bytes[0]);
    const length = std.mem.readInt(u32, bytes[4..8], .little);
    if (bytes[1] != 0 or bytes[2] != 0 or bytes[3] != 0 or length > payload_bytes_max) return null;
    const is_fine = switch (kind) {
        .stdin, .stdout, .stderr => true,
        .end_of_stdin => length == 0,
        .resize, .ended, .output_closed => length == 4,
        _ => false,
    };
    return if (is_fine) .{ .kind = kind, .length = length } else null;
}

test "a header is read as it was written, anything else is refused" {
    const bytes = header(.stdout, 300);
    try std.testing.expectEqual(Header{ .kind = .stdout, .length = 300 }, parse(&bytes).?);
    try std.testing.expect(parse(&header(.resize, 5)) == null);
    try std.testing.expect(parse(&.{ 9, 0, 0, 0, 0, 0, 0, 0 }) == null);
    try std.testing.expect(parse(&.{ 0, 1, 0, 0, 0, 0, 0, 0 }) == null);
    try std.testing.expect(parse(&.{ 0, 0, 0, 0, 1, 0, 1, 0 }) == null); // 64 KiB and one byte
}
