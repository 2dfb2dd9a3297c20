//! Texts of helper.json that are needed as long as the process lives, in a fixed room.
const sys = @import("../sys.zig");

var room: [32 * 1024]u8 = undefined;
var used: usize = 0;

pub fn keep(text: []const u8) sys.Error![]const u8 {
    if (text.len > room.len - used) return sys.fail("network", "too many names");
    const kept = room[used..][0..text.len];
    @memcpy(kept, text);
    used += text.len;
    return kept;
}
