//! Copies bytes as fast as memory is: a program built for its size has a @memcpy that goes byte by byte, and of what a
//! busy container says every byte goes through here. Pure.
const std = @import("std");

const Chunk = @Vector(16, u8);
const chunk_bytes = @sizeOf(Chunk);

/// `to` begins where `from` is to be; they do not overlap.
pub fn copy(to: []u8, from: []const u8) void {
    std.debug.assert(to.len >= from.len);
    if (from.len < chunk_bytes) {
        for (from, to[0..from.len]) |byte, *place| place.* = byte;
        return;
    }
    var done: usize = 0;
    while (done + chunk_bytes <= from.len) : (done += chunk_bytes) copyChunk(to, from, done);
    copyChunk(to, from, from.len - chunk_bytes); // the rest, and a little once more
}

fn copyChunk(to: []u8, from: []const u8, at: usize) void {
    const chunk: Chunk = from[at..][0..chunk_bytes].*;
    to[at..][0..chunk_bytes].* = chunk;
}

test "copy() copies every byte and no other" {
    var from: [100]u8 = undefined;
    for (&from, 1..) |*byte, i| byte.* = @intCast(i);
    for (0..from.len) |length| {
        var to: [from.len]u8 = @splat(0);
        copy(&to, from[0..length]);
        try std.testing.expectEqualSlices(u8, from[0..length], to[0..length]);
        for (to[length..]) |byte| try std.testing.expectEqual(0, byte);
    }
}
