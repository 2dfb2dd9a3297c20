//! Texts of helper.json that are needed as long as a container is served, in a fixed room for each.
const sys = @import("../sys.zig");
const states = @import("states.zig");

/// All zeros: nothing is kept.
pub const Room = struct {
    bytes: [32 * 1024]u8,
    used: usize,
};

pub fn keep(index: u8, text: []const u8) sys.Error![]const u8 {
    const room = &states.of(index).texts;
    if (text.len > room.bytes.len - room.used) return sys.fail("network", "too many names");
    const kept = room.bytes[room.used..][0..text.len];
    @memcpy(kept, text);
    room.used += text.len;
    return kept;
}

/// Somebody else has that place now.
pub fn forget(index: u8) void {
    states.of(index).texts.used = 0;
}
