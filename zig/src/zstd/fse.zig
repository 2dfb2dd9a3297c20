//! Finite State Entropy tables (RFC 8878, section 4.1.1): how probable each symbol is, and the states that follow.
const std = @import("std");
const bits = @import("bits.zig");
const Error = bits.Error;

pub const State = struct {
    symbol: u8,
    /// The next state is `base` plus this many bits.
    count: u8,
    base: u16,
};

/// A table of up to 2^`log_max` states.
pub fn Table(comptime log_max: u4, comptime symbol_max: u8) type {
    return struct {
        const Self = @This();
        log: u4 = 0,
        states: [1 << log_max]State = @splat(.{ .symbol = 0, .count = 0, .base = 0 }),

        /// Read a description and build the table. Returns how many bytes it took.
        pub fn read(table: *Self, bytes: []const u8) Error!usize {
            var input: bits.Forward = .{ .bytes = bytes };
            const log = 5 + try input.peek(4);
            if (log > log_max) return error.Corrupt;
            input.skip(4);

            var probabilities: [symbol_max + 1]i16 = @splat(0);
            var remaining: u32 = (@as(u32, 1) << @intCast(log)) + 1;
            var symbol: usize = 0;
            while (remaining > 1) {
                if (symbol > symbol_max) return error.Corrupt;
                const probability = try readProbability(&input, remaining);
                probabilities[symbol] = probability;
                symbol += 1;
                remaining -= @abs(probability);
                if (probability == 0) symbol += try readZeroes(&input);
            }
            if (symbol > symbol_max + 1) return error.Corrupt;
            table.build(@intCast(log), &probabilities);
            return input.bytesUsed();
        }

        /// Lay out the states. -1 is "less than one": a state of its own at the end of the table.
        pub fn build(table: *Self, log: u4, probabilities: []const i16) void {
            const size = @as(usize, 1) << log;
            var high = size;
            var next: [symbol_max + 1]u16 = undefined;
            for (probabilities, 0..) |probability, symbol| {
                next[symbol] = @abs(probability);
                if (probability >= 0) continue;
                high -= 1;
                table.states[high].symbol = @intCast(symbol);
            }
            const step = size / 2 + size / 8 + 3;
            var position: usize = 0;
            for (probabilities, 0..) |probability, symbol| {
                if (probability < 0) continue;
                for (0..@intCast(probability)) |_| {
                    table.states[position].symbol = @intCast(symbol);
                    position = (position + step) & (size - 1);
                    while (position >= high) position = (position + step) & (size - 1);
                }
            }
            for (table.states[0..size]) |*state| {
                const number = next[state.symbol];
                next[state.symbol] += 1;
                state.count = log - std.math.log2_int(u16, number);
                state.base = (number << @intCast(state.count)) - @as(u16, @intCast(size));
            }
            table.log = log;
        }

        /// The table that yields one symbol and takes no bits.
        pub fn buildSingle(table: *Self, symbol: u8) void {
            table.log = 0;
            table.states[0] = .{ .symbol = symbol, .count = 0, .base = 0 };
        }
    };
}

/// A value up to `remaining` in as few bits as will do: small ones take one bit less. Then minus one.
fn readProbability(input: *bits.Forward, remaining: u32) Error!i16 {
    const count: u5 = @intCast(std.math.log2_int(u32, remaining) + 1);
    const all = try input.peek(count);
    const low = all & ((@as(u32, 1) << (count - 1)) - 1);
    const spared = (@as(u32, 1) << count) - 1 - remaining;
    if (low < spared) {
        input.skip(count - 1);
        return @as(i16, @intCast(low)) - 1;
    }
    input.skip(count);
    const value = if (all >= @as(u32, 1) << (count - 1)) all - spared else all;
    return @as(i16, @intCast(value)) - 1;
}

/// How many more symbols have no probability: two bits each time, until they are not three.
fn readZeroes(input: *bits.Forward) Error!usize {
    var zeroes: usize = 0;
    while (true) {
        const more = try input.peek(2);
        input.skip(2);
        zeroes += more;
        if (more != 3) return zeroes;
    }
}
