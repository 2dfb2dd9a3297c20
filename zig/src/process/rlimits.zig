//! config.json's process.rlimits (getrlimit(2)). Limits that are not named stay the caller's.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

pub const Limit = struct { name: []const u8, resource: linux.rlimit_resource, value: linux.rlimit };

/// There are no more: one that comes later is unknown or given twice.
const names_max = std.enums.values(linux.rlimit_resource).len;

pub fn parse(arena: std.mem.Allocator, rlimits: []const contract.Process.Rlimit) sys.Error![]const Limit {
    const limits = arena.alloc(Limit, rlimits.len) catch return sys.fail("setrlimit", "out of memory");
    for (rlimits, limits, 0..) |rlimit, *limit, i| {
        for (rlimits[0..@min(i, names_max)]) |before| if (std.mem.eql(u8, before.type, rlimit.type)) {
            return sys.failFormat("setrlimit", "{s} is given twice", .{rlimit.type});
        };
        const resource = find(rlimit.type) orelse
            return sys.failFormat("setrlimit", "\"{s}\" is no resource limit", .{rlimit.type});
        if (rlimit.soft > rlimit.hard) {
            return sys.failFormat("setrlimit", "{s}: the soft limit is above the hard one", .{rlimit.type});
        }
        limit.* = .{
            .name = rlimit.type,
            .resource = resource,
            .value = .{ .cur = rlimit.soft, .max = rlimit.hard },
        };
    }
    return limits;
}

fn find(name: []const u8) ?linux.rlimit_resource {
    if (!std.mem.startsWith(u8, name, "RLIMIT_")) return null;
    return std.meta.stringToEnum(linux.rlimit_resource, name["RLIMIT_".len..]);
}

pub fn apply(limits: []const Limit) sys.Error!void {
    for (limits) |limit| {
        _ = try sys.check("setrlimit", limit.name, linux.prlimit(0, limit.resource, &limit.value, null));
    }
}

test "parse() knows the resources and refuses contradictions" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const limits_of_files: contract.Process.Rlimit = .{ .type = "RLIMIT_NOFILE", .soft = 10, .hard = 20 };
    const limits = try parse(arena, &.{limits_of_files});
    try std.testing.expectEqual(linux.rlimit_resource.NOFILE, limits[0].resource);
    const one: contract.Process.Rlimit = .{ .type = "RLIMIT_CORE", .soft = 0, .hard = 0 };
    try std.testing.expectError(error.Syscall, parse(arena, &.{ one, limits_of_files, one }));
    try std.testing.expectError(error.Syscall, parse(arena, &.{.{ .type = "NOFILE", .soft = 1, .hard = 1 }}));
    try std.testing.expectError(error.Syscall, parse(arena, &.{.{ .type = "RLIMIT_X", .soft = 1, .hard = 1 }}));
    try std.testing.expectError(error.Syscall, parse(arena, &.{.{ .type = "RLIMIT_AS", .soft = 2, .hard = 1 }}));
}
