//! Huffman-coded literals (RFC 8878, section 4.2): the table that says which bits mean which byte, and its use.
const std = @import("std");
const bits = @import("bits.zig");
const fse = @import("fse.zig");
const Error = bits.Error;

const log_max = 11;
const Entry = struct { symbol: u8, count: u8 };

pub const Table = struct {
    log: u6 = 0,
    entries: [1 << log_max]Entry = @splat(.{ .symbol = 0, .count = 0 }),

    /// Read a description and build the table. Returns how many bytes it took.
    pub fn read(table: *Table, bytes: []const u8) Error!usize {
        if (bytes.len == 0) return error.Corrupt;
        var weights: [256]u8 = @splat(0);
        const kind = bytes[0];
        if (kind < 128) { // weights compressed into this many bytes
            if (bytes.len < 1 + @as(usize, kind)) return error.Corrupt;
            try table.build(&weights, try readWeights(&weights, bytes[1..][0..kind]));
            return 1 + @as(usize, kind);
        }
        const count: usize = kind - 127; // half a byte each
        const size = (count + 1) / 2;
        if (bytes.len < 1 + size) return error.Corrupt;
        for (weights[0..count], 0..) |*weight, i| {
            const byte = bytes[1 + i / 2];
            weight.* = if (i % 2 == 0) byte >> 4 else byte & 15;
        }
        try table.build(&weights, count);
        return 1 + size;
    }

    /// A symbol of weight w > 0 has a code of log + 1 - w bits; the last symbol's weight is what is missing to a
    /// power of two. Codes are given out by rising weight, then by symbol.
    fn build(table: *Table, weights: *[256]u8, count: usize) Error!void {
        var total: u32 = 0;
        for (weights[0..count]) |weight| {
            if (weight > log_max) return error.Corrupt;
            if (weight > 0) total += @as(u32, 1) << @intCast(weight - 1);
        }
        if (total == 0 or count > 255) return error.Corrupt;
        const log = std.math.log2_int(u32, total) + 1;
        const missing = (@as(u32, 1) << log) - total;
        if (log > log_max or !std.math.isPowerOfTwo(missing)) return error.Corrupt;
        weights[count] = std.math.log2_int(u32, missing) + 1;

        var next: usize = 0;
        for (1..@as(usize, log) + 1) |weight| {
            for (weights[0 .. count + 1], 0..) |w, symbol| {
                if (w != weight) continue;
                const size = @as(usize, 1) << @intCast(weight - 1);
                @memset(table.entries[next..][0..size], .{
                    .symbol = @intCast(symbol),
                    .count = @intCast(log + 1 - weight),
                });
                next += size;
            }
        }
        table.log = log;
    }

    /// Fill `out` from one stream.
    pub fn decodeOne(table: *const Table, out: []u8, bytes: []const u8) Error!void {
        var input = try bits.Backward.init(bytes);
        try table.finish(out, &input);
    }

    /// Fill `out` from four streams of a quarter each, in turns so that the processor can overlap them.
    pub fn decodeFour(table: *const Table, out: []u8, bytes: []const u8) Error!void {
        const quarter = (out.len + 3) / 4;
        if (bytes.len < 6 or quarter * 3 > out.len) return error.Corrupt;
        var inputs: [4]bits.Backward = undefined;
        var outs: [4][]u8 = undefined;
        var at: usize = 6;
        for (0..4) |i| {
            const size = if (i < 3) std.mem.readInt(u16, bytes[i * 2 ..][0..2], .little) else bytes.len - at;
            if (size > bytes.len - at) return error.Corrupt;
            inputs[i] = try .init(bytes[at..][0..size]);
            at += size;
            outs[i] = if (i < 3) out[i * quarter ..][0..quarter] else out[3 * quarter ..];
        }
        const batch = 5; // symbols of at most 11 bits that are sure to be in one word
        var done: usize = 0;
        while (done + batch <= outs[3].len) : (done += batch) {
            const all_have_a_word = inline for (&inputs) |*input| {
                if (input.left < 64) break false;
            } else true;
            if (!all_have_a_word) break;
            var words: [4]u64 = undefined;
            var used: [4]u8 = @splat(0);
            inline for (&words, &inputs) |*word, *input| word.* = input.top();
            inline for (0..batch) |i| {
                inline for (0..4) |stream| {
                    const entry = table.entries[@intCast(words[stream] >> @intCast(64 - @as(u7, table.log)))];
                    outs[stream][done + i] = entry.symbol;
                    words[stream] <<= @intCast(entry.count);
                    used[stream] += entry.count;
                }
            }
            inline for (&inputs, used) |*input, count| input.left -= count;
        }
        for (&inputs, outs) |*input, rest| try table.finish(rest[done..], input);
    }

    fn finish(table: *const Table, out: []u8, input: *bits.Backward) Error!void {
        for (out) |*byte| {
            const entry = table.entries[@intCast(input.peek(table.log))];
            byte.* = entry.symbol;
            input.left -= entry.count;
        }
        if (input.left != 0) return error.Corrupt;
    }
};

/// Weights are themselves FSE-coded, by two states in turns until the bits run out. Returns how many there are.
fn readWeights(weights: *[256]u8, bytes: []const u8) Error!usize {
    var table: fse.Table(6, 12) = .{};
    const used = try table.read(bytes);
    var input = try bits.Backward.init(bytes[used..]);
    var states = [2]u64{ input.take(table.log), 0 };
    states[1] = input.take(table.log);
    var count: usize = 0;
    while (count < 254) : (count += 1) {
        const state = &states[count % 2];
        const entry = table.states[@intCast(state.*)];
        weights[count] = entry.symbol;
        state.* = entry.base + input.take(@intCast(entry.count));
        if (input.left < 0) {
            weights[count + 1] = table.states[@intCast(states[(count + 1) % 2])].symbol;
            return count + 2;
        }
    }
    return error.Corrupt;
}
