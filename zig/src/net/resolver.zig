//! The name server that a container sees: its own names are answered here, everything else goes to the host's servers.
const std = @import("std");
const host = @import("host.zig");
const pools = @import("pool.zig");
const addresses = @import("address.zig");
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;
const Tap = @import("tap.zig").Tap;

pub const port = 53;
const servers_max = 3;

var servers: [servers_max]Address = undefined;
var servers_count: usize = 0;
/// Which of them is asked: the next one when it fails.
var current: usize = 0;

pub fn clear() void {
    servers_count = 0;
}

pub fn add(address: Address) void {
    if (servers_count == servers_max) return;
    servers[servers_count] = address;
    servers_count += 1;
}

/// The `nameserver` lines of a resolv.conf(5).
pub fn read(text: []const u8) void {
    clear();
    var lines = std.mem.tokenizeAny(u8, text, "\r\n");
    while (lines.next()) |line| {
        var words = std.mem.tokenizeAny(u8, line, " \t");
        if (!std.mem.eql(u8, words.next() orelse "", "nameserver")) continue;
        if (Address.parse(words.next() orelse "")) |address| add(address);
    }
}

/// Where what is said to our name server goes instead. Null: it is not for it.
pub fn redirect(tap: *const Tap, peer: Endpoint) ?host.Way {
    if (peer.port != port or !tap.isDns(peer.address)) return null;
    if (servers_count == 0) return .nowhere;
    return .{ .to = .{ .address = servers[current % servers_count], .port = port } };
}

pub fn failed() void {
    current +%= 1;
}

/// False: it is for the host's servers.
pub fn answer(tap: *const Tap, key: pools.Key, query: []const u8) bool {
    _ = tap;
    _ = key;
    _ = query;
    return false;
}
