//! Theory of operation of TCP. Every connection of a container is a flow: the container's kernel at one end of it, a
//! socket of the host's at the other. Neither end is implemented here twice: sequence numbers, windows and
//! acknowledgements towards the container *mirror* what the host's socket does.
//!
//! To the container (to_container.zig): data is peeked from the socket and stays in its queue until the container has
//! acknowledged it, so there is no buffer of ours, nothing to retransmit from but the kernel's queue, and a container
//! that does not read closes the far end's window by itself. From the container (from_container.zig): data goes straight
//! into the socket, what it took is acknowledged, and the window announced is what it has room for.
//!
//! Urgent data (RFC 6093) of a container is sent as such. Towards it the urgent byte goes in line, as any other: where its
//! place is among data that is only peeked at, the kernel does not tell.
//!
//! More flows than there is room for: the SYN of one too many is lost, as by a router whose table is full. It comes again,
//! and finds the place of whoever has ended meanwhile; nobody loses a connection for somebody else's. A client of a
//! published port is reset.
//!
//! What is not here: congestion control (there is nothing between us and the container), selective acknowledgements,
//! time stamps, out-of-order queues (the container's kernel sends again what we did not take).
const std = @import("std");
const linux = std.os.linux;
const loop = @import("../loop.zig");
const pools = @import("../pool.zig");
const frame = @import("../frame.zig");
const host = @import("../host.zig");
const taps = @import("../taps.zig");
const packet = @import("../packet.zig");
const Tap = @import("../tap.zig").Tap;

pub const State = enum(u8) {
    /// The container has sent a SYN, the host's socket connects.
    connecting,
    /// That has succeeded: our SYN and ACK wait for an answer.
    answered,
    /// A client of a published port has connected: our SYN waits for an answer.
    offered,
    open,
};

pub const Flow = struct {
    key: pools.Key,
    hash: u32,
    generation: u32,
    is_used: bool,
    state: State = .connecting,
    /// The container's window is shifted by that much.
    scale_from: u4 = 0,
    duplicates: u8 = 0,
    retries: u8 = 0,
    /// Segments since the last answer: none, one, more; how often it was one, and the answer prompt; when the last one came.
    questions: u2 = 0,
    answers: u8 = 0,
    asked_ms: u32 = 0,
    fd: linux.fd_t = -1,
    /// The largest segment the container takes.
    mss: u16 = 536,
    is: packed struct(u32) {
        /// The kernel keeps the place up to which we have peeked (SO_PEEK_OFF, Linux 6.9; 6.11 for version 6).
        peek_counted: bool = false,
        /// In `ready`, in `owing`.
        queued: bool = false,
        owing: bool = false,
        /// The container has said that it sends no more, and the socket was told.
        fin_from: bool = false,
        /// The socket's far end has; told to the container; acknowledged by it.
        eof: bool = false,
        fin_to: bool = false,
        fin_acknowledged: bool = false,
        /// At least once: `seq_furthest` counts it.
        fin_sent: bool = false,
        /// The socket has no room: it tells when it has.
        full: bool = false,
        /// The far end's FIN is in the queue, behind what is left of its data.
        closing: bool = false,
        /// Nothing was there when we looked last, and nothing has come since.
        drained: bool = false,
        /// The socket did not take all that the container sent: it has to send that again.
        dropped: bool = false,
        /// The container knows about windows that are shifted (RFC 7323): only then are ours.
        shifts: bool = true,
        /// Its socket's events come to us; that of its room, too.
        watched: bool = false,
        hears_room: bool = false,
        /// It has sent once; more than that, and each at once (TCP_NODELAY).
        spoken: bool = false,
        hasty: bool = false,
        /// The kernel asks whether its far end is still there (SO_KEEPALIVE).
        kept_alive: bool = false,
        /// There was urgent data: a look into the queue ends at it, and there may be more behind it.
        marked: bool = false,
        /// In `answers.waiting`; an acknowledgement has waited there in vain.
        awaiting: bool = false,
        late: bool = false,
        unused: u11 = 0,
    } = .{},
    /// The next byte expected of the container; what was acknowledged of it; the end of the window announced.
    seq_from: u32 = 0,
    acknowledged: u32 = 0,
    window_end: u32 = 0,
    /// What the socket had room for when it was asked, less what went into it since.
    room: u32 = 0,
    /// Of what went into it since.
    unmeasured: u32 = 0,
    /// The next byte to the container, the furthest one ever sent, and what it has acknowledged.
    seq_to: u32 = 0,
    seq_furthest: u32 = 0,
    seq_taken: u32 = 0,
    /// Counted from `seq_taken`.
    window_from: u32 = 0,
    due_ms: u64 = loop.never,

    pub fn tap(flow: *const Flow) *const Tap {
        return &taps.all[flow.key.tap];
    }

    pub fn inFlight(flow: *const Flow) u32 {
        return flow.seq_to -% flow.seq_taken;
    }

    /// Replaces what was due.
    pub fn dueIn(flow: *Flow, ms: u64) void {
        flow.due_ms = loop.now_ms + ms;
        loop.dueAt(flow.due_ms);
    }

    pub fn ref(flow: *const Flow) loop.Ref {
        return .{ .kind = .tcp, .index = pool.indexOf(flow), .generation = flow.generation };
    }
};

pub const flows_max = 8192;
pub var pool: pools.Pool(Flow, flows_max) = .{};
/// Those with data for their container that nobody had the time to send.
pub var ready: pools.Queue(flows_max) = .{};
/// Those whose container is owed an acknowledgement.
pub var owing: pools.Queue(flows_max) = .{};

/// What the socket tells: each once, when it becomes so.
const watched = loop.in | loop.closed | loop.urgent | loop.edge;

/// Its events come to us from now on. False: the kernel has no place for that.
pub fn watch(flow: *Flow, events: u32) bool {
    flow.is.watched = loop.add(flow.fd, flow.ref(), watched | events);
    return flow.is.watched;
}

/// Also when there is room in it. That it has some already is told as well.
pub fn hearRoom(flow: *Flow) void {
    flow.is.hears_room = true;
    loop.change(flow.fd, flow.ref(), watched | loop.out);
}

/// Our own windows are shifted by that much: up to 16 MiB.
pub const scale_to = 8;

pub fn open(flow: *Flow, fd: linux.fd_t) void {
    flow.fd = fd;
    flow.is.peek_counted = host.set(fd, linux.SOL.SOCKET, linux.SO.PEEK_OFF, 0);
    // Sockets of published ports have it from the one that listens.
    if (flow.state == .connecting) _ = host.set(fd, linux.SOL.SOCKET, linux.SO.OOBINLINE, 1);
    flow.seq_to = firstNumber(&flow.key);
    flow.seq_taken = flow.seq_to;
    flow.seq_furthest = flow.seq_to;
}

/// A container's kernel that still remembers a connection of these ends (TIME-WAIT) takes a new one only when its numbers
/// are later ones. As Linux does, a tick is 64 ns.
fn firstNumber(key: *const pools.Key) u32 {
    const ticks_of_ms = 15_625;
    return pools.secretOf(key) +% @as(u32, @truncate(loop.now_ms * ticks_of_ms));
}

/// It is over. What of it is still in a queue finds a flow that is not used, or another generation.
pub fn close(flow: *Flow) void {
    if (!flow.is_used) return; // its descriptor, and soon its place, are another's
    if (flow.fd >= 0) _ = linux.close(flow.fd);
    pool.remove(flow);
}

/// A container's that has left: what its sockets hold still goes out.
pub fn closeOf(tap_index: u8) void {
    for (pool.all()) |*flow| if (flow.is_used and flow.key.tap == tap_index) close(flow);
}

pub fn countOf(tap_index: u8) usize {
    var count: usize = 0;
    for (pool.all()) |*flow| count += @intFromBool(flow.is_used and flow.key.tap == tap_index);
    return count;
}

/// The far end gets a RST instead of a FIN.
pub fn abort(flow: *Flow) void {
    if (!flow.is_used) return;
    host.resetOnClose(flow.fd);
    close(flow);
}

/// The container gets a RST.
pub fn reset(flow: *Flow) void {
    const has_ack = flow.state != .offered;
    _ = frame.sendTcp(flow.tap(), .{
        .from = flow.key.peer,
        .to = flow.key.port,
        .seq = if (flow.state == .connecting) 0 else flow.seq_to,
        .ack = flow.seq_from,
        .flags = .{ .rst = true, .ack = has_ack },
    }, 0);
    abort(flow);
}

/// The container's SYN, ours; after them every byte counts from the next number.
pub fn sendSyn(flow: *Flow, with_ack: bool) void {
    const mss = flow.tap().segmentMax(flow.key.peer.address.isV4());
    const options = [_]u8{ 2, 4, @intCast(mss >> 8), @truncate(mss), 1, 3, 3, scale_to };
    const options_bytes: usize = if (flow.is.shifts) options.len else 4;
    _ = measure(flow);
    const window: u16 = @intCast(@min(flow.room, 0xffff));
    _ = frame.sendTcp(flow.tap(), .{
        .from = flow.key.peer,
        .to = flow.key.port,
        .seq = flow.seq_taken,
        .ack = flow.seq_from,
        .flags = .{ .syn = true, .ack = with_ack },
        .window = window,
        .options = options[0..options_bytes],
    }, 0);
    flow.seq_to = flow.seq_taken +% 1;
    flow.seq_furthest = flow.seq_to;
    flow.acknowledged = flow.seq_from;
    flow.window_end = flow.seq_from +% window;
}

/// Such a flow's container is told soon what was taken of it.
pub fn owe(flow: *Flow) void {
    if (flow.is.owing) return;
    flow.is.owing = owing.push(pool.indexOf(flow));
}

/// A segment for the container with what it is owed. False: it could not be sent.
pub fn sendSegment(flow: *Flow, seq: u32, flags: packet.Flags, data_bytes: usize) bool {
    var all = flags;
    all.ack = true;
    const window = windowOf(flow);
    const is_sent = frame.sendTcp(flow.tap(), .{
        .from = flow.key.peer,
        .to = flow.key.port,
        .seq = seq,
        .ack = flow.seq_from,
        .flags = all,
        .window = window,
    }, data_bytes);
    if (!is_sent) return false;
    flow.acknowledged = flow.seq_from;
    flow.window_end = flow.seq_from +% (@as(u32, window) << shiftOf(flow));
    return true;
}

const sk_meminfo_sndbuf = 3;
const sk_meminfo_wmem_queued = 5;
/// Less than that is not worth a segment.
const room_least = 4096;
/// With that much of it, so little that went into it since changes nothing: most connections are a question and an answer.
const room_plenty = 32 << 10;
const unmeasured_max = 4096;

fn shiftOf(flow: *const Flow) u5 {
    return if (flow.is.shifts) scale_to else 0;
}

/// What the socket would take now. The kernel counts the memory, which is more than the bytes. False: it is so full that
/// the kernel tells when it no longer is (sk_stream_is_writeable).
pub fn measure(flow: *Flow) bool {
    var info: [9]u32 = @splat(0);
    var length: linux.socklen_t = @sizeOf(@TypeOf(info));
    _ = linux.getsockopt(flow.fd, linux.SOL.SOCKET, linux.SO.MEMINFO, @ptrCast(&info), &length);
    const queued = info[sk_meminfo_wmem_queued];
    const free = info[sk_meminfo_sndbuf] -| queued;
    flow.room = free / 4 * 3;
    flow.unmeasured = 0;
    return free >= queued / 2;
}

/// To be announced, shifted. It never takes back what was announced before.
fn windowOf(flow: *Flow) u16 {
    const left = reach(flow);
    // A window too small for a whole segment stops the container until somebody tells it of a larger one.
    const is_known = flow.room >= 1 << 20 or (flow.room >= room_plenty and flow.unmeasured <= unmeasured_max);
    if (!is_known and !measure(flow) and !flow.is.full) {
        flow.is.full = true;
        hearRoom(flow); // asking makes the kernel tell when there is some
    }
    const usable = if (flow.room < room_least) 0 else flow.room;
    const shift = shiftOf(flow);
    const units = (@max(left, usable) + (@as(u32, 1) << shift) - 1) >> shift;
    return @intCast(@min(0xffff, units));
}

/// How far the container may send.
pub fn reach(flow: *const Flow) u32 {
    const left = flow.window_end -% flow.seq_from;
    return if (left > 1 << 30) 0 else left;
}

/// Everybody is told what was taken of them; those who heard it together with data need no more.
pub fn settle() void {
    while (owing.pop()) |slot| {
        const flow = &pool.flows[slot];
        if (!flow.is_used or !flow.is.owing) continue;
        flow.is.owing = false;
        if (flow.state != .open or flow.acknowledged == flow.seq_from) continue;
        _ = sendSegment(flow, flow.seq_to, .{}, 0);
    }
}
