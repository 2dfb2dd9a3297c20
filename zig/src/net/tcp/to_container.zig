//! What comes out of the host's sockets, to the container: peeked, sent as far as its window goes, left in the queue.
const std = @import("std");
const linux = std.os.linux;
const frame = @import("../frame.zig");
const host = @import("../host.zig");
const flows = @import("flow.zig");
const answers = @import("answers.zig");
const timers = @import("timers.zig");
const Flow = flows.Flow;

/// Frames before others have their turn.
const turn_frames = 16;

/// As much as there is, may be sent and belongs to one turn.
pub fn send(flow: *Flow) void {
    if (flow.state != .open) return;
    for (0..turn_frames) |_| if (!sendOne(flow)) return;
    sendLater(flow);
}

fn sendLater(flow: *Flow) void {
    if (flow.is.queued) return;
    flow.is.queued = flows.ready.push(flows.pool.indexOf(flow));
    if (!flow.is.queued) timers.expectAnswer(flow);
}

/// False: there is nothing, or nothing may be sent; or the flow is no more.
fn sendOne(flow: *Flow) bool {
    if (flow.is.fin_to) return false;
    if (flow.is.eof) return sendFin(flow);
    const in_flight = flow.inFlight();
    if (in_flight >= flow.window_from) {
        timers.expectAnswer(flow);
        return false;
    }
    const wanted = @min(flow.mss, flow.window_from - in_flight);
    if (wanted < flow.mss and in_flight >= flow.mss) return false; // better one whole segment soon (RFC 1122, 4.2.3.4)
    const n = peek(flow, in_flight, wanted);
    switch (linux.errno(n)) {
        .SUCCESS => {},
        .INTR => return true,
        .AGAIN => {
            flow.is.drained = true;
            return false;
        },
        .NOBUFS, .NOMEM => {
            sendLater(flow);
            return false;
        },
        else => {
            flows.reset(flow);
            return false;
        },
    }
    if (n == 0) {
        flow.is.eof = true;
        return sendFin(flow);
    }
    if (!flows.sendSegment(flow, flow.seq_to, .{ .psh = n < wanted }, n)) {
        rewindTo(flow, flow.seq_to); // the kernel counts what was peeked
        timers.expectAnswer(flow);
        return false;
    }
    answers.note(flow);
    advance(flow, @intCast(n));
    if (n == wanted or flow.is.closing or flow.is.marked) return true;
    flow.is.drained = true; // what comes now is told
    return false;
}

fn sendFin(flow: *Flow) bool {
    flow.is.drained = true;
    if (!flows.sendSegment(flow, flow.seq_to, .{ .fin = true }, 0)) {
        timers.expectAnswer(flow);
        return false;
    }
    flow.is.fin_to = true;
    flow.is.fin_sent = true;
    advance(flow, 1);
    return false;
}

fn advance(flow: *Flow, count: u32) void {
    flow.seq_to +%= count;
    if (@as(i32, @bitCast(flow.seq_to -% flow.seq_furthest)) > 0) flow.seq_furthest = flow.seq_to;
    timers.expectAnswer(flow);
}

var skipped: [65536]u8 = undefined;
const vectors_max = 512;

/// `wanted` bytes from `offset` on into the frame's space.
fn peek(flow: *const Flow, offset: u32, wanted: usize) usize {
    const flags = linux.MSG.PEEK | linux.MSG.DONTWAIT;
    if (flow.is.peek_counted) return linux.recvfrom(flow.fd, frame.space().ptr, wanted, flags, null, null);
    // An older kernel starts at the beginning each time: what was seen already goes where nobody looks.
    var vectors: [vectors_max]std.posix.iovec = undefined;
    var count: usize = 0;
    var left: usize = offset;
    while (left > 0 and count < vectors_max - 1) : (count += 1) {
        vectors[count] = .{ .base = &skipped, .len = @min(left, skipped.len) };
        left -= vectors[count].len;
    }
    vectors[count] = .{ .base = frame.space().ptr, .len = wanted };
    var message: linux.msghdr = .{
        .name = null,
        .namelen = 0,
        .iov = &vectors,
        .iovlen = count + 1,
        .control = null,
        .controllen = 0,
        .flags = 0,
    };
    const n = linux.recvmsg(flow.fd, &message, flags);
    if (linux.errno(n) != .SUCCESS or n == 0) return n;
    if (n > offset) return n - offset;
    return if (flow.is.closing) 0 else errnoValue(.AGAIN);
}

fn errnoValue(e: linux.E) usize {
    return @bitCast(-@as(isize, @intFromEnum(e)));
}

/// Everything since the last acknowledgement once more.
pub fn rewind(flow: *Flow) void {
    flow.is.fin_to = false;
    flow.is.eof = false;
    flow.duplicates = 0;
    rewindTo(flow, flow.seq_taken);
    flow.is.drained = false;
    send(flow);
}

fn rewindTo(flow: *Flow, seq: u32) void {
    flow.seq_to = seq;
    seek(flow);
}

/// Tell the kernel what it has to count from.
pub fn seek(flow: *const Flow) void {
    if (!flow.is.peek_counted) return;
    _ = host.set(flow.fd, linux.SOL.SOCKET, linux.SO.PEEK_OFF, @intCast(flow.inFlight()));
}

/// The next turn of those who had more than one turn's worth.
pub fn goOn() void {
    for (0..flows.ready.length) |_| {
        const slot = flows.ready.pop() orelse return;
        const flow = &flows.pool.flows[slot];
        if (!flow.is_used or !flow.is.queued) continue;
        flow.is.queued = false;
        send(flow);
    }
}
