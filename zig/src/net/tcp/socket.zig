//! What the host's socket of a TCP flow tells: connected, data, room, the end, an error.
const loop = @import("../loop.zig");
const host = @import("../host.zig");
const flows = @import("flow.zig");
const connect = @import("connect.zig");
const to_container = @import("to_container.zig");
const Flow = flows.Flow;

pub fn handle(flow: *Flow, events: u32) void {
    if (events & (loop.closed | loop.failed) != 0) {
        flow.is.closing = true;
        flow.is.drained = false;
    }
    switch (flow.state) {
        .connecting => finish(flow, events),
        .answered, .offered => if (events & loop.failed != 0) judge(flow),
        .open => handleOpen(flow, events),
    }
}

fn finish(flow: *Flow, events: u32) void {
    if (events & (loop.out | loop.failed) == 0) return;
    if (events & loop.failed == 0) return connect.succeed(flow);
    const e = host.errorOf(flow.fd);
    if (e == .SUCCESS) connect.succeed(flow) else connect.fail(flow, e);
}

/// A failure ends it; that both directions are shut is none.
fn judge(flow: *Flow) void {
    if (host.errorOf(flow.fd) != .SUCCESS) flows.reset(flow);
}

fn handleOpen(flow: *Flow, events: u32) void {
    if (events & loop.wrong != 0) {
        judge(flow);
        if (!flow.is_used) return;
    }
    if (events & loop.out != 0 and flow.is.full) takeRoom(flow);
    if (events & loop.urgent != 0) flow.is.marked = true;
    if (events & (loop.in | loop.closed | loop.failed | loop.urgent) == 0) return;
    flow.is.drained = false;
    to_container.send(flow);
}

/// There is room again: the container learns of a window that is open. What was dropped it sends again after the third
/// acknowledgement that says the same (RFC 5681); the first says something new.
fn takeRoom(flow: *Flow) void {
    flow.is.full = false;
    _ = flows.measure(flow);
    const count: usize = if (flow.is.dropped) 4 else 1;
    flow.is.dropped = false;
    for (0..count) |_| _ = flows.sendSegment(flow, flow.seq_to, .{}, 0);
}
