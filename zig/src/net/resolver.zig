//! The name server that a container sees: its own names are answered here, everything else goes to the host's servers as
//! it is. Those are in a file that changes with the network the host is on, and we cannot see files: the monitor reads it
//! for us, at most once a second and only when something is asked.
//!
//! Not here: an address with a scope ("fe80::1%eth0") as a server; over TCP, names of ours (they are short).
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("config.zig");
const dns = @import("dns/dns.zig");
const frame = @import("frame.zig");
const guard = @import("guard.zig");
const host = @import("host.zig");
const loop = @import("loop.zig");
const packet = @import("packet.zig");
const pools = @import("pool.zig");
const texts = @import("texts.zig");
const addresses = @import("address.zig");
const linux = std.os.linux;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;
const Tap = @import("tap.zig").Tap;

pub const port = 53;
const servers_max = 3;
const names_max = 256;
const Name = struct { name: []const u8, address: Address };

var servers: [servers_max]Address = undefined;
var servers_count: usize = 0;
/// Which of them is asked: the next one when it fails.
pub var current: usize = 0;
var names: [names_max]Name = undefined;
var names_count: usize = 0;
/// Whom we ask for the text of resolv.conf(5); null: the servers are given.
var monitor: ?linux.fd_t = null;
var read_ms: u64 = 0;

const refresh_ms = 1_000;
const patience_ms = 50;
pub const text_bytes_max = 4096;

pub fn set(network: *const config.Network, control: linux.fd_t) sys.Error!void {
    for (network.servers) |text| add(Address.parse(text) orelse continue);
    if (network.servers.len == 0) monitor = control;
    if (network.names.len > names.len) return sys.failFormat("network", "more than {d} names", .{names.len});
    for (network.names) |*name| {
        const address = Address.parse(name.address) orelse return sys.failFormat("network", "\"{s}\" is no address", .{name.address});
        names[names_count] = .{ .name = try texts.keep(name.name), .address = address };
        names_count += 1;
    }
}

fn add(address: Address) void {
    if (servers_count == servers_max) return;
    servers[servers_count] = address;
    servers_count += 1;
}

/// The text of a resolv.conf(5).
fn read(text: []const u8) void {
    servers_count = 0;
    const found = dns.Servers.read(text);
    for (found.slice()) |*one| {
        if (one.scope().len > 0) continue;
        switch (one.address) {
            .v4 => |bytes| add(.ofV4(bytes)),
            .v6 => |bytes| add(.{ .bytes = bytes }),
        }
    }
}

/// The monitor answers at once, or is not there any more.
fn refresh() void {
    const fd = monitor orelse return;
    if (servers_count > 0 and loop.now_ms -| read_ms < refresh_ms) return;
    read_ms = loop.now_ms;
    if (linux.errno(linux.sendto(fd, "r", 1, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0)) != .SUCCESS) return;
    var poll = [1]linux.pollfd{.{ .fd = fd, .events = linux.POLL.IN, .revents = 0 }};
    if (linux.poll(&poll, 1, patience_ms) == 1) _ = hear(fd);
}

/// False: the monitor is gone.
pub fn hear(fd: linux.fd_t) bool {
    var text: [text_bytes_max]u8 = undefined;
    const n = linux.recvfrom(fd, &text, text.len, linux.MSG.DONTWAIT, null, null);
    if (linux.errno(n) == .AGAIN or linux.errno(n) == .INTR) return true;
    if (linux.errno(n) != .SUCCESS or n == 0) return false;
    read(text[0..n]);
    return true;
}

/// Where what is said to our name server goes instead. Null: it is not for it.
pub fn redirect(tap: *const Tap, protocol: u8, peer: Endpoint) ?host.Way {
    if (peer.port != port or !tap.isDns(peer.address)) return null;
    // What goes by in a stream cannot be checked for names.
    if (protocol == packet.protocol.tcp and !guard.allowsName("")) return .forbidden;
    refresh();
    return .{ .to = server() orelse return .nowhere };
}

pub fn server() ?Endpoint {
    if (servers_count == 0) return null;
    if (current >= servers_count) current = 0; // there were more
    return .{ .address = servers[current], .port = port };
}

pub fn count() usize {
    return servers_count;
}

/// The one to ask when that one has failed. It is the same where there is no other.
pub fn after(server_index: usize) usize {
    return if (servers_count > 1) (server_index + 1) % servers_count else 0;
}

/// Nobody has answered that.
pub fn giveUp(tap: *const Tap, key: pools.Key, query: []const u8) void {
    send(tap, key, dns.refuse(query, dns.Rcode.server_failure, frame.space()[0..dns.udp_bytes_max]));
}

/// False: it is for the host's servers.
pub fn answer(tap: *const Tap, key: pools.Key, query: []const u8) bool {
    var buffer: [dns.name_text_bytes_max]u8 = undefined;
    const out = frame.space()[0..dns.udp_bytes_max];
    const question = dns.parse(query, &buffer) catch {
        send(tap, key, dns.refuse(query, dns.Rcode.form_error, out));
        return true;
    };
    var found: [names_max]dns.Address = undefined;
    var found_count: usize = 0;
    for (names[0..names_count]) |*name| {
        if (!std.ascii.eqlIgnoreCase(name.name, question.name)) continue;
        found[found_count] = guard.plain(name.address);
        found_count += 1;
    }
    if (found_count > 0) {
        send(tap, key, dns.answer(query, question, found[0..found_count], out));
        return true;
    }
    if (!guard.allowsName(question.name)) {
        send(tap, key, dns.refuse(query, dns.Rcode.refused, out));
        return true;
    }
    refresh();
    if (server() != null) return false;
    send(tap, key, dns.refuse(query, dns.Rcode.server_failure, out));
    return true;
}

/// `reply` lies where payloads do.
fn send(tap: *const Tap, key: pools.Key, reply: []const u8) void {
    if (reply.len > 0) _ = frame.sendUdp(tap, key.peer, key.port, reply.len);
}

test "a name of ours is answered here, with the container's view of the question" {
    var pair: [2]i32 = undefined;
    _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM, 0, &pair);
    defer for (pair) |fd| {
        _ = linux.close(fd);
    };
    const tap: Tap = .{
        .fd = pair[0],
        .address4 = addresses.Prefix.parse("10.0.2.100/24"),
        .dns4 = Address.parse("10.0.2.3"),
    };
    try set(&.{ .names = &.{.{ .name = "a.b", .address = "10.0.2.2" }}, .servers = &.{"192.0.2.1"} }, -1);
    const key: pools.Key = .{
        .peer = .{ .address = tap.dns4.?, .port = port },
        .port = 4000,
        .protocol = packet.protocol.udp,
    };
    const head = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    try std.testing.expect(answer(&tap, key, head ++ "\x01A\x01b\x00\x00\x01\x00\x01"));
    var got: [256]u8 = undefined;
    const n = linux.read(pair[1], &got, got.len);
    try std.testing.expectStringEndsWith(got[0..n], "\x0a\x00\x02\x02");
    try std.testing.expect(!answer(&tap, key, head ++ "\x01c\x01b\x00\x00\x01\x00\x01"));
}
