//! Whom a container may talk to, where somebody has said so: networks, and names by what they have resolved to through
//! our own forwarder. A name holds for the addresses it was last told, as long as their TTL says and a while longer, for
//! programs keep an address in use that they have asked for once. Pure but for the clock handed in; fixed memory.
const std = @import("std");
const message = @import("dns/message.zig");
const mem = std.mem;
const Address = message.Address;

/// The rules of one container; the front refuses more.
pub const rules_max = 64;
/// Addresses that names have resolved to: the oldest makes room.
const resolved_max = 512;
/// What a TTL is stretched to: a program that has just been told an address must have the time to use it, however short.
const grace_ms = 5 * 60 * 1000;
const ttl_seconds_max = 24 * 60 * 60;

pub const Rule = struct {
    to: union(enum) {
        network: struct { address: Address, prefix_length: u8 },
        /// Lower case; "*.example.org" is every name below that.
        name: []const u8,
    },
    /// 0: any.
    port: u16 = 0,
};

pub const Policy = struct {
    rules: []const Rule,
    resolved: [resolved_max]Resolved = @splat(.{}),

    const Resolved = struct { address: Address = .{ .v4 = @splat(0) }, rules: u64 = 0, until_ms: u64 = 0 };

    /// Whether the forwarder may ask for it: a name that no rule speaks of tells somebody outside what it says itself.
    pub fn allowsName(policy: *const Policy, name: []const u8) bool {
        return policy.rulesOf(name) != 0;
    }

    fn rulesOf(policy: *const Policy, name: []const u8) u64 {
        var found: u64 = 0;
        for (policy.rules[0..@min(policy.rules.len, rules_max)], 0..) |rule, index| {
            const is_meant = switch (rule.to) {
                .name => |pattern| matches(pattern, name),
                .network => false,
            };
            if (is_meant) found |= @as(u64, 1) << @intCast(index);
        }
        return found;
    }

    /// The container is told that `name` has this address.
    pub fn note(policy: *Policy, name: []const u8, address: Address, ttl_seconds: u32, now_ms: u64) void {
        const rules = policy.rulesOf(name);
        if (rules == 0) return;
        const until = now_ms + grace_ms + @as(u64, @min(ttl_seconds, ttl_seconds_max)) * 1000;
        var place = &policy.resolved[0];
        for (&policy.resolved) |*one| {
            if (one.until_ms > now_ms and same(one.address, address)) {
                one.rules |= rules;
                one.until_ms = @max(one.until_ms, until);
                return;
            }
            if (one.until_ms < place.until_ms) place = one;
        }
        place.* = .{ .address = address, .rules = rules, .until_ms = until };
    }

    /// Of a new flow: one that is there stays, whatever becomes of the name.
    pub fn allows(policy: *const Policy, address: Address, port: u16, now_ms: u64) bool {
        const named = policy.namedRules(address, now_ms);
        for (policy.rules[0..@min(policy.rules.len, rules_max)], 0..) |rule, index| {
            if (rule.port != 0 and rule.port != port) continue;
            const is_meant = switch (rule.to) {
                .network => |network| contains(network.address, network.prefix_length, address),
                .name => named >> @intCast(index) & 1 != 0,
            };
            if (is_meant) return true;
        }
        return false;
    }

    fn namedRules(policy: *const Policy, address: Address, now_ms: u64) u64 {
        for (&policy.resolved) |*one| {
            if (one.until_ms > now_ms and same(one.address, address)) return one.rules;
        }
        return 0;
    }
};

fn matches(pattern: []const u8, name: []const u8) bool {
    if (!mem.startsWith(u8, pattern, "*.")) return mem.eql(u8, pattern, name);
    return mem.endsWith(u8, name, pattern[1..]) and name.len > pattern.len - 1;
}

fn same(one: Address, other: Address) bool {
    return switch (one) {
        .v4 => |bytes| other == .v4 and mem.eql(u8, &bytes, &other.v4),
        .v6 => |bytes| other == .v6 and mem.eql(u8, &bytes, &other.v6),
    };
}

/// "::ffff:192.0.2.1" is nobody's address on a wire, and no other name of 192.0.2.1 here.
fn contains(network: Address, prefix_length: u8, address: Address) bool {
    const a: []const u8, const b: []const u8 = switch (network) {
        .v4 => if (address == .v4) .{ &network.v4, &address.v4 } else return false,
        .v6 => if (address == .v6) .{ &network.v6, &address.v6 } else return false,
    };
    const bits = @min(prefix_length, a.len * 8);
    const whole = bits / 8;
    if (!mem.eql(u8, a[0..whole], b[0..whole])) return false;
    const rest: u3 = @intCast(bits % 8);
    if (rest == 0) return true;
    const shift: u3 = @intCast(8 - @as(u4, rest));
    return a[whole] >> shift == b[whole] >> shift;
}

const testing = std.testing;

const example: []const Rule = &.{
    .{ .to = .{ .network = .{ .address = .{ .v4 = .{ 192, 0, 2, 128 } }, .prefix_length = 25 } } },
    .{ .to = .{ .network = .{ .address = .{ .v6 = .{ 0x20, 1 } ++ .{0} ** 14 }, .prefix_length = 16 } }, .port = 443 },
    .{ .to = .{ .name = "example.org" }, .port = 443 },
    .{ .to = .{ .name = "*.example.org" } },
};

test "allows() networks and ports that a rule names" {
    const policy: Policy = .{ .rules = example };
    try testing.expect(policy.allows(.{ .v4 = .{ 192, 0, 2, 129 } }, 1, 0));
    try testing.expect(!policy.allows(.{ .v4 = .{ 192, 0, 2, 127 } }, 1, 0));
    const v6: Address = .{ .v6 = .{ 0x20, 1 } ++ .{9} ** 14 };
    try testing.expect(policy.allows(v6, 443, 0));
    try testing.expect(!policy.allows(v6, 80, 0));
    const nobody: Policy = .{ .rules = &.{} };
    try testing.expect(!nobody.allows(v6, 443, 0));
}

test "allowsName() knows names and what is below them" {
    const policy: Policy = .{ .rules = example };
    for ([_][]const u8{ "example.org", "a.example.org", "b.a.example.org" }) |name| {
        try testing.expect(policy.allowsName(name));
    }
    for ([_][]const u8{ "example.com", "badexample.org", ".example.org.evil", "" }) |name| {
        try testing.expect(!policy.allowsName(name));
    }
}

test "note() lets a name's addresses in until their time is over, on its port" {
    var policy: Policy = .{ .rules = example };
    const address: Address = .{ .v4 = .{ 198, 51, 100, 1 } };
    policy.note("example.com", address, 60, 1000);
    try testing.expect(!policy.allows(address, 443, 1000));
    policy.note("example.org", address, 60, 1000);
    try testing.expect(policy.allows(address, 443, 1000));
    try testing.expect(!policy.allows(address, 80, 1000));
    const end = 1000 + grace_ms + 60_000;
    try testing.expect(policy.allows(address, 443, end - 1));
    try testing.expect(!policy.allows(address, 443, end));
    policy.note("a.example.org", address, 1, 2000);
    try testing.expect(policy.allows(address, 80, 2000));
}

test "note() makes room by forgetting what ends first" {
    var policy: Policy = .{ .rules = example };
    const address = struct {
        fn of(index: usize) Address {
            return .{ .v4 = .{ 10, 0, @intCast(index / 256), @intCast(index % 256) } };
        }
    }.of;
    for (0..resolved_max) |index| policy.note("example.org", address(index), @intCast(100 + index), 1);
    policy.note("example.org", address(resolved_max), 1000, 1);
    try testing.expect(!policy.allows(address(0), 443, 2));
    try testing.expect(policy.allows(address(1), 443, 2));
    try testing.expect(policy.allows(address(resolved_max), 443, 2));
}

test "fuzz: whatever names and addresses come, only what was noted is let in" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var policy: Policy = .{ .rules = example };
            var name: [64]u8 = undefined;
            var now: u64 = 1;
            for (0..32) |_| {
                const text = name[0..smith.slice(&name)];
                const is_named = policy.allowsName(text);
                const address: Address = .{ .v4 = .{ 198, 51, 100, @truncate(text.len) } };
                const before = policy.allows(address, 443, now);
                policy.note(text, address, @intCast(text.len), now);
                if (!is_named) try testing.expectEqual(before, policy.allows(address, 443, now));
                now += text.len;
            }
        }
    }.one, .{});
}
