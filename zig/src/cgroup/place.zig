//! Where a container's group is to be, as asked: nowhere, a directory, or a scope of systemd. Pure; where the
//! hierarchy is mounted and which part of it is ours is hierarchy.zig's.
const std = @import("std");
const sys = @import("../sys.zig");

pub const Manager = enum { systemd, cgroupfs, none };

pub const Request = struct {
    manager: Manager,
    /// config.json's cgroupsPath: the group itself. "slice:prefix:name" for systemd.
    path: ?[]const u8 = null,
    /// helper.json's `cgroup.parent`: what the group is made in. "NAME.slice" for systemd.
    parent: ?[]const u8 = null,
    /// In the caller's own group, whatever lies above it.
    is_split: bool = false,
    id: []const u8,
};

pub const Place = union(enum) {
    none,
    directory: Directory,
    scope: Scope,
};

pub const Directory = struct {
    /// From the top of the hierarchy, or from where the caller may make groups.
    is_absolute: bool,
    is_split: bool,
    /// Without slashes at its ends.
    path: []const u8,
};

pub const Scope = struct {
    /// "NAME.scope".
    unit: []const u8,
    /// Null: systemd's own choice for containers.
    slice: ?[]const u8,
    id: []const u8,
};

/// systemd's limit (unit-name.h).
const unit_bytes_max = 255;

pub fn of(arena: std.mem.Allocator, request: Request) sys.Error!Place {
    return switch (request.manager) {
        .none => .none,
        .cgroupfs => .{ .directory = try directoryOf(arena, request) },
        .systemd => .{ .scope = try scopeOf(arena, request) },
    };
}

fn directoryOf(arena: std.mem.Allocator, request: Request) sys.Error!Directory {
    const asked = request.path orelse request.parent orelse "";
    const own = if (request.path == null) try print(arena, "tspod-{s}", .{request.id}) else "";
    const is_absolute = std.mem.startsWith(u8, asked, "/");
    var path: std.ArrayList(u8) = .empty;
    for ([_][]const u8{ asked, own }) |part| {
        var names = std.mem.tokenizeScalar(u8, part, '/');
        while (names.next()) |name| {
            if (!isName(name)) return sys.failFormat("cgroup", "\"{s}\" is not the path of a cgroup", .{asked});
            if (path.items.len > 0) path.append(arena, '/') catch return outOfMemory();
            path.appendSlice(arena, name) catch return outOfMemory();
        }
    }
    if (path.items.len == 0) return sys.failFormat("cgroup", "\"{s}\" is the whole hierarchy, not a container's cgroup", .{asked});
    return .{ .is_absolute = is_absolute, .is_split = request.is_split, .path = path.items };
}

fn isName(name: []const u8) bool {
    if (name.len > std.fs.max_name_bytes or std.mem.eql(u8, name, ".") or std.mem.eql(u8, name, "..")) return false;
    return std.mem.indexOfAny(u8, name, "\n\x00") == null; // a cgroup's name holds no newline
}

fn scopeOf(arena: std.mem.Allocator, request: Request) sys.Error!Scope {
    var scope: Scope = .{
        .unit = "",
        .slice = request.parent,
        .id = request.id,
    };
    if (request.path) |path| {
        var parts = std.mem.splitScalar(u8, path, ':');
        const slice = parts.next() orelse "";
        const prefix = parts.next() orelse return badPath(path);
        const name = parts.next() orelse return badPath(path);
        if (parts.next() != null or name.len == 0) return badPath(path);
        if (slice.len > 0) scope.slice = slice;
        const dash = if (prefix.len > 0) "-" else "";
        scope.unit = try print(arena, "{s}{s}{s}.scope", .{ prefix, dash, name });
    } else scope.unit = try print(arena, "tspod-{s}.scope", .{request.id});
    if (!isUnitName(scope.unit)) return sys.failFormat("cgroup", "\"{s}\" is not a name that systemd takes for a scope", .{scope.unit});
    const slice = scope.slice orelse return scope;
    if (!isUnitName(slice) or !std.mem.endsWith(u8, slice, ".slice")) {
        return sys.failFormat("cgroup", "\"{s}\" is not the name of a slice of systemd; to fix it: give one that ends in .slice, as in my.slice", .{slice});
    }
    return scope;
}

fn badPath(path: []const u8) sys.Error {
    return sys.failFormat("cgroup", "cgroupsPath \"{s}\" is not of the form slice:prefix:name that systemd's groups have", .{path});
}

/// systemd.unit(5): letters, digits and a few signs.
fn isUnitName(name: []const u8) bool {
    if (name.len > unit_bytes_max) return false;
    for (name) |byte| switch (byte) {
        'a'...'z', 'A'...'Z', '0'...'9', ':', '-', '_', '.', '\\', '@' => {},
        else => return false,
    };
    return true;
}

fn print(arena: std.mem.Allocator, comptime text: []const u8, args: anytype) sys.Error![]const u8 {
    return std.fmt.allocPrint(arena, text, args) catch outOfMemory();
}

fn outOfMemory() sys.Error {
    return sys.fail("cgroup", "out of memory");
}

test "of() takes cgroupsPath as the specification has it, and parents as docker and podman do" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const directory = (try of(arena, .{ .manager = .cgroupfs, .path = "/a//b/", .id = "x" })).directory;
    try std.testing.expectEqualStrings("a/b", directory.path);
    try std.testing.expect(directory.is_absolute);
    const inside = (try of(arena, .{ .manager = .cgroupfs, .parent = "p", .id = "x" })).directory;
    try std.testing.expectEqualStrings("p/tspod-x", inside.path);
    try std.testing.expect(!inside.is_absolute);
    const scope = (try of(arena, .{ .manager = .systemd, .path = "user.slice:libpod:1f", .id = "x" })).scope;
    try std.testing.expectEqualStrings("libpod-1f.scope", scope.unit);
    try std.testing.expectEqualStrings("user.slice", scope.slice.?);
    const plain = (try of(arena, .{ .manager = .systemd, .path = "::name", .id = "x" })).scope;
    try std.testing.expectEqualStrings("name.scope", plain.unit);
    try std.testing.expectEqual(null, plain.slice);
    const own = (try of(arena, .{ .manager = .systemd, .parent = "my.slice", .id = "x" })).scope;
    try std.testing.expectEqualStrings("tspod-x.scope", own.unit);
}

test "of() refuses what leads elsewhere" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    for ([_][]const u8{ "/a/../b", "..", "/", "", "a/./b", "a\nb", "x" ** 300 }) |path| {
        try std.testing.expectError(error.Syscall, of(arena, .{ .manager = .cgroupfs, .path = path, .id = "x" }));
    }
    for ([_][]const u8{ "/a/b", "a:b", "a:b:c:d", "user.slice::", "a/b.slice:p:n", "plain:p:n", "s.slice:p:a b" }) |path| {
        try std.testing.expectError(error.Syscall, of(arena, .{ .manager = .systemd, .path = path, .id = "x" }));
    }
    try std.testing.expectError(error.Syscall, of(arena, .{ .manager = .systemd, .parent = "/foo", .id = "x" }));
}
