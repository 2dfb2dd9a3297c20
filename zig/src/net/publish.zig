//! Binding what is published, before anything of the container runs: so a port that is in use, or privileged, is an error
//! of the one who asked for it.
const std = @import("std");
const sys = @import("../sys.zig");
const addresses = @import("address.zig");
const config = @import("config.zig");
const host = @import("host.zig");
const linux = std.os.linux;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;
const SocketAddress = addresses.SocketAddress;

pub const sockets_max = 4096;
const backlog = 4096;

/// All of them or none. The sockets are put into `out`.
pub fn bindAll(ports: []const config.Published, out: *[sockets_max]linux.fd_t) sys.Error![]linux.fd_t {
    var count: usize = 0;
    errdefer for (out[0..count]) |fd| {
        _ = linux.close(fd);
    };
    for (ports) |*port| {
        const address = Address.parse(port.hostAddress) orelse return fail(port, port.hostPort, .INVAL);
        for (0..port.count) |i| {
            const number = std.math.add(u16, port.hostPort, @intCast(i)) catch return fail(port, port.hostPort, .INVAL);
            if (count == sockets_max) return fail(port, number, .MFILE);
            const outer: Endpoint = .{ .address = address, .port = number };
            const e = bind(port.protocol, outer, &out[count]);
            if (e != .SUCCESS) return fail(port, number, e);
            count += 1;
        }
    }
    return out[0..count];
}

/// One socket; closed again when it cannot be what it should.
pub fn bind(protocol: config.Protocol, outer: Endpoint, out: *linux.fd_t) linux.E {
    const family: u32 = if (outer.address.isV4()) linux.AF.INET else linux.AF.INET6;
    const kind: u32 = if (protocol == .tcp) linux.SOCK.STREAM else linux.SOCK.DGRAM;
    const rc = linux.socket(family, kind | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK, 0);
    if (linux.errno(rc) != .SUCCESS) return linux.errno(rc);
    const fd: linux.fd_t = @intCast(rc);
    const e = settle(fd, protocol, outer);
    if (e == .SUCCESS) out.* = fd else _ = linux.close(fd);
    return e;
}

fn settle(fd: linux.fd_t, protocol: config.Protocol, outer: Endpoint) linux.E {
    if (!outer.address.isV4()) _ = host.set(fd, linux.IPPROTO.IPV6, linux.IPV6.V6ONLY, 1);
    // What is urgent is not lost for those who do not ask for it (tcp/flow.zig); its clients have that from it.
    if (protocol == .tcp) _ = host.set(fd, linux.SOL.SOCKET, linux.SO.OOBINLINE, 1);
    // Connections of the last life that still linger keep nobody from the port.
    if (protocol == .tcp) _ = host.set(fd, linux.SOL.SOCKET, linux.SO.REUSEADDR, 1);
    const address: SocketAddress = .of(outer);
    const bound = linux.errno(linux.bind(fd, &address.any, address.length()));
    if (bound != .SUCCESS or protocol == .udp) return bound;
    return linux.errno(linux.listen(fd, backlog));
}

fn fail(port: *const config.Published, number: u16, e: linux.E) sys.Error {
    const is_v6 = std.mem.indexOfScalar(u8, port.hostAddress, ':') != null;
    const open = if (is_v6) "[" else "";
    const close = if (is_v6) "]" else "";
    sys.failure = .{
        .call = "publish",
        .detail = sys.format("{s}{s}{s}:{d}/{t}", .{ open, port.hostAddress, close, number, port.protocol }),
        .errno = e,
    };
    return error.Syscall;
}

/// What a socket was bound to. Null: it is none of ours.
pub fn describe(fd: linux.fd_t) ?struct { protocol: config.Protocol, outer: Endpoint } {
    const family = ask(fd, linux.SO.DOMAIN) orelse return null;
    if (family != linux.AF.INET and family != linux.AF.INET6) return null;
    const kind = ask(fd, linux.SO.TYPE) orelse return null;
    return .{ .protocol = if (kind == linux.SOCK.STREAM) .tcp else .udp, .outer = host.nameOf(fd) orelse return null };
}

/// Whether others of this machine connect to it by a path.
pub fn listensLocally(fd: linux.fd_t) bool {
    return ask(fd, linux.SO.DOMAIN) == linux.AF.UNIX and ask(fd, linux.SO.ACCEPTCONN) == 1;
}

fn ask(fd: linux.fd_t, option: u32) ?c_int {
    var value: c_int = 0;
    var length: linux.socklen_t = @sizeOf(c_int);
    const rc = linux.getsockopt(fd, linux.SOL.SOCKET, option, std.mem.asBytes(&value), &length);
    return if (linux.errno(rc) == .SUCCESS) value else null;
}

test "a port that is in use is named, and nothing stays bound" {
    const static = struct {
        var out: [sockets_max]linux.fd_t = undefined;
    };
    var first: linux.fd_t = undefined;
    const loopback: Address = .ofV4(.{ 127, 0, 0, 1 });
    try std.testing.expectEqual(linux.E.SUCCESS, bind(.tcp, .{ .address = loopback }, &first));
    defer _ = linux.close(first);
    const taken = host.nameOf(first).?.port;
    const asked = [_]config.Published{
        .{ .protocol = .udp, .hostAddress = "127.0.0.1", .hostPort = 0, .containerPort = 1 },
        .{ .hostAddress = "127.0.0.1", .hostPort = taken, .containerPort = 1 },
    };
    try std.testing.expectError(error.Syscall, bindAll(&asked, &static.out));
    try std.testing.expectEqual(linux.E.ADDRINUSE, sys.failure.?.errno);
    try std.testing.expectStringEndsWith(sys.failure.?.detail, "/tcp");
    try std.testing.expectEqual(linux.E.BADF, linux.errno(linux.fcntl(static.out[0], linux.F.GETFD, 0)));
}
