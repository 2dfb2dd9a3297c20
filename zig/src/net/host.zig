//! Where a container may go, and what that is to the host: the gateway is the host itself, its loopback is nobody's but
//! its own, everything else is where it is. And the sockets that go there.
const std = @import("std");
const linux = std.os.linux;
const addresses = @import("address.zig");
const Tap = @import("tap.zig").Tap;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;
const SocketAddress = addresses.SocketAddress;

pub const Way = union(enum) {
    to: Endpoint,
    /// Nobody is there to be reached: as a router without a route says.
    nowhere,
    /// There is somebody, but not for a container.
    forbidden,
};

/// `destination` as the container has it.
pub fn find(tap: *const Tap, destination: Endpoint) Way {
    const a = destination.address;
    if (tap.is_internal) return .forbidden;
    if (tap.isGateway(a) or tap.isDns(a)) {
        const own = if (tap.reaches_loopback) loopbackLike(a) else ownAddressLike(a) orelse return .nowhere;
        return .{ .to = .{ .address = own, .port = destination.port } };
    }
    if (a.isLoopback() or a.isUnspecified() or a.isMulticast() or a.isEmbedded()) return .forbidden;
    if (a.eql(.ofV4(.{ 255, 255, 255, 255 })) or tap.isOwn(a)) return .forbidden;
    // Whoever has one of the network's addresses is not behind its gateway.
    if (tap.is_switched and tap.isOnLink(a)) return .nowhere;
    if (a.isLinkLocal() and !a.isV4()) return .nowhere; // means nothing without an interface
    return .{ .to = destination };
}

fn loopbackLike(a: Address) Address {
    return if (a.isV4()) .ofV4(.{ 127, 0, 0, 1 }) else .{ .bytes = .{0} ** 15 ++ .{1} };
}

/// Which address of its own the host would use for the rest of the world; without a way out, any of its own.
fn ownAddressLike(a: Address) ?Address {
    const far: Address = if (a.isV4()) .ofV4(.{ 192, 0, 2, 1 }) else .{ .bytes = .{ 0x20, 1, 0x0d, 0xb8 } ++ .{0} ** 11 ++ .{1} };
    return sourceTowards(.{ .address = far, .port = 9 }) orelse @import("interfaces.zig").anyAddress(a.isV4());
}

fn sourceTowards(far: Endpoint) ?Address {
    const fd = socket(far.address, linux.SOCK.DGRAM, 0) orelse return null;
    defer _ = linux.close(fd);
    if (connect(fd, far) != .SUCCESS) return null;
    const source = nameOf(fd) orelse return null;
    return if (source.address.isLoopback()) null else source.address;
}

/// Null: no descriptor is left, or this kernel has no such protocol.
pub fn socket(like: Address, kind: u32, protocol: u32) ?linux.fd_t {
    const family: u32 = if (like.isV4()) linux.AF.INET else linux.AF.INET6;
    const rc = linux.socket(family, kind | linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC, protocol);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}

pub fn connect(fd: linux.fd_t, to: Endpoint) linux.E {
    const address: SocketAddress = .of(to);
    return linux.errno(linux.connect(fd, &address, address.length()));
}

pub fn nameOf(fd: linux.fd_t) ?Endpoint {
    var address: SocketAddress = undefined;
    var length = SocketAddress.size;
    return if (linux.errno(linux.getsockname(fd, &address.any, &length)) == .SUCCESS) address.endpoint() else null;
}

pub fn set(fd: linux.fd_t, level: i32, option: u32, value: c_int) bool {
    return linux.errno(linux.setsockopt(fd, level, option, std.mem.asBytes(&value), @sizeOf(c_int))) == .SUCCESS;
}

/// What the way to its far end takes, as the kernel found out (IP_MTU, IPV6_MTU).
pub fn mtuOf(fd: linux.fd_t, is_v4: bool) u32 {
    const least: c_int = if (is_v4) 576 else 1280;
    var value: c_int = 1280;
    var length: linux.socklen_t = @sizeOf(c_int);
    const level: i32 = if (is_v4) linux.IPPROTO.IP else linux.IPPROTO.IPV6;
    const ip_mtu = 14;
    const ipv6_mtu = 24;
    _ = linux.getsockopt(fd, level, if (is_v4) ip_mtu else ipv6_mtu, std.mem.asBytes(&value), &length);
    return @intCast(std.math.clamp(value, least, 65520));
}

/// The far end gets a RST instead of a FIN.
pub fn resetOnClose(fd: linux.fd_t) void {
    const at_once = extern struct { on: c_int = 1, seconds: c_int = 0 }{};
    _ = linux.setsockopt(fd, linux.SOL.SOCKET, linux.SO.LINGER, std.mem.asBytes(&at_once), @sizeOf(@TypeOf(at_once)));
}

/// SO_ERROR, which also clears it.
pub fn errorOf(fd: linux.fd_t) linux.E {
    var value: c_int = 0;
    var length: linux.socklen_t = @sizeOf(c_int);
    const rc = linux.getsockopt(fd, linux.SOL.SOCKET, linux.SO.ERROR, std.mem.asBytes(&value), &length);
    return if (linux.errno(rc) == .SUCCESS) @enumFromInt(value) else linux.errno(rc);
}

test "find() lets nobody to the host's loopback in any of its disguises" {
    const tap: Tap = .{ .address4 = addresses.Prefix.parse("10.0.2.100/24"), .gateway4 = Address.parse("10.0.2.2") };
    for ([_][]const u8{
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1",             "::",
        "::7f00:1",  "224.0.0.1", "ff02::1", "::2",     "255.255.255.255", "10.0.2.100",
    }) |text| {
        try std.testing.expectEqual(Way.forbidden, find(&tap, .{ .address = Address.parse(text).?, .port = 1 }));
    }
    const there: Endpoint = .{ .address = Address.parse("198.51.100.7").?, .port = 443 };
    try std.testing.expect(find(&tap, there).to.eql(there));
    var other = tap;
    other.is_switched = true;
    try std.testing.expectEqual(Way.nowhere, find(&other, .{ .address = Address.parse("10.0.2.7").?, .port = 1 }));
    other.is_internal = true;
    for ([_][]const u8{ "198.51.100.7", "10.0.2.2", "10.0.2.7" }) |text| {
        try std.testing.expectEqual(Way.forbidden, find(&other, .{ .address = Address.parse(text).?, .port = 1 }));
    }
}
