//! Theory of operation: one process is the whole network of a container, or of several (switch.zig, members.zig). On one
//! side frames, from and to a TAP in the container's network namespace; on the other sockets of the host's, made as any program makes them. So it
//! needs no privilege, no firewall rule and no bridge, and the host's kernel does everything that is hard about TCP.
//!
//! One thread, one epoll loop (loop.zig). A turn: events are handled, each with a limit so that nobody starves; then what
//! was left over (`ready`); then acknowledgements, one a flow however many frames came; then what is due by the clock.
//! All memory is static, and touched only as far as it was ever needed. A full pool is no failure: a SYN is lost, a
//! datagram dropped.
//!
//! Frames come from a hostile side. They are taken apart by pure functions (packet.zig); only what comes from the
//! container's own addresses goes on; nothing reaches the host's loopback (host.zig).
const std = @import("std");
const linux = std.os.linux;
const loop = @import("loop.zig");
const udp = @import("udp.zig");
const dns_stream = @import("dns_stream.zig");
const echo = @import("echo.zig");
const icmp = @import("icmp.zig");
const live = @import("live.zig");
const members = @import("members.zig");
const splice = @import("splice.zig");
const switching = @import("switch.zig");
const frame = @import("frame.zig");
const fragments = @import("fragments.zig");
const ports = @import("ports.zig");
const packet = @import("packet.zig");
const resolver = @import("resolver.zig");
const neighbours = @import("neighbours.zig");
const taps = @import("taps.zig");
const train = @import("train.zig");
const flows = @import("tcp/flow.zig");
const tcp_answers = @import("tcp/answers.zig");
const tcp_in = @import("tcp/from_container.zig");
const tcp_out = @import("tcp/to_container.zig");
const tcp_socket = @import("tcp/socket.zig");
const tcp_timers = @import("tcp/timers.zig");
const Pace = @import("pace.zig").Pace;
const Tap = @import("tap.zig").Tap;

const events_max = 64;
/// Frames of a container before its acknowledgements are sent and others have their turn.
const turn_frames = 64;

pub fn watch(tap_index: u8) bool {
    return loop.add(taps.all[tap_index].fd, .{ .kind = .tap, .index = tap_index }, loop.in);
}

/// Until the one we work for is gone.
pub fn run() void {
    var events: [events_max]linux.epoll_event = undefined;
    while (true) {
        if (members.isOver()) return;
        for (loop.wait(&events, flows.ready.length + splice.ready.length > 0)) |event| {
            const ref: loop.Ref = @bitCast(event.data.u64);
            if (ref.kind == .control and !resolver.hear(taps.control)) {
                drain();
                return sayFarewell();
            }
            handle(ref, event.events);
        }
        turn();
    }
}

/// The monitor waits for this word, and not for our end: the TAP goes with us, and the kernel takes its time for that.
fn sayFarewell() void {
    _ = linux.sendto(taps.control, "e", 1, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
}

/// What follows the events.
fn turn() void {
    tcp_out.goOn();
    splice.continueAll();
    flows.settle();
    if (loop.isDue()) sweep();
}

fn handle(ref: loop.Ref, events: u32) void {
    switch (ref.kind) {
        .tap => _ = takeFrames(@intCast(ref.index)),
        .tcp => if (flows.pool.at(ref.index, ref.generation)) |flow| tcp_socket.handle(flow, events),
        .udp => if (udp.pool.at(ref.index, ref.generation)) |flow| udp.handle(flow),
        .echo => if (echo.pool.at(ref.index, ref.generation)) |flow| echo.handle(flow),
        .listener => if (ports.at(ref.index, ref.generation)) |port| ports.accept(port),
        .datagram_listener => if (ports.at(ref.index, ref.generation)) |port| udp.handlePublished(port),
        .splice => splice.handle(ref.index, ref.generation, events),
        .talk => dns_stream.handle(ref.index, ref.generation, events),
        .talk_server => dns_stream.handleServer(ref.index, ref.generation, events),
        .live => live.accept(@intCast(ref.index)),
        .live_client => live.serve(ref.index),
        .control => {},
        .door => members.accept(),
        .member => members.serve(ref.index, ref.generation),
    }
}

fn sweep() void {
    loop.due_ms = loop.never;
    tcp_timers.sweep();
    tcp_answers.sweep();
    udp.sweep();
    echo.sweep();
    dns_stream.sweep();
    ports.sweep();
    members.sweep();
}

/// Silence of that long is the end; the monitor waits a while longer than the most.
const silence_ms = 20;
const farewell_ms = 600;

/// The container has ended: its ports are free at once, and what it has sent still goes out. Its kernel says of every
/// connection that it is over, so that soon there are none.
fn drain() void {
    ports.removeAll();
    loop.forget(taps.control); // has no more to say, and would go on saying so
    const until_ms = loop.now_ms + farewell_ms;
    var events: [events_max]linux.epoll_event = undefined;
    while (loop.now_ms < until_ms) {
        var count: usize = 0;
        for (0..taps.count) |i| count += takeFrames(@intCast(i));
        if (count == 0 and flows.pool.count + splice.pool.count == 0) return;
        loop.dueAt(loop.now_ms + silence_ms);
        for (loop.wait(&events, count + flows.ready.length + splice.ready.length > 0)) |event| {
            const ref: loop.Ref = @bitCast(event.data.u64);
            handle(ref, event.events);
            count += 1;
        }
        const had_more = flows.ready.length + splice.ready.length > 0;
        turn();
        if (count == 0 and !had_more) return;
    }
}

var paces: [taps.taps_max]Pace = @splat(.{});

/// How many there were.
pub fn takeFrames(index: u8) usize {
    const tap = &taps.all[index];
    tap.heard_ms = loop.now_ms;
    var count: usize = 0;
    defer paces[index].note(count);
    defer udp.depart();
    for (0..paces[index].limit(turn_frames)) |_| {
        if (train.isFull()) udp.depart();
        const input = train.place();
        const n = linux.read(tap.fd, input.ptr, input.len);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .INTR => continue,
            else => break,
        }
        count += 1;
        if (n <= @sizeOf(frame.Offload)) continue;
        if (tap.is_switched and !(switching.take(tap, input[0..n]) catch false)) continue;
        const offload: frame.Offload = @bitCast(input[0..@sizeOf(frame.Offload)].*);
        // Nobody is told what nobody can have meant.
        takeFrame(tap, index, input[@sizeOf(frame.Offload)..n], offload.datagramBytes()) catch {};
    }
    return count;
}

/// Of datagrams it may hold several, of `each` bytes, unless that is 0.
fn takeFrame(tap: *const Tap, index: u8, bytes: []const u8, each: usize) packet.Error!void {
    const ethernet = try packet.Ethernet.parse(bytes);
    switch (ethernet.type) {
        packet.Ethernet.arp => return neighbours.takeArp(tap, ethernet.payload),
        packet.Ethernet.ipv4, packet.Ethernet.ipv6 => {},
        else => return,
    }
    const ip = try packet.parseIp(ethernet.payload);
    if (ip.isV4() != (ethernet.type == packet.Ethernet.ipv4)) return error.Malformed;
    if (ip.protocol == packet.protocol.icmp6 and !ip.isV4() and isNeighbourly(&ip)) {
        if (ip.fragment == null) neighbours.takeNdp(tap, &ip); // RFC 6980
        return;
    }
    if (neighbours.takeDhcp(tap, &ip)) return;
    if (!tap.isOwn(ip.source)) return;
    if (ip.fragment == null) return takePacket(tap, index, &ip, each);
    if (fragments.take(index, &ip)) |whole| try takePacket(tap, index, &whole, 0);
}

fn takePacket(tap: *const Tap, index: u8, ip: *const packet.Ip, each: usize) packet.Error!void {
    if (ip.hops <= 1 and !tap.isGateway(ip.destination) and !tap.isDns(ip.destination)) {
        if (!ip.destination.isMulticast()) icmp.tell(tap, .hops_exceeded, ip.whole);
        return;
    }
    switch (ip.protocol) {
        packet.protocol.tcp => try tcp_in.take(tap, index, ip),
        packet.protocol.udp => try udp.take(tap, index, ip, each),
        packet.protocol.icmp => if (ip.isV4()) try echo.take(tap, index, ip),
        packet.protocol.icmp6 => if (!ip.isV4()) try echo.take(tap, index, ip),
        else => {},
    }
}

/// Router and neighbour discovery (RFC 4861): 133 to 137.
fn isNeighbourly(ip: *const packet.Ip) bool {
    return ip.payload.len > 0 and ip.payload[0] >= 133 and ip.payload[0] <= 137;
}
