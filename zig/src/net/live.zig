//! Ports that are published, taken back and listed while the container runs: one JSON object a packet in, one out, on a
//! socket that only the container's owner reaches. src/helper/network.ts has its types.
const std = @import("std");
const config = @import("config.zig");
const frame = @import("frame.zig");
const loop = @import("loop.zig");
const maker = @import("maker.zig");
const ports = @import("ports.zig");
const publish = @import("publish.zig");
const taps = @import("taps.zig");
const addresses = @import("address.zig");
const linux = std.os.linux;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;

const Request = struct { add: ?config.Published = null, remove: ?config.Published = null, list: bool = false };

const clients_max = 8;
const request_bytes_max = 4096;

/// Of each container; 0: it has none.
var listeners: [taps.taps_max]linux.fd_t = @splat(0);
const Client = struct { fd: linux.fd_t = -1, tap: u8 = 0 };
var clients: [clients_max]Client = @splat(.{});

pub fn listen(tap: u8, fd: linux.fd_t) bool {
    listeners[tap] = fd;
    return loop.add(fd, .{ .kind = .live, .index = tap }, loop.in);
}

/// A container's that has left.
pub fn forget(tap: u8) void {
    if (listeners[tap] > 0) _ = linux.close(listeners[tap]);
    listeners[tap] = 0;
    for (&clients) |*client| if (client.fd >= 0 and client.tap == tap) close(client);
}

fn close(client: *Client) void {
    _ = linux.close(client.fd);
    client.fd = -1;
}

/// One too many is turned away.
pub fn accept(tap: u8) void {
    if (listeners[tap] == 0) return;
    const rc = linux.accept4(listeners[tap], null, null, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
    if (linux.errno(rc) != .SUCCESS) return;
    const fd: linux.fd_t = @intCast(rc);
    for (&clients, 0..) |*client, i| {
        if (client.fd >= 0) continue;
        client.* = .{ .fd = fd, .tap = tap };
        if (loop.add(fd, .{ .kind = .live_client, .index = @intCast(i) }, loop.in)) return;
        client.fd = -1;
        break;
    }
    _ = linux.close(fd);
}

pub fn serve(index: usize) void {
    var text: [request_bytes_max]u8 = undefined;
    const client = &clients[index];
    if (client.fd < 0) return;
    const n = linux.recvfrom(client.fd, &text, text.len, linux.MSG.DONTWAIT, null, null);
    if (linux.errno(n) == .AGAIN or linux.errno(n) == .INTR) return;
    if (linux.errno(n) != .SUCCESS or n == 0) return close(client);
    const reply = answer(client.tap, text[0..n]);
    _ = linux.sendto(client.fd, reply.ptr, reply.len, linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL, null, 0);
}

fn answer(tap: u8, text: []const u8) []const u8 {
    var room: [2 * request_bytes_max]u8 = undefined;
    var memory: std.heap.FixedBufferAllocator = .init(&room);
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const request = std.json.parseFromSliceLeaky(Request, memory.allocator(), text, options) catch {
        return refuse(.INVAL, "the request makes no sense", .{});
    };
    if (request.add) |*port| return add(tap, port);
    if (request.remove) |*port| return remove(tap, port);
    return if (request.list) list(tap) else refuse(.INVAL, "the request asks for nothing", .{});
}

fn add(tap: u8, port: *const config.Published) []const u8 {
    const address = Address.parse(port.hostAddress) orelse return refuseFor(port, port.hostPort, .INVAL);
    for (0..port.count) |i| {
        const number = std.math.add(u16, port.hostPort, @intCast(i)) catch return refuseFor(port, port.hostPort, .INVAL);
        const e = addOne(tap, port, .{ .address = address, .port = number }, port.containerPort +% @as(u16, @intCast(i)));
        if (e == .SUCCESS) continue;
        for (0..i) |k| _ = removeOne(tap, port, .{ .address = address, .port = port.hostPort + @as(u16, @intCast(k)) });
        return refuseFor(port, number, e);
    }
    if (port.protocol == .tcp) maker.ensure(tap);
    return "{\"ok\":true}";
}

fn addOne(tap: u8, port: *const config.Published, outer: Endpoint, inner: u16) linux.E {
    var fd: linux.fd_t = undefined;
    const e = publish.bind(port.protocol, outer, &fd);
    if (e != .SUCCESS) return e;
    if (ports.add(.{ .is_tcp = port.protocol == .tcp, .tap = tap, .fd = fd, .outer = outer, .inner = inner })) return .SUCCESS;
    _ = linux.close(fd);
    return .MFILE;
}

fn remove(tap: u8, port: *const config.Published) []const u8 {
    const address = Address.parse(port.hostAddress) orelse return refuseFor(port, port.hostPort, .INVAL);
    var removed: usize = 0;
    for (0..port.count) |i| {
        const number = std.math.add(u16, port.hostPort, @intCast(i)) catch break;
        if (removeOne(tap, port, .{ .address = address, .port = number })) removed += 1;
    }
    return if (removed > 0) "{\"ok\":true}" else refuseFor(port, port.hostPort, .NOENT);
}

/// What goes through it already goes on.
fn removeOne(tap: u8, port: *const config.Published, outer: Endpoint) bool {
    for (ports.all[0..ports.used_to]) |*one| {
        if (!one.is_used or one.tap != tap or one.is_tcp != (port.protocol == .tcp) or !one.outer.eql(outer)) continue;
        ports.remove(one);
        return true;
    }
    return false;
}

fn list(tap: u8) []const u8 {
    var w: std.Io.Writer = .fixed(frame.space());
    w.writeAll("{\"ok\":true,\"ports\":[") catch unreachable;
    var is_first = true;
    for (ports.all[0..ports.used_to]) |*port| {
        if (!port.is_used or port.tap != tap) continue;
        const before = w.end;
        w.print("{s}{{\"protocol\":\"{s}\",\"hostAddress\":\"{f}\",\"hostPort\":{d},\"containerPort\":{d},\"count\":1}}", .{
            if (is_first) "" else ",",
            if (port.is_tcp) "tcp" else "udp",
            port.outer.address,
            port.outer.port,
            port.inner,
        }) catch {
            w.end = before;
            break;
        };
        if (w.end + 2 > frame.space().len) {
            w.end = before;
            break;
        }
        is_first = false;
    }
    w.writeAll("]}") catch unreachable;
    return w.buffered();
}

fn refuseFor(port: *const config.Published, number: u16, e: linux.E) []const u8 {
    const is_v6 = std.mem.indexOfScalar(u8, port.hostAddress, ':') != null;
    const address = Address.parse(port.hostAddress) orelse Address.ofV4(@splat(0));
    if (is_v6) return refuse(e, "[{f}]:{d}/{t}", .{ address, number, port.protocol });
    return refuse(e, "{f}:{d}/{t}", .{ address, number, port.protocol });
}

/// Nothing in it needs escaping.
fn refuse(e: linux.E, comptime detail: []const u8, args: anytype) []const u8 {
    var w: std.Io.Writer = .fixed(frame.space());
    w.print("{{\"ok\":false,\"errno\":{d},\"detail\":\"", .{@intFromEnum(e)}) catch unreachable;
    w.print(detail, args) catch unreachable;
    w.writeAll("\"}") catch unreachable;
    return w.buffered();
}

test "requests that make no sense are answered" {
    for ([_][]const u8{ "", "{", "[]", "{\"add\":{}}", "{}", "{\"add\":{\"hostPort\":70000,\"containerPort\":1}}" }) |text| {
        try std.testing.expectStringStartsWith(answer(0, text), "{\"ok\":false,\"errno\":22,");
    }
    const missing = "{\"remove\":{\"protocol\":\"udp\",\"hostAddress\":\"::1\",\"hostPort\":7,\"containerPort\":1,\"count\":2}}";
    try std.testing.expectEqualStrings(
        "{\"ok\":false,\"errno\":2,\"detail\":\"[0:0:0:0:0:0:0:1]:7/udp\"}",
        answer(0, missing),
    );
}

test "a port is added once, listed and removed" {
    if (!loop.open()) return error.SkipZigTest;
    var held: linux.fd_t = undefined;
    const loopback: Endpoint = .{ .address = .ofV4(.{ 127, 0, 0, 1 }) };
    try std.testing.expectEqual(linux.E.SUCCESS, publish.bind(.tcp, loopback, &held));
    const number = @import("host.zig").nameOf(held).?.port;
    var buffer: [256]u8 = undefined;
    const format = "{{\"{s}\":{{\"hostAddress\":\"127.0.0.1\",\"hostPort\":{d},\"containerPort\":80}}}}";
    const request = try std.fmt.bufPrint(&buffer, format, .{ "add", number });
    try std.testing.expectStringStartsWith(answer(0, request), "{\"ok\":false,\"errno\":98,");
    _ = linux.close(held);
    try std.testing.expectEqualStrings("{\"ok\":true}", answer(0, request));
    try std.testing.expect(std.mem.indexOf(u8, answer(0, "{\"list\":true}"), "\"containerPort\":80,\"count\":1}]}") != null);
    try std.testing.expectEqualStrings("{\"ok\":true}", answer(0, try std.fmt.bufPrint(&buffer, format, .{ "remove", number })));
    try std.testing.expectEqualStrings("{\"ok\":true,\"ports\":[]}", answer(0, "{\"list\":true}"));
}
