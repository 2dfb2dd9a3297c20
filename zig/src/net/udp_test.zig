//! What a container sends in one turn, to several at once and in any order: every datagram arrives whole and in its
//! flow's order, however many of them are one message to the kernel.
const std = @import("std");
const linux = std.os.linux;
const engine = @import("engine.zig");
const frame = @import("frame.zig");
const host = @import("host.zig");
const loop = @import("loop.zig");
const packet = @import("packet.zig");
const taps = @import("taps.zig");
const udp = @import("udp.zig");
const addresses = @import("address.zig");
const Address = addresses.Address;

const loopback: Address = .ofV4(.{ 127, 0, 0, 1 });
const own: Address = .ofV4(.{ 10, 0, 2, 100 });
const gateway: Address = .ofV4(.{ 10, 0, 2, 2 });
const bytes_max = 3000;
const together_bytes_max = 50_000;
const turn_frames = 64;

/// A container whose gateway is the loopback, and who listens there.
const World = struct {
    container: linux.fd_t,
    receivers: [3]linux.fd_t,

    fn make() !World {
        if (loop.epoll < 0 and !loop.open()) return error.SkipZigTest;
        var pair: [2]i32 = undefined;
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.SEQPACKET | linux.SOCK.NONBLOCK, 0, &pair);
        for (pair) |fd| _ = host.set(fd, linux.SOL.SOCKET, linux.SO.SNDBUF, 1 << 20);
        taps.all[0] = .{
            .fd = pair[0],
            .address4 = addresses.Prefix.parse("10.0.2.100/24"),
            .gateway4 = gateway,
            .reaches_loopback = true,
        };
        var world: World = .{ .container = pair[1], .receivers = undefined };
        const any: addresses.SocketAddress = .of(.{ .address = loopback });
        for (&world.receivers) |*fd| {
            fd.* = host.socket(loopback, linux.SOCK.DGRAM, 0) orelse return error.SkipZigTest;
            if (linux.errno(linux.bind(fd.*, &any.any, any.length())) != .SUCCESS) return error.SkipZigTest;
        }
        return world;
    }

    fn close(world: *const World) void {
        udp.closeOf(0);
        for (world.receivers ++ .{ world.container, taps.all[0].fd }) |fd| _ = linux.close(fd);
        taps.all[0] = .{};
    }

    fn portOf(world: *const World, receiver: usize) u16 {
        return host.nameOf(world.receivers[receiver]).?.port;
    }

    fn send(world: *const World, to: u16, data: []const u8) !void {
        try world.sendTogether(to, data, 0);
    }

    /// As the container's kernel leaves several together that a program has sent in one call (UDP_SEGMENT).
    fn sendTogether(world: *const World, to: u16, data: []const u8, each: u16) !void {
        var bytes: [10 + 14 + 28 + together_bytes_max]u8 = @splat(0);
        if (each > 0) bytes[0..10].* = @bitCast(frame.Offload{ .gso_type = frame.Offload.datagrams, .gso_bytes = each });
        frame.write16(&bytes, 10 + 12, packet.Ethernet.ipv4);
        frame.writeV4(bytes[24..44], own, gateway, packet.protocol.udp, 8 + data.len);
        frame.write16(&bytes, 44, 4000);
        frame.write16(&bytes, 46, to);
        frame.write16(&bytes, 48, @intCast(8 + data.len));
        @memcpy(bytes[52..][0..data.len], data);
        const length = 52 + data.len;
        try std.testing.expectEqual(length, linux.write(world.container, &bytes, length));
    }

    fn expect(world: *const World, receiver: usize, data: []const u8) !void {
        var got: [bytes_max]u8 = undefined;
        const n = linux.read(world.receivers[receiver], &got, got.len);
        try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(n));
        try std.testing.expectEqualStrings(data, got[0..n]);
    }

    fn expectNothing(world: *const World) !void {
        var got: [1]u8 = undefined;
        for (world.receivers) |fd| try std.testing.expectEqual(.AGAIN, linux.errno(linux.read(fd, &got, 1)));
    }
};

/// `length` bytes that no other datagram has.
fn content(number: usize, buffer: *[bytes_max]u8, length: usize) []const u8 {
    for (buffer[0..length], 0..) |*byte, i| byte.* = @truncate((number *% 7919 +% i) *% 2654435761 >> 16);
    return buffer[0..length];
}

/// Turns of datagrams to whom and as long as chance has it, mostly several of one length.
fn soak(world: *const World, seed: u64, turns: usize) !void {
    var random_state: std.Random.DefaultPrng = .init(seed);
    const random = random_state.random();
    for (0..turns) |_| {
        var targets: [turn_frames]usize = undefined;
        var lengths: [turn_frames]usize = undefined;
        const count = 1 + random.uintLessThan(usize, 40);
        var buffer: [bytes_max]u8 = undefined;
        for (targets[0..count], lengths[0..count], 0..) |*target, *length, i| {
            const is_same = i > 0 and random.uintLessThan(u8, 6) != 0;
            target.* = if (is_same) targets[i - 1] else random.uintLessThan(usize, 3);
            length.* = if (is_same) lengths[i - 1] else random.uintLessThan(usize, bytes_max);
            if (random.uintLessThan(u8, 12) == 0) length.* = random.uintLessThan(usize, 4);
            try world.send(world.portOf(target.*), content(i, &buffer, length.*));
        }
        try std.testing.expectEqual(count, engine.takeFrames(0));
        for (targets[0..count], lengths[0..count], 0..) |target, length, i| {
            try world.expect(target, content(i, &buffer, length));
        }
        try world.expectNothing();
    }
}

/// So that the turn that is meant takes all there is (pace.zig).
fn hurry(world: *const World, to: usize) !void {
    for (0..32) |_| {
        for (0..2) |_| try world.send(world.portOf(to), "x");
        while (engine.takeFrames(0) > 0) {}
        for (0..2) |_| try world.expect(to, "x");
    }
}

test "every datagram arrives whole and in order" {
    const world: World = try .make();
    defer world.close();
    try hurry(&world, 0);
    try soak(&world, 5, 300);
}

test "those that come together arrive one by one" {
    const world: World = try .make();
    defer world.close();
    try hurry(&world, 0);
    var bytes: [together_bytes_max]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = @truncate(i *% 2654435761 >> 16);
    const cases = [_][2]u16{ .{ 100, 1000 }, .{ 100, 1050 }, .{ 1, 80 }, .{ 700, 20_000 }, .{ 2900, 50_000 }, .{ 9, 5 } };
    for (cases) |case| {
        const each, const length = case;
        try world.send(world.portOf(0), "before");
        for (0..2) |_| try world.sendTogether(world.portOf(0), bytes[0..length], each);
        try world.send(world.portOf(0), "behind");
        try std.testing.expectEqual(4, engine.takeFrames(0));
        try world.expect(0, "before");
        for (0..2) |_| {
            var parts = std.mem.window(u8, bytes[0..length], each, each);
            while (parts.next()) |part| try world.expect(0, part);
        }
        try world.expect(0, "behind");
        try world.expectNothing();
    }
    try world.sendTogether(world.portOf(0), bytes[0..128], 1);
    try std.testing.expectEqual(1, engine.takeFrames(0));
    for (bytes[0..128]) |byte| try world.expect(0, &.{byte});
    // More than any kernel leaves together.
    try world.sendTogether(world.portOf(0), bytes[0..129], 1);
    try world.send(world.portOf(0), "behind");
    try std.testing.expectEqual(2, engine.takeFrames(0));
    try world.expect(0, "behind");
    try world.expectNothing();
}

test "what the kernel does not take apart goes singly from then on" {
    const world: World = try .make();
    defer world.close();
    try hurry(&world, 1);
    const so_no_check = 11; // nobody makes checksums for such a socket's datagrams
    for (udp.pool.all()) |*flow| if (flow.is_used) {
        try std.testing.expect(host.set(flow.fd, linux.SOL.SOCKET, so_no_check, 1));
    };
    var buffer: [bytes_max]u8 = undefined;
    for (0..20) |i| try world.send(world.portOf(1), content(i, &buffer, 100));
    try std.testing.expectEqual(20, engine.takeFrames(0));
    for (0..20) |i| try world.expect(1, content(i, &buffer, 100));
    var singly: usize = 0;
    for (udp.pool.all()) |*flow| singly += @intFromBool(flow.is_used and flow.goes_singly);
    try std.testing.expectEqual(1, singly);
    try soak(&world, 6, 100);
}

test "a datagram to where nobody listens is told, and takes nothing from those around it" {
    const world: World = try .make();
    defer world.close();
    try hurry(&world, 2);
    var listening = world;
    const closed = host.nameOf(world.receivers[0]).?.port;
    _ = linux.close(world.receivers[0]);
    listening.receivers[0] = host.socket(loopback, linux.SOCK.DGRAM, 0).?; // elsewhere
    defer _ = linux.close(listening.receivers[0]);
    for (0..3) |_| {
        for (0..5) |_| try world.send(closed, "lost");
        for (0..5) |_| try world.send(world.portOf(2), "heard");
        try std.testing.expectEqual(10, engine.takeFrames(0));
        for (0..5) |_| try world.expect(2, "heard");
    }
    var got: [256]u8 = undefined;
    const n = linux.read(world.container, &got, got.len);
    const ip = try packet.parseIp((try packet.Ethernet.parse(got[10..n])).payload);
    try std.testing.expectEqual(packet.protocol.icmp, ip.protocol);
    try std.testing.expectEqualSlices(u8, &.{ 3, 3 }, ip.payload[0..2]); // port unreachable
}

test "datagrams of a flow that gives way have left before" {
    const world: World = try .make();
    defer world.close();
    try hurry(&world, 0);
    try world.send(world.portOf(0), "first");
    try world.send(world.portOf(0), "second");
    try std.testing.expectEqual(2, engine.takeFrames(0));
    while (udp.giveWay()) {}
    try world.expect(0, "first");
    try world.expect(0, "second");
    try std.testing.expectEqual(0, udp.pool.count);
}
