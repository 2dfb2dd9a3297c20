//! Questions to the host's name servers that nobody has answered yet. A container knows one name server, us, and so its
//! libc has nobody else to ask: it is for us to ask the next one when a server is silent, gone or refuses, and to say so
//! (SERVFAIL) before the container's own patience ends.
//!
//! Not here: over TCP (dns_stream.zig).
const std = @import("std");
const dns = @import("dns/dns.zig");
const loop = @import("loop.zig");

pub const query_bytes_max = 512;
const questions_max = 256;
/// A server answers in that time, or the next one is asked.
const patience_ms = 1_000;
/// After that many tries the container is told: glibc and musl wait for five seconds.
const tries_max = 4;

pub const Question = struct {
    /// Of a UDP flow; the generation tells whether it is still the same. 0 is none.
    flow: u16 = 0,
    generation: u32 = 0,
    tries: u8 = 0,
    length: u16 = 0,
    due_ms: u64 = 0,
    /// Which server was asked (resolver.zig).
    server: usize = 0,
    bytes: [query_bytes_max]u8 = undefined,

    pub fn query(question: *const Question) []const u8 {
        return question.bytes[0..question.length];
    }
};

var all: [questions_max]Question = @splat(.{});
/// Of each, apart from them: every datagram looks for its question several times among what may be hundreds.
var keys: [questions_max]Key = undefined;

/// Whose it is, and its number.
const Key = packed struct(u64) { id: u16, flow: u16, generation: u32 };
/// All ones, which no place of a flow is.
const nobodys: Key = @bitCast(@as(u64, std.math.maxInt(u64)));

fn keyOf(flow: u16, generation: u32, id: *const [2]u8) Key {
    return .{ .id = std.mem.readInt(u16, id, .big), .flow = flow, .generation = generation };
}

fn indexOf(key: Key) ?usize {
    const words: []const u64 = @ptrCast(keys[0..used_to]);
    return std.mem.indexOfScalar(u64, words, @bitCast(key));
}
/// Places that were ever used, and how many are.
var used_to: usize = 0;
pub var count: usize = 0;

/// One more was asked. The same once more replaces the first: then it is the container that was not patient. Null: not kept.
pub fn note(flow: u16, generation: u32, query: []const u8, server: usize) ?*Question {
    if (query.len < 12 or query.len > query_bytes_max) return null;
    const place = find(flow, generation, query[0..2]) orelse take() orelse return null;
    place.* = .{
        .flow = flow,
        .generation = generation,
        .length = @intCast(query.len),
        .server = server,
        .tries = place.tries + 1,
    };
    @memcpy(place.bytes[0..query.len], query);
    keys[place - &all[0]] = keyOf(flow, generation, query[0..2]);
    wait(place);
    return place;
}

fn take() ?*Question {
    if (count == questions_max) return null;
    const index = indexOf(nobodys) orelse used_to;
    const place = &all[index];
    used_to = @max(used_to, index + 1);
    count += 1;
    place.tries = 0;
    return place;
}

fn wait(question: *Question) void {
    question.due_ms = loop.now_ms + patience_ms;
    loop.dueAt(question.due_ms);
}

/// The one with that number.
pub fn find(flow: u16, generation: u32, id: *const [2]u8) ?*Question {
    return if (count == 0) null else &all[indexOf(keyOf(flow, generation, id)) orelse return null];
}

/// Any of that flow's.
pub fn anyOf(flow: u16, generation: u32) ?*Question {
    if (count == 0) return null;
    for (keys[0..used_to], 0..) |key, i| {
        if (key.flow == flow and key.generation == generation) return &all[i];
    }
    return null;
}

/// It was asked once more, of that server.
pub fn again(question: *Question, server: usize) void {
    question.tries += 1;
    question.server = server;
    wait(question);
}

pub fn isHopeless(question: *const Question) bool {
    return question.tries >= tries_max;
}

pub fn forget(question: *Question) void {
    question.length = 0;
    keys[question - &all[0]] = nobodys;
    count -= 1;
}

pub fn forgetAllOf(flow: u16, generation: u32) void {
    while (anyOf(flow, generation)) |question| forget(question);
}

/// Calls `act` for each that has waited long enough.
pub fn sweep(act: *const fn (*Question) void) void {
    if (count == 0) return;
    for (all[0..used_to]) |*place| {
        if (place.length == 0) continue;
        if (place.due_ms <= loop.now_ms) act(place);
        if (place.length != 0) loop.dueAt(place.due_ms);
    }
}

/// Whether another server may know better (RFC 2308, section 7): libc asks the next one then, too.
pub fn isRefusal(answer: []const u8) bool {
    if (answer.len < 12) return false;
    const code = answer[3] & 0xf;
    return code == dns.Rcode.server_failure or code == dns.Rcode.refused or code == dns.Rcode.not_implemented;
}

test "a question is found by its flow and number, and forgotten once" {
    const query = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    const one = note(3, 7, query, 0).?;
    try std.testing.expectEqual(1, one.tries);
    try std.testing.expectEqual(null, find(3, 8, "\x12\x34"));
    try std.testing.expectEqual(one, find(3, 7, "\x12\x34").?);
    try std.testing.expectEqual(one, note(3, 7, query, 1).?);
    try std.testing.expectEqual(2, one.tries);
    try std.testing.expectEqual(1, count);
    forgetAllOf(3, 7);
    try std.testing.expectEqual(0, count);
    for (0..questions_max) |i| _ = note(@intCast(i), 1, query, 0).?;
    try std.testing.expectEqual(null, note(9999, 1, query, 0));
    for (0..questions_max) |i| forgetAllOf(@intCast(i), 1);
    try std.testing.expectEqual(0, count);
}
