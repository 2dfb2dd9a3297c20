//! `state ID`: what the runtime specification calls the state of a container, as JSON.
const std = @import("std");
const sys = @import("../sys.zig");
const users = @import("../process/user.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const state = @import("state.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Text = contexts.Text;

const Options = struct {};
pub const Config = struct {
    ociVersion: []const u8 = "",
    root: ?struct { path: []const u8 } = null,
    annotations: ?std.json.ArrayHashMap([]const u8) = null,
};

pub const Shown = struct {
    ociVersion: []const u8,
    id: []const u8,
    pid: i32,
    status: state.Status,
    bundle: []const u8,
    rootfs: []const u8,
    created: []const u8,
    annotations: ?std.json.ArrayHashMap([]const u8),
    /// Whose it is; "" when nobody here has that id.
    owner: []const u8,
};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const container = try state.load(Config, context, try words.one(parsed.words, "state ID"));
    defer container.close();
    try context.printJson(try describe(context.arena, &container));
    return 0;
}

pub fn describe(arena: std.mem.Allocator, container: *const state.Container(Config)) sys.Error!Shown {
    const record = &container.record;
    const status = container.status();
    const root = if (record.config.root) |root| root.path else "";
    return .{
        .ociVersion = record.config.ociVersion,
        .id = record.id,
        .pid = if (status == .stopped) 0 else record.pid,
        .status = status,
        .bundle = record.bundle,
        .rootfs = std.fs.path.resolve(arena, &.{ record.bundle, root }) catch return contexts.outOfMemory(),
        .created = record.created,
        .annotations = record.config.annotations,
        .owner = try ownerOf(arena, container.entry.directory),
    };
}

fn ownerOf(arena: std.mem.Allocator, directory: linux.fd_t) sys.Error![]const u8 {
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", "", sys.statFd(directory, &stat));
    var buffer: [users.name_bytes_max]u8 = undefined;
    const name = users.nameOf(stat.uid, &buffer) orelse return "";
    return arena.dupe(u8, name) catch contexts.outOfMemory();
}
