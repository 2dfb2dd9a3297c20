//! `ps ID`: the container's processes, as the host numbers them. By its cgroup; without one, by its pid namespace.
const std = @import("std");
const sys = @import("../sys.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const list = @import("list.zig");
const members = @import("members.zig");
const state = @import("state.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Options = struct {
    format: ?contexts.Text = null,
    pub const names = .{.{ "f", "format" }};
};
const Config = struct {};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const id = try words.one(parsed.words, "ps [--format table|json] ID");
    const format = try list.formatOf(parsed.options.format);
    const container = try state.load(Config, context, id);
    defer container.close();
    if (container.pidfd == null) return sys.failFormat("ps", "container not running: \"{s}\"", .{id});
    const pids = try members.find(context.arena, try state.groupOf(&container.record), container.record.pid);
    switch (format) {
        .json => try context.printJson(pids),
        .table => try printTable(context, pids),
    }
    return 0;
}

fn printTable(context: *const contexts.Context, pids: []const linux.pid_t) sys.Error!void {
    try context.print("{s: <10} {s: >7} {s: >7} {s}\n", .{ "UID", "PID", "PPID", "CMD" });
    for (pids) |pid| {
        var buffer: [4096]u8 = undefined;
        const process = members.look(pid, &buffer) orelse continue; // it has ended
        const numbers = .{ process.uid, @as(u32, @intCast(pid)), @as(u32, @intCast(process.parent)) };
        try context.print("{d: <10} {d: >7} {d: >7} {s}\n", numbers ++ .{process.command});
    }
}
