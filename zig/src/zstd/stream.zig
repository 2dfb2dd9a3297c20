//! Zstandard frames of any size as they come, one after the other, skippable ones among them (RFC 8878, section 3.1).
//! Content sizes and checksums are verified where a frame has them. Dictionaries are refused.
//!
//! Theory of operation. What was decoded lies in one buffer, at most a window and `ahead` bytes of it: where that is
//! full its last window is moved to the front. So no copy of a match has to look where the buffer ends, and moving costs
//! a few bytes per byte; memory that a small window does not reach is never touched.
const std = @import("std");
const zstd = @import("zstd.zig");

/// ZSTD_WINDOWLOG_LIMIT_DEFAULT of libzstd: nobody who was not asked to writes more.
pub const window_max = 128 << 20;
const ahead = 16 << 20;
pub const buffer_size = window_max + ahead;

pub const Error = zstd.Error || error{
    /// It takes more memory than `window_max`.
    WindowTooLarge,
};

const magic = 0xFD2FB528;
const magic_size = 4;
const skippable_magic = 0x184D2A5; // and four bits of anything

/// `input` is an Input; `sink.write(bytes)` takes all of them. What was decoded before an error has been written.
pub fn decode(input: anytype, sink: anytype, buffer: *[buffer_size]u8) !void {
    while (try input.take(magic_size)) |bytes| {
        const word = std.mem.readInt(u32, bytes[0..magic_size], .little);
        if (word == magic) {
            try decodeFrame(input, sink, buffer);
        } else if (word >> 4 == skippable_magic) {
            try input.skip(std.mem.readInt(u32, (try input.need(4))[0..4], .little));
        } else return error.Corrupt;
    }
}

fn decodeFrame(input: anytype, sink: anytype, buffer: []u8) !void {
    const frame: Frame = try .read(input);
    if (frame.window > window_max) return error.WindowTooLarge;
    const room = buffer[0..@min(frame.window + ahead, buffer.len)];
    var hash: std.hash.XxHash64 = .init(0);
    var total: u64 = 0;
    var produced: usize = 0;
    zstd.begin();
    while (true) {
        if (room.len - produced < zstd.block_size_max) {
            std.mem.copyForwards(u8, room[0..frame.window], room[produced - frame.window .. produced]);
            produced = frame.window;
        }
        const header: zstd.BlockHeader = try .read((try input.need(zstd.BlockHeader.size))[0..zstd.BlockHeader.size]);
        const content = try input.need(header.stored);
        const end = try zstd.decodeBlock(room[0 .. produced + zstd.block_size_max], produced, header, content);
        const fresh = room[produced..end];
        if (frame.has_checksum) hash.update(fresh);
        try sink.write(fresh);
        total += fresh.len;
        produced = end;
        if (header.is_last) break;
    }
    if (frame.content_size != null and frame.content_size != total) return error.Corrupt;
    if (!frame.has_checksum) return;
    const given = std.mem.readInt(u32, (try input.need(4))[0..4], .little);
    if (given != @as(u32, @truncate(hash.final()))) return error.Corrupt;
}

/// Section 3.1.1.1.
const Frame = struct {
    window: usize,
    content_size: ?u64,
    has_checksum: bool,

    fn read(input: anytype) !Frame {
        const descriptor = (try input.need(1))[0];
        if (descriptor & 0b1000 != 0) return error.Corrupt; // reserved
        const is_single_segment = descriptor >> 5 & 1 != 0;
        const window: u64 = if (is_single_segment) 0 else windowSize((try input.need(1))[0]);
        const dictionary_bytes = try input.need(([_]usize{ 0, 1, 2, 4 })[descriptor & 3]);
        if (!std.mem.allEqual(u8, dictionary_bytes, 0)) return error.Corrupt;
        const content_size: ?u64 = switch (descriptor >> 6) {
            0 => if (is_single_segment) (try input.need(1))[0] else null,
            1 => @as(u64, std.mem.readInt(u16, (try input.need(2))[0..2], .little)) + 256,
            2 => std.mem.readInt(u32, (try input.need(4))[0..4], .little),
            else => std.mem.readInt(u64, (try input.need(8))[0..8], .little),
        };
        return .{
            .window = std.math.lossyCast(usize, if (is_single_segment) content_size.? else window),
            .content_size = content_size,
            .has_checksum = descriptor >> 2 & 1 != 0,
        };
    }

    fn windowSize(byte: u8) u64 {
        const base = @as(u64, 1) << @intCast(10 + (byte >> 3));
        return base + base / 8 * (byte & 7);
    }
};

/// Bytes in one piece, with what the decoder may look at behind them. `source.read(buffer)` returns how many bytes it gave,
/// 0 at the end. Too large for a stack.
pub fn Input(Source: type) type {
    return struct {
        const Self = @This();
        const capacity = 2 * zstd.block_size_max;

        source: Source,
        start: usize = 0,
        end: usize = 0,
        bytes: [capacity + zstd.slack]u8 = @splat(0),

        /// Null: there is nothing more. Valid until the next call.
        fn take(input: *Self, count: usize) !?[]const u8 {
            std.debug.assert(count <= capacity);
            if (input.end - input.start < count and capacity - input.start < count) {
                std.mem.copyForwards(u8, &input.bytes, input.bytes[input.start..input.end]);
                input.end -= input.start;
                input.start = 0;
            }
            while (input.end - input.start < count) {
                const got = try input.source.read(input.bytes[input.end..capacity]);
                if (got == 0) return if (input.end == input.start) null else error.Corrupt;
                input.end += got;
            }
            defer input.start += count;
            return input.bytes[input.start..][0..count];
        }

        /// What is cut short is damaged.
        fn need(input: *Self, count: usize) ![]const u8 {
            return try input.take(count) orelse error.Corrupt;
        }

        fn skip(input: *Self, count: usize) !void {
            var left = count;
            while (left > 0) left -= (try input.need(@min(left, capacity))).len;
        }
    };
}
