//! `pause ID` and `resume ID`: the container's cgroup stands still, or goes on.
const std = @import("std");
const sys = @import("../sys.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const state = @import("state.zig");
const words = @import("words.zig");

const Options = struct {};
const Config = struct {};
const Container = state.Container(Config);

pub fn pause(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const container = try find(context, arguments, "pause");
    defer container.close();
    const status = container.status();
    switch (status) {
        .running, .created => {},
        .stopped => return sys.fail("pause", "cannot pause a container that has stopped: container not running"),
        else => return sys.failFormat("pause", "cannot pause container \"{s}\": it is {t}", .{ container.record.id, status }),
    }
    const group = try groupOf(&container);
    try group.freeze();
    return 0;
}

pub fn @"resume"(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const container = try find(context, arguments, "resume");
    defer container.close();
    const status = container.status();
    if (status != .paused) return sys.failFormat(
        "resume",
        "cannot resume container \"{s}\": container not paused: it is {t}",
        .{ container.record.id, status },
    );
    const group = try groupOf(&container);
    try group.thaw();
    return 0;
}

fn find(context: *const contexts.Context, arguments: []const contexts.Argument, comptime verb: []const u8) sys.Error!Container {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    return state.load(Config, context, try words.one(parsed.words, verb ++ " ID"));
}

fn groupOf(container: *const Container) sys.Error!cgroups.Cgroup {
    const group = try state.groupOf(&container.record);
    if (group.isNone()) return sys.fail("pause", "the container has no cgroup, so it cannot be paused: " ++
        "none could be had when it was created (cgroup v2 must be delegated to you), or none was wanted");
    return group;
}
