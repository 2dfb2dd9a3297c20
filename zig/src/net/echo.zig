//! ping: the gateway answers itself, everybody else is asked through an unprivileged ping socket of the host's where the
//! host lets us have one (net.ipv4.ping_group_range), one for each program that pings and whom.
const std = @import("std");
const linux = std.os.linux;
const loop = @import("loop.zig");
const host = @import("host.zig");
const icmp = @import("icmp.zig");
const pools = @import("pool.zig");
const frame = @import("frame.zig");
const packet = @import("packet.zig");
const route = @import("route.zig");
const taps = @import("taps.zig");
const Endpoint = @import("address.zig").Endpoint;
const Tap = @import("tap.zig").Tap;

const Flow = struct {
    key: pools.Key,
    hash: u32,
    generation: u32,
    is_used: bool,
    fd: linux.fd_t = -1,
    due_ms: u64 = loop.never,
};

const flows_max = 256;
pub var pool: pools.Pool(Flow, flows_max) = .{};

const idle_ms = 30_000;
const turn_messages = 32;

const request4 = 8;
const reply4 = 0;
const request6 = 128;
const reply6 = 129;

pub fn take(tap: *const Tap, tap_index: u8, ip: *const packet.Ip) packet.Error!void {
    const echo = try packet.Echo.parse(ip.payload);
    if (echo.type != @as(u8, if (ip.isV4()) request4 else request6)) return;
    if (tap.isGateway(ip.destination) or tap.isDns(ip.destination)) return answer(tap, ip);
    const peer: Endpoint = .{ .address = ip.destination };
    const key: pools.Key = .{ .peer = peer, .port = echo.id, .tap = tap_index, .protocol = ip.protocol };
    const flow = pool.find(&key) orelse open(tap, key, ip) orelse return;
    flow.due_ms = loop.now_ms + idle_ms;
    loop.dueAt(flow.due_ms);
    const rc = linux.sendto(flow.fd, ip.payload.ptr, ip.payload.len, linux.MSG.DONTWAIT, null, 0);
    switch (linux.errno(rc)) {
        .HOSTUNREACH => icmp.tell(tap, .no_host, ip.whole),
        .NETUNREACH => icmp.tell(tap, .no_route, ip.whole),
        .MSGSIZE => icmp.tell(tap, .{ .too_big = host.mtuOf(flow.fd, ip.isV4()) }, ip.whole),
        else => {},
    }
}

/// In the name of whom it was for.
fn answer(tap: *const Tap, ip: *const packet.Ip) void {
    const message = frame.space()[0..ip.payload.len];
    @memcpy(message, ip.payload);
    message[0] = if (ip.isV4()) reply4 else reply6;
    _ = frame.sendIcmp(tap, ip.destination, message.len);
}

fn open(tap: *const Tap, key: pools.Key, ip: *const packet.Ip) ?*Flow {
    const target = switch (route.find(tap, key.protocol, key.peer)) {
        .to => |endpoint| endpoint,
        .nowhere => {
            icmp.tell(tap, .no_route, ip.whole);
            return null;
        },
        .forbidden => return null,
    };
    const protocol: u32 = if (ip.isV4()) linux.IPPROTO.ICMP else linux.IPPROTO.ICMPV6;
    const fd = host.socket(target.address, linux.SOCK.DGRAM, protocol) orelse return null;
    const e = host.connect(fd, target);
    const flow = if (e == .SUCCESS) pool.insert(key) else null;
    const made = flow orelse {
        _ = linux.close(fd);
        if (e != .SUCCESS) icmp.tell(tap, .no_route, ip.whole);
        return null;
    };
    made.fd = fd;
    if (loop.add(fd, .{ .kind = .echo, .index = pool.indexOf(made), .generation = made.generation }, loop.in)) return made;
    close(made);
    return null;
}

fn close(flow: *Flow) void {
    _ = linux.close(flow.fd);
    pool.remove(flow);
}

/// The kernel has put its own number in the place of the container's.
pub fn handle(flow: *Flow) void {
    const tap = &taps.all[flow.key.tap];
    for (0..turn_messages) |_| {
        const n = linux.recvfrom(flow.fd, frame.space().ptr, frame.payload_bytes_max, linux.MSG.DONTWAIT, null, null);
        if (linux.errno(n) == .HOSTUNREACH) icmp.tellFlow(&flow.key, .no_host);
        if (linux.errno(n) == .MSGSIZE) {
            icmp.tellFlow(&flow.key, .{ .too_big = host.mtuOf(flow.fd, flow.key.peer.address.isV4()) });
        }
        if (linux.errno(n) != .SUCCESS) return;
        if (n < 8 or n + 40 > tap.mtu) continue;
        frame.write16(frame.space(), 4, flow.key.port);
        _ = frame.sendIcmp(tap, flow.key.peer.address, n);
    }
}

/// A container's that has left.
pub fn closeOf(tap_index: u8) void {
    for (pool.all()) |*flow| if (flow.is_used and flow.key.tap == tap_index) close(flow);
}

pub fn sweep() void {
    for (pool.all()) |*flow| {
        if (!flow.is_used) continue;
        if (flow.due_ms <= loop.now_ms) close(flow) else loop.dueAt(flow.due_ms);
    }
}
