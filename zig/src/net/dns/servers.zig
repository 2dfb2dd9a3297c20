//! The name servers of a resolv.conf(5), which is the host's own text: what is odd in it is passed over, as libc does.
//! Pure: who reads the file, and when again, is not here.
const std = @import("std");
const message = @import("message.zig");
const mem = std.mem;

/// MAXNS of resolv.h: libc asks no more than these.
const servers_max = 3;
/// IFNAMSIZ: the name of an interface, or its number, after "%".
const scope_bytes_max = 15;

pub const Server = struct {
    address: message.Address,
    scope_buffer: [scope_bytes_max]u8 = undefined,
    scope_length: u8 = 0,

    /// "eth0" or "2" of "fe80::1%eth0"; "" of most.
    pub fn scope(server: *const Server) []const u8 {
        return server.scope_buffer[0..server.scope_length];
    }
};

pub const Servers = struct {
    buffer: [servers_max]Server = undefined,
    count: u8 = 0,

    /// In the order in which they are to be asked. resolv.conf(5): without any it is the one on this machine.
    pub fn read(text: []const u8) Servers {
        var servers: Servers = .{};
        var lines = mem.tokenizeAny(u8, text, "\r\n");
        while (lines.next()) |line| {
            var words = mem.tokenizeAny(u8, line, " \t");
            if (!mem.eql(u8, words.next() orelse "", "nameserver")) continue;
            servers.add(words.next() orelse "");
        }
        if (servers.count == 0) servers.add("127.0.0.1");
        return servers;
    }

    /// One more by its address; passed over when it is none, or one too many.
    pub fn add(servers: *Servers, text: []const u8) void {
        if (servers.count == servers_max) return;
        servers.buffer[servers.count] = parseServer(text) orelse return;
        servers.count += 1;
    }

    pub fn slice(servers: *const Servers) []const Server {
        return servers.buffer[0..servers.count];
    }
};

fn parseServer(text: []const u8) ?Server {
    const bare, const scope = mem.cut(u8, text, "%") orelse .{ text, "" };
    if (scope.len > scope_bytes_max) return null;
    var server: Server = .{ .address = parseAddress(bare) orelse return null };
    if (server.address == .v4 and scope.len > 0) return null;
    @memcpy(server.scope_buffer[0..scope.len], scope);
    server.scope_length = @intCast(scope.len);
    return server;
}

/// "192.0.2.1" or "2001:db8::1".
pub fn parseAddress(text: []const u8) ?message.Address {
    if (mem.findScalar(u8, text, ':') == null) {
        const v4 = std.Io.net.Ip4Address.parse(text, 0) catch return null;
        return .{ .v4 = v4.bytes };
    }
    return switch (std.Io.net.Ip6Address.Unresolved.parse(text)) {
        .success => |v6| .{ .v6 = v6.bytes },
        else => null,
    };
}

const testing = std.testing;

test "read() takes the first three, of both kinds, with their scopes" {
    const servers = Servers.read("# made by hand\nsearch example.org\nnameserver 192.0.2.53 # the first\n" ++
        " nameserver\tfe80::1%eth0\r\n;nameserver 192.0.2.1\nnameserver 2001:db8::53\nnameserver 192.0.2.54\n");
    const all = servers.slice();
    try testing.expectEqual(@as(usize, 3), all.len);
    try testing.expectEqualSlices(u8, &.{ 192, 0, 2, 53 }, &all[0].address.v4);
    try testing.expectEqualStrings("eth0", all[1].scope());
    try testing.expectEqual(@as(u8, 0xfe), all[1].address.v6[0]);
    try testing.expectEqualStrings("", all[2].scope());
    try testing.expectEqual(@as(u8, 0x53), all[2].address.v6[15]);
}

test "read() passes over what is no address, and falls back to this machine" {
    const odd = "nameserver\nnameserver x\nnameserver 1.2.3\nnameserver 1.2.3.4%eth0\nnameservers 1.2.3.4\nnameserver fe80::1%0123456789abcdef\n";
    for ([_][]const u8{ "", odd, "domain a" }) |text| {
        const servers = Servers.read(text);
        try testing.expectEqual(@as(u8, 1), servers.count);
        try testing.expectEqualSlices(u8, &.{ 127, 0, 0, 1 }, &servers.slice()[0].address.v4);
    }
}

test "fuzz: no text crashes the reader" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var text: [512]u8 = undefined;
            const servers = Servers.read(text[0..smith.slice(&text)]);
            try testing.expect(servers.count >= 1 and servers.count <= servers_max);
        }
    }.one, .{ .corpus = &.{"nameserver fe80::1%eth0\nnameserver 192.0.2.53\n"} });
}
