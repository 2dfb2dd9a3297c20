//! The variables of a program: adding to those that config.json has. Pure.
const std = @import("std");
const contexts = @import("context.zig");

const Text = contexts.Text;

/// A variable that is there already gets its new value in its place: programs take the first of a name.
pub fn with(arena: std.mem.Allocator, env: []const Text, more: []const Text) error{OutOfMemory}![]const Text {
    if (more.len == 0) return env;
    var all: std.ArrayList(Text) = .empty;
    try all.appendSlice(arena, env);
    for (more) |text| {
        const name = text[0 .. std.mem.indexOfScalar(u8, text, '=') orelse text.len];
        for (all.items) |*known| {
            const is_same = std.mem.startsWith(u8, known.*, name) and known.len > name.len and known.*[name.len] == '=';
            if (!is_same) continue;
            known.* = text;
            break;
        } else try all.append(arena, text);
    }
    return all.items;
}

test "with() replaces, or adds" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const env = try with(arena_state.allocator(), &.{ "A=1", "AB=2" }, &.{ "AB=3", "C=4", "C=5" });
    try std.testing.expectEqual(@as(usize, 3), env.len);
    try std.testing.expectEqualStrings("AB=3", env[1]);
    try std.testing.expectEqualStrings("C=5", env[2]);
}
