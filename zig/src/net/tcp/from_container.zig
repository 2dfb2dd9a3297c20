//! TCP segments of a container: into the host's sockets. Everything in them is hostile until it is found to fit.
const std = @import("std");
const linux = std.os.linux;
const frame = @import("../frame.zig");
const host = @import("../host.zig");
const packet = @import("../packet.zig");
const flows = @import("flow.zig");
const answers = @import("answers.zig");
const connecting = @import("connect.zig");
const to_container = @import("to_container.zig");
const timers = @import("timers.zig");
const Endpoint = @import("../address.zig").Endpoint;
const Tap = @import("../tap.zig").Tap;
const Key = @import("../pool.zig").Key;
const Flow = flows.Flow;
const Segment = packet.Segment;

pub fn take(tap: *const Tap, tap_index: u8, ip: *const packet.Ip) packet.Error!void {
    const segment = try Segment.parse(ip.payload);
    const peer: Endpoint = .{ .address = ip.destination, .port = segment.destination };
    const key: Key = .{ .peer = peer, .port = segment.source, .tap = tap_index, .protocol = packet.protocol.tcp };
    const flow = flows.pool.find(&key) orelse {
        if (segment.flags.syn and !segment.flags.ack and !segment.flags.rst) return connecting.start(tap, key, &segment, ip);
        return refuse(tap, peer, &segment);
    };
    switch (flow.state) {
        .connecting => if (segment.flags.rst) flows.abort(flow),
        .answered => takeLast(flow, &segment),
        .offered => takeAnswer(flow, &segment),
        .open => takeOpen(flow, &segment),
    }
}

/// Nobody is there (RFC 9293, section 3.10.7.1).
pub fn refuse(tap: *const Tap, peer: Endpoint, segment: *const Segment) void {
    if (segment.flags.rst) return;
    const length = @as(u32, @intCast(segment.data.len)) + @intFromBool(segment.flags.syn) + @intFromBool(segment.flags.fin);
    _ = frame.sendTcp(tap, .{
        .from = peer,
        .to = segment.source,
        .seq = if (segment.flags.ack) segment.ack else 0,
        .ack = segment.seq +% length,
        .flags = .{ .rst = true, .ack = !segment.flags.ack },
    }, 0);
}

/// What a SYN says about how to send to whom it comes from.
pub fn takeOffer(flow: *Flow, segment: *const Segment) void {
    const offer = segment.offer();
    const largest = flow.tap().segmentMax(flow.key.peer.address.isV4());
    flow.mss = std.math.clamp(offer.mss orelse 536, 88, largest);
    flow.scale_from = offer.scale orelse 0;
    flow.is.shifts = offer.scale != null;
    flow.seq_from = segment.seq +% 1;
    flow.window_from = segment.window; // never shifted in a SYN
}

/// The container's answer to our SYN and ACK.
fn takeLast(flow: *Flow, segment: *const Segment) void {
    if (segment.flags.rst) return flows.abort(flow);
    if (segment.flags.syn) return flows.sendSyn(flow, true); // it has not heard us
    if (!segment.flags.ack or segment.ack != flow.seq_to) return;
    if (begin(flow)) takeOpen(flow, segment);
}

/// The container's SYN and ACK, or its refusal.
fn takeAnswer(flow: *Flow, segment: *const Segment) void {
    // It answers for a connection of before: that is over (RFC 9293, section 3.10.7.3), and our SYN comes again.
    if (segment.flags.ack and segment.ack != flow.seq_to) return refuse(flow.tap(), flow.key.peer, segment);
    if (segment.flags.rst) return if (segment.flags.ack) flows.abort(flow);
    if (!segment.flags.syn or !segment.flags.ack) return;
    takeOffer(flow, segment);
    flow.window_end = flow.seq_from;
    if (!begin(flow)) return;
    flow.window_from = segment.window;
    _ = flows.sendSegment(flow, flow.seq_to, .{}, 0);
    to_container.send(flow);
}

/// False: the flow is no more.
fn begin(flow: *Flow) bool {
    flow.state = .open;
    flow.seq_taken = flow.seq_to;
    flow.retries = 0;
    timers.rest(flow);
    if (flow.is.watched) return true;
    flow.is.drained = true; // what is there already will be told
    if (flows.watch(flow, 0)) return true;
    flows.reset(flow);
    return false;
}

/// Whether `seq` is less than half of all numbers behind `other`.
fn isBefore(seq: u32, other: u32) bool {
    return @as(i32, @bitCast(seq -% other)) < 0;
}

pub fn takeOpen(flow: *Flow, segment: *const Segment) void {
    if (segment.flags.rst) {
        // Anywhere in the window (RFC 9293); the exact place would be safer only among strangers (RFC 5961).
        if (segment.seq -% flow.seq_from < @max(1, flows.reach(flow))) flows.abort(flow);
        return;
    }
    if (segment.flags.syn) return answerNow(flow); // "challenge ACK"
    if (!segment.flags.ack) return;
    if (!takeAcknowledgement(flow, segment)) return;
    if (segment.data.len > 0 or segment.flags.fin) {
        takeData(flow, segment);
        if (!flow.is_used) return; // the far end has gone
    } else if (isBefore(segment.seq, flow.seq_from)) {
        answerNow(flow); // it asks whether we are still there (RFC 9293, section 3.8.4), or for our window
    }
    if (flow.is.fin_from and flow.is.fin_acknowledged) {
        if (flow.acknowledged != flow.seq_from) _ = flows.sendSegment(flow, flow.seq_to, .{}, 0);
        return flows.close(flow);
    }
    if (!flow.is.drained or flow.is.eof) to_container.send(flow);
}

/// What the container has taken leaves the socket's queue. False: the flow is no more.
fn takeAcknowledgement(flow: *Flow, segment: *const Segment) bool {
    const taken = segment.ack -% flow.seq_taken;
    if (taken > flow.seq_furthest -% flow.seq_taken) {
        // Of what was never sent, or long ago. The latter is an old segment whose data may be of use.
        if (isBefore(flow.seq_furthest, segment.ack)) answerNow(flow);
        return true;
    }
    const window = @as(u32, segment.window) << flow.scale_from;
    const is_duplicate = taken == 0 and segment.data.len == 0 and !segment.flags.fin and window == flow.window_from;
    flow.window_from = window;
    if (taken > 0) return discard(flow, taken);
    if (flow.inFlight() == 0) {
        if (flow.is.drained) timers.rest(flow);
        return true;
    }
    if (!is_duplicate) return true;
    if (segment.seq != flow.seq_from) return true; // an answer to a probe of ours, or a probe
    flow.duplicates +|= 1;
    if (flow.duplicates == 3) to_container.rewind(flow);
    return flow.is_used;
}

fn discard(flow: *Flow, taken: u32) bool {
    const is_last = flow.is.fin_sent and segmentEnds(flow, taken);
    const bytes = if (is_last) taken - 1 else taken;
    var left = bytes;
    while (left > 0) {
        const n = linux.recvfrom(flow.fd, &nothing, left, linux.MSG.TRUNC | linux.MSG.DONTWAIT, null, null);
        switch (linux.errno(n)) {
            .SUCCESS => if (n > 0) {
                left -= @intCast(n);
                continue;
            },
            .INTR => continue,
            .NOBUFS, .NOMEM => if (left == bytes) return true, // as if it had been lost: it comes again when we ask
            else => {},
        }
        flows.reset(flow); // its end has failed meanwhile, and the queue with it
        return false;
    }
    if (is_last) {
        flow.is.fin_acknowledged = true;
        flow.is.fin_to = true;
        flow.is.eof = true;
    }
    flow.seq_taken +%= taken;
    if (isBefore(flow.seq_to, flow.seq_taken)) { // we had gone back, and it had more than we thought
        flow.seq_to = flow.seq_taken;
        to_container.seek(flow);
    }
    flow.duplicates = 0;
    flow.retries = 0;
    timers.rest(flow);
    return true;
}

/// With MSG_TRUNC the bytes are dropped by the kernel and nothing is written here.
var nothing: [1]u8 = undefined;

/// Whether that many bytes from `seq_taken` on include our FIN, the last number there is.
fn segmentEnds(flow: *const Flow, taken: u32) bool {
    return flow.seq_taken +% taken == flow.seq_furthest;
}

fn takeData(flow: *Flow, segment: *const Segment) void {
    const early = flow.seq_from -% segment.seq;
    if (isBefore(flow.seq_from, segment.seq)) return answerNow(flow); // something before it was lost
    if (early > segment.data.len or flow.is.fin_from) return answerNow(flow);
    if (early == segment.data.len and early > 0 and !segment.flags.fin) return answerNow(flow);
    const data = segment.data[early..];
    if (data.len > 0 and !segment.flags.fin) answers.expect(flow, data.len) else flows.owe(flow);
    const is_whole = data.len == 0 or writeAll(flow, data, urgentEnd(segment) -| early);
    if (!flow.is_used) return;
    if (!is_whole or !segment.flags.fin) return;
    flow.seq_from +%= 1;
    flow.is.fin_from = true;
    _ = linux.shutdown(flow.fd, linux.SHUT.WR);
}

/// Three of the same make the container's kernel send again what is missing.
fn answerNow(flow: *Flow) void {
    _ = flows.sendSegment(flow, flow.seq_to, .{}, 0);
}

/// How much of its data is up to and with the urgent byte. 0: that is not in there. As Linux has it, the pointer points
/// behind it (RFC 6093, section 3.1).
fn urgentEnd(segment: *const Segment) usize {
    return if (segment.flags.urg and segment.urgent <= segment.data.len) segment.urgent else 0;
}

/// `write`, the last of the first `urgent_end` bytes, unless there are none, as urgent.
fn writeAll(flow: *Flow, data: []const u8, urgent_end: usize) bool {
    hasten(flow);
    if (urgent_end == 0) return write(flow, data, 0);
    const urgent = data[urgent_end - 1 .. urgent_end]; // alone: of more it could take a part, whose last byte were it then
    if (!write(flow, data[0 .. urgent_end - 1], 0) or !write(flow, urgent, linux.MSG.OOB)) return false;
    return write(flow, data[urgent_end..], 0);
}

/// True: the socket took all of it.
fn write(flow: *Flow, data: []const u8, more_flags: u32) bool {
    const flags = linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT | more_flags;
    var done: usize = 0;
    var is_patient = true;
    while (done < data.len) {
        const n = linux.sendto(flow.fd, data.ptr + done, data.len - done, flags, null, 0);
        const e = linux.errno(n);
        switch (e) {
            .SUCCESS => done += n,
            .INTR => continue,
            .AGAIN, .NOBUFS, .NOMEM => {
                // left to the container it takes a time that doubles with each of them (RFC 6298, section 5.5)
                if (e != .AGAIN and is_patient) {
                    is_patient = false;
                    continue;
                }
                flow.is.full = true;
                flow.is.dropped = true;
                // of a socket that is not full, and so will not become writable, asking again tells it at once
                if (!flow.is.hears_room or e != .AGAIN) flows.hearRoom(flow);
                flow.room = 0;
                break;
            },
            else => {
                flows.reset(flow);
                return false;
            },
        }
    }
    flow.seq_from +%= @intCast(done);
    flow.room -|= @intCast(done);
    flow.unmeasured +|= @intCast(done);
    return done == data.len;
}

/// Whether to wait for more is the container's decision. The first segment, and a FIN, wait for nothing as it is.
fn hasten(flow: *Flow) void {
    if (flow.is.hasty) return;
    flow.is.hasty = flow.is.spoken;
    flow.is.spoken = true;
    if (flow.is.hasty) _ = host.set(flow.fd, linux.IPPROTO.TCP, linux.TCP.NODELAY, 1);
}
