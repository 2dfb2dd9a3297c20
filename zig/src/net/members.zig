//! Who is on a network: each member is a connection to the network's socket, made by the monitor of a container, and is a
//! member as long as that is open. Packets, the first byte tells which:
//!
//! From the monitor: "{" a `Join` with the TAP and what else is its own as descriptors; "p" ports of the container (two
//! bytes each) with as many bound sockets; "r" the text of the host's resolv.conf(5), asked for; "n" and a number: names of
//! the container's other network of that number (names.zig); "u" its own names, "s" whom it wants to be asked, when they have changed; "N": it wants to
//! hear this network's names, now and whenever they change; "m" who makes sockets (maker.zig), asked for. To it: "{" the
//! answer to a join, once all its sockets have come; "r" a question for resolv.conf; "n" the names; "m": ports have come,
//! and nobody makes sockets; "e" all that the container has sent is gone, and its place is free.
//!
//! Everybody who can connect is the owner of the network. Still, what makes no sense is refused and harms nobody else.
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("config.zig");
const dns_stream = @import("dns_stream.zig");
const echo = @import("echo.zig");
const engine = @import("engine.zig");
const guard = @import("guard.zig");
const live = @import("live.zig");
const loop = @import("loop.zig");
const maker = @import("maker.zig");
const names = @import("names.zig");
const ports = @import("ports.zig");
const publish = @import("publish.zig");
const resolver = @import("resolver.zig");
const splice = @import("splice.zig");
const taps = @import("taps.zig");
const texts = @import("texts.zig");
const udp = @import("udp.zig");
const flows = @import("tcp/flow.zig");
const Rights = @import("rights.zig").Rights;
const Tap = @import("tap.zig").Tap;
const linux = std.os.linux;

const version = 1;

/// What a container brings; its ports follow in packets of their own.
pub const Join = struct {
    /// Of this file's protocol: the process may be of an older tspod than the monitor, or of a newer one.
    version: u32 = version,
    entry: config.Entry,
    /// Descriptors beside the TAP, in this order.
    hasMaker: bool = false,
    hasLive: bool = false,
    hasLog: bool = false,
    /// Sockets that follow.
    sockets: usize = 0,
};

/// Of the text of a join.
pub const join_bytes_max = 96 * 1024;

const Phase = enum(u8) { nobody, greeted, joining, joined, leaving };

const Member = struct {
    phase: Phase,
    wants_names: bool,
    /// They have changed, and it could not be told yet.
    owes_names: bool,
    generation: u32,
    fd: linux.fd_t,
    sockets_left: usize,
    /// When patience with it ends.
    due_ms: u64,
};

/// Whether this process is a network.
pub var is_on = false;
var door: linux.fd_t = -1;
/// All zeros: nobody.
var all: [taps.taps_max]Member = undefined;
var count: usize = 0;
/// Without anybody until then, it ends.
var idle_until_ms: u64 = 0;

/// Who has started us comes at once.
const first_ms = 10_000;
/// A join is one exchange.
const join_ms = 10_000;
/// As in engine.zig.
const silence_ms = 20;
const farewell_ms = 600;
const turn_packets = 64;

pub fn open(listener: linux.fd_t) bool {
    is_on = true;
    door = listener;
    all = @splat(.{
        .phase = .nobody,
        .wants_names = false,
        .owes_names = false,
        .generation = 0,
        .fd = -1,
        .sockets_left = 0,
        .due_ms = 0,
    });
    idle_until_ms = loop.now_ms + first_ms;
    loop.dueAt(idle_until_ms);
    return loop.add(door, .{ .kind = .door }, loop.in);
}

/// The last one has left, and nobody stands at the door.
pub fn isOver() bool {
    if (!is_on or count > 0 or loop.now_ms < idle_until_ms) return false;
    accept();
    return count == 0;
}

// Coming ------------------------------------------------------------------------------------------------------

pub fn accept() void {
    for (0..turn_packets) |_| {
        const rc = linux.accept4(door, null, null, linux.SOCK.NONBLOCK | linux.SOCK.CLOEXEC);
        if (linux.errno(rc) != .SUCCESS) return;
        greet(@intCast(rc));
    }
}

fn greet(fd: linux.fd_t) void {
    reapGone();
    const index = for (&all, 0..) |*member, i| {
        if (member.phase == .nobody) break i;
    } else {
        sys.failFormat("network", "a network has room for {d} containers", .{taps.taps_max}) catch {};
        refuse(fd);
        _ = linux.close(fd);
        return;
    };
    const member = &all[index];
    member.generation +%= 1;
    if (!loop.add(fd, refOf(index), loop.in)) {
        _ = linux.close(fd);
        return;
    }
    member.phase = .greeted;
    member.fd = fd;
    member.wants_names = false;
    member.owes_names = false;
    member.due_ms = loop.now_ms + join_ms;
    loop.dueAt(member.due_ms);
    count += 1;
}

fn refOf(index: usize) loop.Ref {
    return .{ .kind = .member, .index = @intCast(index), .generation = all[index].generation };
}

/// Of whoever has gone without our having heard of it yet: the same container may be at the door again.
fn reapGone() void {
    for (&all, 0..) |*member, index| {
        if (member.phase != .joining and member.phase != .joined) continue;
        var byte: [1]u8 = undefined;
        const n = linux.recvfrom(member.fd, &byte, 1, linux.MSG.PEEK | linux.MSG.DONTWAIT, null, null);
        if (linux.errno(n) == .SUCCESS and n == 0) leave(index);
    }
}

pub fn serve(index: usize, generation: u32) void {
    const member = &all[index];
    for (0..turn_packets) |_| {
        if (member.phase == .nobody or member.phase == .leaving or member.generation != generation) return;
        if (member.owes_names) tellNames(index);
        if (!hear(index)) return;
    }
}

var packet: [join_bytes_max]u8 = undefined;

/// False: there is nothing more now.
fn hear(index: usize) bool {
    const member = &all[index];
    var rights: Rights = .{};
    defer rights.closeRest();
    const n = rights.receive(member.fd, &packet);
    switch (linux.errno(n)) {
        .SUCCESS => {},
        .AGAIN => return false,
        .INTR => return true,
        else => {
            leave(index);
            return false;
        },
    }
    if (n == 0) {
        leave(index);
        return false;
    }
    take(index, packet[0..n], &rights) catch {
        refuse(member.fd);
        leave(index);
        return false;
    };
    return true;
}

fn take(index: usize, bytes: []const u8, rights: *Rights) sys.Error!void {
    const member = &all[index];
    if (rights.is_cut) return sys.fail("network", "a packet came in part");
    switch (bytes[0]) {
        '{' => if (member.phase == .greeted) return join(index, bytes, rights),
        'p' => if (member.phase == .joining) return takePorts(index, bytes[1..], rights),
        'r' => if (member.phase == .joined) return resolver.read(bytes[1..]),
        'n' => if (member.phase == .joined and bytes.len >= 2) return names.replace(@intCast(index), bytes[1], bytes[2..]),
        'u' => if (member.phase == .joined) {
            try names.setList(@intCast(index), bytes[1..]);
            return tellEverybody();
        },
        's' => if (member.phase == .joined) return resolver.setServers(@intCast(index), bytes[1..]),
        maker.word => if (member.phase == .joined) return maker.adopt(@intCast(index), rights.next() orelse return missing()),
        'N' => if (member.phase == .joined) {
            member.wants_names = true;
            return tellNames(index);
        },
        else => {},
    }
    return sys.fail("network", "a packet makes no sense");
}

var text_memory: [2 * join_bytes_max]u8 = undefined;

fn join(index: usize, bytes: []const u8, rights: *Rights) sys.Error!void {
    var fixed: std.heap.FixedBufferAllocator = .init(&text_memory);
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const asked = std.json.parseFromSliceLeaky(Join, fixed.allocator(), bytes, options) catch {
        return sys.fail("network", "a request makes no sense");
    };
    if (asked.version != version) return sys.failFormat("network", "{s} was begun by another version of tspod: stop the " ++
        "containers that are on it first", .{asked.entry.network});
    makeRoom(&try config.tapOfEntry(&asked.entry));
    try admit(&asked.entry);
    try settle(index, &asked, rights);
    const member = &all[index];
    member.sockets_left = asked.sockets;
    member.phase = .joining;
    if (asked.sockets == 0) welcome(index);
}

/// The same container may come back before its last words are out.
fn makeRoom(wanted: *const Tap) void {
    for (&all, 0..) |*member, index| {
        if (member.phase != .leaving) continue;
        const tap = &taps.all[index];
        const own4 = if (wanted.address4) |prefix| tap.isOwn(prefix.address) else false;
        const own6 = if (wanted.address6) |prefix| tap.isOwn(prefix.address) else false;
        if (own4 or own6 or std.mem.eql(u8, &tap.mac, &wanted.mac)) finish(index);
    }
}

/// Nobody can have what somebody has.
fn admit(entry: *const config.Entry) sys.Error!void {
    const wanted = try config.tapOfEntry(entry);
    for (&[_]?@TypeOf(wanted.address4.?){ wanted.address4, wanted.address6 }) |prefix| {
        const address = (prefix orelse continue).address;
        const is_taken = taps.findByAddress(address) != null or wanted.isGateway(address) or wanted.isDns(address);
        if (is_taken) return sys.failFormat("network", "the address {f} is taken on {s}", .{ address, entry.network });
    }
    if (taps.findByMac(wanted.mac) == null) return;
    return sys.failFormat("network", "the hardware address {s} is taken on {s}", .{ entry.mac, entry.network });
}

/// What it has is in its place, or nothing of it.
fn settle(index: usize, asked: *const Join, rights: *Rights) sys.Error!void {
    const place: u8 = @intCast(index);
    const entry = &asked.entry;
    const tap = &taps.all[index];
    if (index >= taps.count) {
        for (taps.all[taps.count..index]) |*empty| empty.fd = -1;
        taps.count = index + 1;
    }
    tap.* = try config.tapOfEntry(entry);
    tap.index = place;
    errdefer clear(index);
    const fd = rights.next() orelse return sys.fail("network", "a container came without its interface");
    if (!loop.add(fd, .{ .kind = .tap, .index = place }, loop.in)) {
        _ = linux.close(fd);
        return sys.fail("network", "what a container brought is no interface");
    }
    tap.fd = fd;
    if (asked.hasMaker) maker.adopt(place, rights.next() orelse return missing());
    if (asked.hasLive) {
        const listener = rights.next() orelse return missing();
        if (!live.listen(place, listener)) return missing();
    }
    const log = if (asked.hasLog) rights.next() orelse return missing() else null;
    if (entry.egress) |*egress| try guard.set(place, egress, log) else if (log) |unused| _ = linux.close(unused);
    try resolver.set(place, entry.servers, entry.hosts);
    try names.set(place, entry.names);
}

fn missing() sys.Error {
    return sys.fail("network", "a container came without what it announced");
}

/// Sockets that are bound already.
fn takePorts(index: usize, inner: []const u8, rights: *Rights) sys.Error!void {
    const member = &all[index];
    if (inner.len / 2 > member.sockets_left) return sys.fail("network", "more ports came than were announced");
    for (0..inner.len / 2) |i| {
        const fd = rights.next() orelse return missing();
        const socket = publish.describe(fd) orelse {
            _ = linux.close(fd);
            return sys.fail("network", "what came for a port is no socket");
        };
        const is_added = ports.add(.{
            .is_tcp = socket.protocol == .tcp,
            .tap = @intCast(index),
            .fd = fd,
            .outer = socket.outer,
            .inner = std.mem.readInt(u16, inner[2 * i ..][0..2], .big),
        });
        if (!is_added) {
            _ = linux.close(fd);
            return sys.failFormat("network", "more than {d} ports are published by the containers of a network", .{ports.ports_max});
        }
    }
    member.sockets_left -= inner.len / 2;
    if (member.sockets_left == 0) welcome(index);
}

fn welcome(index: usize) void {
    const member = &all[index];
    member.phase = .joined;
    const answer = "{\"ok\":true}";
    _ = linux.sendto(member.fd, answer, answer.len, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    tellEverybody();
}

fn refuse(fd: linux.fd_t) void {
    const failure = sys.failure orelse sys.Failure{ .call = "network", .detail = "", .errno = .INVAL };
    var buffer: [2048]u8 = undefined;
    var w: std.Io.Writer = .fixed(&buffer);
    const e = @intFromEnum(failure.errno);
    std.json.Stringify.value(.{ .ok = false, .errno = e, .detail = failure.detail }, .{}, &w) catch return;
    _ = linux.sendto(fd, w.buffered().ptr, w.end, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
}

// Names -------------------------------------------------------------------------------------------------------

fn tellEverybody() void {
    for (&all, 0..) |*member, index| if (member.phase == .joined and member.wants_names) tellNames(index);
}

/// One that does not listen hears of them as soon as it does.
fn tellNames(index: usize) void {
    const static = struct {
        var buffer: [1 + names.packet_bytes_max]u8 = undefined;
    };
    const member = &all[index];
    static.buffer[0] = 'n';
    const length = 1 + names.write(static.buffer[1..]).len;
    const rc = linux.sendto(member.fd, &static.buffer, length, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    const owes = linux.errno(rc) == .AGAIN;
    if (owes != member.owes_names) loop.change(member.fd, refOf(index), if (owes) loop.in | loop.out else loop.in);
    member.owes_names = owes;
}

// The host's name servers -------------------------------------------------------------------------------------

/// Somebody else each time: one of them may be stuck.
pub fn whoAnswers() ?linux.fd_t {
    const last = struct {
        var index: usize = 0;
    };
    for (0..all.len) |_| {
        last.index = (last.index + 1) % all.len;
        if (all[last.index].phase == .joined) return all[last.index].fd;
    }
    return null;
}

/// The answer, if that is what came: anything else is for later.
pub fn hearServers(fd: linux.fd_t) void {
    var text: [1 + resolver.text_bytes_max]u8 = undefined;
    const flags = linux.MSG.DONTWAIT;
    const seen = linux.recvfrom(fd, &text, 1, flags | linux.MSG.PEEK, null, null);
    if (linux.errno(seen) != .SUCCESS or seen != 1 or text[0] != 'r') return;
    const n = linux.recvfrom(fd, &text, text.len, flags, null, null);
    if (linux.errno(n) == .SUCCESS and n > 0) resolver.read(text[1..n]);
}

// Sockets inside ----------------------------------------------------------------------------------------------

/// Null: nobody is there, or not yet.
pub fn connectionOf(index: u8) ?linux.fd_t {
    return if (all[index].phase == .joined) all[index].fd else null;
}

/// Who makes them, if that is what came: anything else is for later.
pub fn hearMaker(index: u8) void {
    var byte: [1]u8 = undefined;
    const seen = linux.recvfrom(all[index].fd, &byte, 1, linux.MSG.DONTWAIT | linux.MSG.PEEK, null, null);
    if (linux.errno(seen) == .SUCCESS and seen == 1 and byte[0] == maker.word) _ = hear(index);
}

// Leaving -----------------------------------------------------------------------------------------------------

/// Its ports and names are gone at once; what it has sent still goes out.
fn leave(index: usize) void {
    const member = &all[index];
    const was_there = member.phase == .joined or member.phase == .joining;
    loop.forget(member.fd); // has no more to say, and would go on saying so
    member.phase = .leaving;
    member.due_ms = loop.now_ms + farewell_ms;
    loop.dueAt(loop.now_ms + silence_ms);
    if (!was_there) return finish(index);
    const place: u8 = @intCast(index);
    ports.removeOf(place);
    live.forget(place);
    maker.forget(place);
    names.forget(place);
    if (isSilent(index)) finish(index);
    tellEverybody();
}

fn isSilent(index: usize) bool {
    const place: u8 = @intCast(index);
    const tap = &taps.all[index];
    if (flows.countOf(place) + splice.countOf(place) > 0) return false;
    var pending = [1]linux.pollfd{.{ .fd = tap.fd, .events = linux.POLL.IN, .revents = 0 }};
    return linux.poll(&pending, 1, 0) != 1 or pending[0].revents & linux.POLL.IN == 0;
}

fn finish(index: usize) void {
    const member = &all[index];
    clear(index);
    _ = linux.sendto(member.fd, "e", 1, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    _ = linux.close(member.fd);
    member.fd = -1;
    member.phase = .nobody;
    count -= 1;
    if (count == 0) idle_until_ms = loop.now_ms;
}

/// Nothing of that place is anybody's.
fn clear(index: usize) void {
    if (index >= taps.count) return;
    const place: u8 = @intCast(index);
    const tap = &taps.all[index];
    ports.removeOf(place);
    live.forget(place);
    maker.forget(place);
    guard.forget(place);
    names.forget(place);
    texts.forget(place);
    flows.closeOf(place);
    udp.closeOf(place);
    echo.closeOf(place);
    dns_stream.closeOf(place);
    splice.closeOf(place);
    if (tap.fd >= 0) {
        loop.forget(tap.fd); // the monitor has it still
        _ = linux.close(tap.fd);
    }
    tap.fd = -1;
}

/// What is due by the clock.
pub fn sweep() void {
    if (!is_on) return;
    if (count == 0) return loop.dueAt(idle_until_ms);
    for (&all, 0..) |*member, index| switch (member.phase) {
        .nobody, .joined => {},
        .greeted, .joining => if (member.due_ms <= loop.now_ms) leave(index) else loop.dueAt(member.due_ms),
        .leaving => {
            const silent_ms = taps.all[index].heard_ms + silence_ms;
            if (isSilent(index) or silent_ms <= loop.now_ms or member.due_ms <= loop.now_ms) {
                finish(index);
            } else loop.dueAt(@min(silent_ms, member.due_ms));
        },
    };
}

test {
    _ = @import("members_test.zig");
}
