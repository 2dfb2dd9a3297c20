//! A container whose segments make no sense: whatever it sends, both streams stay what they are, byte for byte, and the
//! numbers of the flow in order.
const std = @import("std");
const linux = std.os.linux;
const host = @import("../host.zig");
const loop = @import("../loop.zig");
const packet = @import("../packet.zig");
const taps = @import("../taps.zig");
const frame = @import("../frame.zig");
const flows = @import("flow.zig");
const from_container = @import("from_container.zig");
const to_container = @import("to_container.zig");
const socket = @import("socket.zig");
const addresses = @import("../address.zig");

const first_to = 1000;

/// What is at that place of either stream.
fn byteAt(place: u32) u8 {
    return @truncate(place *% 2654435761 >> 13);
}

const World = struct {
    frames: linux.fd_t,
    far: linux.fd_t,
    flow: *flows.Flow,
    sent: u32 = 0,
    received: u32 = 0,

    fn make() !World {
        if (loop.epoll < 0 and !loop.open()) return error.SkipZigTest;
        var pair: [2]i32 = undefined;
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.NONBLOCK, 0, &pair);
        taps.all[0] = .{
            .fd = pair[0],
            .address4 = addresses.Prefix.parse("10.0.2.100/24"),
            .gateway4 = addresses.Address.parse("10.0.2.2"),
            .mtu = 1500,
        };
        const near, const far = try streams();
        const peer: addresses.Endpoint = .{ .address = addresses.Address.parse("192.0.2.1").?, .port = 80 };
        const flow = flows.pool.insert(.{ .peer = peer, .port = 4000, .protocol = packet.protocol.tcp }).?;
        flows.open(flow, near);
        flow.state = .open;
        flow.mss = 1400;
        flow.scale_from = 7;
        flow.window_from = 8000;
        for ([_]*u32{ &flow.seq_to, &flow.seq_taken, &flow.seq_furthest }) |number| number.* = first_to;
        flow.window_end = 1 << 16;
        return .{ .frames = pair[1], .far = far, .flow = flow };
    }

    fn streams() !struct { linux.fd_t, linux.fd_t } {
        const any: addresses.Endpoint = .{ .address = .ofV4(.{ 127, 0, 0, 1 }) };
        var listener: linux.fd_t = undefined;
        if (@import("../publish.zig").bind(.tcp, any, &listener) != .SUCCESS) return error.SkipZigTest;
        defer _ = linux.close(listener);
        const near = host.socket(any.address, linux.SOCK.STREAM, 0).?;
        _ = host.connect(near, host.nameOf(listener).?);
        var poll = [1]linux.pollfd{.{ .fd = listener, .events = linux.POLL.IN, .revents = 0 }};
        _ = linux.poll(&poll, 1, 1000);
        return .{ near, @intCast(linux.accept4(listener, null, null, linux.SOCK.NONBLOCK)) };
    }

    fn close(world: *World) void {
        if (world.flow.is_used) flows.close(world.flow);
        for ([_]linux.fd_t{ world.frames, world.far, taps.all[0].fd }) |fd| _ = linux.close(fd);
        taps.all[0] = .{};
    }

    /// A segment that may be right, nearly so, or nonsense. Its data is always what is at its place.
    fn attack(world: *World, random: std.Random) void {
        const flow = world.flow;
        const near: u32 = if (random.uintLessThan(u8, 4) == 0) random.int(u32) else random.uintLessThan(u32, 3000) -% 1000;
        const seq = flow.seq_from +% if (random.boolean()) 0 else near;
        const other: u32 = if (random.uintLessThan(u8, 8) == 0) random.int(u32) else random.uintLessThan(u32, 4000);
        var data: [1200]u8 = undefined;
        const length = random.uintLessThan(usize, data.len);
        for (data[0..length], 0..) |*byte, i| byte.* = byteAt(seq +% @as(u32, @intCast(i)));
        const segment: packet.Segment = .{
            .source = 4000,
            .destination = 80,
            .seq = seq,
            .ack = flow.seq_taken +% other,
            .flags = .{ .ack = random.uintLessThan(u8, 20) != 0, .syn = random.uintLessThan(u8, 50) == 0 },
            .window = random.uintLessThan(u16, 200),
            .urgent = 0,
            .options = "",
            .data = data[0..length],
        };
        from_container.takeOpen(flow, &segment);
        flows.settle();
    }

    /// The far end writes, reads and looks at what it got.
    fn live(world: *World, random: std.Random) !void {
        var data: [4096]u8 = undefined;
        const length = random.uintLessThan(usize, data.len);
        for (data[0..length], 0..) |*byte, i| byte.* = byteAt(first_to +% world.sent +% @as(u32, @intCast(i)));
        const written = linux.write(world.far, &data, length);
        if (linux.errno(written) == .SUCCESS) world.sent +%= @intCast(written);
        if (random.boolean()) socket.handle(world.flow, loop.in);
        const n = linux.read(world.far, &data, data.len);
        if (linux.errno(n) != .SUCCESS) return;
        for (data[0..n], 0..) |byte, i| {
            try std.testing.expectEqual(byteAt(world.received +% @as(u32, @intCast(i))), byte);
        }
        world.received +%= @intCast(n);
    }

    fn look(world: *World) !void {
        var got: [2048]u8 = undefined;
        while (true) {
            const n = linux.read(world.frames, &got, got.len);
            if (linux.errno(n) != .SUCCESS) return;
            const ip = try packet.parseIp((try packet.Ethernet.parse(got[@sizeOf(frame.Offload)..n])).payload);
            const segment = try packet.Segment.parse(ip.payload);
            for (segment.data, 0..) |byte, i| {
                try std.testing.expectEqual(byteAt(segment.seq +% @as(u32, @intCast(i))), byte);
            }
        }
    }
};

test "whatever a container sends, the streams stay what they are" {
    var random_state: std.Random.DefaultPrng = .init(11);
    const random = random_state.random();
    var world: World = try .make();
    defer world.close();
    for (0..20_000) |_| {
        world.attack(random);
        if (!world.flow.is_used) return error.TestUnexpectedResult; // nothing of it was a RST in the window
        try world.live(random);
        try world.look();
        const flow = world.flow;
        try std.testing.expect(flow.seq_to -% flow.seq_taken <= flow.seq_furthest -% flow.seq_taken);
        try std.testing.expect(flow.seq_furthest -% first_to <= world.sent);
        if (random.uintLessThan(u8, 50) == 0) to_container.rewind(flow);
    }
    try std.testing.expect(world.received > 100_000 and world.sent > 100_000);
}

test "a far end that is gone ends a flow once, wherever that is found out" {
    const Way = enum { by_data, by_data_after_the_end, by_duplicates };
    for (std.enums.values(Way)) |way| {
        var world: World = try .make();
        defer world.close();
        const flow = world.flow;
        var data: [100]u8 = @splat('x');
        _ = linux.write(world.far, &data, data.len);
        socket.handle(flow, loop.in); // now something is on its way to the container
        flow.is.eof = way == .by_data_after_the_end;
        host.resetOnClose(world.far);
        _ = linux.close(world.far);
        world.far = @intCast(linux.dup(world.frames));
        const before = flows.pool.count;
        const acknowledgement: packet.Segment = .{
            .source = 4000,
            .destination = 80,
            .seq = flow.seq_from,
            .ack = flow.seq_taken,
            .flags = .{ .ack = true },
            .window = @intCast(flow.window_from >> flow.scale_from),
            .urgent = 0,
            .options = "",
            .data = if (way == .by_duplicates) "" else &data,
        };
        for (0..5) |_| if (flow.is_used) from_container.takeOpen(flow, &acknowledgement);
        if (flow.is_used) socket.handle(flow, loop.wrong | loop.closed);
        try std.testing.expect(!flow.is_used);
        try std.testing.expectEqual(before - 1, flows.pool.count);
    }
}
