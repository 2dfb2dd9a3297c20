//! One container's end of the network: its TAP, and the addresses on both sides of it.
const std = @import("std");
const linux = std.os.linux;
const addresses = @import("address.zig");
const packet = @import("packet.zig");
const Address = addresses.Address;
const Prefix = addresses.Prefix;

pub const Tap = struct {
    /// -1: nobody is here.
    fd: linux.fd_t = -1,
    /// Its place among all, where the rest of what is known of the container is (states.zig).
    index: u8 = 0,
    /// Others are on its network, at the addresses of its prefix (switch.zig).
    is_switched: bool = false,
    /// Nothing but those.
    is_internal: bool = false,
    /// The gateway is the host's loopback (`hostLoopback`).
    reaches_loopback: bool = false,
    /// When it has sent something last.
    heard_ms: u64 = 0,
    /// Frames to everybody that it may send yet, as of `flood_ms`.
    flood_left: u32 = 0,
    flood_ms: u64 = 0,
    /// The container's.
    mac: packet.Mac = .{ 2, 0, 0, 0, 1, 0 },
    mtu: u32 = 65520,
    address4: ?Prefix = null,
    gateway4: ?Address = null,
    dns4: ?Address = null,
    address6: ?Prefix = null,
    gateway6: ?Address = null,
    dns6: ?Address = null,

    /// Whoever is not the container: one neighbour answers for everybody.
    pub const gateway_mac: packet.Mac = .{ 2, 0, 0, 0, 0, 2 };

    /// The container's address of the version that `other` has.
    pub fn addressLike(tap: *const Tap, other: Address) ?Address {
        const prefix = (if (other.isV4()) tap.address4 else tap.address6) orelse return null;
        return prefix.address;
    }

    pub fn gatewayLike(tap: *const Tap, other: Address) ?Address {
        return if (other.isV4()) tap.gateway4 else tap.gateway6;
    }

    pub fn isOwn(tap: *const Tap, a: Address) bool {
        return same(if (a.isV4()) tap.prefix4() else tap.prefix6(), a);
    }

    pub fn isGateway(tap: *const Tap, a: Address) bool {
        return same(tap.gatewayLike(a), a);
    }

    pub fn isDns(tap: *const Tap, a: Address) bool {
        return same(if (a.isV4()) tap.dns4 else tap.dns6, a);
    }

    /// One of the network's own addresses, whoever has it.
    pub fn isOnLink(tap: *const Tap, a: Address) bool {
        const prefix = (if (a.isV4()) tap.address4 else tap.address6) orelse return false;
        return prefix.contains(a);
    }

    /// What Linux calls itself on a link without being told (RFC 4291, appendix A).
    pub fn linkLocal(tap: *const Tap) Address {
        const mac = tap.mac;
        return .{ .bytes = .{ 0xfe, 0x80 } ++ .{0} ** 6 ++
            .{ mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] } };
    }

    fn prefix4(tap: *const Tap) ?Address {
        return if (tap.address4) |prefix| prefix.address else null;
    }

    fn prefix6(tap: *const Tap) ?Address {
        return if (tap.address6) |prefix| prefix.address else null;
    }

    /// The largest segment that fits into a frame.
    pub fn segmentMax(tap: *const Tap, is_v4: bool) u16 {
        return @intCast(tap.mtu - @as(u32, if (is_v4) 40 else 60));
    }
};

fn same(ours: ?Address, a: Address) bool {
    return if (ours) |one| one.eql(a) else false;
}

pub fn parseMac(text: []const u8) ?packet.Mac {
    var mac: packet.Mac = undefined;
    var words = std.mem.splitScalar(u8, text, ':');
    for (&mac) |*byte| {
        const word = words.next() orelse return null;
        if (word.len != 2) return null;
        byte.* = std.fmt.parseInt(u8, word, 16) catch return null;
    }
    return if (words.next() == null) mac else null;
}

test "parseMac()" {
    try std.testing.expectEqual(packet.Mac{ 2, 0, 0xab, 0, 1, 0xff }, parseMac("02:00:ab:00:01:ff").?);
    for ([_][]const u8{ "", "02:00:ab:00:01", "02:00:ab:00:01:ff:00", "2:0:ab:0:1:ff" }) |text| {
        try std.testing.expectEqual(null, parseMac(text));
    }
}
