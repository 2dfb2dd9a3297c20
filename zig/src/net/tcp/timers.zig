//! What happens to a TCP flow when nothing happens: sent again, probed, given up. One time is kept a flow, and one for
//! all of them, which is never later than the first of theirs.
const linux = @import("std").os.linux;
const loop = @import("../loop.zig");
const host = @import("../host.zig");
const flows = @import("flow.zig");
const to_container = @import("to_container.zig");
const Flow = flows.Flow;

/// A container answers within microseconds, or within 40 ms when it waits for more to acknowledge.
const answer_ms = 200;
const answer_ms_max = 60_000;
const syn_ms = 1_000;
const syn_retries_max = 5;
const retries_max = 12;
/// As Linux asks whether an idle connection is still there (tcp_keepalive_time).
const idle_ms = 2 * 60 * 60 * 1000;
/// The kernel is asked to do so for those who live longer than that: few do.
const young_ms = 60 * 1000;

pub fn expectSyn(flow: *Flow) void {
    flow.dueIn(@as(u64, syn_ms) << @intCast(flow.retries));
}

/// Something was acknowledged, or nothing is to be.
pub fn rest(flow: *Flow) void {
    flow.retries = 0;
    flow.dueIn(if (flow.inFlight() > 0) answer_ms else if (flow.is.kept_alive) idle_ms else young_ms);
}

/// Something was sent, or waits for the container's window.
pub fn expectAnswer(flow: *Flow) void {
    const ms = answerMs(flow);
    if (flow.due_ms > loop.now_ms + ms) flow.dueIn(ms);
}

fn answerMs(flow: *const Flow) u64 {
    return @min(answer_ms_max, @as(u64, answer_ms) << @intCast(@min(flow.retries, 20)));
}

/// Everything that is due; sets what is due next.
pub fn sweep() void {
    for (flows.pool.all()) |*flow| {
        if (!flow.is_used) continue;
        if (flow.due_ms <= loop.now_ms) expire(flow);
        if (flow.is_used) loop.dueAt(flow.due_ms);
    }
}

fn expire(flow: *Flow) void {
    flow.due_ms = loop.never;
    flow.retries +|= 1;
    switch (flow.state) {
        .connecting => {}, // the host's kernel has its own patience
        .answered, .offered => {
            if (flow.retries > syn_retries_max) return flows.reset(flow);
            flows.sendSyn(flow, flow.state == .answered);
            expectSyn(flow);
        },
        .open => expireOpen(flow),
    }
}

fn expireOpen(flow: *Flow) void {
    const ms = answerMs(flow);
    if (flow.inFlight() > 0) {
        if (flow.retries > retries_max) return flows.reset(flow);
        to_container.rewind(flow);
    } else if (flow.is.drained) {
        if (flow.retries > retries_max) return flows.reset(flow);
        if (!flow.is.kept_alive) {
            flow.is.kept_alive = true;
            _ = host.set(flow.fd, linux.SOL.SOCKET, linux.SO.KEEPALIVE, 1);
        }
        probe(flow); // a RST that was lost comes again only as the answer to something
    } else {
        probe(flow); // its window is closed; the word that it is open again may be lost
        to_container.send(flow);
    }
    if (flow.is_used) flow.dueIn(ms);
}

/// A byte that it has already makes the container's kernel say how it stands.
fn probe(flow: *Flow) void {
    _ = flows.sendSegment(flow, flow.seq_taken -% 1, .{}, 0);
}
