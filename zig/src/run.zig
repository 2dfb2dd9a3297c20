//! `native run DIR [DESCRIPTORS]`: the container of DIR (config.json, helper.json) is made, started and watched over.
//!
//! The caller's process becomes the client in the foreground, or ends once a detached container runs; the monitor is
//! a process of its own in a session of its own, so that neither can take the other along. With `passthrough` the
//! caller's process is the monitor itself.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const contract = @import("contract.zig");
const prepare = @import("prepare.zig");
const descriptors = @import("process/descriptors.zig");
const ourselves = @import("process/ourselves.zig");
const sessions = @import("session.zig");
const passthrough = @import("passthrough.zig");
const launch = @import("monitor/launch.zig");
const client = @import("client/client.zig");
const foreign = @import("foreign/foreign.zig");
const tree = @import("tree/tree.zig");
const linux = sys.linux;

const exit_failed = 125;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    return runIn(args) catch {
        event.emit(event.failed());
        return exit_failed;
    };
}

fn runIn(args: []const [*:0]const u8) sys.Error!u8 {
    if (args.len < 1 or args.len > 2) return sys.fail("usage", "native run DIR [DESCRIPTORS]");
    const passed = try sessions.takeDescriptors(args[1..]);
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const directory = std.mem.span(args[0]);
    var container = try prepare.load(arena_state.allocator(), directory);
    // There others see us execute what may be theirs.
    if (container.plan.namespaces.joins(.pid)) try ourselves.protect();
    try passed.hold();
    _ = try tree.hold(directory); // until the last process of ours ends: nobody else writes to its upper directory
    container.plan.passed = passed;
    const attach = container.helper.attach;
    if (attach) |options| {
        container.plan.console_size = container.plan.console_size orelse client.currentSize();
        if (passthrough.isPossible(&container, options)) return passthrough.run(&container, options);
    }
    var other: foreign.Plan = undefined;
    var target: launch.Target = .{ .container = &container.plan };
    if (container.helper.runtime != null) {
        other = try foreign.ofContainer(&arena_state, &container);
        target = .{ .foreign = &other };
        target.pass(passed);
    }
    return sessions.run(&arena_state, .{
        .target = target,
        .helper = &container.helper,
        .attach = attach,
        .stdin_open = container.helper.stdinOpen,
    });
}
