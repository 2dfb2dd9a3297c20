//! A client on the host's loopback and a program in the container are on one machine: bytes go from the one's socket to
//! the other's through a pipe, without ever being copied or cut into frames (splice(2)). The program sees the container's
//! own address, as if somebody inside had connected; one that listens on the container's loopback only is asked there.
//!
//! splice(2) never gets past urgent data: where there was some, the rest is copied, and it goes in line.
const std = @import("std");
const linux = std.os.linux;
const host = @import("host.zig");
const loop = @import("loop.zig");
const maker = @import("maker.zig");
const pools = @import("pool.zig");
const taps = @import("taps.zig");
const ports = @import("ports.zig");
const addresses = @import("address.zig");
const Address = addresses.Address;
const Endpoint = addresses.Endpoint;

const Way = struct {
    pipe: [2]linux.fd_t = .{ -1, -1 },
    /// Bytes in it.
    held: usize = 0,
    is_at_end: bool = false,
    is_wide: bool = false,
    is_widest: bool = false,
    is_copied: bool = false,
    /// That has been told on the other side.
    is_over: bool = false,
};

/// Index 0 is the client, 1 the container; `ways[i]` begins at `fds[i]`.
const Flow = struct {
    key: pools.Key,
    hash: u32,
    generation: u32,
    is_used: bool,
    is_connected: bool = false,
    /// The client's; and how many addresses were asked (`doorOf`).
    is_v4: bool = false,
    tries: u8 = 0,
    is_queued: bool = false,
    fds: [2]linux.fd_t = .{ -1, -1 },
    ways: [2]Way = .{ .{}, .{} },
};

const flows_max = 2048;
pub var pool: pools.Pool(Flow, flows_max) = .{};
pub var ready: pools.Queue(flows_max) = .{};

const watched = loop.in | loop.out | loop.closed | loop.urgent | loop.edge;
const splice_bytes = 1 << 20;
/// Whoever has so much to say at once has more.
const much_bytes = 64 << 10;
/// What an empty pipe takes whole (pipe(7), PIPE_BUF).
const copy_bytes = 4096;
const turn_rounds = 16;
const nonblock = 2; // SPLICE_F_NONBLOCK
const move_pages = 1; // SPLICE_F_MOVE

/// False: it is to go through the TAP. Otherwise `fd` is taken.
pub fn offer(port: *const ports.Port, fd: linux.fd_t, client: Endpoint) bool {
    const tap = &taps.all[port.tap];
    if (tap.addressLike(client.address) == null) return false;
    const number = nextNumber();
    const key: pools.Key = .{ .peer = .{ .port = number }, .port = port.inner, .tap = port.tap, .protocol = 0 };
    const flow = (if (pool.find(&key) == null) pool.insert(key) else null) orelse return false;
    flow.is_v4 = client.address.isV4();
    flow.fds[0] = fd;
    switch (reach(flow)) {
        .begun => {},
        .refused => {
            abort(flow);
            return true;
        },
        .no_socket => { // the other way will do
            if (flow.fds[1] >= 0) _ = linux.close(flow.fds[1]);
            pool.remove(flow);
            return false;
        },
    }
    _ = host.set(fd, linux.IPPROTO.TCP, linux.TCP.NODELAY, 1);
    if (!watch(flow, 0) or !watch(flow, 1)) abort(flow);
    return true;
}

const Reached = enum { begun, refused, no_socket };

/// The next door at which nobody has said no yet.
fn reach(flow: *Flow) Reached {
    while (doorOf(flow)) |door| {
        const inner = maker.take(flow.key.tap, door.isV4()) orelse return .no_socket;
        flow.tries += 1;
        if (flow.fds[1] >= 0) _ = linux.close(flow.fds[1]);
        flow.fds[1] = inner;
        _ = host.set(inner, linux.IPPROTO.TCP, linux.TCP.NODELAY, 1);
        _ = host.set(inner, linux.SOL.SOCKET, linux.SO.OOBINLINE, 1);
        const to: Endpoint = .{ .address = door, .port = flow.key.port };
        const begun = host.connect(inner, to);
        // They are neighbours: whoever is there has answered by now.
        const e = if (begun == .INPROGRESS) host.connect(inner, to) else begun;
        flow.is_connected = e == .SUCCESS;
        if (e == .SUCCESS or e == .ALREADY or e == .INPROGRESS) return .begun;
    }
    return .refused;
}

/// "localhost" is ::1 as well, and whoever calls it by that means also a program that listens on IPv4 only; or one that
/// listens for itself only, as many do when nobody tells them otherwise. Null: all have been asked.
fn doorOf(flow: *const Flow) ?Address {
    const tap = &taps.all[flow.key.tap];
    const doors = [_]?Address{
        if (flow.is_v4 or tap.address6 == null) null else tap.address6.?.address,
        if (tap.address4) |own| own.address else null,
        if (flow.is_v4 or tap.address6 == null) null else .{ .bytes = .{0} ** 15 ++ .{1} },
        if (tap.address4 != null) .ofV4(.{ 127, 0, 0, 1 }) else null,
    };
    var left = flow.tries;
    for (doors) |door| {
        const address = door orelse continue;
        if (left == 0) return address;
        left -= 1;
    }
    return null;
}

/// Connections are found by their place only; this makes their keys differ.
fn nextNumber() u16 {
    const last = struct {
        var number: u16 = 0;
    };
    last.number +%= 1;
    return last.number;
}

fn watch(flow: *Flow, side: u1) bool {
    const index = @as(u24, pool.indexOf(flow)) * 2 + side;
    return loop.add(flow.fds[side], .{ .kind = .splice, .index = index, .generation = flow.generation }, watched);
}

pub fn handle(index: u24, generation: u32, events: u32) void {
    const flow = pool.at(index / 2, generation) orelse return;
    if (events & loop.failed != 0) {
        if (host.errorOf(flow.fds[index % 2]) != .SUCCESS) {
            const is_refused = index % 2 == 1 and !flow.is_connected;
            if (!is_refused or reach(flow) != .begun or !watch(flow, 1)) return abort(flow);
            // What the client has said meanwhile was told before anybody could take it, and is not told again.
            return if (flow.is_connected) goOn(flow, .{ true, true });
        }
    }
    if (events & loop.urgent != 0) flow.ways[index % 2].is_copied = true;
    const side: u1 = @intCast(index % 2);
    if (!flow.is_connected) {
        if (side == 0 or events & loop.out == 0) return;
        flow.is_connected = true;
        return goOn(flow, .{ true, true });
    }
    // Of the way that ends here, only what is in its pipe has waited for this.
    var concerned: [2]bool = undefined;
    concerned[side] = events & ~@as(u32, loop.out) != 0;
    concerned[1 - side] = events & loop.out != 0 and flow.ways[1 - side].held > 0;
    goOn(flow, concerned);
}

/// What was left when the turn was over.
pub fn continueAll() void {
    for (0..ready.length) |_| {
        const slot = ready.pop() orelse return;
        const flow = &pool.flows[slot];
        if (!flow.is_used or !flow.is_queued) continue;
        flow.is_queued = false;
        goOn(flow, .{ true, true });
    }
}

fn goOn(flow: *Flow, concerned: [2]bool) void {
    var has_more = false;
    for (0..2, concerned) |side, is_concerned| {
        if (!is_concerned) continue;
        switch (pump(&flow.ways[side], flow.fds[side], flow.fds[1 - side])) {
            .waits => {},
            .has_more => has_more = true,
            .failed => return abort(flow),
        }
    }
    if (flow.ways[0].is_over and flow.ways[1].is_over) return close(flow);
    if (has_more and !flow.is_queued) flow.is_queued = ready.push(pool.indexOf(flow));
}

const Outcome = enum { waits, has_more, failed };

fn pump(way: *Way, from: linux.fd_t, to: linux.fd_t) Outcome {
    if (way.is_over) return .waits;
    if (way.pipe[0] < 0 and !openPipe(way)) return .failed;
    for (0..turn_rounds) |_| {
        var is_stuck = true;
        if (!way.is_at_end and !(way.is_copied and way.held > 0)) {
            const n = if (way.is_copied) copy(from, way.pipe[1]) else splice(from, way.pipe[1], splice_bytes);
            switch (linux.errno(n)) {
                .SUCCESS => {
                    way.held += n;
                    if (n == 0) judgeEnd(way, from);
                    if (n >= much_bytes) widen(way);
                    is_stuck = false;
                },
                .AGAIN, .INTR => {},
                // what was copied is gone
                .NOBUFS, .NOMEM => return if (way.is_copied) .failed else .has_more,
                else => return .failed,
            }
        }
        if (way.held > 0) {
            const n = splice(way.pipe[0], to, way.held);
            switch (linux.errno(n)) {
                .SUCCESS => {
                    way.held -= n;
                    is_stuck = false;
                },
                .AGAIN, .INTR => return .waits,
                .NOBUFS, .NOMEM => return .has_more,
                else => return .failed,
            }
        }
        if (way.is_at_end and way.held == 0) {
            way.is_over = true;
            _ = linux.shutdown(to, linux.SHUT.WR);
            return .waits;
        }
        if (is_stuck) return .waits;
    }
    return .has_more;
}

/// Urgent data that nobody has told us of yet looks like the end, too.
fn judgeEnd(way: *Way, from: linux.fd_t) void {
    var byte: [1]u8 = undefined;
    const n = if (way.is_copied) 0 else linux.recvfrom(from, &byte, 1, linux.MSG.PEEK | linux.MSG.DONTWAIT, null, null);
    way.is_copied = way.is_copied or (linux.errno(n) == .SUCCESS and n > 0);
    way.is_at_end = linux.errno(n) == .SUCCESS and n == 0;
}

/// The kernel counts a user's pipes together, and gives whoever has much in them hardly any more (pipe(7),
/// pipe-user-pages-soft): so only few are of the largest size that anybody may have.
fn widen(way: *Way) void {
    if (way.is_wide) return;
    way.is_wide = true;
    way.is_widest = widest_count < widest_max and resize(way, widest_bytes);
    if (way.is_widest) widest_count += 1 else _ = resize(way, wide_bytes);
}

const wide_bytes = 256 << 10;
const widest_bytes = 1 << 20;
const widest_max = 8;
var widest_count: usize = 0;

fn resize(way: *const Way, bytes: usize) bool {
    const set_pipe_size = 1031; // F_SETPIPE_SZ
    return linux.errno(linux.fcntl(way.pipe[0], set_pipe_size, bytes)) == .SUCCESS;
}

/// The pipe is empty.
fn copy(from: linux.fd_t, to: linux.fd_t) usize {
    var bytes: [copy_bytes]u8 = undefined;
    const n = linux.recvfrom(from, &bytes, bytes.len, linux.MSG.DONTWAIT, null, null);
    return if (linux.errno(n) == .SUCCESS and n > 0) linux.write(to, &bytes, n) else n;
}

fn openPipe(way: *Way) bool {
    return linux.errno(linux.pipe2(&way.pipe, .{ .CLOEXEC = true, .NONBLOCK = true })) == .SUCCESS;
}

fn closePipe(way: *const Way) void {
    for (way.pipe) |fd| if (fd >= 0) {
        _ = linux.close(fd);
    };
    if (way.is_widest) widest_count -= 1;
}

fn splice(from: linux.fd_t, to: linux.fd_t, bytes: usize) usize {
    const flags = move_pages | nonblock;
    return linux.syscall6(.splice, @intCast(from), 0, @intCast(to), 0, bytes, flags);
}

fn close(flow: *Flow) void {
    for (flow.fds) |fd| if (fd >= 0) {
        _ = linux.close(fd);
    };
    for (&flow.ways) |*way| closePipe(way);
    pool.remove(flow);
}

/// A container's that has left.
pub fn closeOf(tap_index: u8) void {
    for (pool.all()) |*flow| if (flow.is_used and flow.key.tap == tap_index) close(flow);
}

pub fn countOf(tap_index: u8) usize {
    var count: usize = 0;
    for (pool.all()) |*flow| count += @intFromBool(flow.is_used and flow.key.tap == tap_index);
    return count;
}

/// Both sides hear that it has failed.
fn abort(flow: *Flow) void {
    for (flow.fds) |fd| if (fd >= 0) host.resetOnClose(fd);
    close(flow);
}

test "what a client has said while the first door kept silent goes through the next one" {
    const pair = @import("pair.zig");
    const publish = @import("publish.zig");
    const states = @import("states.zig");
    const others = loop.epoll;
    if (!loop.open()) return error.SkipZigTest;
    defer {
        _ = linux.close(loop.epoll);
        loop.epoll = others;
    }
    const client = pair.make() orelse return error.SkipZigTest;
    defer _ = linux.close(client[0]);
    var listener: linux.fd_t = undefined;
    const own: Address = .ofV4(.{ 127, 0, 0, 1 });
    try std.testing.expectEqual(linux.E.SUCCESS, publish.bind(.tcp, .{ .address = own }, &listener));
    defer _ = linux.close(listener);
    taps.all[0] = .{ .address4 = addresses.Prefix.parse("127.0.0.1/8") };
    const stock = &states.of(0).maker;
    stock.is_there = true;
    stock.channel = -1;
    stock.stock4.is_asked = true;
    stock.stock4.fds[0] = host.socket(own, linux.SOCK.STREAM, 0).?;
    stock.stock4.count = 1;
    defer stock.is_there = false;
    const key: pools.Key = .{ .peer = .{ .port = 1 }, .port = host.nameOf(listener).?.port, .protocol = 0 };
    const flow = pool.insert(key).?;
    flow.is_v4 = true;
    // a socket that nobody has answered yet, and who has been told no since
    const refused = host.socket(own, linux.SOCK.DGRAM, 0).?;
    _ = host.connect(refused, .{ .address = own, .port = 1 });
    _ = linux.write(refused, "x", 1);
    var poll = [1]linux.pollfd{.{ .fd = refused, .events = linux.POLL.IN, .revents = 0 }};
    try std.testing.expectEqual(1, linux.poll(&poll, 1, 5_000));
    flow.fds = .{ client[1], refused };
    const index: u24 = @as(u24, pool.indexOf(flow)) * 2;
    try std.testing.expectEqual(5, linux.write(client[0], "hello", 5));
    handle(index, flow.generation, loop.in);
    handle(index + 1, flow.generation, loop.failed);
    defer closeOf(0);
    poll[0].fd = listener;
    try std.testing.expectEqual(1, linux.poll(&poll, 1, 5_000));
    const inner: linux.fd_t = @intCast(linux.accept4(listener, null, null, linux.SOCK.CLOEXEC));
    defer _ = linux.close(inner);
    poll[0].fd = inner;
    try std.testing.expectEqual(1, linux.poll(&poll, 1, 5_000));
    var got: [8]u8 = undefined;
    try std.testing.expectEqualStrings("hello", got[0..linux.read(inner, &got, got.len)]);
}

test "the widest pipes are few, and one that ends leaves its place" {
    var ways: [widest_max + 1]Way = @splat(.{});
    for (&ways) |*way| {
        if (!openPipe(way)) return error.SkipZigTest;
    }
    defer for (ways[1..]) |*way| closePipe(way);
    if (!resize(&ways[0], widest_bytes)) return error.SkipZigTest; // the user has too many already
    for (&ways) |*way| widen(way);
    const last = &ways[widest_max];
    try std.testing.expectEqual(widest_max, widest_count);
    try std.testing.expect(last.is_wide and !last.is_widest);
    const get_pipe_size = 1032; // F_GETPIPE_SZ
    for (&ways) |*way| {
        const bytes: usize = if (way == last) wide_bytes else widest_bytes;
        try std.testing.expectEqual(bytes, linux.fcntl(way.pipe[0], get_pipe_size, 0));
    }
    closePipe(&ways[0]);
    last.is_wide = false;
    widen(last);
    try std.testing.expect(last.is_widest);
}
