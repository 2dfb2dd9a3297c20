//! The name server that a container sees: its own names are answered here, everything else goes to the host's servers as
//! it is. Those are in a file that changes with the network the host is on, and we cannot see files: the monitor reads it
//! for us, at most once a second and only when something is asked.
//!
//! On a network with others their names are answered, too, and by the container's own network when it is on such a one
//! besides (names.zig).
//!
//! Not here: an address with a scope ("fe80::1%eth0") as a server; streams (dns_stream.zig).
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("config.zig");
const dns = @import("dns/dns.zig");
const frame = @import("frame.zig");
const guard = @import("guard.zig");
const host = @import("host.zig");
const loop = @import("loop.zig");
const maker = @import("maker.zig");
const members = @import("members.zig");
const names = @import("names.zig");
const packet = @import("packet.zig");
const pools = @import("pool.zig");
const states = @import("states.zig");
const taps = @import("taps.zig");
const texts = @import("texts.zig");
const addresses = @import("address.zig");
const linux = std.os.linux;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;
const Rights = @import("rights.zig").Rights;
const Tap = @import("tap.zig").Tap;

pub const port = 53;
/// Where the host's servers are; in tests, which an ordinary user runs, they cannot be there.
pub const host_port: u16 = if (@import("builtin").is_test) 53053 else port;
const servers_max = 3;
const hosts_max = 256;
const Host = struct { name: []const u8, address: Address };

/// Whom questions are passed on to.
pub const List = struct {
    all: [servers_max]Address,
    count: usize,
    /// Which of them is asked: the next one when it fails.
    current: usize,

    /// The one to ask when that one has failed. It is the same where there is no other.
    pub fn after(list: *const List, index: usize) usize {
        return if (list.count > 1) (index + 1) % list.count else 0;
    }
};

/// What one container's questions are answered with. All zeros: by the host's servers.
pub const Own = struct {
    /// Instead of the host's.
    servers: List,
    hosts: [hosts_max]Host,
    hosts_count: usize,
    names: names.Own,
};

/// The host's.
var servers: List = .{ .all = undefined, .count = 0, .current = 0 };
var read_ms: u64 = 0;

const refresh_ms = 1_000;
const patience_ms = 50;
pub const text_bytes_max = 4096;

/// Whom one is asked for, and what is answered for a name, as the container has it.
pub fn set(index: u8, given: []const [:0]const u8, hosts: []const config.Name) sys.Error!void {
    const own = &states.of(index).resolver;
    own.servers.count = 0;
    own.servers.current = 0;
    own.hosts_count = 0;
    for (given) |text| add(&own.servers, Address.parse(text) orelse continue);
    if (hosts.len > own.hosts.len) return sys.failFormat("network", "more than {d} names", .{own.hosts.len});
    for (hosts) |*host_name| {
        const address = Address.parse(host_name.address) orelse {
            return sys.failFormat("network", "\"{s}\" is no address", .{host_name.address});
        };
        own.hosts[own.hosts_count] = .{ .name = try texts.keep(index, host_name.name), .address = address };
        own.hosts_count += 1;
    }
}

/// The same of whom is asked alone, as a list: the length of each, and it. None: the host's.
pub fn setServers(index: u8, list: []const u8) sys.Error!void {
    const own = &states.of(index).resolver.servers;
    own.count = 0;
    own.current = 0;
    var rest = list;
    while (rest.len > 0) {
        const end = 1 + @as(usize, rest[0]);
        if (end > rest.len) return sys.fail("network", "a list of name servers makes no sense");
        add(own, Address.parse(rest[1..end]) orelse return sys.fail("network", "a name server is no address"));
        rest = rest[end..];
    }
}

fn add(list: *List, address: Address) void {
    if (list.count == servers_max) return;
    list.all[list.count] = address;
    list.count += 1;
}

/// The text of the host's resolv.conf(5).
pub fn read(text: []const u8) void {
    servers.count = 0;
    const found = dns.Servers.read(text);
    for (found.slice()) |*one| {
        if (one.scope().len > 0) continue;
        switch (one.address) {
            .v4 => |bytes| add(&servers, .ofV4(bytes)),
            .v6 => |bytes| add(&servers, .{ .bytes = bytes }),
        }
    }
}

/// The monitor answers at once, or is not there any more.
fn refresh(index: u8) void {
    if (states.of(index).resolver.servers.count > 0) return;
    if (servers.count > 0 and loop.now_ms -| read_ms < refresh_ms) return;
    read_ms = loop.now_ms;
    const fd = if (members.is_on) members.whoAnswers() orelse return else taps.control;
    if (linux.errno(linux.sendto(fd, "r", 1, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0)) != .SUCCESS) return;
    var poll = [1]linux.pollfd{.{ .fd = fd, .events = linux.POLL.IN, .revents = 0 }};
    if (linux.poll(&poll, 1, patience_ms) != 1) return;
    if (members.is_on) members.hearServers(fd) else _ = hear(fd);
}

var heard: [2 + names.packet_bytes_max]u8 = undefined;

/// Of the monitor's words, before others have their turn: the names of all networks, and more.
const turn_words = 2 * names.others_max;

/// What the monitor of a container's own network says: that text, names of its other networks, or what comes with a
/// descriptor (maker.zig). All that it has said so far, for the next frame may ask for it. False: it is gone.
pub fn hear(fd: linux.fd_t) bool {
    for (0..turn_words) |_| switch (hearOne(fd)) {
        .nothing => return true,
        .end => return false,
        .word => {},
    };
    return true;
}

fn hearOne(fd: linux.fd_t) enum { nothing, word, end } {
    var rights: Rights = .{};
    defer rights.closeRest();
    const n = rights.receive(fd, &heard);
    if (linux.errno(n) == .AGAIN or linux.errno(n) == .INTR) return .nothing;
    if (linux.errno(n) != .SUCCESS or n == 0) return .end;
    if (rights.next()) |channel| {
        maker.adopt(0, channel);
    } else if (heard[0] == names.to_own and n >= 2) {
        names.replace(0, heard[1], heard[2..n]);
    } else read(heard[0..n]);
    return .word;
}

/// Where what is said to our name server goes instead. Null: it is not for it.
pub fn redirect(tap: *const Tap, peer: Endpoint) ?host.Way {
    if (peer.port != port or !tap.isDns(peer.address)) return null;
    if (tap.is_internal) return .forbidden;
    refresh(tap.index);
    return .{ .to = server(tap.index) orelse return .nowhere };
}

pub fn listOf(index: u8) *List {
    const own = &states.of(index).resolver.servers;
    return if (own.count > 0) own else &servers;
}

pub fn server(index: u8) ?Endpoint {
    const list = listOf(index);
    if (list.count == 0) return null;
    if (list.current >= list.count) list.current = 0; // there were more
    return .{ .address = list.all[list.current], .port = host_port };
}

/// Nobody has answered that.
pub fn giveUp(tap: *const Tap, key: pools.Key, query: []const u8) void {
    send(tap, key, dns.refuse(query, dns.Rcode.server_failure, frame.space()[0..dns.udp_bytes_max]));
}

/// False: it is for the host's servers.
pub fn answer(tap: *const Tap, key: pools.Key, query: []const u8) bool {
    send(tap, key, reply(tap, query, frame.space()[0..dns.udp_bytes_max]) orelse return false);
    return true;
}

/// What is answered here. Empty: nothing is, for it is none that may be answered. Null: it is for the host's servers, of
/// which there is one.
pub fn reply(tap: *const Tap, query: []const u8, out: []u8) ?[]const u8 {
    var buffer: [dns.name_text_bytes_max]u8 = undefined;
    const question = dns.parse(query, &buffer) catch return dns.refuse(query, dns.Rcode.form_error, out);
    if (answerOwn(tap, query, question, out)) |own| return own;
    if (!guard.allowsName(tap.index, question.name)) return dns.refuse(query, dns.Rcode.refused, out);
    refresh(tap.index);
    return if (server(tap.index) != null) null else dns.refuse(query, dns.Rcode.server_failure, out);
}

/// Names of the container's, then of those it shares a network with. Null: it is none.
fn answerOwn(tap: *const Tap, query: []const u8, question: dns.Question, out: []u8) ?[]const u8 {
    const own = &states.of(tap.index).resolver;
    var found: [hosts_max]dns.Address = undefined;
    var count: usize = 0;
    for (own.hosts[0..own.hosts_count]) |*one| {
        if (!std.ascii.eqlIgnoreCase(one.name, question.name)) continue;
        found[count] = guard.plain(one.address);
        count += 1;
    }
    if (count > 0) return dns.answer(query, question, found[0..count], out);
    if (question.type == dns.Type.ptr) if (dns.addressOf(question.name)) |address| {
        const there: Address = switch (address) {
            .v4 => |bytes| .ofV4(bytes),
            .v6 => |bytes| .{ .bytes = bytes },
        };
        if (names.nameOf(tap, there)) |name| return dns.answerName(query, question, name, out);
        // Whose the network's addresses are is nobody's business outside.
        if (tap.is_switched and tap.isOnLink(there)) return dns.refuse(query, dns.Rcode.no_such_name, out);
    };
    count = names.find(tap, question.name, &found);
    if (count > 0) return dns.answer(query, question, found[0..count], out);
    return if (tap.is_internal) dns.refuse(query, dns.Rcode.no_such_name, out) else null;
}

/// `bytes` lie where payloads do.
fn send(tap: *const Tap, key: pools.Key, bytes: []const u8) void {
    if (bytes.len > 0) _ = frame.sendUdp(tap, key.peer, key.port, bytes.len);
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
    try set(0, &.{"192.0.2.1"}, &.{.{ .name = "a.b", .address = "10.0.2.2" }});
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
