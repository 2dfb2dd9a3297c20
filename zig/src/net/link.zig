//! The container's side of its network, made by the container's own process while it has every right over its new
//! network namespace and none over another: a TAP, its addresses and routes. What comes out is the TAP's descriptor.
const std = @import("std");
const sys = @import("../sys.zig");
const addresses = @import("address.zig");
const congestion = @import("congestion.zig");
const packet = @import("packet.zig");
const linux = std.os.linux;
const Address = addresses.Address;
const Prefix = addresses.Prefix;

/// What is to be made. Texts must be NUL-terminated where they name an interface: at most 15 bytes.
pub const Link = struct {
    name: [:0]const u8 = "eth0",
    mac: packet.Mac,
    mtu: u32,
    address4: ?Prefix = null,
    gateway4: ?Address = null,
    address6: ?Prefix = null,
    gateway6: ?Address = null,
};

const tun_path = "/dev/net/tun";
const iff_tap = 0x0002;
const iff_no_pi = 0x1000;
const iff_vnet_hdr = 0x4000;
const tun_set_iff = linux.IOCTL.IOW('T', 202, c_int);
const tun_set_offload = linux.IOCTL.IOW('T', 208, c_uint);

/// TUN_F_CSUM | TSO4 | TSO6, and TUN_F_USO4 | USO6 (Linux 6.2).
const offloads = 0x01 | 0x02 | 0x04;
const datagram_offloads = 0x20 | 0x40;
const siocgifindex = 0x8933;
const siocsifhwaddr = 0x8924;
const arphrd_ether = 1;

pub fn make(link: *const Link) sys.Error!linux.fd_t {
    const tap = try sys.checkFd("tun", tun_path, linux.open(tun_path, .{ .ACCMODE = .RDWR, .CLOEXEC = true, .NONBLOCK = true }, 0));
    errdefer _ = linux.close(tap);
    var request = Request.of(link.name);
    request.setShort(iff_tap | iff_no_pi | iff_vnet_hdr);
    _ = try sys.check("tun", link.name, linux.ioctl(tap, tun_set_iff, @intFromPtr(&request)));
    if (linux.errno(linux.ioctl(tap, tun_set_offload, offloads | datagram_offloads)) != .SUCCESS) {
        _ = try sys.check("tun", "offloads", linux.ioctl(tap, tun_set_offload, offloads));
    }
    _ = try sys.check("tun", "hardware address", setMac(tap, link.mac));

    const kind = linux.SOCK.RAW | linux.SOCK.CLOEXEC;
    const route = try sys.checkFd("netlink", "socket", linux.socket(linux.AF.NETLINK, kind, linux.NETLINK.ROUTE));
    defer _ = linux.close(route);
    const index = try findIndex(link.name);
    quieten(link.name);
    try raise(route, index, link.mtu);
    if (link.address4) |prefix| try configure(route, index, prefix, link.gateway4);
    // Without IPv6 in this kernel, or switched off: version 4 is enough.
    if (link.address6) |prefix| configure(route, index, prefix, link.gateway6) catch {};
    return tap;
}

/// Of a new network namespace, whose interfaces will all be ours: before anybody in it has made a socket. Whoever wants it
/// otherwise says so by a sysctl of the container's.
pub fn prepare() void {
    writeFile("/proc/sys/net/ipv4/tcp_congestion_control", congestion.neighbourly); // that of version 6, too
}

/// No address but ours: no router's advice, no waiting for a duplicate that cannot be. Missing files are no loss.
fn quieten(name: []const u8) void {
    var buffer: [96]u8 = undefined;
    for ([_][]const u8{ "accept_ra", "autoconf", "accept_dad" }) |file| {
        const path = std.fmt.bufPrintZ(&buffer, "/proc/sys/net/ipv6/conf/{s}/{s}", .{ name, file }) catch return;
        writeFile(path, "0");
    }
    // Everybody inside may ping: who they are outside is what the host's own range is about.
    writeFile("/proc/sys/net/ipv4/ping_group_range", "0 0");
    writeFile("/proc/sys/net/ipv4/ping_group_range", "0 65535");
    writeFile("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

/// What is not allowed is left as it is.
fn writeFile(path: [:0]const u8, text: []const u8) void {
    const rc = linux.open(path, .{ .ACCMODE = .WRONLY, .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return;
    _ = linux.write(@intCast(rc), text.ptr, text.len);
    _ = linux.close(@intCast(rc));
}

fn setMac(tap: linux.fd_t, mac: packet.Mac) usize {
    var request: Request = .{};
    request.setShort(arphrd_ether);
    request.value[2..8].* = mac;
    return linux.ioctl(tap, siocsifhwaddr, @intFromPtr(&request));
}

/// struct ifreq.
const Request = extern struct {
    name: [16]u8 = @splat(0),
    value: [24]u8 align(8) = @splat(0),

    fn of(name: []const u8) Request {
        var request: Request = .{};
        const length = @min(name.len, 15);
        @memcpy(request.name[0..length], name[0..length]);
        return request;
    }

    fn setShort(request: *Request, value: u16) void {
        request.value[0..2].* = @bitCast(value);
    }

    comptime {
        std.debug.assert(@sizeOf(Request) == 40);
    }
};

fn findIndex(name: []const u8) sys.Error!u32 {
    const kind = linux.SOCK.DGRAM | linux.SOCK.CLOEXEC;
    const fd = try sys.checkFd("socket", "AF_UNIX", linux.socket(linux.AF.UNIX, kind, 0));
    defer _ = linux.close(fd);
    var request = Request.of(name);
    _ = try sys.check("SIOCGIFINDEX", "the TAP", linux.ioctl(fd, siocgifindex, @intFromPtr(&request)));
    return @bitCast(request.value[0..4].*);
}

// rtnetlink(7) ------------------------------------------------------------------------------------------------

const IfInfo = extern struct { family: u8 = 0, padding: u8 = 0, type: u16 = 0, index: u32, flags: u32 = 0, change: u32 = 0 };
const IfAddr = extern struct { family: u8, length: u8, flags: u8, scope: u8 = 0, index: u32 };
const Route = extern struct {
    family: u8,
    destination_length: u8 = 0,
    source_length: u8 = 0,
    tos: u8 = 0,
    table: u8 = 254, // RT_TABLE_MAIN
    protocol: u8 = 3, // RTPROT_BOOT
    scope: u8 = 0,
    type: u8 = 1, // RTN_UNICAST
    flags: u32 = 0,
};

const iff_up = 1;
const ifla_mtu = 4;
const ifa_address = 1;
const ifa_local = 2;
const ifa_f_nodad = 0x02;
const rta_oif = 4;
const rta_gateway = 5;

fn raise(route: linux.fd_t, index: u32, mtu: u32) sys.Error!void {
    var message = Message.of(.RTM_NEWLINK, 0, IfInfo{ .index = index, .flags = iff_up, .change = iff_up });
    message.add(ifla_mtu, std.mem.asBytes(&mtu));
    try message.send(route, "the TAP");
}

fn configure(route: linux.fd_t, index: u32, prefix: Prefix, gateway: ?Address) sys.Error!void {
    const family: u8 = if (prefix.address.isV4()) linux.AF.INET else linux.AF.INET6;
    const flags: u8 = if (prefix.address.isV4()) 0 else ifa_f_nodad;
    var message = Message.of(.RTM_NEWADDR, linux.NLM_F_CREATE | linux.NLM_F_EXCL, IfAddr{
        .family = family,
        .length = prefix.length(),
        .flags = flags,
        .index = index,
    });
    message.add(ifa_local, bytesOf(&prefix.address));
    message.add(ifa_address, bytesOf(&prefix.address));
    try message.send(route, "address");
    if (gateway) |*router| try addRoute(route, index, router);
}

fn addRoute(route: linux.fd_t, index: u32, router: *const Address) sys.Error!void {
    const family: u8 = if (router.isV4()) linux.AF.INET else linux.AF.INET6;
    var message = Message.of(.RTM_NEWROUTE, linux.NLM_F_CREATE, Route{ .family = family });
    message.add(rta_gateway, bytesOf(router));
    message.add(rta_oif, std.mem.asBytes(&index));
    try message.send(route, "route");
}

/// The way out becomes that of an interface that is there already.
pub fn setRoutes(link: *const Link) sys.Error!void {
    const kind = linux.SOCK.RAW | linux.SOCK.CLOEXEC;
    const route = try sys.checkFd("netlink", "socket", linux.socket(linux.AF.NETLINK, kind, linux.NETLINK.ROUTE));
    defer _ = linux.close(route);
    const index = try findIndex(link.name);
    if (link.gateway4) |*router| try addRoute(route, index, router);
    if (link.gateway6) |*router| addRoute(route, index, router) catch {}; // as in `make`
}

fn bytesOf(address: *const Address) []const u8 {
    return if (address.isV4()) address.bytes[12..] else &address.bytes;
}

/// One request, answered before the next.
const Message = struct {
    buffer: [256]u8 align(4) = @splat(0),
    used: usize = 0,

    fn of(kind: linux.NetlinkMessageType, flags: u16, payload: anytype) Message {
        var message: Message = .{};
        const head: *linux.nlmsghdr = @ptrCast(&message.buffer);
        head.* = .{ .len = 0, .type = kind, .flags = linux.NLM_F_REQUEST | linux.NLM_F_ACK | flags, .seq = 1, .pid = 0 };
        const bytes = std.mem.asBytes(&payload);
        @memcpy(message.buffer[@sizeOf(linux.nlmsghdr)..][0..bytes.len], bytes);
        message.used = @sizeOf(linux.nlmsghdr) + bytes.len;
        return message;
    }

    fn add(message: *Message, kind: u16, value: []const u8) void {
        const length: u16 = @intCast(4 + value.len);
        message.buffer[message.used..][0..2].* = @bitCast(length);
        message.buffer[message.used + 2 ..][0..2].* = @bitCast(kind);
        @memcpy(message.buffer[message.used + 4 ..][0..value.len], value);
        message.used += std.mem.alignForward(usize, length, 4);
    }

    fn send(message: *Message, route: linux.fd_t, what: []const u8) sys.Error!void {
        const head: *linux.nlmsghdr = @ptrCast(&message.buffer);
        head.len = @intCast(message.used);
        _ = try sys.check("netlink", what, linux.sendto(route, &message.buffer, message.used, 0, null, 0));
        var reply: [1024]u8 align(4) = undefined;
        const n = try sys.check("netlink", what, linux.recvfrom(route, &reply, reply.len, 0, null, null));
        const answer: *const linux.nlmsghdr = @ptrCast(&reply);
        if (n < @sizeOf(linux.nlmsghdr) + 4 or answer.type != .ERROR) return sys.fail("netlink", what);
        const code: i32 = @bitCast(reply[@sizeOf(linux.nlmsghdr)..][0..4].*);
        if (code == 0) return;
        sys.failure = .{ .call = "netlink", .detail = what, .errno = @enumFromInt(-code) };
        return error.Syscall;
    }
};
