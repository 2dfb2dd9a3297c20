//! Acknowledgements that wait for an answer. A program that asks in one segment and is answered soon hears with the answer
//! that it was heard (RFC 1122, section 4.2.3.2): a frame less in each round trip. It is found out of each flow whether it
//! is like that; one whose answer came late once is told at once ever after, so that nobody whose kernel collects small
//! segments until it has heard of the last one (Nagle) waits for us twice.
const std = @import("std");
const linux = std.os.linux;
const loop = @import("../loop.zig");
const pools = @import("../pool.zig");
const flows = @import("flow.zig");
const Flow = flows.Flow;

/// Linux waits 40 ms or more.
const patience_ms = 10;
/// So many in a row make such a flow.
const habit = 4;
const question_bytes_max = 4096;

/// Those who may be owed an acknowledgement that waits.
var waiting: pools.Queue(flows.flows_max) = .{};

/// Data has come, and is about to be taken.
pub fn expect(flow: *Flow, bytes: usize) void {
    const is_first = flow.acknowledged == flow.seq_from;
    flow.questions = if (flow.questions == 0) 1 else 2;
    flow.asked_ms = @truncate(loop.now_ms);
    const may_wait = is_first and bytes <= question_bytes_max and flow.answers >= habit and !flow.is.late;
    if (!may_wait or !hold(flow)) flows.owe(flow);
}

fn hold(flow: *Flow) bool {
    if (!flow.is.awaiting) {
        flow.is.awaiting = waiting.push(flows.pool.indexOf(flow));
        loop.dueAt(loop.now_ms + patience_ms);
    }
    return flow.is.awaiting;
}

/// Data goes to the container, and with it what it is owed.
pub fn note(flow: *Flow) void {
    if (flow.questions == 0) return;
    const is_prompt = flow.questions == 1 and ageOf(flow) < patience_ms;
    flow.answers = if (is_prompt) flow.answers +| 1 else 0;
    flow.questions = 0;
}

fn ageOf(flow: *const Flow) u32 {
    return @as(u32, @truncate(loop.now_ms)) -% flow.asked_ms;
}

/// Whoever has waited long enough is told.
pub fn sweep() void {
    for (0..waiting.length) |_| {
        const slot = waiting.pop() orelse return;
        const flow = &flows.pool.flows[slot];
        if (!flow.is_used or !flow.is.awaiting) continue;
        flow.is.awaiting = false;
        if (flow.state != .open or flow.acknowledged == flow.seq_from) continue;
        const age = ageOf(flow);
        if (age >= patience_ms) {
            flow.is.late = true;
            if (flows.sendSegment(flow, flow.seq_to, .{}, 0)) continue;
        }
        flow.is.awaiting = waiting.push(slot);
        loop.dueAt(loop.now_ms + @max(1, patience_ms -| age)); // at least: what the TAP had no room for is sent again
    }
}

const TestWorld = struct {
    const host = @import("../host.zig");
    const packet = @import("../packet.zig");
    const taps = @import("../taps.zig");
    const addresses = @import("../address.zig");

    frames: linux.fd_t,
    far: linux.fd_t,
    flow: *Flow,
    before_ms: u64,

    fn make() !TestWorld {
        var frames: [2]i32 = undefined;
        _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.NONBLOCK, 0, &frames);
        taps.all[0] = .{ .fd = frames[0], .address4 = addresses.Prefix.parse("10.0.2.100/24") };
        const near, const far = @import("../pair.zig").make() orelse return error.SkipZigTest;
        const peer: addresses.Endpoint = .{ .address = .ofV4(.{ 192, 0, 2, 1 }), .port = 80 };
        const flow = flows.pool.insert(.{ .peer = peer, .port = 4000, .protocol = packet.protocol.tcp }).?;
        flows.open(flow, near);
        flow.state = .open;
        flow.mss = 1400;
        flow.window_from = 8000;
        flow.window_end = 1 << 16;
        return .{ .frames = frames[1], .far = far, .flow = flow, .before_ms = loop.now_ms };
    }

    fn close(world: *const TestWorld) void {
        flows.close(world.flow);
        for ([_]linux.fd_t{ world.frames, world.far, taps.all[0].fd }) |fd| _ = linux.close(fd);
        taps.all[0] = .{};
        waiting = .{};
        loop.now_ms = world.before_ms;
    }

    /// It becomes a flow that has the habit.
    fn converse(world: *const TestWorld) !void {
        for (0..habit) |_| {
            try std.testing.expectEqual(1, world.ask());
            try std.testing.expectEqual(1, world.answer());
        }
    }

    /// The program inside says something and has heard everything so far. How many frames come of it at once.
    fn ask(world: *const TestWorld) usize {
        const flow = world.flow;
        @import("from_container.zig").takeOpen(flow, &.{
            .source = 4000,
            .destination = 80,
            .seq = flow.seq_from,
            .ack = flow.seq_to,
            .flags = .{ .ack = true },
            .window = 8000,
            .urgent = 0,
            .options = "",
            .data = "?",
        });
        flows.settle();
        return world.count();
    }

    fn answer(world: *const TestWorld) usize {
        _ = linux.write(world.far, "!", 1);
        @import("socket.zig").handle(world.flow, loop.in);
        flows.settle();
        return world.count();
    }

    fn count(world: *const TestWorld) usize {
        var got: [256]u8 = undefined;
        var frames: usize = 0;
        while (linux.errno(linux.read(world.frames, &got, got.len)) == .SUCCESS) frames += 1;
        return frames;
    }
};

test "who asks once and is answered soon hears of both in one frame, until an answer is late" {
    const expectEqual = std.testing.expectEqual;
    const world: TestWorld = try .make();
    defer world.close();
    try world.converse();
    for (0..100) |_| { // longer than anybody waits
        loop.now_ms += 1;
        try expectEqual(0, world.ask());
        sweep();
        try expectEqual(0, world.count());
        try expectEqual(1, world.answer());
    }
    try expectEqual(0, world.ask());
    try expectEqual(1, world.ask()); // what follows without an answer is no question
    for (0..habit) |_| {
        try expectEqual(1, world.answer());
        try expectEqual(1, world.ask());
    }
    try expectEqual(1, world.answer());
    try expectEqual(0, world.ask());
    loop.now_ms += patience_ms;
    sweep();
    try expectEqual(1, world.count());
    for (0..2 * habit) |_| {
        try expectEqual(1, world.answer());
        try expectEqual(1, world.ask());
    }
}

test "what the TAP has no room for is sent later" {
    const expectEqual = std.testing.expectEqual;
    const world: TestWorld = try .make();
    defer world.close();
    try world.converse();
    try expectEqual(0, world.ask());
    while (linux.errno(linux.write(TestWorld.taps.all[0].fd, "full", 4)) == .SUCCESS) {}
    loop.now_ms += patience_ms;
    sweep();
    _ = world.count();
    loop.now_ms += 1;
    sweep();
    try expectEqual(1, world.count());
    loop.now_ms += patience_ms;
    sweep();
    try expectEqual(0, world.count());
}
