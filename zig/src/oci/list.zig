//! `list`: the containers of this root, by id. One that is made or deleted at this moment may be missing.
const std = @import("std");
const sys = @import("../sys.zig");
const names = @import("../layer/names.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const show = @import("show.zig");
const state = @import("state.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Text = contexts.Text;

const Options = struct {
    format: ?Text = null,
    quiet: bool = false,
    pub const names = .{ .{ "f", "format" }, .{ "q", "quiet" } };
};

pub const Format = enum { table, json };

pub fn formatOf(name: ?Text) sys.Error!Format {
    const text = name orelse return .table;
    return std.meta.stringToEnum(Format, text) orelse
        sys.failFormat("usage", "unknown format \"{s}\": use table or json", .{text});
}

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    try words.none(parsed.words, "list [--quiet] [--format table|json]");
    const format = try formatOf(parsed.options.format);
    const ids = try findIds(context);
    if (parsed.options.quiet) {
        for (ids) |id| try context.print("{s}\n", .{id});
        return 0;
    }
    var all: std.ArrayList(show.Shown) = .empty;
    for (ids) |id| {
        const container = state.load(show.Config, context, id) catch continue; // it went away, or is damaged
        defer container.close();
        all.append(context.arena, try show.describe(context.arena, &container)) catch return contexts.outOfMemory();
    }
    switch (format) {
        .json => try context.printJson(all.items),
        .table => try printTable(context, all.items),
    }
    return 0;
}

/// Every directory that could be a container's, sorted. No root is no container.
fn findIds(context: *const contexts.Context) sys.Error![]const Text {
    const rc = linux.open(context.root, .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(rc) == .NOENT) return &.{};
    const directory = try sys.checkFd("open", context.root, rc);
    defer _ = linux.close(directory);
    var ids: std.ArrayList(Text) = .empty;
    var buffer: names.Buffer = .{};
    var entries: names.Iterator = .{ .fd = directory, .buffer = &buffer };
    while (try entries.next()) |entry| {
        if (entry.name[0] == '.') continue;
        const copy = context.arena.dupeZ(u8, entry.name) catch return contexts.outOfMemory();
        ids.append(context.arena, copy) catch return contexts.outOfMemory();
    }
    std.mem.sort(Text, ids.items, {}, struct {
        fn isBefore(_: void, a: Text, b: Text) bool {
            return std.mem.lessThan(u8, a, b);
        }
    }.isBefore);
    return ids.items;
}

fn printTable(context: *const contexts.Context, all: []const show.Shown) sys.Error!void {
    var widths = [_]usize{ "ID".len, "PID".len, "STATUS".len, "BUNDLE".len, "CREATED".len };
    var number: [12]u8 = undefined;
    for (all) |*one| for (columnsOf(one, &number), &widths) |text, *width| {
        width.* = @max(width.*, text.len);
    };
    try printRow(context, .{ "ID", "PID", "STATUS", "BUNDLE", "CREATED" }, "OWNER", &widths);
    for (all) |*one| try printRow(context, columnsOf(one, &number), one.owner, &widths);
}

fn columnsOf(one: *const show.Shown, number: *[12]u8) [5][]const u8 {
    const pid = std.fmt.bufPrint(number, "{d}", .{one.pid}) catch unreachable;
    return .{ one.id, pid, @tagName(one.status), one.bundle, one.created };
}

fn printRow(context: *const contexts.Context, columns: [5][]const u8, last: []const u8, widths: *const [5]usize) sys.Error!void {
    var row: std.Io.Writer.Allocating = .init(context.arena);
    for (columns, widths) |text, width| {
        row.writer.writeAll(text) catch return contexts.outOfMemory();
        row.writer.splatByteAll(' ', width - text.len + gap) catch return contexts.outOfMemory();
    }
    try context.print("{s}{s}\n", .{ row.written(), last });
}

const gap = 2;
