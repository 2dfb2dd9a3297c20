//! `native network DIRECTORY LISTENER`: a network that containers come to and leave, as a process of its own; DIRECTORY is
//! where they find it, for whoever reads a list of processes. It was started by the monitor of the first of them, and ends
//! with the last (net/members.zig). LISTENER is the descriptor of a bound socket.
const std = @import("std");
const sys = @import("sys.zig");
const cage = @import("net/cage.zig");
const engine = @import("net/engine.zig");
const members = @import("net/members.zig");
const states = @import("net/states.zig");
const footprint = @import("monitor/footprint.zig");
const net = @import("net.zig");

const exit_failed = 125;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    if (args.len != 2) return exit_failed;
    const listener = std.fmt.parseInt(sys.linux.fd_t, std.mem.span(args[1]), 10) catch return exit_failed;
    setUp(listener) catch return exit_failed;
    footprint.shrink();
    cage.enter() catch return exit_failed;
    engine.run();
    return 0;
}

fn setUp(listener: sys.linux.fd_t) sys.Error!void {
    try net.prepareProcess();
    try states.reserve();
    if (!members.open(listener)) return sys.fail("network", "epoll");
}
