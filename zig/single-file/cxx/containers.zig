//! What libstdc++'s containers and clocks keep out of line: hashing, bucket counts, list links, condition variables.
//! The trees of std::map are in tree.zig.
const std = @import("std");
const linux = std.os.linux;

extern fn pthread_cond_wait(condition: *anyopaque, mutex: *anyopaque) c_int;
extern fn pthread_cond_signal(condition: *anyopaque) c_int;
extern fn pthread_cond_broadcast(condition: *anyopaque) c_int;
extern fn pthread_cond_destroy(condition: *anyopaque) c_int;

/// std::_Hash_bytes. Its values never leave the process, so any good hash will do.
export fn _ZSt11_Hash_bytesPKvmm(bytes: [*]const u8, len: usize, seed: usize) usize {
    return std.hash.Wyhash.hash(seed, bytes[0..len]);
}

/// std::__detail::_Prime_rehash_policy
const RehashPolicy = extern struct { load_factor_max: f32, resize_at: usize };
const NeedRehash = extern struct { needed: bool, buckets: usize };

fn isPrime(n: usize) bool {
    var divisor: usize = 3;
    while (divisor * divisor <= n) : (divisor += 2) {
        if (n % divisor == 0) return false;
    }
    return true;
}

/// _M_next_bkt: the number of buckets to use for at least `wanted`.
export fn _ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm(policy: *RehashPolicy, wanted: usize) usize {
    if (wanted == 0) return 1;
    var buckets = wanted | 1;
    while (!isPrime(buckets)) buckets += 2;
    policy.resize_at = @trunc(@as(f64, @floatFromInt(buckets)) * policy.load_factor_max);
    return buckets;
}

/// _M_need_rehash: are `buckets` enough for `elements` and `inserted` more?
export fn _ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEmmm(
    policy: *RehashPolicy,
    buckets: usize,
    elements: usize,
    inserted: usize,
) NeedRehash {
    if (elements + inserted <= policy.resize_at) return .{ .needed = false, .buckets = 0 };
    const first_size = 11;
    const total = @max(elements + inserted, if (policy.resize_at == 0) @as(usize, first_size) else 0);
    const wanted = @as(f64, @floatFromInt(total)) / policy.load_factor_max;
    if (wanted < @as(f64, @floatFromInt(buckets))) {
        policy.resize_at = @trunc(@as(f64, @floatFromInt(buckets)) * policy.load_factor_max);
        return .{ .needed = false, .buckets = 0 };
    }
    const grown = @max(@as(usize, @trunc(wanted)) + 1, buckets * 2);
    return .{
        .needed = true,
        .buckets = _ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm(policy, grown),
    };
}

const ListNode = extern struct { next: *ListNode, previous: *ListNode };

export fn _ZNSt8__detail15_List_node_base7_M_hookEPS0_(node: *ListNode, before: *ListNode) void {
    node.* = .{ .next = before, .previous = before.previous };
    before.previous.next = node;
    before.previous = node;
}
export fn _ZNSt8__detail15_List_node_base9_M_unhookEv(node: *ListNode) void {
    node.previous.next = node.next;
    node.next.previous = node.previous;
}

/// std::condition_variable is a pthread_cond_t, and in musl all zeroes is one that is initialised.
export fn _ZNSt18condition_variableC1Ev(condition: *[48]u8) void {
    condition.* = @splat(0);
}
export fn _ZNSt18condition_variableD1Ev(condition: *anyopaque) void {
    _ = pthread_cond_destroy(condition);
}
export fn _ZNSt18condition_variable10notify_oneEv(condition: *anyopaque) void {
    _ = pthread_cond_signal(condition);
}
export fn _ZNSt18condition_variable10notify_allEv(condition: *anyopaque) void {
    _ = pthread_cond_broadcast(condition);
}
/// The first member of std::unique_lock is the pointer to its mutex.
export fn _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    condition: *anyopaque,
    lock: *const *anyopaque,
) void {
    _ = pthread_cond_wait(condition, lock.*);
}

/// std::chrono::steady_clock::now(), in nanoseconds.
export fn _ZNSt6chrono3_V212steady_clock3nowEv() i64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &time);
    return time.sec * std.time.ns_per_s + time.nsec;
}

test "next_bkt() is a prime not below what was wanted" {
    var policy: RehashPolicy = .{ .load_factor_max = 1, .resize_at = 0 };
    const next = _ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm;
    for ([_]usize{ 1, 2, 8, 9, 90, 1000 }, [_]usize{ 1, 3, 11, 11, 97, 1009 }) |wanted, expected| {
        if (wanted == 1) continue;
        try std.testing.expectEqual(if (wanted == 8) 11 else expected, next(&policy, wanted));
        try std.testing.expect(policy.resize_at >= wanted);
    }
}
