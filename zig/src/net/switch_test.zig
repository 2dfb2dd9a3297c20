//! Who gets a frame: two containers and a gateway, and a hostile third.
const std = @import("std");
const linux = std.os.linux;
const packet = @import("packet.zig");
const switching = @import("switch.zig");
const taps = @import("taps.zig");
const addresses = @import("address.zig");
const Address = addresses.Address;
const Prefix = addresses.Prefix;
const Tap = @import("tap.zig").Tap;
const testing = std.testing;

const World = struct {
    pairs: [3][2]i32,

    fn make() World {
        var world: World = undefined;
        for (&world.pairs, 0..) |*pair, i| {
            _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.NONBLOCK, 0, pair);
            taps.all[i] = .{
                .fd = pair[0],
                .index = @intCast(i),
                .is_switched = true,
                .mac = .{ 2, 0x89, 0, 0, 0, @intCast(2 + i) },
                .address4 = .{ .address = .ofV4(.{ 10, 89, 0, @intCast(2 + i) }), .bits = 120 },
                .gateway4 = .ofV4(.{ 10, 89, 0, 1 }),
                .dns4 = .ofV4(.{ 10, 89, 0, 1 }),
                .address6 = .{ .address = v6(2 + @as(u8, @intCast(i))), .bits = 64 },
                .gateway6 = v6(1),
                .dns6 = v6(1),
            };
        }
        taps.count = 3;
        return world;
    }

    fn close(world: *const World) void {
        for (world.pairs) |pair| for (pair) |fd| {
            _ = linux.close(fd);
        };
        for (taps.used()) |*tap| tap.* = .{};
        taps.count = 0;
    }

    fn received(world: *const World, index: usize) usize {
        var count: usize = 0;
        var buffer: [2048]u8 = undefined;
        while (linux.errno(linux.read(world.pairs[index][1], &buffer, buffer.len)) == .SUCCESS) count += 1;
        return count;
    }
};

fn v6(last: u8) Address {
    return .{ .bytes = .{ 0xfd, 0x89 } ++ .{0} ** 13 ++ .{last} };
}

const everybody: packet.Mac = @splat(0xff);

fn ethernet(from: packet.Mac, to: packet.Mac, kind: u16, comptime payload: []const u8) [14 + payload.len]u8 {
    return to ++ from ++ [2]u8{ @intCast(kind >> 8), @truncate(kind) } ++ payload[0..payload.len].*;
}

fn ip4(from: u8, to: [4]u8, protocol: u8) [28]u8 {
    return .{ 0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 89, 0, from } ++ to ++ .{ 0, 68, 0, 67, 0, 8, 0, 0 };
}

fn way4(tap: usize, mac: packet.Mac, to: packet.Mac, payload: [28]u8) switching.Way {
    var frame = ethernet(mac, to, packet.Ethernet.ipv4, "." ** 28);
    frame[14..].* = payload;
    return switching.decide(&taps.all[tap], &frame) catch .nowhere;
}

test "frames of a container's own go where they say" {
    const world: World = .make();
    defer world.close();
    const own = taps.all[0].mac;
    const other = taps.all[1].mac;
    try testing.expectEqual(&taps.all[1], way4(0, own, other, ip4(2, .{ 10, 89, 0, 3 }, 1)).to);
    try testing.expectEqual(.gateway, way4(0, own, Tap.gateway_mac, ip4(2, .{ 192, 0, 2, 1 }, 6)));
    try testing.expectEqual(.everybody, way4(0, own, everybody, ip4(2, .{ 10, 89, 0, 255 }, 17 + 1)));
    try testing.expectEqual(.nowhere, way4(0, own, .{ 2, 1, 1, 1, 1, 1 }, ip4(2, .{ 10, 89, 0, 9 }, 1)));
    try testing.expectEqual(.nowhere, way4(0, own, own, ip4(2, .{ 10, 89, 0, 2 }, 1)));
    try testing.expectEqual(.gateway, way4(0, own, everybody, ip4(2, .{ 255, 255, 255, 255 }, 17)));
}

test "nobody sends in another's name" {
    const world: World = .make();
    defer world.close();
    const own = taps.all[0].mac;
    const other = taps.all[1].mac;
    try testing.expectEqual(.nowhere, way4(0, taps.all[2].mac, other, ip4(2, .{ 10, 89, 0, 3 }, 1)));
    try testing.expectEqual(.nowhere, way4(0, own, other, ip4(4, .{ 10, 89, 0, 3 }, 1)));
    try testing.expectEqual(.nowhere, way4(0, own, Tap.gateway_mac, ip4(3, .{ 192, 0, 2, 1 }, 6)));
    var offer = ip4(2, .{ 10, 89, 0, 3 }, 17);
    offer[20..24].* = .{ 0, 67, 0, 68 };
    try testing.expectEqual(.nowhere, way4(0, own, other, offer));
    const vlan = ethernet(own, other, 0x8100, "." ** 40);
    try testing.expectEqual(.nowhere, try switching.decide(&taps.all[0], &vlan));
}

fn arp(tap: usize, to: packet.Mac, op: u8, sender_mac: packet.Mac, sender: u8, target: u8) switching.Way {
    const head = [_]u8{ 0, 1, 8, 0, 6, 4, 0, op } ++ sender_mac ++ [_]u8{ 10, 89, 0, sender } ++ [_]u8{0} ** 6 ++
        [_]u8{ 10, 89, 0, target };
    var frame = ethernet(taps.all[tap].mac, to, packet.Ethernet.arp, "." ** 28);
    frame[14..].* = head;
    return switching.decide(&taps.all[tap], &frame) catch .nowhere;
}

test "ARP: a question goes to whom it is about, an answer is only about oneself" {
    const world: World = .make();
    defer world.close();
    const own = taps.all[0].mac;
    const other = taps.all[1].mac;
    try testing.expectEqual(&taps.all[1], arp(0, everybody, 1, own, 2, 3).to);
    try testing.expectEqual(.gateway, arp(0, everybody, 1, own, 2, 1));
    try testing.expectEqual(.nowhere, arp(0, everybody, 1, own, 2, 77));
    try testing.expectEqual(.everybody, arp(0, everybody, 1, own, 2, 2));
    try testing.expectEqual(&taps.all[1], arp(0, other, 2, own, 2, 3).to);
    try testing.expectEqual(.nowhere, arp(0, other, 2, own, 4, 3));
    try testing.expectEqual(.nowhere, arp(0, other, 2, taps.all[2].mac, 2, 3));
    try testing.expectEqual(.nowhere, arp(0, everybody, 1, own, 1, 3));
    try testing.expectEqual(.nowhere, arp(0, other, 7, own, 2, 3));
}

fn ndp(tap: usize, to: packet.Mac, source: Address, kind: u8, target: Address) switching.Way {
    const multicast: Address = .{ .bytes = .{ 0xff, 2 } ++ .{0} ** 13 ++ .{1} };
    const head = [_]u8{ 0x60, 0, 0, 0, 0, 24, 58, 255 } ++ source.bytes ++ multicast.bytes ++
        [_]u8{ kind, 0, 0, 0, 0, 0, 0, 0 } ++ target.bytes;
    var frame = ethernet(taps.all[tap].mac, to, packet.Ethernet.ipv6, "." ** 64);
    frame[14..].* = head;
    return switching.decide(&taps.all[tap], &frame) catch .nowhere;
}

test "neighbour discovery: the same, and no routers" {
    const world: World = .make();
    defer world.close();
    const group: packet.Mac = .{ 0x33, 0x33, 0, 0, 0, 1 };
    const own = taps.all[0].linkLocal();
    try testing.expectEqual(&taps.all[1], ndp(0, group, v6(2), 135, v6(3)).to);
    try testing.expectEqual(&taps.all[2], ndp(0, group, own, 135, taps.all[2].linkLocal()).to);
    try testing.expectEqual(.gateway, ndp(0, group, own, 135, v6(1)));
    try testing.expectEqual(.nowhere, ndp(0, group, .{}, 135, v6(2)));
    try testing.expectEqual(.everybody, ndp(0, group, own, 136, v6(2)));
    try testing.expectEqual(.nowhere, ndp(0, group, own, 136, v6(3)));
    try testing.expectEqual(.nowhere, ndp(0, group, v6(3), 135, v6(4)));
    for ([_]u8{ 133, 134, 137 }) |kind| try testing.expectEqual(.nowhere, ndp(0, group, own, kind, v6(2)));
}

/// In the middle of a packet of version 6 that was cut: `next` and what begins there.
fn part6(tap: usize, next: u8, offset: u16, start: [8]u8) switching.Way {
    const part = [_]u8{ 0x60, 0, 0, 0, 0, 16, 44, 64 } ++ v6(2 + @as(u8, @intCast(tap))).bytes ++ v6(3).bytes ++
        [_]u8{ next, 0, @intCast(offset >> 8), @intCast(offset & 0xff | 1), 0, 0, 0, 7 } ++ start;
    var frame = ethernet(taps.all[tap].mac, taps.all[1].mac, packet.Ethernet.ipv6, "." ** 56);
    frame[14..].* = part;
    return switching.decide(&taps.all[tap], &frame) catch .nowhere;
}

test "what may not be sent may not be sent in parts" {
    const world: World = .make();
    defer world.close();
    var part = ip4(2, .{ 10, 89, 0, 3 }, 17);
    part[6] = 0x20; // more follows
    try testing.expectEqual(&taps.all[1], way4(0, taps.all[0].mac, taps.all[1].mac, part).to);
    part[20..22].* = .{ 0, 67 };
    try testing.expectEqual(.nowhere, way4(0, taps.all[0].mac, taps.all[1].mac, part));
    part[7] = 1; // not the first: these are no ports
    try testing.expectEqual(&taps.all[1], way4(0, taps.all[0].mac, taps.all[1].mac, part).to);
    const server = [_]u8{ 547 >> 8, 547 & 0xff, 0, 0, 0, 0, 0, 0 };
    try testing.expectEqual(.nowhere, part6(0, 17, 0, server));
    try testing.expectEqual(&taps.all[1], part6(0, 17, 8, server).to);
    for ([_]u8{ 0, 43, 44, 60 }) |hiding| try testing.expectEqual(.nowhere, part6(0, hiding, 0, .{17} ++ .{0} ** 7));
    try testing.expectEqual(.nowhere, part6(0, 58, 0, .{134} ++ .{0} ** 7));
    try testing.expectEqual(&taps.all[1], part6(0, 58, 0, .{128} ++ .{0} ** 7).to);
}

test "what is for everybody comes to all others, up to a limit" {
    const world: World = .make();
    defer world.close();
    var whole: [10 + 42]u8 = @splat(0);
    whole[10..].* = ethernet(taps.all[0].mac, everybody, packet.Ethernet.ipv4, "." ** 28);
    whole[24..].* = ip4(2, .{ 10, 89, 0, 255 }, 99);
    for (0..5) |_| try testing.expect(!try switching.take(&taps.all[0], &whole));
    const got = world.received(1);
    try testing.expect(got <= 5);
    try testing.expectEqual(got, world.received(2));
    try testing.expectEqual(0, world.received(0));
    taps.all[0].flood_left = 3;
    taps.all[0].flood_ms = @import("loop.zig").now_ms;
    for (0..100) |_| _ = try switching.take(&taps.all[0], &whole);
    try testing.expectEqual(3, world.received(1));
}

test "twenty thousand damages to a frame: it goes to one that is there, or nowhere" {
    const world: World = .make();
    defer world.close();
    var random_state: std.Random.DefaultPrng = .init(9);
    const random = random_state.random();
    for (0..20_000) |_| {
        var frame = ethernet(taps.all[0].mac, taps.all[1].mac, packet.Ethernet.ipv4, "." ** 28);
        frame[14..].* = ip4(2, .{ 10, 89, 0, 3 }, 17);
        for (0..1 + random.uintLessThan(usize, 4)) |_| frame[random.uintLessThan(usize, frame.len)] = random.int(u8);
        const cut = frame[0 .. frame.len - random.uintLessThan(usize, 12)];
        switch (switching.decide(&taps.all[0], cut) catch .nowhere) {
            .to => |other| try testing.expect(other == &taps.all[1] or other == &taps.all[2]),
            else => {},
        }
    }
}
