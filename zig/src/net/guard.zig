//! The egress policy of a container at work (egress.zig has its rules): asked before anything goes out, told what names
//! resolve to, and writing down what came of it.
const std = @import("std");
const sys = @import("../sys.zig");
const addresses = @import("address.zig");
const config = @import("config.zig");
const egress = @import("egress.zig");
const dns = @import("dns/dns.zig");
const loop = @import("loop.zig");
const packet = @import("packet.zig");
const states = @import("states.zig");
const taps = @import("taps.zig");
const texts = @import("texts.zig");
const Tap = @import("tap.zig").Tap;
const linux = std.os.linux;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;

/// Of one container. All zeros: everything is allowed, and nothing written down.
pub const Own = struct {
    rules: [egress.rules_max]egress.Rule,
    policy: egress.Policy,
    is_limited: bool,
    has_log: bool,
    log: linux.fd_t,
    log_bytes: usize,
};

/// A log is no way to fill a disk.
const log_bytes_max = 16 << 20;

pub fn openLog(path: [:0]const u8) sys.Error!linux.fd_t {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .APPEND = true, .CREAT = true, .CLOEXEC = true, .NOFOLLOW = true };
    return sys.checkFd("open", path, linux.open(path, flags, 0o600));
}

/// What is allowed; `log` is taken.
pub fn set(index: u8, asked: *const config.Egress, log: ?linux.fd_t) sys.Error!void {
    const own = &states.of(index).guard;
    if (log) |fd| {
        own.has_log = true;
        own.log = fd;
        own.log_bytes = 0;
    }
    const allowed = asked.allow orelse return;
    own.policy = .{ .rules = &.{} };
    own.is_limited = true;
    if (allowed.len > own.rules.len) return sys.failFormat("network", "more than {d} egress rules", .{own.rules.len});
    for (allowed, 0..) |*rule, i| own.rules[i] = try ruleOf(index, rule);
    own.policy.rules = own.rules[0..allowed.len];
}

pub fn forget(index: u8) void {
    const own = &states.of(index).guard;
    if (own.has_log) _ = linux.close(own.log);
    own.has_log = false;
    own.is_limited = false;
}

fn ruleOf(index: u8, asked: *const config.EgressRule) sys.Error!egress.Rule {
    if (asked.name) |name| return .{ .to = .{ .name = try texts.keep(index, name) }, .port = asked.port };
    const text = asked.cidr orelse return sys.fail("network", "an egress rule is neither a network nor a name");
    const prefix = addresses.Prefix.parse(text) orelse return sys.failFormat("network", "\"{s}\" is no network", .{text});
    return .{
        .to = .{ .network = .{ .address = plain(prefix.address), .prefix_length = prefix.length() } },
        .port = asked.port,
    };
}

pub fn plain(address: Address) dns.Address {
    return if (address.isV4()) .{ .v4 = address.v4() } else .{ .v6 = address.bytes };
}

/// `to` is whom the container means.
pub fn allows(index: u8, protocol: u8, to: Endpoint) bool {
    const own = &states.of(index).guard;
    const is_allowed = !own.is_limited or own.policy.allows(plain(to.address), to.port, loop.now_ms);
    if (own.has_log and (!own.is_limited or !is_allowed)) note(own, protocol, to, is_allowed);
    return is_allowed;
}

pub fn allowsName(index: u8, name: []const u8) bool {
    const own = &states.of(index).guard;
    return !own.is_limited or own.policy.allowsName(name);
}

/// A name server's answer, on its way to the container.
pub fn hear(index: u8, answer: []const u8) void {
    const own = &states.of(index).guard;
    if (!own.is_limited) return;
    var buffer: [dns.name_text_bytes_max]u8 = undefined;
    const question = dns.parseQuestion(answer, &buffer) catch return;
    const tap = &taps.all[index];
    var records = dns.records(answer);
    while (records.next()) |record| {
        if (!mayStandFor(tap, record.address)) continue;
        own.policy.note(question.name, record.address, record.ttl_seconds, loop.now_ms);
    }
}

/// Whoever owns a name that is allowed says where it leads: not to the host, nor to what only its links know (such as
/// 169.254.169.254, where clouds tell secrets). A network that is allowed still is.
fn mayStandFor(tap: *const Tap, address: dns.Address) bool {
    const a: Address = switch (address) {
        .v4 => |bytes| .ofV4(bytes),
        .v6 => |bytes| .{ .bytes = bytes },
    };
    if (tap.isGateway(a) or tap.isDns(a) or tap.isOwn(a)) return false;
    if (address == .v6 and a.isV4()) return false; // nobody's address on a wire
    return !(a.isLoopback() or a.isUnspecified() or a.isMulticast() or a.isLinkLocal() or a.isEmbedded());
}

fn note(own: *Own, protocol: u8, to: Endpoint, is_allowed: bool) void {
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.REALTIME, &now);
    const name = switch (protocol) {
        packet.protocol.tcp => "tcp",
        packet.protocol.udp => "udp",
        else => "icmp",
    };
    var buffer: [160]u8 = undefined;
    const line = std.fmt.bufPrint(&buffer, "{{\"timeMs\":{d},\"protocol\":\"{s}\",\"to\":\"{f}\",\"allowed\":{}}}\n", .{
        now.sec * 1000 + @divFloor(now.nsec, 1_000_000), name, to, is_allowed,
    }) catch return;
    own.log_bytes += line.len;
    if (own.log_bytes <= log_bytes_max) _ = linux.write(own.log, line.ptr, line.len);
}

test "mayStandFor() leads no name to the host, or to what is near it" {
    const tap: Tap = .{
        .address4 = addresses.Prefix.parse("10.0.2.100/24"),
        .gateway4 = Address.parse("10.0.2.2"),
        .dns4 = Address.parse("10.0.2.3"),
        .gateway6 = Address.parse("fd00::2"),
    };
    for ([_][]const u8{ "198.51.100.7", "10.0.2.9", "192.168.1.1", "2001:db8::1" }) |text| {
        try std.testing.expect(mayStandFor(&tap, plain(Address.parse(text).?)));
    }
    for ([_][]const u8{
        "10.0.2.2", "10.0.2.3", "10.0.2.100", "127.0.0.1", "127.8.9.1", "0.0.0.0", "169.254.169.254",
        "fd00::2",  "::1",      "::",         "fe80::1",   "224.0.0.1", "ff02::1", "::7f00:1",
    }) |text| {
        try std.testing.expect(!mayStandFor(&tap, plain(Address.parse(text).?)));
    }
    try std.testing.expect(!mayStandFor(&tap, .{ .v6 = .{0} ** 10 ++ .{ 0xff, 0xff, 127, 0, 0, 1 } }));
}
