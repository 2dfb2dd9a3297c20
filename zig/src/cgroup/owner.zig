//! Who we are to those outside of our user namespace: root of one that an engine has made for a user is still that
//! user to systemd and to the hierarchy of the host.
const std = @import("std");
const sys = @import("../sys.zig");
const files = @import("files.zig");
const linux = sys.linux;

var known: ?u32 = null;

/// As far as we can tell: of namespaces inside one another the outer ones are out of our sight. Looked up once: whoever
/// asks systemd for anything never changes who it is.
pub fn uid() u32 {
    known = known orelse find();
    return known.?;
}

fn find() u32 {
    const own = linux.geteuid();
    var buffer: [4096]u8 = undefined;
    const map = files.read("/proc/self", "uid_map", &buffer) orelse return own;
    return outside(map, own) orelse own;
}

/// By the lines "INSIDE OUTSIDE COUNT" of a uid_map (user_namespaces(7)). Null: it is not mapped.
fn outside(map: []const u8, inside: u32) ?u32 {
    var lines = std.mem.tokenizeScalar(u8, map, '\n');
    while (lines.next()) |line| {
        var words = std.mem.tokenizeScalar(u8, line, ' ');
        var numbers: [3]u32 = undefined;
        for (&numbers) |*number| number.* = std.fmt.parseInt(u32, words.next() orelse return null, 10) catch return null;
        if (inside < numbers[0] or inside - numbers[0] >= numbers[2]) continue;
        return std.math.add(u32, numbers[1], inside - numbers[0]) catch null;
    }
    return null;
}

test "outside() follows the map, and nothing that is none" {
    const map = "         0       1000          1\n         1     100000      65536\n";
    try std.testing.expectEqual(1000, outside(map, 0).?);
    try std.testing.expectEqual(100_009, outside(map, 10).?);
    try std.testing.expectEqual(null, outside(map, 65_537));
    try std.testing.expectEqual(7, outside("0 0 4294967295\n", 7).?);
    for ([_][]const u8{ "", "0", "0 1\n", "0 x 1\n", "0 4294967295 2\n" }) |bad| try std.testing.expectEqual(null, outside(bad, 1));
}
