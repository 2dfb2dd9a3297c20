//! A fixed number of flows, found by who talks to whom: slots in one array that is touched only as far as it was ever
//! used, and a hash table over them. Containers choose ports and addresses, so the hash has a secret.
const std = @import("std");
const linux = std.os.linux;
const taps = @import("taps.zig");
const Endpoint = @import("address.zig").Endpoint;

/// Who talks to whom: a port of the container (or an echo's id), and the far end as the container sees it.
pub const Key = extern struct {
    peer: Endpoint,
    port: u16,
    tap: u8 = 0,
    /// The protocol's number.
    protocol: u8,

    comptime {
        std.debug.assert(@sizeOf(Key) == 22); // no padding: it is hashed as bytes
    }

    pub fn eql(a: *const Key, b: *const Key) bool {
        return std.mem.eql(u8, std.mem.asBytes(a), std.mem.asBytes(b));
    }
};

const SipHash = std.crypto.auth.siphash.SipHash64(1, 3);
var secret: [SipHash.key_length]u8 = @splat(0);

/// Before the first flow.
pub fn seed() void {
    _ = linux.getrandom(&secret, secret.len, 0);
}

/// Where nobody can guess who does not know the secret; the same for the same key, so that with a clock added to it the
/// numbers of one pair of ends only ever grow (RFC 6528).
pub fn secretOf(key: *const Key) u32 {
    return @truncate(SipHash.toInt(std.mem.asBytes(key), &secret) >> 32);
}

pub fn hashOf(key: *const Key) u32 {
    return @truncate(SipHash.toInt(std.mem.asBytes(key), &secret));
}

/// Of a hash table: which slot, and the hash that led there.
const Place = packed struct(u64) {
    /// The slot's number plus one; 0: empty, as static memory is.
    slot: u32 = 0,
    hash: u32 = 0,
};

fn link(table: []Place, slot: u16, hash: u32) void {
    var i = hash % table.len;
    while (table[i].slot != 0) i = (i + 1) % table.len;
    table[i] = .{ .slot = @as(u32, slot) + 1, .hash = hash };
}

/// What follows it in the table moves up, so that nothing marks where it was.
fn unlink(table: []Place, slot: u16, hash: u32) void {
    var hole = hash % table.len;
    while (table[hole].slot != @as(u32, slot) + 1) hole = (hole + 1) % table.len;
    var i = hole;
    while (true) {
        i = (i + 1) % table.len;
        const place = table[i];
        if (place.slot == 0) break;
        const home = place.hash % table.len;
        if ((i + table.len - home) % table.len < (i + table.len - hole) % table.len) continue;
        table[hole] = place;
        hole = i;
    }
    table[hole] = .{};
}

/// Of several containers each may have as much as is left for the others: one alone half of all, two that are greedy a
/// third each, and whoever comes then finds a place. So with the places of a pool, and with descriptors.
fn isFair(tap: u8, count: u16, left: u16) bool {
    return taps.count <= 1 or (count < left and census.of_tap[tap] < census.descriptors_max -| census.total);
}

/// Of all pools together, for flows have a descriptor each.
pub var census: struct {
    /// What the host lets us have.
    descriptors_max: u64 = std.math.maxInt(u64),
    total: u32 = 0,
    of_tap: [256]u32 = @splat(0),

    fn add(all: *@This(), tap: u8) void {
        all.total += 1;
        all.of_tap[tap] += 1;
    }

    fn remove(all: *@This(), tap: u8) void {
        all.total -= 1;
        all.of_tap[tap] -= 1;
    }
} = .{};

/// One that was used before, or the next.
fn takeSlot(pool: anytype) ?u16 {
    if (pool.free_count > 0) {
        pool.free_count -= 1;
        return pool.free[pool.free_count];
    }
    if (pool.used_to == pool.flows.len) return null;
    pool.flows[pool.used_to].generation = 0;
    pool.used_to += 1;
    return pool.used_to - 1;
}

/// `Flow` has the fields `key: Key`, `hash: u32`, `generation: u32` and `is_used: bool`.
pub fn Pool(comptime Flow: type, comptime capacity: u16) type {
    return struct {
        const Self = @This();

        flows: [capacity]Flow = undefined,
        table: [std.math.ceilPowerOfTwoAssert(usize, @as(usize, capacity) * 2)]Place = @splat(.{}),
        /// Slots that are free again.
        free: [capacity]u16 = undefined,
        free_count: u16 = 0,
        /// Slots that were ever used.
        used_to: u16 = 0,
        count: u16 = 0,
        of_tap: [256]u16 = @splat(0),

        /// Null: all are in use. The new flow has its key, a new generation, and otherwise what `Flow` begins with.
        pub fn insert(pool: *Self, key: Key) ?*Flow {
            if (!isFair(key.tap, pool.of_tap[key.tap], capacity - pool.count)) return null;
            const slot = takeSlot(pool) orelse return null;
            const flow = &pool.flows[slot];
            const generation = flow.generation +% 1;
            flow.* = .{ .key = key, .hash = hashOf(&key), .generation = generation, .is_used = true };
            link(&pool.table, slot, flow.hash);
            pool.count += 1;
            pool.of_tap[key.tap] += 1;
            census.add(key.tap);
            return flow;
        }

        pub fn find(pool: *Self, key: *const Key) ?*Flow {
            const hash = hashOf(key);
            var i = hash % pool.table.len;
            while (pool.table[i].slot != 0) : (i = (i + 1) % pool.table.len) {
                if (pool.table[i].hash != hash) continue;
                const flow = &pool.flows[pool.table[i].slot - 1];
                if (flow.key.eql(key)) return flow;
            }
            return null;
        }

        pub fn remove(pool: *Self, flow: *Flow) void {
            unlink(&pool.table, pool.indexOf(flow), flow.hash);
            flow.is_used = false;
            pool.free[pool.free_count] = pool.indexOf(flow);
            pool.free_count += 1;
            pool.count -= 1;
            pool.of_tap[flow.key.tap] -= 1;
            census.remove(flow.key.tap);
        }

        pub fn indexOf(pool: *const Self, flow: *const Flow) u16 {
            return @intCast((@intFromPtr(flow) - @intFromPtr(&pool.flows)) / @sizeOf(Flow));
        }

        /// Null: that flow is no more.
        pub fn at(pool: *Self, index: usize, generation: u32) ?*Flow {
            const there = &pool.flows[index];
            return if (there.is_used and there.generation == generation) there else null;
        }

        /// All slots that were ever used; whoever goes through them asks `is_used`.
        pub fn all(pool: *Self) []Flow {
            return pool.flows[0..pool.used_to];
        }
    };
}

/// Slots that have something to be done for, each once, first come first served.
pub fn Queue(comptime capacity: u16) type {
    return struct {
        const Self = @This();
        const places = std.math.ceilPowerOfTwoAssert(usize, capacity);
        slots: [places]u16 = undefined,
        first: usize = 0,
        length: usize = 0,

        /// False: it is full, which only those can make it who come and go faster than it is looked at.
        pub fn push(queue: *Self, slot: u16) bool {
            if (queue.length == places) return false;
            queue.slots[(queue.first + queue.length) % places] = slot;
            queue.length += 1;
            return true;
        }

        pub fn pop(queue: *Self) ?u16 {
            if (queue.length == 0) return null;
            const slot = queue.slots[queue.first];
            queue.first = (queue.first + 1) % places;
            queue.length -= 1;
            return slot;
        }
    };
}

const TestFlow = struct { key: Key, hash: u32 = 0, generation: u32 = 0, is_used: bool = false, value: u32 = 0 };

test "a pool agrees with a list, whatever is put in and taken out" {
    const static = struct {
        var pool: Pool(TestFlow, 64) = .{};
    };
    const pool = &static.pool;
    var random_state: std.Random.DefaultPrng = .init(1);
    const random = random_state.random();
    var model: [256]bool = @splat(false);
    var count: usize = 0;
    for (0..50_000) |_| {
        const number = random.uintLessThan(u16, model.len);
        const key: Key = .{ .peer = .{ .port = number }, .port = 1, .protocol = 6 };
        const found = pool.find(&key);
        try std.testing.expectEqual(model[number], found != null);
        if (found) |flow| {
            if (random.boolean()) continue;
            pool.remove(flow);
            model[number] = false;
            count -= 1;
        } else if (pool.insert(key)) |flow| {
            try std.testing.expect(count < 64 and flow.value == 0);
            flow.value = number;
            model[number] = true;
            count += 1;
        } else try std.testing.expectEqual(64, count);
        try std.testing.expectEqual(count, pool.count);
    }
}

test "containers that take all they can leave something for the others" {
    const static = struct {
        var pool: Pool(TestFlow, 60) = .{};
    };
    taps.count = 4;
    defer taps.count = 0;
    const take = struct {
        fn all(tap: u8) usize {
            var count: u16 = 0;
            while (static.pool.insert(.{ .peer = .{ .port = count }, .port = 1, .tap = tap, .protocol = 6 })) |_| count += 1;
            return count;
        }
    }.all;
    try std.testing.expectEqual(30, take(0));
    try std.testing.expectEqual(15, take(1));
    try std.testing.expect(take(2) >= 7);
    for (static.pool.all()) |*flow| if (flow.key.tap == 0) static.pool.remove(flow);
    try std.testing.expect(take(3) >= 15);
    for (static.pool.all()) |*flow| if (flow.is_used) static.pool.remove(flow);
    const before = census.descriptors_max;
    census.descriptors_max = census.total + 20; // fewer than there are places
    defer census.descriptors_max = before;
    try std.testing.expectEqual(10, take(9));
    for (static.pool.all()) |*flow| if (flow.is_used) static.pool.remove(flow);
}

test "an event for what was there before is known" {
    const static = struct {
        var pool: Pool(TestFlow, 2) = .{};
    };
    const key: Key = .{ .peer = .{}, .port = 1, .protocol = 6 };
    const flow = static.pool.insert(key).?;
    const generation = flow.generation;
    try std.testing.expect(static.pool.at(0, generation) != null);
    static.pool.remove(flow);
    try std.testing.expectEqual(null, static.pool.at(0, generation));
    _ = static.pool.insert(key).?;
    try std.testing.expectEqual(null, static.pool.at(0, generation));
}
