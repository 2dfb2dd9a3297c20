//! What only a command of ours can do once a container with `--rm` is gone: its row and its anonymous volumes, of which
//! the database knows who else has them. With its last act the monitor becomes that command.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const child = @import("../process/child.zig");
const linux = sys.linux;

pub const Command = struct {
    args: [:null]const ?[*:0]const u8,
    env: [:null]const ?[*:0]const u8,
};

/// From the helper.json in `directory`, before that is deleted. Null: there is nothing to do.
pub fn read(arena: std.mem.Allocator, directory: [:0]const u8) ?Command {
    if (directory.len == 0) return null;
    const helper = contract.load(contract.Helper, arena, directory, "helper.json") catch return null;
    const wanted = helper.afterEnd orelse return null;
    if (wanted.args.len == 0) return null;
    return .{
        .args = words(arena, wanted.args) catch return null,
        .env = words(arena, wanted.env) catch return null,
    };
}

fn words(arena: std.mem.Allocator, texts: []const []const u8) error{OutOfMemory}![:null]const ?[*:0]const u8 {
    const list = try arena.allocSentinel(?[*:0]const u8, texts.len, null);
    for (list, texts) |*word, text| word.* = try arena.dupeZ(u8, text);
    return list;
}

/// Returns when it cannot be started: the next command of the user's does the same.
pub fn become(command: Command) void {
    child.defaultSignals();
    _ = linux.execve(command.args[0].?, command.args.ptr, command.env.ptr);
}

test "read() makes what execve(2) takes, and nothing of what is not there" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var buffer: [64]u8 = undefined;
    const directory = try std.fmt.bufPrintZ(&buffer, ".zig-cache/tmp/{s}", .{tmp.sub_path});
    try std.testing.expectEqual(null, read(arena.allocator(), directory));
    try std.testing.expectEqual(null, read(arena.allocator(), ""));
    const start =
        \\{"contract":1,"id":"a","runtimeDir":"/r","containerDir":"/c","trashDir":"/t","rootfs":{"kind":"directory","path":"/"}
    ;
    const wish = start ++ ",\"afterEnd\":{\"args\":[\"/bin/true\",\"x\"],\"env\":[\"A=1\"]}}";
    try tmp.dir.writeFile(std.testing.io, .{ .sub_path = "helper.json", .data = wish });
    const command = read(arena.allocator(), directory).?;
    try std.testing.expectEqualStrings("x", std.mem.span(command.args[1].?));
    try std.testing.expectEqual(null, command.args[2]);
    try std.testing.expectEqualStrings("A=1", std.mem.span(command.env[0].?));
    try tmp.dir.writeFile(std.testing.io, .{ .sub_path = "helper.json", .data = start ++ "}" });
    try std.testing.expectEqual(null, read(arena.allocator(), directory));
}
