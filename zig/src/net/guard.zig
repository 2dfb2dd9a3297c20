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
const texts = @import("texts.zig");
const linux = std.os.linux;
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;

var rules: [egress.rules_max]egress.Rule = undefined;
var policy: egress.Policy = .{ .rules = &.{} };
/// Otherwise everything is allowed.
var is_limited = false;
var log: linux.fd_t = -1;
/// A log is no way to fill a disk.
const log_bytes_max = 16 << 20;
var log_bytes: usize = 0;

pub fn set(asked: *const config.Egress) sys.Error!void {
    if (asked.log) |path| {
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .APPEND = true, .CREAT = true, .CLOEXEC = true, .NOFOLLOW = true };
        log = try sys.checkFd("open", path, linux.open(path, flags, 0o600));
    }
    const allowed = asked.allow orelse return;
    if (allowed.len > rules.len) return sys.failFormat("network", "more than {d} egress rules", .{rules.len});
    for (allowed, 0..) |*rule, i| rules[i] = try ruleOf(rule);
    policy.rules = rules[0..allowed.len];
    is_limited = true;
}

fn ruleOf(asked: *const config.EgressRule) sys.Error!egress.Rule {
    if (asked.name) |name| return .{ .to = .{ .name = try texts.keep(name) }, .port = asked.port };
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
pub fn allows(protocol: u8, to: Endpoint) bool {
    const is_allowed = !is_limited or policy.allows(plain(to.address), to.port, loop.now_ms);
    if (log >= 0 and (!is_limited or !is_allowed)) note(protocol, to, is_allowed);
    return is_allowed;
}

pub fn allowsName(name: []const u8) bool {
    return !is_limited or policy.allowsName(name);
}

/// A name server's answer, on its way to the container.
pub fn hear(answer: []const u8) void {
    if (!is_limited) return;
    var buffer: [dns.name_text_bytes_max]u8 = undefined;
    const question = dns.parseQuestion(answer, &buffer) catch return;
    var records = dns.records(answer);
    while (records.next()) |record| policy.note(question.name, record.address, record.ttl_seconds, loop.now_ms);
}

fn note(protocol: u8, to: Endpoint, is_allowed: bool) void {
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
    log_bytes += line.len;
    if (log_bytes <= log_bytes_max) _ = linux.write(log, line.ptr, line.len);
}
