//! From `linux.resources` to the files of cgroup v2 and what is written into them, in order. Pure: every value is
//! checked and converted here, nothing is looked up.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");

pub const Manager = enum { systemd, cgroupfs, none };

pub const Request = struct {
    manager: Manager,
    /// config.json's cgroupsPath, or helper.json's `cgroup.parent`.
    path: ?[:0]const u8 = null,
    id: []const u8,
};

/// One limit: `text` goes into the file `name`.
pub const Write = struct { name: [:0]const u8, text: []const u8 };

pub const Plan = struct {
    arena: std.mem.Allocator,
    request: Request,
    writes: []const Write = &.{},
    /// Sentences about what was asked for and is ignored, as the field does.
    warnings: []const []const u8 = &.{},
};

pub fn prepare(arena: std.mem.Allocator, resources: ?*const contract.Resources, request: Request) sys.Error!Plan {
    _ = resources;
    return .{ .arena = arena, .request = request };
}
