//! Many flows at once, of a container that opens, speaks, ends and resets as it likes, towards servers that do the same:
//! the table of flows, their descriptors and the events for them stay in step, whatever ends first.
const std = @import("std");
const linux = std.os.linux;
const frame = @import("../frame.zig");
const host = @import("../host.zig");
const loop = @import("../loop.zig");
const packet = @import("../packet.zig");
const publish = @import("../publish.zig");
const taps = @import("../taps.zig");
const addresses = @import("../address.zig");
const flows = @import("flow.zig");
const from_container = @import("from_container.zig");
const timers = @import("timers.zig");
const to_container = @import("to_container.zig");
const socket = @import("socket.zig");

const ports = 24;
const first_port = 4000;
const far_max = 64;

const Crowd = struct {
    frames: linux.fd_t,
    listener: linux.fd_t,
    server: addresses.Endpoint,
    fars: [far_max]linux.fd_t = @splat(-1),
    random: std.Random,

    fn make(random: std.Random) !Crowd {
        if (loop.epoll < 0 and !loop.open()) return error.SkipZigTest;
        var pair: [2]i32 = undefined;
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.NONBLOCK, 0, &pair);
        taps.all[0] = .{
            .fd = pair[0],
            .address4 = addresses.Prefix.parse("10.0.2.100/24"),
            .gateway4 = addresses.Address.parse("10.0.2.2"),
            .mtu = 1500,
            .reaches_loopback = true,
        };
        const any: addresses.Endpoint = .{ .address = .ofV4(.{ 127, 0, 0, 1 }) };
        var listener: linux.fd_t = undefined;
        if (publish.bind(.tcp, any, &listener) != .SUCCESS) return error.SkipZigTest;
        const port = host.nameOf(listener).?.port;
        return .{
            .frames = pair[1],
            .listener = listener,
            .server = .{ .address = taps.all[0].gateway4.?, .port = port },
            .random = random,
        };
    }

    fn close(crowd: *Crowd) void {
        for (crowd.fars) |fd| if (fd >= 0) {
            _ = linux.close(fd);
        };
        for ([_]linux.fd_t{ crowd.frames, crowd.listener, taps.all[0].fd }) |fd| _ = linux.close(fd);
        taps.all[0] = .{};
    }

    /// One segment of one of its programs: mostly what would come next, sometimes anything.
    fn speak(crowd: *Crowd) !void {
        const random = crowd.random;
        const port: u16 = first_port + random.uintLessThan(u16, ports);
        const flow = flows.pool.find(&.{ .peer = crowd.server, .port = port, .protocol = packet.protocol.tcp });
        var flags: packet.Flags = .{ .ack = true };
        var seq = random.int(u32);
        var ack = random.int(u32);
        if (flow) |one| {
            seq = one.seq_from;
            ack = if (random.boolean()) one.seq_furthest else one.seq_taken;
            flags.fin = random.uintLessThan(u8, 12) == 0;
            flags.rst = random.uintLessThan(u8, 40) == 0;
            flags.syn = random.uintLessThan(u8, 40) == 0;
        } else flags = .{ .syn = true };
        if (random.uintLessThan(u8, 30) == 0) seq +%= random.uintLessThan(u32, 4000) -% 2000;
        const length = if (flags.syn) 0 else random.uintLessThan(usize, 900);
        var bytes: [20 + 20 + 900]u8 = @splat('x');
        frame.writeV4(bytes[0..20], taps.all[0].address4.?.address, crowd.server.address, packet.protocol.tcp, 20 + length);
        const tcp = bytes[20..];
        frame.write16(tcp, 0, port);
        frame.write16(tcp, 2, crowd.server.port);
        std.mem.writeInt(u32, tcp[4..8], seq, .big);
        std.mem.writeInt(u32, tcp[8..12], ack, .big);
        tcp[12] = 5 << 4;
        tcp[13] = @bitCast(flags);
        frame.write16(tcp, 14, if (random.uintLessThan(u8, 10) == 0) 0 else random.int(u16));
        const ip = try packet.parseIp(bytes[0 .. 40 + length]);
        try from_container.take(&taps.all[0], 0, &ip);
    }

    /// Some of the servers write, read, end or reset.
    fn answer(crowd: *Crowd) void {
        const random = crowd.random;
        const rc = linux.accept4(crowd.listener, null, null, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
        const place = random.uintLessThan(usize, far_max);
        const there = crowd.fars[place];
        if (linux.errno(rc) == .SUCCESS) {
            if (there >= 0) _ = linux.close(there);
            crowd.fars[place] = @intCast(rc);
            return;
        }
        if (there < 0) return;
        var data: [3000]u8 = @splat('y');
        switch (random.uintLessThan(u8, 10)) {
            0 => _ = linux.shutdown(there, linux.SHUT.WR),
            1 => {
                if (random.boolean()) host.resetOnClose(there);
                _ = linux.close(there);
                crowd.fars[place] = -1;
            },
            2, 3, 4 => _ = linux.read(there, &data, data.len),
            else => _ = linux.sendto(there, &data, random.uintLessThan(usize, data.len), linux.MSG.NOSIGNAL, null, 0),
        }
    }

    /// What the engine does with it.
    fn turn(crowd: *Crowd) void {
        var events: [16]linux.epoll_event = undefined;
        for (loop.wait(&events, true)) |event| {
            const ref: loop.Ref = @bitCast(event.data.u64);
            if (ref.kind == .tcp) if (flows.pool.at(ref.index, ref.generation)) |flow| socket.handle(flow, event.events);
        }
        to_container.goOn();
        flows.settle();
        if (crowd.random.uintLessThan(u8, 50) == 0) {
            loop.now_ms += 500; // as if nobody had answered for so long
            loop.due_ms = loop.never;
            timers.sweep();
        }
        var got: [2048]u8 = undefined;
        while (linux.errno(linux.read(crowd.frames, &got, got.len)) == .SUCCESS) {}
    }
};

fn descriptors() usize {
    var count: usize = 0;
    for (0..1024) |fd| count += @intFromBool(linux.errno(linux.fcntl(@intCast(fd), linux.F.GETFD, 0)) == .SUCCESS);
    return count;
}

test "a crowd of flows comes and goes, and nothing of it stays" {
    var random_state: std.Random.DefaultPrng = .init(23);
    if (loop.epoll < 0 and !loop.open()) return error.SkipZigTest;
    const before = descriptors();
    const flows_before = flows.pool.count;
    {
        var crowd: Crowd = try .make(random_state.random());
        defer crowd.close();
        var most: usize = 0;
        for (0..40_000) |_| {
            try crowd.speak();
            crowd.answer();
            crowd.turn();
            most = @max(most, flows.pool.count);
        }
        try std.testing.expect(most > ports / 2 and most <= ports + flows_before);
        for (flows.pool.all()) |*flow| {
            if (flow.is_used and flow.key.port >= first_port and flow.key.peer.port == crowd.server.port) flows.abort(flow);
        }
    }
    try std.testing.expectEqual(flows_before, flows.pool.count);
    try std.testing.expectEqual(before, descriptors());
}

test "one flow too many: its SYN is lost, and finds a place when it comes again" {
    var random_state: std.Random.DefaultPrng = .init(1);
    var crowd: Crowd = try .make(random_state.random());
    defer crowd.close();
    const nowhere: addresses.Endpoint = .{ .address = .ofV4(.{ 198, 51, 100, 1 }), .port = 80 };
    var made: std.ArrayList(*flows.Flow) = .empty;
    defer made.deinit(std.testing.allocator);
    defer for (made.items) |flow| flows.pool.remove(flow);
    for (1..flows.flows_max + 1) |port| {
        const key: @import("../pool.zig").Key = .{ .peer = nowhere, .port = @intCast(port), .protocol = packet.protocol.tcp };
        try made.append(std.testing.allocator, flows.pool.insert(key) orelse break);
    }
    try std.testing.expectEqual(flows.flows_max, flows.pool.count);
    var syn: [40]u8 = @splat(0);
    frame.writeV4(syn[0..20], taps.all[0].address4.?.address, crowd.server.address, packet.protocol.tcp, 20);
    frame.write16(&syn, 20, first_port);
    frame.write16(&syn, 22, crowd.server.port);
    syn[32] = 5 << 4;
    syn[33] = @bitCast(packet.Flags{ .syn = true });
    const ip = try packet.parseIp(&syn);
    try from_container.take(&taps.all[0], 0, &ip);
    var bytes: [256]u8 = undefined;
    try std.testing.expectEqual(linux.E.AGAIN, linux.errno(linux.read(crowd.frames, &bytes, bytes.len)));
    flows.pool.remove(made.pop().?);
    try from_container.take(&taps.all[0], 0, &ip);
    const n = linux.read(crowd.frames, &bytes, bytes.len);
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(n));
    const frame_ip = try packet.parseIp((try packet.Ethernet.parse(bytes[@sizeOf(frame.Offload)..n])).payload);
    const answer = try packet.Segment.parse(frame_ip.payload);
    try std.testing.expect(answer.flags.syn and answer.flags.ack);
    // A kernel that asks whether we are still there: nothing, from before what was acknowledged.
    const flow = flows.pool.find(&.{ .peer = crowd.server, .port = first_port, .protocol = packet.protocol.tcp }).?;
    syn[33] = @bitCast(packet.Flags{ .ack = true });
    for ([_]u32{ 1, 0 }) |seq| {
        std.mem.writeInt(u32, syn[24..28], seq, .big);
        std.mem.writeInt(u32, syn[28..32], flow.seq_to, .big);
        try from_container.take(&taps.all[0], 0, &ip);
        const rc = linux.read(crowd.frames, &bytes, bytes.len);
        try std.testing.expectEqual(if (seq == 0) linux.E.SUCCESS else .AGAIN, linux.errno(rc));
    }
    flows.close(flow);
}
