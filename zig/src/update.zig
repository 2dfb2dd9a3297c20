//! `native update GROUP RESOURCES`: other limits for a container that runs. GROUP is the directory of its cgroup,
//! RESOURCES has the shape of config.json's linux.resources, whole: what it leaves away stays as it is.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const contract = @import("contract.zig");
const cgroups = @import("cgroup/cgroup.zig");

const exit_failed = 125;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    update(args) catch {
        event.emit(event.failed());
        return exit_failed;
    };
    if (cgroups.warning()) |text| event.emit(event.warning("limits", text));
    event.emit(event.exited(0, null, false));
    return 0;
}

fn update(args: []const [*:0]const u8) sys.Error!void {
    if (args.len != 2) return sys.fail("update", "usage: native update GROUP RESOURCES");
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const resources = try contract.parse(contract.Resources, arena, "RESOURCES", std.mem.span(args[1]));
    const plan = try cgroups.prepare(arena, &resources, .{ .manager = .none, .id = "" });
    try cgroups.update(.{ .path = std.mem.span(args[0]) }, &plan);
}
