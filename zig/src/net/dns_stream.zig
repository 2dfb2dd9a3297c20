//! Our name server over TCP (RFC 7766): who is told that an answer was cut, or has more to ask, comes here, and gets what
//! he would over UDP: names of ours, those that are refused, and the answers of the host's servers, which are passed on
//! message by message so that the egress policy hears them (guard.zig).
//!
//! A talk is one connection of a container's. Towards it there is a flow like any other, to a socket whose other end is
//! ours (pair.zig). One question at a time: the next one waits in the socket. Its server is asked over one connection,
//! which stays as long as the talk does; what more comes from it (a transfer of a zone is many messages) goes on, too.
const std = @import("std");
const dns = @import("dns/dns.zig");
const guard = @import("guard.zig");
const host = @import("host.zig");
const loop = @import("loop.zig");
const pair = @import("pair.zig");
const questions = @import("questions.zig");
const resolver = @import("resolver.zig");
const taps = @import("taps.zig");
const Endpoint = @import("address.zig").Endpoint;
const Tap = @import("tap.zig").Tap;
const linux = std.os.linux;

/// Most are a hundred bytes; signed updates of a zone are not for us.
const question_bytes_max = 4096;
const message_bytes_max = 65535;
const header_bytes = 12;
/// All take 2.2 MiB, as far as they are ever used.
const talks_max = 32;

/// A container that says nothing more, or does not listen.
const idle_ms = 10_000;
/// As in questions.zig; a server that has nobody after it may think for longer.
const patience_ms = 2_000;
const last_patience_ms = 5_000;

const Phase = enum { hearing, asking, telling };

const Talk = struct {
    is_used: bool = false,
    generation: u32 = 0,
    tap: u8 = 0,
    phase: Phase = .hearing,
    /// What is told is the answer, and not what more came from the server.
    is_answer: bool = false,
    /// The connection to the server was there before: it may have closed it meanwhile, which is no failure of its.
    is_reused: bool = false,
    is_connected: bool = false,
    tries: u8 = 0,
    fd: linux.fd_t = -1,
    server: linux.fd_t = -1,
    /// Of the question, with its length before it; of that to the server; of what comes from there; of that, told.
    heard: usize = 0,
    passed: usize = 0,
    received: usize = 0,
    told: usize = 0,
    due_ms: u64 = loop.never,

    fn memory(talk: *const Talk) *Memory {
        return &memories[indexOf(talk)];
    }

    fn question(talk: *const Talk) []const u8 {
        return talk.memory().question[2..talk.heard];
    }
};

const Memory = struct { question: [2 + question_bytes_max]u8, message: [2 + message_bytes_max]u8 };

var all: [talks_max]Talk = @splat(.{});
var memories: [talks_max]Memory = undefined;

fn indexOf(talk: *const Talk) usize {
    return (@intFromPtr(talk) - @intFromPtr(&all)) / @sizeOf(Talk);
}

fn at(index: usize, generation: u32) ?*Talk {
    const talk = &all[index];
    return if (talk.is_used and talk.generation == generation) talk else null;
}

pub fn isFor(tap: *const Tap, peer: Endpoint) bool {
    return peer.port == resolver.port and tap.isDns(peer.address);
}

/// A talk begins: the socket for its flow, the caller's. Null: there is none to be had.
pub fn begin(tap: *const Tap) ?linux.fd_t {
    const talk = place(tap.index) orelse return null;
    const ends = pair.make() orelse return null;
    talk.* = .{ .is_used = true, .generation = talk.generation +% 1, .tap = tap.index, .fd = ends[1] };
    _ = host.set(talk.fd, linux.IPPROTO.TCP, linux.TCP.NODELAY, 1);
    if (!loop.add(talk.fd, refOf(talk, .talk), loop.in)) {
        close(talk);
        _ = linux.close(ends[0]);
        return null;
    }
    dueIn(talk, idle_ms);
    return ends[0];
}

/// Of several containers each may have as many as are left for the others; one more ends the one that would end first of
/// its own.
fn place(tap: u8) ?*Talk {
    var free: ?*Talk = null;
    var first: ?*Talk = null;
    var left: usize = 0;
    var own: usize = 0;
    for (&all) |*talk| {
        if (!talk.is_used) {
            free = free orelse talk;
            left += 1;
        } else if (talk.tap == tap) {
            own += 1;
            if (first == null or talk.due_ms < first.?.due_ms) first = talk;
        }
    }
    if (left > 0 and (taps.count <= 1 or own < left)) return free;
    close(first orelse return null);
    return first;
}

fn refOf(talk: *const Talk, kind: loop.Kind) loop.Ref {
    return .{ .kind = kind, .index = @intCast(indexOf(talk)), .generation = talk.generation };
}

fn watch(talk: *const Talk, events: u32) void {
    loop.change(talk.fd, refOf(talk, .talk), events);
}

fn watchServer(talk: *const Talk, events: u32) void {
    if (talk.server >= 0) loop.change(talk.server, refOf(talk, .talk_server), events);
}

fn dueIn(talk: *Talk, ms: u64) void {
    talk.due_ms = loop.now_ms + ms;
    loop.dueAt(talk.due_ms);
}

// The container -----------------------------------------------------------------------------------------------

pub fn handle(index: usize, generation: u32, events: u32) void {
    const talk = at(index, generation) orelse return;
    if (events & loop.failed != 0) return close(talk);
    switch (talk.phase) {
        .hearing => hear(talk),
        .asking => {},
        .telling => tellOn(talk),
    }
}

const Step = enum { whole, waits, ended, failed };

/// More of a message and of the length before it.
fn receive(fd: linux.fd_t, into: []u8, used: *usize) Step {
    while (true) {
        const wanted = if (used.* < 2) 2 else 2 + @as(usize, std.mem.readInt(u16, into[0..2], .big));
        if (used.* >= 2 and (wanted > into.len or wanted < 2 + header_bytes)) return .failed;
        if (used.* == wanted) return .whole;
        const n = linux.recvfrom(fd, into[used.*..].ptr, wanted - used.*, linux.MSG.DONTWAIT, null, null);
        switch (linux.errno(n)) {
            .SUCCESS => if (n == 0) return .ended,
            .INTR => continue,
            .AGAIN => return .waits,
            else => return .failed,
        }
        used.* += n;
    }
}

fn hear(talk: *Talk) void {
    const before = talk.heard;
    switch (receive(talk.fd, &talk.memory().question, &talk.heard)) {
        .whole => decide(talk),
        .waits => if (talk.heard > before) dueIn(talk, idle_ms),
        .ended => close(talk),
        .failed => abort(talk), // a length that no question has
    }
}

fn decide(talk: *Talk) void {
    watch(talk, 0);
    if (talk.received > 0) closeServer(talk); // in the middle of what nobody has asked for now
    const out = talk.memory().message[2..];
    if (resolver.reply(&taps.all[talk.tap], talk.question(), out)) |reply| return answer(talk, reply);
    talk.tries = 0;
    talk.phase = .asking;
    talk.passed = 0;
    talk.is_reused = talk.server >= 0;
    if (!talk.is_reused) return ask(talk);
    wait(talk);
    pass(talk);
}

/// `reply` lies where messages do.
fn answer(talk: *Talk, reply: []const u8) void {
    if (reply.len == 0) return abort(talk); // it is nothing that may be answered
    talk.is_answer = true;
    tell(talk, reply.len);
}

fn tell(talk: *Talk, bytes: usize) void {
    std.mem.writeInt(u16, talk.memory().message[0..2], @intCast(bytes), .big);
    talk.received = 2 + bytes;
    talk.told = 0;
    talk.phase = .telling;
    watchServer(talk, 0);
    dueIn(talk, idle_ms);
    tellOn(talk);
}

fn tellOn(talk: *Talk) void {
    while (talk.told < talk.received) {
        const rest = talk.memory().message[talk.told..talk.received];
        const n = linux.sendto(talk.fd, rest.ptr, rest.len, linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL, null, 0);
        switch (linux.errno(n)) {
            .SUCCESS => talk.told += n,
            .INTR => {},
            .AGAIN => return watch(talk, loop.out),
            else => return close(talk),
        }
    }
    talk.received = 0;
    if (talk.is_answer) talk.heard = 0;
    talk.is_answer = false;
    talk.phase = .hearing;
    watch(talk, loop.in);
    watchServer(talk, loop.in);
}

// The server --------------------------------------------------------------------------------------------------

fn serversOf(talk: *const Talk) *resolver.List {
    return resolver.listOf(talk.tap);
}

fn hasOthers(talk: *const Talk) bool {
    return talk.tries < serversOf(talk).count;
}

fn wait(talk: *Talk) void {
    dueIn(talk, if (hasOthers(talk)) patience_ms else last_patience_ms);
}

/// Whoever is next. Nobody left to ask: that is told.
fn ask(talk: *Talk) void {
    while (talk.tries == 0 or hasOthers(talk)) {
        const to = resolver.server(talk.tap) orelse break;
        talk.tries += 1;
        if (connect(talk, to)) return wait(talk);
        turn(talk);
    }
    const out = talk.memory().message[2..];
    answer(talk, dns.refuse(talk.question(), dns.Rcode.server_failure, out));
}

fn turn(talk: *const Talk) void {
    const servers = serversOf(talk);
    servers.current = servers.after(servers.current);
}

fn connect(talk: *Talk, to: Endpoint) bool {
    const fd = host.socket(to.address, linux.SOCK.STREAM, 0) orelse return false;
    const e = host.connect(fd, to);
    const is_begun = e == .SUCCESS or e == .INPROGRESS;
    if (!is_begun or !loop.add(fd, refOf(talk, .talk_server), loop.in | loop.out)) {
        _ = linux.close(fd);
        return false;
    }
    _ = host.set(fd, linux.IPPROTO.TCP, linux.TCP.NODELAY, 1);
    talk.server = fd;
    talk.is_connected = false;
    talk.is_reused = false;
    talk.passed = 0;
    talk.received = 0;
    return true;
}

fn closeServer(talk: *Talk) void {
    if (talk.server >= 0) _ = linux.close(talk.server);
    talk.server = -1;
    if (talk.phase != .telling) talk.received = 0;
}

/// Another one is asked, or the same once more when only its connection was old.
fn askNext(talk: *Talk) void {
    if (!talk.is_reused) turn(talk);
    closeServer(talk);
    ask(talk);
}

pub fn handleServer(index: usize, generation: u32, events: u32) void {
    const talk = at(index, generation) orelse return;
    if (talk.server < 0) return; // told of before it was closed
    switch (talk.phase) {
        .telling => closeServer(talk),
        .hearing => hearServer(talk),
        .asking => {
            if (events & loop.failed != 0 and host.errorOf(talk.server) != .SUCCESS) return askNext(talk);
            if (!talk.is_connected and events & loop.out == 0) return;
            talk.is_connected = true;
            if (talk.passed < talk.heard) pass(talk) else hearServer(talk);
        },
    }
}

fn pass(talk: *Talk) void {
    while (talk.passed < talk.heard) {
        const rest = talk.memory().question[talk.passed..talk.heard];
        const n = linux.sendto(talk.server, rest.ptr, rest.len, linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL, null, 0);
        switch (linux.errno(n)) {
            .SUCCESS => talk.passed += n,
            .INTR => {},
            .AGAIN => return watchServer(talk, loop.in | loop.out),
            else => return askNext(talk),
        }
    }
    watchServer(talk, loop.in);
}

fn hearServer(talk: *Talk) void {
    const is_asking = talk.phase == .asking;
    const message = &talk.memory().message;
    switch (receive(talk.server, message, &talk.received)) {
        .waits => return,
        .ended, .failed => return if (is_asking) askNext(talk) else closeServer(talk),
        .whole => {},
    }
    const bytes = message[2..talk.received];
    guard.hear(talk.tap, bytes);
    if (is_asking and questions.isRefusal(bytes) and hasOthers(talk)) {
        talk.is_reused = false; // it is the server that does not want to
        return askNext(talk);
    }
    talk.is_answer = is_asking;
    tell(talk, bytes.len);
}

// The end -----------------------------------------------------------------------------------------------------

fn close(talk: *Talk) void {
    closeServer(talk);
    _ = linux.close(talk.fd);
    talk.is_used = false;
}

fn abort(talk: *Talk) void {
    host.resetOnClose(talk.fd);
    close(talk);
}

/// A container's that has left.
pub fn closeOf(tap: u8) void {
    for (&all) |*talk| if (talk.is_used and talk.tap == tap) close(talk);
}

pub fn sweep() void {
    for (&all) |*talk| {
        if (!talk.is_used) continue;
        if (talk.due_ms <= loop.now_ms) switch (talk.phase) {
            .hearing => close(talk),
            .asking => askNext(talk),
            .telling => abort(talk),
        };
        if (talk.is_used) loop.dueAt(talk.due_ms);
    }
}

test {
    _ = @import("dns_stream_test.zig");
}
