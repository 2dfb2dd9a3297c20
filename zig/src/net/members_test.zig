//! Members that come, say what makes no sense, and go: whatever they do, nothing of theirs stays, and others are not
//! disturbed.
const std = @import("std");
const linux = std.os.linux;
const loop = @import("loop.zig");
const members = @import("members.zig");
const names = @import("names.zig");
const ports = @import("ports.zig");
const publish = @import("publish.zig");
const resolver = @import("resolver.zig");
const rights = @import("rights.zig");
const states = @import("states.zig");
const taps = @import("taps.zig");
const dns = @import("dns/dns.zig");
const addresses = @import("address.zig");
const testing = std.testing;

const World = struct {
    listener: linux.fd_t,
    address: linux.sockaddr.un,
    address_bytes: linux.socklen_t,

    fn make() !World {
        if (loop.epoll < 0 and !loop.open()) return error.SkipZigTest;
        states.reserve() catch return error.SkipZigTest;
        const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
        var world: World = .{
            .listener = @intCast(linux.socket(linux.AF.UNIX, kind, 0)),
            .address = undefined,
            .address_bytes = @sizeOf(linux.sockaddr.un),
        };
        const family: linux.sa_family_t = linux.AF.UNIX; // without a name the kernel gives it one (unix(7), autobind)
        _ = linux.bind(world.listener, @ptrCast(&family), @sizeOf(linux.sa_family_t));
        _ = linux.listen(world.listener, 300);
        _ = linux.getsockname(world.listener, @ptrCast(&world.address), &world.address_bytes);
        if (!members.open(world.listener)) return error.SkipZigTest;
        return world;
    }

    fn close(world: *const World) void {
        members.is_on = false;
        taps.count = 0;
        _ = linux.close(world.listener);
    }

    fn connect(world: *const World) linux.fd_t {
        const fd: linux.fd_t = @intCast(linux.socket(linux.AF.UNIX, linux.SOCK.SEQPACKET | linux.SOCK.NONBLOCK, 0));
        _ = linux.connect(fd, @ptrCast(&world.address), world.address_bytes);
        return fd;
    }

    /// All that has come is handled.
    fn settle(_: *const World) void {
        var events: [64]linux.epoll_event = undefined;
        while (true) {
            const happened = loop.wait(&events, true);
            if (happened.len == 0) return;
            for (happened) |event| {
                const ref: loop.Ref = @bitCast(event.data.u64);
                switch (ref.kind) {
                    .door => members.accept(),
                    .member => members.serve(ref.index, ref.generation),
                    else => {},
                }
            }
        }
    }

    fn join(world: *const World, last: u8, text: []const u8) !Guest {
        var pair: [2]i32 = undefined;
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.NONBLOCK, 0, &pair);
        const guest: Guest = .{ .connection = world.connect(), .tap = pair[1] };
        var buffer: [1024]u8 = undefined;
        const packet = try std.fmt.bufPrint(&buffer, entry, .{ last, last, last, text });
        _ = rights.send(guest.connection, packet, &.{pair[0]});
        _ = linux.close(pair[0]);
        world.settle();
        return guest;
    }
};

const entry =
    \\{{"entry":{{"id":"a","mac":"02:89:00:00:00:{x:0>2}","address4":"10.89.0.{d}/24","gateway4":"10.89.0.1","dns4":"10.89.0.1",
    \\"names":["c{d}","all"]}}{s}}}
;

const Guest = struct {
    connection: linux.fd_t,
    tap: linux.fd_t,

    fn answer(guest: *const Guest, buffer: []u8) []const u8 {
        const n = linux.recvfrom(guest.connection, buffer.ptr, buffer.len, linux.MSG.DONTWAIT, null, null);
        return if (linux.errno(n) == .SUCCESS) buffer[0..n] else "";
    }

    fn leave(guest: *const Guest) void {
        for ([_]linux.fd_t{ guest.connection, guest.tap }) |fd| _ = linux.close(fd);
    }
};

fn countOpen() usize {
    var count: usize = 0;
    for (0..2048) |fd| count += @intFromBool(linux.errno(linux.fcntl(@intCast(fd), linux.F.GETFD, 0)) == .SUCCESS);
    return count;
}

fn countAddresses(name: []const u8) usize {
    var found: [64]dns.Address = undefined;
    const nobody: @import("tap.zig").Tap = .{ .index = 0 };
    return names.find(&nobody, name, &found);
}

test "who has come is known by its names until it goes" {
    const world: World = try .make();
    defer world.close();
    const before = countOpen();
    var buffer: [512]u8 = undefined;
    const a = try world.join(2, "");
    try testing.expectEqualStrings("{\"ok\":true}", a.answer(&buffer));
    const b = try world.join(3, "");
    try testing.expectEqualStrings("{\"ok\":true}", b.answer(&buffer));
    try testing.expectEqual(2, countAddresses("ALL"));
    const again = try world.join(3, "");
    try testing.expectStringStartsWith(again.answer(&buffer), "{\"ok\":false,\"errno\":0,\"detail\":\"the address 10.89.0.3 is taken");
    again.leave();
    try testing.expect(!members.isOver());
    a.leave();
    world.settle();
    try testing.expectEqual(1, countAddresses("all"));
    try testing.expectEqual(0, countAddresses("c2"));
    const back = try world.join(2, "");
    try testing.expectEqualStrings("{\"ok\":true}", back.answer(&buffer));
    back.leave();
    b.leave();
    world.settle();
    try testing.expect(members.isOver());
    try testing.expectEqual(before, countOpen());
}

test "names are told to who wants them, as often as they change" {
    const world: World = try .make();
    defer world.close();
    var buffer: [512]u8 = undefined;
    const a = try world.join(2, "");
    _ = a.answer(&buffer);
    _ = rights.send(a.connection, "N", &.{});
    world.settle();
    try testing.expectEqualStrings("n\x02c2\x04\x0a\x59\x00\x02\x03all\x04\x0a\x59\x00\x02", a.answer(&buffer));
    const b = try world.join(3, "");
    try testing.expectEqual(1 + 2 * 17, a.answer(&buffer).len);
    _ = rights.send(b.connection, "u\x03new", &.{});
    world.settle();
    try testing.expectStringEndsWith(a.answer(&buffer), "\x03new\x04\x0a\x59\x00\x03");
    _ = rights.send(b.connection, "n\x05" ++ "\x01x\x04\x01\x02\x03\x04", &.{});
    world.settle();
    try testing.expectEqual("", a.answer(&buffer)); // what b sees besides is nobody else's
    b.leave();
    a.leave();
    world.settle();
}

test "whom a member wants to be asked changes while it is there" {
    const world: World = try .make();
    defer world.close();
    var buffer: [512]u8 = undefined;
    const a = try world.join(2, "");
    _ = a.answer(&buffer);
    _ = rights.send(a.connection, "s\x09192.0.2.1\x03::1", &.{});
    world.settle();
    const list = resolver.listOf(0);
    try testing.expectEqual(2, list.count);
    try testing.expect(list.all[0].eql(addresses.Address.parse("192.0.2.1").?));
    _ = rights.send(a.connection, "s\x09192.0.2.1\x03::1\x03::2\x03::3\x03::4", &.{});
    world.settle();
    try testing.expectEqual(3, resolver.listOf(0).count);
    _ = rights.send(a.connection, "s", &.{});
    world.settle();
    try testing.expect(resolver.listOf(0) != list); // the host's
    for ([_][]const u8{ "s\x04::1", "s\x01a", "s\x00" }) |packet| {
        const guest = try world.join(3, "");
        _ = guest.answer(&buffer);
        _ = rights.send(guest.connection, packet, &.{});
        world.settle();
        try testing.expectEqual('{', guest.answer(&buffer)[0]); // refused
        try testing.expectEqual(0, countAddresses("c3"));
        guest.leave();
        world.settle();
    }
    a.leave();
    world.settle();
}

test "ports come in packets of their own, and are answered when they are all there" {
    const world: World = try .make();
    defer world.close();
    const before = countOpen();
    var buffer: [512]u8 = undefined;
    const a = try world.join(2, ",\"sockets\":2");
    try testing.expectEqualStrings("", a.answer(&buffer));
    var socket: linux.fd_t = undefined;
    for ([_]u8{ 80, 81 }) |inner| {
        try testing.expectEqual(linux.E.SUCCESS, publish.bind(.tcp, .{ .address = .ofV4(.{ 127, 0, 0, 1 }) }, &socket));
        _ = rights.send(a.connection, &.{ 'p', 0, inner }, &.{socket});
        _ = linux.close(socket);
    }
    world.settle();
    try testing.expectEqualStrings("{\"ok\":true}", a.answer(&buffer));
    a.leave();
    world.settle();
    try testing.expectEqual(before, countOpen());
}

test "what makes no sense is refused and closed, and disturbs nobody" {
    const world: World = try .make();
    defer world.close();
    var buffer: [512]u8 = undefined;
    const good = try world.join(2, "");
    _ = good.answer(&buffer);
    const before = countOpen();
    const packets = [_][]const u8{
        "",                                                         "x",                                                                                      "{",                                                                                                       "{}",
        "{\"entry\":{}}",                                           "p\x00\x50",                                                                              "n\x00",                                                                                                   "N",
        "r",                                                        "u\x01a",                                                                                 "\x00\xff",                                                                                                "[" ** 5000,
        "{\"entry\":{\"id\":\"a\",\"mac\":\"02:89:00:00:00:09\"}}", "{\"entry\":{\"id\":\"a\",\"mac\":\"03:89:00:00:00:09\",\"address4\":\"10.89.0.9/24\"}}", "{\"entry\":{\"id\":\"a\",\"mac\":\"02:89:00:00:00:09\",\"address4\":\"10.89.0.9/24\"},\"hasLive\":true}", "{\"entry\":{\"id\":\"a\",\"mac\":\"02:89:00:00:00:09\",\"address4\":\"10.89.0.9/24\"},\"sockets\":5}",
    };
    for (packets) |packet| for (0..3) |fds| {
        const guest: Guest = .{ .connection = world.connect(), .tap = -1 };
        // neither is an interface
        const given = [_]linux.fd_t{ @intCast(linux.memfd_create("x", 0)), @intCast(linux.memfd_create("y", 0)) };
        _ = rights.send(guest.connection, packet, given[0..fds]);
        for (given) |fd| _ = linux.close(fd);
        world.settle();
        _ = linux.close(guest.connection);
        world.settle();
        try testing.expectEqual(before, countOpen());
    };
    var random_state: std.Random.DefaultPrng = .init(4);
    const random = random_state.random();
    for (0..3_000) |_| {
        var text: [600]u8 = undefined;
        const packet = try std.fmt.bufPrint(&text, entry, .{ 9, 9, 9, ",\"sockets\":1" });
        for (0..1 + random.uintLessThan(usize, 4)) |_| packet[random.uintLessThan(usize, packet.len)] = random.int(u8);
        const connection = world.connect();
        _ = rights.send(connection, packet[0 .. packet.len - random.uintLessThan(usize, 8) / 7 * 20], &.{good.tap});
        world.settle();
        _ = linux.close(connection);
        world.settle();
    }
    try testing.expectEqual(before, countOpen());
    try testing.expectEqual(1, countAddresses("c2"));
    const stranger = try world.join(8, ",\"version\":2");
    try testing.expect(std.mem.indexOf(u8, stranger.answer(&buffer), "another version of tspod") != null);
    stranger.leave();
    good.leave();
    world.settle();
}

test "there is room for so many, and one too many hears it" {
    const world: World = try .make();
    defer world.close();
    const before = countOpen();
    var connections: [taps.taps_max + 1]linux.fd_t = undefined;
    for (&connections) |*fd| {
        fd.* = world.connect();
        world.settle();
    }
    var buffer: [512]u8 = undefined;
    const last: Guest = .{ .connection = connections[taps.taps_max], .tap = -1 };
    try testing.expectStringEndsWith(last.answer(&buffer), "a network has room for 250 containers\"}");
    for (connections) |fd| _ = linux.close(fd);
    world.settle();
    try testing.expectEqual(before, countOpen());
    try testing.expect(members.isOver());
}
