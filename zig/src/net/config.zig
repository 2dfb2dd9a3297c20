//! What helper.json says about a container's network, and what it means: texts become addresses here, or a sentence.
//! TypeScript's side is src/helper/contract.ts.
const std = @import("std");
const sys = @import("../sys.zig");
const addresses = @import("address.zig");
const taps = @import("tap.zig");
const Link = @import("link.zig").Link;
const Address = addresses.Address;
const Prefix = addresses.Prefix;

const Text = [:0]const u8;

pub const Protocol = enum { tcp, udp };

/// `count` ports from each of the two on.
pub const Published = struct {
    protocol: Protocol = .tcp,
    hostAddress: Text = "0.0.0.0",
    hostPort: u16,
    containerPort: u16,
    count: u16 = 1,
};

pub const Name = struct { name: Text, address: Text };

/// One of the two is there. Port 0: all of them; "*.example.org": every name below that.
pub const EgressRule = struct { cidr: ?Text = null, name: ?Text = null, port: u16 = 0 };

pub const Egress = struct {
    /// Where it is written down.
    log: ?Text = null,
    /// Null: everywhere.
    allow: ?[]const EgressRule = null,
};

pub const Network = struct {
    mode: Text = "private",
    interface: Text = "eth0",
    mac: Text = "02:00:00:00:01:00",
    mtu: u32 = 65520,
    address4: ?Text = null,
    gateway4: ?Text = null,
    dns4: ?Text = null,
    address6: ?Text = null,
    gateway6: ?Text = null,
    dns6: ?Text = null,
    /// The gateway is the host's loopback.
    hostLoopback: bool = false,
    resolv: Text = "/etc/resolv.conf",
    /// Name servers instead of those in `resolv`.
    servers: []const Text = &.{},
    names: []const Name = &.{},
    ports: []const Published = &.{},
    egress: ?Egress = null,
    /// Where ports are added and removed while it runs.
    socket: ?Text = null,
};

/// One of `networks`: of a network that others may be on, too.
pub const Entry = struct {
    id: Text,
    network: Text = "",
    /// Where its process is met.
    socket: Text = "",
    interface: Text = "eth0",
    mac: Text,
    mtu: u32 = 65520,
    address4: ?Text = null,
    gateway4: ?Text = null,
    dns4: ?Text = null,
    address6: ?Text = null,
    gateway6: ?Text = null,
    dns6: ?Text = null,
    internal: bool = false,
    isDefaultRoute: bool = false,
    /// Whose it is.
    member: Text = "",
    names: []const Text = &.{},
    hostLoopback: bool = false,
    resolv: Text = "/etc/resolv.conf",
    servers: []const Text = &.{},
    hosts: []const Name = &.{},
    ports: []const Published = &.{},
    egress: ?Egress = null,

    fn asNetwork(entry: *const Entry) Network {
        return .{
            .interface = entry.interface,
            .mac = entry.mac,
            .mtu = entry.mtu,
            .address4 = entry.address4,
            .gateway4 = entry.gateway4,
            .dns4 = entry.dns4,
            .address6 = entry.address6,
            .gateway6 = entry.gateway6,
            .dns6 = entry.dns6,
        };
    }

    /// How many sockets its ports are.
    pub fn countSockets(entry: *const Entry) usize {
        var count: usize = 0;
        for (entry.ports) |*port| count += port.count;
        return count;
    }
};

/// Networks of one container; src/network refuses more.
pub const entries_max = 16;

/// A program of the host's that makes the network instead; "{pid}" among its words is the container's process.
pub const Tool = struct {
    path: Text,
    words: []const Text = &.{},
    /// Ports that it is told, once it is ready, at that socket. Those of others are among the words.
    socket: ?Text = null,
    ports: []const Published = &.{},
};

const mtu_least = 1280; // RFC 8200, section 5
const mtu_most = 65520;
const interface_bytes_max = 15; // IFNAMSIZ

/// The interface inside.
pub fn linkOf(network: *const Network) sys.Error!Link {
    const name = network.interface;
    if (name.len == 0 or name.len > interface_bytes_max) return wrong("interface", name);
    for (name) |c| if (c <= ' ' or c == '/' or c == ':' or c == '%') return wrong("interface", name);
    if (network.mtu < mtu_least or network.mtu > mtu_most) {
        return sys.failFormat("network", "an mtu of {d} is not between {d} and {d}", .{ network.mtu, mtu_least, mtu_most });
    }
    return .{
        .name = name,
        .mac = taps.parseMac(network.mac) orelse return wrong("mac", network.mac),
        .mtu = network.mtu,
        .address4 = try prefixOf("address4", network.address4, true),
        .gateway4 = try addressOf("gateway4", network.gateway4, true),
        .address6 = try prefixOf("address6", network.address6, false),
        .gateway6 = try addressOf("gateway6", network.gateway6, false),
    };
}

/// The interface inside, of one of several: not every one leads outside.
pub fn linkOfEntry(entry: *const Entry) sys.Error!Link {
    var link = try linkOf(&entry.asNetwork());
    if (entry.internal or !entry.isDefaultRoute) {
        link.gateway4 = null;
        link.gateway6 = null;
    }
    return link;
}

pub fn tapOfEntry(entry: *const Entry) sys.Error!taps.Tap {
    var tap = try tapOf(&entry.asNetwork());
    tap.is_switched = true;
    tap.is_internal = entry.internal;
    tap.reaches_loopback = entry.hostLoopback;
    if (tap.address4 == null and tap.address6 == null) return sys.fail("network", "it has no address");
    if (tap.mac[0] & 1 != 0 or std.mem.eql(u8, &tap.mac, &taps.Tap.gateway_mac)) return wrong("mac", entry.mac);
    return tap;
}

/// The same from outside; its descriptor is still to come.
pub fn tapOf(network: *const Network) sys.Error!taps.Tap {
    const link = try linkOf(network);
    return .{
        .mac = link.mac,
        .mtu = link.mtu,
        .address4 = link.address4,
        .gateway4 = link.gateway4,
        .dns4 = try addressOf("dns4", network.dns4, true),
        .address6 = link.address6,
        .gateway6 = link.gateway6,
        .dns6 = try addressOf("dns6", network.dns6, false),
    };
}

fn prefixOf(field: []const u8, text: ?Text, is_v4: bool) sys.Error!?Prefix {
    const given = text orelse return null;
    const prefix = Prefix.parse(given) orelse return wrong(field, given);
    return if (prefix.address.isV4() == is_v4) prefix else wrong(field, given);
}

fn addressOf(field: []const u8, text: ?Text, is_v4: bool) sys.Error!?Address {
    const given = text orelse return null;
    const address = Address.parse(given) orelse return wrong(field, given);
    return if (address.isV4() == is_v4) address else wrong(field, given);
}

fn wrong(field: []const u8, text: []const u8) sys.Error {
    return sys.failFormat("network", "\"{s}\" makes no sense as its {s}", .{ text, field });
}

test "what makes no sense is named" {
    const good: Network = .{ .address4 = "10.0.2.100/24", .gateway4 = "10.0.2.2", .address6 = "fd00::100/64" };
    _ = try tapOf(&good);
    var bad = good;
    bad.address4 = "fd00::1/64";
    try std.testing.expectError(error.Syscall, tapOf(&bad));
    bad = good;
    bad.interface = "../eth0";
    try std.testing.expectError(error.Syscall, linkOf(&bad));
    try std.testing.expectEqualStrings("\"../eth0\" makes no sense as its interface", sys.failure.?.detail);
    bad = good;
    bad.mtu = 70000;
    try std.testing.expectError(error.Syscall, linkOf(&bad));
}
