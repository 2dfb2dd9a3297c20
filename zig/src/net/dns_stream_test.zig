//! dns_stream.zig against a container and name servers that are sockets of the test's.
const std = @import("std");
const config = @import("config.zig");
const dns_stream = @import("dns_stream.zig");
const host = @import("host.zig");
const loop = @import("loop.zig");
const publish = @import("publish.zig");
const guard = @import("guard.zig");
const resolver = @import("resolver.zig");
const taps = @import("taps.zig");
const addresses = @import("address.zig");
const linux = std.os.linux;
const Address = addresses.Address;

const testing = std.testing;

const head = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
const tail = "\x00\x00\x01\x00\x01";
const own = head ++ "\x01a\x01b" ++ tail;
const own_name = "\x00\x15" ++ own;

/// What has happened by now.
fn turn() void {
    turnFor(10);
}

fn turnFor(patience_ms: i32) void {
    var events: [16]linux.epoll_event = undefined;
    while (true) {
        const n = linux.epoll_wait(loop.epoll, &events, events.len, patience_ms);
        if (linux.errno(n) != .SUCCESS or n == 0) return;
        for (events[0..n]) |event| {
            const ref: loop.Ref = @bitCast(event.data.u64);
            switch (ref.kind) {
                .talk => dns_stream.handle(ref.index, ref.generation, event.events),
                .talk_server => dns_stream.handleServer(ref.index, ref.generation, event.events),
                else => unreachable,
            }
        }
    }
}

const turns_max = 1_000;

fn say(fd: linux.fd_t, bytes: []const u8) void {
    std.debug.assert(linux.write(fd, bytes.ptr, bytes.len) == bytes.len);
    turn();
}

fn isQuiet(fd: linux.fd_t) bool {
    var byte: [1]u8 = undefined;
    turn();
    return linux.errno(linux.read(fd, &byte, 1)) == .AGAIN;
}

/// So much as comes; less: it is over.
fn hear(fd: linux.fd_t, buffer: []u8) []const u8 {
    var used: usize = 0;
    for (0..turns_max) |_| {
        turn();
        const n = linux.read(fd, buffer[used..].ptr, buffer.len - used);
        if (linux.errno(n) == .AGAIN) continue;
        if (linux.errno(n) != .SUCCESS or n == 0) break;
        used += n;
        if (used == buffer.len) break;
    }
    return buffer[0..used];
}

fn isOver(fd: linux.fd_t) bool {
    var byte: [1]u8 = undefined;
    return hear(fd, &byte).len == 0;
}

var others: linux.fd_t = -1;

fn begin() !linux.fd_t {
    others = loop.epoll;
    if (!loop.open()) return error.SkipZigTest;
    taps.all[0] = .{ .address4 = addresses.Prefix.parse("10.0.2.100/24"), .dns4 = Address.parse("10.0.2.3") };
    taps.count = 1;
    try resolver.set(0, &.{}, &.{.{ .name = "a.b", .address = "10.0.2.2" }});
    return dns_stream.begin(&taps.all[0]) orelse error.SkipZigTest;
}

fn end(fd: linux.fd_t) void {
    _ = linux.close(fd);
    dns_stream.closeOf(0);
    guard.forget(0);
    _ = linux.close(loop.epoll);
    loop.epoll = others;
}

const own_answer_bytes = 39;

test "names of ours: byte by byte, several at once, each with its own answer" {
    const fd = try begin();
    defer end(fd);
    var buffer: [3 * own_answer_bytes]u8 = undefined;
    for (own_name) |byte| {
        try testing.expect(isQuiet(fd));
        say(fd, &.{byte});
    }
    const one = hear(fd, buffer[0..own_answer_bytes]);
    try testing.expectStringStartsWith(one, "\x00\x25\x12\x34\x85\x80\x00\x01\x00\x01");
    try testing.expectStringEndsWith(one, "\x0a\x00\x02\x02");
    say(fd, own_name ** 3 ++ own_name[0..7]);
    try testing.expectEqual(buffer.len, hear(fd, &buffer).len);
    try testing.expect(isQuiet(fd));
    say(fd, own_name[7..]);
    try testing.expectEqual(own_answer_bytes, hear(fd, buffer[0..own_answer_bytes]).len);
}

test "whoever has no more to say is answered, and then it is over" {
    const fd = try begin();
    defer end(fd);
    var buffer: [2 * own_answer_bytes]u8 = undefined;
    _ = linux.write(fd, own_name, own_name.len);
    _ = linux.shutdown(fd, linux.SHUT.WR);
    try testing.expectEqual(own_answer_bytes, hear(fd, &buffer).len);
}

test "lengths that lie end it, at once or when patience does" {
    for ([_][]const u8{ "\x00\x00", "\x00\x0b", "\xff\xff", "\x00\x0c\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00" }) |lie| {
        const fd = try begin();
        defer end(fd);
        say(fd, lie);
        try testing.expect(isOver(fd));
    }
    const fd = try begin();
    defer end(fd);
    say(fd, "\x00\xff" ++ own);
    try testing.expect(isQuiet(fd));
    loop.now_ms += 60_000;
    dns_stream.sweep();
    try testing.expect(isOver(fd));
}

/// A name server.
const Server = struct {
    fd: linux.fd_t,

    fn open(text: [:0]const u8) !Server {
        var fd: linux.fd_t = undefined;
        const endpoint: addresses.Endpoint = .{ .address = Address.parse(text).?, .port = resolver.host_port };
        if (publish.bind(.tcp, endpoint, &fd) != .SUCCESS) return error.NoPort;
        return .{ .fd = fd };
    }

    fn accept(server: Server) !linux.fd_t {
        for (0..turns_max) |_| {
            const rc = linux.accept4(server.fd, null, null, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
            if (linux.errno(rc) == .SUCCESS) return @intCast(rc);
            turn();
        }
        return error.NobodyCame;
    }
};

const other_name = "\x00\x15" ++ head ++ "\x01c\x01b" ++ tail;
const other_reply = "\x00\x25\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01c\x01b" ++ tail ++
    "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64\x07";

test "the host's servers: over one connection, again when it was closed, the next when one is gone" {
    const server: Server = try .open("127.53.0.2");
    defer _ = linux.close(server.fd);
    const fd = try begin();
    defer end(fd);
    try resolver.set(0, &.{ "127.53.0.1", "127.53.0.2" }, &.{}); // nobody is at the first
    var buffer: [other_reply.len]u8 = undefined;
    const query = buffer[0..other_name.len];
    say(fd, other_name);
    const first = try server.accept();
    for (0..2) |i| {
        if (i > 0) say(fd, other_name);
        try testing.expectEqualStrings(other_name, hear(first, query));
        say(first, other_reply[0..9]);
        try testing.expect(isQuiet(fd));
        say(first, other_reply[9..]);
        try testing.expectEqualStrings(other_reply, hear(fd, &buffer));
    }
    say(first, other_reply); // of a transfer there is more
    try testing.expectEqualStrings(other_reply, hear(fd, &buffer));
    _ = linux.close(first);
    turn();
    say(fd, other_name);
    const second = try server.accept();
    try testing.expectEqualStrings(other_name, hear(second, query));
    _ = linux.close(second); // in the middle of the question: the other's turn, which is not there
    const failure = hear(fd, query);
    try testing.expectEqual(@as(u8, 0x82), failure[5]);
}

test "the egress policy: what is refused goes nowhere, what is allowed is heard" {
    const server: Server = try .open("127.53.0.3");
    defer _ = linux.close(server.fd);
    const fd = try begin();
    defer end(fd);
    try resolver.set(0, &.{"127.53.0.3"}, &.{});
    const rules = [_]config.EgressRule{.{ .name = "c.b" }};
    try guard.set(0, &.{ .allow = &rules }, null);
    const there: addresses.Endpoint = .{ .address = Address.parse("198.51.100.7").?, .port = 443 };
    var buffer: [other_reply.len]u8 = undefined;
    say(fd, own_name);
    try testing.expectEqual(@as(u8, 0x85), hear(fd, buffer[0..own_name.len])[5]);
    try testing.expect(!guard.allows(0, 6, there));
    say(fd, other_name);
    say(try server.accept(), other_reply);
    try testing.expectEqualStrings(other_reply, hear(fd, &buffer));
    try testing.expect(guard.allows(0, 6, there));
}

test "a container that talks too much ends its own talks" {
    const fd = try begin();
    defer end(fd);
    var crowd: [40]linux.fd_t = undefined;
    for (&crowd) |*one| {
        loop.now_ms += 1;
        one.* = dns_stream.begin(&taps.all[0]).?;
    }
    defer for (crowd) |one| {
        _ = linux.close(one);
    };
    try testing.expect(isOver(fd));
    try testing.expect(isQuiet(crowd[39]));
}

/// What the container has been told.
const Told = struct {
    bytes: [8 * other_reply.len]u8 = undefined,
    count: usize = 0,
    is_over: bool = false,

    fn hearNow(told: *Told, fd: linux.fd_t) void {
        while (!told.is_over and told.count < told.bytes.len) {
            const n = linux.read(fd, told.bytes[told.count..].ptr, told.bytes.len - told.count);
            if (linux.errno(n) == .AGAIN) return;
            told.is_over = linux.errno(n) != .SUCCESS or n == 0;
            if (!told.is_over) told.count += n;
        }
    }
};

/// A name server that is asked for one name, and answers as it likes.
const Moody = struct {
    server: Server,
    random: std.Random,
    fd: linux.fd_t = -1,
    asked: usize = 0,
    owed: []const u8 = "",
    has_lied: bool = false,
    lie: [64]u8 = undefined,

    fn serve(moody: *Moody, may_lie: bool) void {
        if (moody.fd < 0) {
            const rc = linux.accept4(moody.server.fd, null, null, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
            if (linux.errno(rc) != .SUCCESS) return;
            moody.fd = @intCast(rc);
            moody.asked = 0;
            moody.owed = "";
        }
        if (moody.owed.len == 0) moody.hear(may_lie);
        if (moody.fd < 0 or moody.owed.len == 0) return;
        const part = moody.owed[0 .. 1 + moody.random.uintLessThan(usize, moody.owed.len)];
        const n = linux.sendto(moody.fd, part.ptr, part.len, linux.MSG.NOSIGNAL, null, 0);
        if (linux.errno(n) != .SUCCESS) return moody.close();
        moody.owed = moody.owed[n..];
    }

    fn hear(moody: *Moody, may_lie: bool) void {
        var buffer: [other_name.len]u8 = undefined;
        const n = linux.read(moody.fd, &buffer, other_name.len - moody.asked);
        if (linux.errno(n) == .AGAIN) return;
        if (linux.errno(n) != .SUCCESS or n == 0) return moody.close();
        moody.asked += n;
        if (moody.asked < other_name.len) return;
        moody.asked = 0;
        moody.owed = other_reply;
        if (!may_lie) return;
        moody.has_lied = true;
        if (moody.random.boolean()) return moody.close();
        @memcpy(moody.lie[0..other_reply.len], other_reply);
        for (0..3) |_| moody.lie[moody.random.uintLessThan(usize, other_reply.len)] = moody.random.int(u8);
        moody.owed = moody.lie[0..other_reply.len];
    }

    fn close(moody: *Moody) void {
        if (moody.fd >= 0) _ = linux.close(moody.fd);
        moody.fd = -1;
        moody.owed = "";
    }
};

fn countOpen() usize {
    var count: usize = 0;
    for (0..256) |fd| count += @intFromBool(linux.errno(linux.fcntl(@intCast(fd), linux.F.GETFD, 0)) == .SUCCESS);
    return count;
}

/// Whole questions, and then perhaps what is none; what is answered to the whole ones.
const Speech = struct {
    bytes: [4 * other_name.len + 16]u8 = undefined,
    count: usize = 0,
    expected: [4 * other_reply.len]u8 = undefined,
    expected_count: usize = 0,
    ends_it: bool = false,

    fn make(random: std.Random) Speech {
        var speech: Speech = .{};
        for (0..random.uintLessThan(usize, 5)) |_| {
            const is_other = random.boolean();
            speech.add(if (is_other) other_name else own_name);
            const reply: []const u8 = if (is_other) other_reply else own_reply;
            @memcpy(speech.expected[speech.expected_count..][0..reply.len], reply);
            speech.expected_count += reply.len;
        }
        var noise: [14]u8 = undefined;
        random.bytes(&noise);
        switch (random.uintLessThan(u8, 5)) {
            0 => speech.end(&.{ 0, random.uintLessThan(u8, 12) }), // shorter than a header
            1 => speech.end(&.{ random.intRangeAtMost(u8, 0x11, 0xff), noise[0] }), // longer than a question may be
            2 => speech.add(noise[0..random.uintLessThan(usize, 2)]), // cut off in its length
            3 => { // cut off in the middle
                speech.add(&.{ random.uintLessThan(u8, 0x10), 100 });
                speech.add(noise[0..random.uintLessThan(usize, noise.len)]);
            },
            else => {},
        }
        return speech;
    }

    fn end(speech: *Speech, lie: []const u8) void {
        speech.ends_it = true;
        speech.add(lie);
    }

    fn add(speech: *Speech, more: []const u8) void {
        @memcpy(speech.bytes[speech.count..][0..more.len], more);
        speech.count += more.len;
    }
};

const own_reply = "\x00\x25\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x01b" ++ tail ++
    "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x04\x0a\x00\x02\x02";

test "talks cut anywhere, with lengths that lie on either side: what was whole is answered, and nothing stays" {
    var random_state: std.Random.DefaultPrng = .init(11);
    const random = random_state.random();
    const first = try begin();
    defer end(first);
    var moody: Moody = .{ .server = try .open("127.53.0.4"), .random = random };
    defer _ = linux.close(moody.server.fd);
    try resolver.set(0, &.{"127.53.0.4"}, &.{.{ .name = "a.b", .address = "10.0.2.2" }});
    dns_stream.closeOf(0);
    const before = countOpen();
    for (0..150) |round| {
        const fd = dns_stream.begin(&taps.all[0]).?;
        const speech: Speech = .make(random);
        const may_lie = round % 3 == 0;
        moody.has_lied = false;
        var told: Told = .{};
        var said: usize = 0;
        for (0..turns_max) |_| {
            if (said < speech.count) {
                const part = speech.bytes[said .. said + 1 + random.uintLessThan(usize, speech.count - said)];
                const n = linux.sendto(fd, part.ptr, part.len, linux.MSG.NOSIGNAL, null, 0);
                said = if (linux.errno(n) == .SUCCESS) said + n else speech.count;
                if (said == speech.count and !speech.ends_it) _ = linux.shutdown(fd, linux.SHUT.WR);
            }
            turnFor(@intFromBool(said == speech.count));
            moody.serve(may_lie);
            told.hearNow(fd);
            if (said == speech.count and told.is_over) break;
            if (speech.count == 0) break;
        }
        if (speech.count > 0 and !moody.has_lied) {
            try testing.expect(told.is_over);
            try testing.expectEqualStrings(speech.expected[0..speech.expected_count], told.bytes[0..told.count]);
        }
        _ = linux.close(fd);
        dns_stream.closeOf(0);
        moody.close();
        while (true) { // whom it has not let in yet
            const rc = linux.accept4(moody.server.fd, null, null, 0);
            if (linux.errno(rc) != .SUCCESS) break;
            _ = linux.close(@intCast(rc));
        }
        try testing.expectEqual(before, countOpen());
    }
}
