//! The detach keys: finds them in what is typed, whatever pieces it comes in. Pure.
const std = @import("std");

/// More than anybody types in a row.
pub const keys_max = 16;

pub const Detector = struct {
    keys: []const u8,
    /// How many of the last bytes are the beginning of the keys: they are withheld until it is known what follows.
    matched: usize = 0,

    pub const Result = struct { forward: []const u8, detached: bool };

    /// What is to be forwarded of `input`, in `out` (at least `input.len + keys_max` bytes). Nothing after the keys is.
    pub fn feed(detector: *Detector, input: []const u8, out: []u8) Result {
        const keys = detector.keys;
        if (keys.len == 0 or keys.len > keys_max) return .{ .forward = input, .detached = false };
        var used: usize = 0;
        for (input) |byte| {
            while (keys[detector.matched] != byte) {
                if (detector.matched == 0) {
                    out[used] = byte;
                    used += 1;
                    break;
                }
                const kept = detector.overlap();
                const given_up = detector.matched - kept;
                @memcpy(out[used..][0..given_up], keys[0..given_up]);
                used += given_up;
                detector.matched = kept;
            } else {
                detector.matched += 1;
                if (detector.matched == keys.len) return .{ .forward = out[0..used], .detached = true };
            }
        }
        return .{ .forward = out[0..used], .detached = false };
    }

    /// The longest beginning of the keys that the withheld bytes also end with ("ppq" after "pp": one).
    fn overlap(detector: *const Detector) usize {
        const held = detector.keys[0..detector.matched];
        var length = held.len - 1;
        while (length > 0) : (length -= 1) {
            if (std.mem.eql(u8, held[0..length], held[held.len - length ..])) return length;
        }
        return 0;
    }
};

test "keys are found across pieces, the rest is forwarded unchanged" {
    const cases = [_]struct { keys: []const u8, pieces: []const []const u8, forward: []const u8, detached: bool }{
        .{ .keys = "pq", .pieces = &.{ "ap", "qz" }, .forward = "a", .detached = true },
        .{ .keys = "pq", .pieces = &.{ "p", "p", "x" }, .forward = "ppx", .detached = false },
        .{ .keys = "ppq", .pieces = &.{"pppq"}, .forward = "p", .detached = true },
        .{ .keys = "abac", .pieces = &.{"ababac"}, .forward = "ab", .detached = true },
        .{ .keys = "", .pieces = &.{"pq"}, .forward = "pq", .detached = false },
    };
    for (cases) |case| {
        var detector: Detector = .{ .keys = case.keys };
        var forwarded: [64]u8 = undefined;
        var used: usize = 0;
        var detached = false;
        for (case.pieces) |piece| {
            var out: [64]u8 = undefined;
            const result = detector.feed(piece, &out);
            @memcpy(forwarded[used..][0..result.forward.len], result.forward);
            used += result.forward.len;
            detached = detached or result.detached;
        }
        try std.testing.expectEqualStrings(case.forward, forwarded[0..used]);
        try std.testing.expectEqual(case.detached, detached);
    }
}
