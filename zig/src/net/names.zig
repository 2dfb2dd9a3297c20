//! Names of the containers of a network, and what each may see besides: a container that is on several networks resolves
//! names of all of them, whichever it asks. Its monitor hears the names of each and passes them on to the others.
//!
//! What is passed on is a list of records: the length of a name, the name, 4 or 16, that many bytes of an address.
const std = @import("std");
const sys = @import("../sys.zig");
const dns = @import("dns/dns.zig");
const guard = @import("guard.zig");
const states = @import("states.zig");
const taps = @import("taps.zig");
const Address = @import("address.zig").Address;
const Tap = @import("tap.zig").Tap;

/// Of one container on one network: its name, its short id, its aliases.
pub const own_max = 64;
const own_bytes_max = 4096;
const name_bytes_max = 253; // RFC 1035
/// Names of other networks that one container sees. What does not fit is not seen.
const others_bytes_max = 32 * 1024;
/// Other networks of one container.
pub const others_max = 16;
/// Of all records of a network.
pub const packet_bytes_max = 64 * 1024;
/// The first byte of what the process of a container's own network is told; the number of the other network follows, and
/// its names. No resolv.conf(5), which comes over the same socket, begins so.
pub const to_own = 0;

pub const Own = struct {
    names: [own_max][]const u8,
    count: usize,
    text: [own_bytes_max]u8,
    /// The records of each of its other networks, one after the other.
    others: [others_bytes_max]u8,
    lengths: [others_max]u16,
};

pub fn set(index: u8, given: []const [:0]const u8) sys.Error!void {
    const own = &states.of(index).resolver.names;
    own.count = 0;
    var used: usize = 0;
    for (given) |name| try add(own, &used, name);
}

/// The same as a list: the length of each, and it.
pub fn setList(index: u8, list: []const u8) sys.Error!void {
    const own = &states.of(index).resolver.names;
    own.count = 0;
    var used: usize = 0;
    var rest = list;
    while (rest.len > 0) {
        const end = 1 + @as(usize, rest[0]);
        if (end > rest.len) return sys.fail("network", "a list of names makes no sense");
        try add(own, &used, rest[1..end]);
        rest = rest[end..];
    }
}

fn add(own: *Own, used: *usize, name: []const u8) sys.Error!void {
    if (name.len == 0 or name.len > name_bytes_max) return sys.failFormat("network", "\"{s}\" is no name", .{name});
    if (own.count == own_max or name.len > own.text.len - used.*) {
        return sys.failFormat("network", "a container can have {d} names on a network, of {d} bytes together", .{
            own_max, own_bytes_max,
        });
    }
    const kept = own.text[used.*..][0..name.len];
    @memcpy(kept, name);
    own.names[own.count] = kept;
    own.count += 1;
    used.* += name.len;
}

pub fn forget(index: u8) void {
    const own = &states.of(index).resolver.names;
    own.count = 0;
    own.lengths = @splat(0);
}

/// Addresses of a name, as many as there is room for: how many. Those of a name that several have come in turns.
pub fn find(tap: *const Tap, name: []const u8, out: []dns.Address) usize {
    var count: usize = 0;
    for (taps.used()) |*member| {
        if (member.fd < 0 or !has(member, name)) continue;
        for ([_]?Address{ addressOf(member, true), addressOf(member, false) }) |address| {
            if (count == out.len) break;
            out[count] = guard.plain(address orelse continue);
            count += 1;
        }
    }
    var records: Records = .of(tap.index);
    while (records.next()) |record| {
        if (count == out.len) break;
        if (!std.ascii.eqlIgnoreCase(record.name, name)) continue;
        out[count] = guard.plain(record.address);
        count += 1;
    }
    if (count > 1) std.mem.rotate(dns.Address, out[0..count], nextTurn() % count);
    return count;
}

fn nextTurn() usize {
    const last = struct {
        var turn: usize = 0;
    };
    last.turn +%= 1;
    return last.turn;
}

fn has(member: *const Tap, name: []const u8) bool {
    const own = &states.of(member.index).resolver.names;
    for (own.names[0..own.count]) |one| if (std.ascii.eqlIgnoreCase(one, name)) return true;
    return false;
}

fn addressOf(member: *const Tap, is_v4: bool) ?Address {
    const prefix = (if (is_v4) member.address4 else member.address6) orelse return null;
    return prefix.address;
}

/// The first name of whoever has that address.
pub fn nameOf(tap: *const Tap, address: Address) ?[]const u8 {
    if (taps.findByAddress(address)) |member| {
        const own = &states.of(member.index).resolver.names;
        return if (own.count > 0) own.names[0] else null;
    }
    var records: Records = .of(tap.index);
    while (records.next()) |record| if (record.address.eql(address)) return record.name;
    return null;
}

// Passed on ---------------------------------------------------------------------------------------------------

/// All of this network. What does not fit is left out.
pub fn write(out: []u8) []const u8 {
    var used: usize = 0;
    for (taps.used()) |*member| {
        if (member.fd < 0) continue;
        const own = &states.of(member.index).resolver.names;
        for (own.names[0..own.count]) |name| {
            for ([_]?Address{ addressOf(member, true), addressOf(member, false) }) |one| {
                const address = one orelse continue;
                const bytes = if (address.isV4()) address.bytes[12..] else address.bytes[0..];
                const length = 2 + name.len + bytes.len;
                if (length > out.len - used) return out[0..used];
                out[used] = @intCast(name.len);
                @memcpy(out[used + 1 ..][0..name.len], name);
                out[used + 1 + name.len] = @intCast(bytes.len);
                @memcpy(out[used + 2 + name.len ..][0..bytes.len], bytes);
                used += length;
            }
        }
    }
    return out[0..used];
}

/// The names of another network of this container's, in the place of those it had.
pub fn replace(index: u8, other: u8, records: []const u8) void {
    if (other >= others_max) return;
    const own = &states.of(index).resolver.names;
    var start: usize = 0;
    for (own.lengths[0..other]) |length| start += length;
    var end: usize = 0;
    for (own.lengths) |length| end += length;
    const old = own.lengths[other];
    const rest = own.others[start + old .. end];
    const new = records[0..@min(records.len, own.others.len - start - rest.len)];
    @memmove(own.others[start + new.len ..][0..rest.len], rest);
    @memcpy(own.others[start..][0..new.len], new);
    own.lengths[other] = @intCast(new.len);
}

const Record = struct { name: []const u8, address: Address };

/// A list that ends early, or makes no sense, ends there.
const Records = struct {
    own: *const Own,
    rest: []const u8 = "",
    next_list: usize = 0,
    start: usize = 0,

    fn of(index: u8) Records {
        return .{ .own = &states.of(index).resolver.names };
    }

    fn next(all: *Records) ?Record {
        while (true) {
            if (take(&all.rest)) |record| return record;
            if (all.next_list == others_max) return null;
            const length = all.own.lengths[all.next_list];
            all.rest = all.own.others[all.start..][0..length];
            all.start += length;
            all.next_list += 1;
        }
    }

    fn take(rest: *[]const u8) ?Record {
        const bytes = rest.*;
        rest.* = "";
        if (bytes.len < 1) return null;
        const name_end = 1 + @as(usize, bytes[0]);
        if (bytes.len <= name_end) return null;
        const end = name_end + 1 + @as(usize, bytes[name_end]);
        if (bytes.len < end) return null;
        const address: Address = switch (bytes[name_end]) {
            4 => .ofV4(bytes[name_end + 1 ..][0..4].*),
            16 => .{ .bytes = bytes[name_end + 1 ..][0..16].* },
            else => return null,
        };
        rest.* = bytes[end..];
        return .{ .name = bytes[1..name_end], .address = address };
    }
};

const record_a = "\x01a\x04\x0a\x00\x00\x01";
const record_b = "\x02bb\x10" ++ "\xfd" ** 16;

test "replace() keeps the lists of the others, whatever their order" {
    forget(0);
    defer forget(0);
    const tap: Tap = .{};
    var found: [4]dns.Address = undefined;
    replace(0, 2, record_a);
    replace(0, 1, record_b ++ record_a);
    try std.testing.expectEqual(2, find(&tap, "A", &found));
    try std.testing.expectEqual(1, find(&tap, "bb", &found));
    replace(0, 1, "");
    try std.testing.expectEqual(1, find(&tap, "a", &found));
    try std.testing.expectEqual(0, find(&tap, "bb", &found));
    try std.testing.expectEqualStrings("a", nameOf(&tap, .ofV4(.{ 10, 0, 0, 1 })).?);
    replace(0, 200, record_a);
}

test "lists that are damaged end, and lead nowhere else" {
    forget(0);
    defer forget(0);
    const tap: Tap = .{};
    var random_state: std.Random.DefaultPrng = .init(3);
    const random = random_state.random();
    for (0..5_000) |_| {
        var list = (record_a ++ record_b ++ record_a ++ record_b).*;
        for (0..3) |_| list[random.uintLessThan(usize, list.len)] = random.int(u8);
        replace(0, random.uintLessThan(u8, others_max + 2), list[0..random.uintLessThan(usize, list.len)]);
        var found: [8]dns.Address = undefined;
        _ = find(&tap, "a", &found);
        _ = nameOf(&tap, .ofV4(.{ 10, 0, 0, 1 }));
    }
}
