//! control.sock: one JSON line in, one JSON line out, closed. Requests come from the container's owner (the runtime
//! directory is private), yet are parsed as untrusted. Memory is fixed: `requests_max` at once, the next ones wait in
//! the socket's backlog.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const epolls = @import("epoll.zig");
const contract = @import("../contract.zig");
const restart = @import("restart.zig");
const clock = @import("clock.zig");
const linux = sys.linux;

pub const requests_max = 64;
const line_bytes_max = 512;
/// How long requests may take to follow their connections, at the end.
const last_ms = 100;

/// Of a request's text: a name, unescaped.
const text_bytes_max = 2048;

pub const Op = enum { ping, signal, stop, wait, resize, rename, policy, health, check, restart, connect, disconnect, refresh };

/// What `wait` waits for.
pub const Condition = enum { ended, healthy, unhealthy };

/// src/helper/contract.ts, ControlRequest, all its fields together.
pub const Request = struct {
    op: Op,
    signal: u8 = 0,
    timeoutMs: u32 = 0,
    rows: u16 = 0,
    columns: u16 = 0,
    condition: Condition = .ended,
    name: []const u8 = "",
    policy: restart.Policy = .no,
    retriesMax: u32 = 0,
    /// Its id.
    network: []const u8 = "",
    /// Null: it is not asked any more.
    check: ?contract.Health = null,
    isNew: bool = false,
};

/// What is answered later.
const Waiting = enum { ended, healthy, unhealthy, health, started };

const Slot = struct {
    fd: linux.fd_t = -1,
    have: usize = 0,
    waits: ?Waiting = null,
    line: [line_bytes_max]u8 = undefined,
};

var slots: [requests_max]Slot = @splat(.{});

/// False: all slots are taken, the connection is not accepted.
pub fn accept(epoll: epolls.Epoll, listener: linux.fd_t) bool {
    for (&slots, 0..) |*slot, i| {
        if (slot.fd >= 0) continue;
        _ = acceptOne(epoll, listener, i);
        return true;
    }
    return false;
}

/// False: nobody has connected.
fn acceptOne(epoll: epolls.Epoll, listener: linux.fd_t, index: usize) bool {
    const slot = &slots[index];
    const rc = linux.accept4(listener, null, null, linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK);
    if (linux.errno(rc) != .SUCCESS) return false;
    slot.fd = @intCast(rc);
    slot.have = 0;
    slot.waits = null;
    const ref: epolls.Ref = .{ .kind = .request, .index = @intCast(index), .fd = slot.fd };
    epoll.add(ref, epolls.in | epolls.closed) catch close(epoll, index);
    return true;
}

pub fn close(epoll: epolls.Epoll, index: usize) void {
    if (slots[index].fd < 0) return;
    epoll.close(slots[index].fd);
    slots[index].fd = -1;
}

/// The request when its line is complete.
pub fn read(epoll: epolls.Epoll, index: usize) ?Request {
    const slot = &slots[index];
    if (slot.fd < 0) return null;
    const rest = slot.line[slot.have..];
    const n = linux.recvfrom(slot.fd, rest.ptr, rest.len, linux.MSG.DONTWAIT, null, null);
    switch (linux.errno(n)) {
        .SUCCESS => {},
        .AGAIN, .INTR => return null,
        else => {
            close(epoll, index);
            return null;
        },
    }
    if (n == 0 or slot.waits != null) { // it went away, or talks out of turn
        close(epoll, index);
        return null;
    }
    slot.have += n;
    const text = slot.line[0..slot.have];
    const end = std.mem.indexOfScalar(u8, text, '\n') orelse {
        if (slot.have == line_bytes_max) refuse(epoll, index, .@"2BIG");
        return null;
    };
    return parse(text[0..end]) orelse {
        refuse(epoll, index, .INVAL);
        return null;
    };
}

/// Its text is good until the next request.
fn parse(line: []const u8) ?Request {
    var fixed: std.heap.FixedBufferAllocator = .init(&text_memory);
    return std.json.parseFromSliceLeaky(Request, fixed.allocator(), line, .{ .ignore_unknown_fields = true }) catch null;
}

var text_memory: [text_bytes_max]u8 = undefined;

/// Answer when it has come to that.
pub fn wait(index: usize, condition: Condition) void {
    slots[index].waits = switch (condition) {
        .ended => .ended,
        .healthy => .healthy,
        .unhealthy => .unhealthy,
    };
}

/// Answer when the health check that runs now has ended.
pub fn waitForHealth(index: usize) void {
    slots[index].waits = .health;
}

/// Answer when it runs again.
pub fn waitForStart(index: usize) void {
    slots[index].waits = .started;
}

pub fn answerStarted(epoll: epolls.Epoll) void {
    answerAll(epoll, .started, 0);
}

pub fn answerWaiting(epoll: epolls.Epoll, exit_code: u32) void {
    answerAll(epoll, .ended, exit_code);
}

/// `exit_code`: 0 when it is well, otherwise 1.
pub fn answerHealth(epoll: epolls.Epoll, exit_code: u32) void {
    answerAll(epoll, .health, exit_code);
}

pub fn answerCondition(epoll: epolls.Epoll, is_healthy: bool) void {
    if (is_healthy) answerAll(epoll, .healthy, 0) else answerAll(epoll, .unhealthy, 0);
}

fn answerAll(epoll: epolls.Epoll, what: Waiting, exit_code: u32) void {
    for (&slots, 0..) |*slot, i| {
        if (slot.fd < 0 or slot.waits != what) continue;
        answer(epoll, i, "{{\"ok\":true,\"exitCode\":{d}}}\n", .{exit_code});
    }
}

/// The container has ended for good: whoever waits for something else waits in vain.
pub fn refuseWaiting(epoll: epolls.Epoll) void {
    for (&slots, 0..) |*slot, i| {
        if (slot.fd >= 0 and slot.waits != null) refuse(epoll, i, .SRCH);
    }
}

/// The container has ended for good, and nobody can find `listener` any more: whoever has connected before still gets an
/// answer, and not a hangup that says nothing. A request follows its connection at once.
pub fn takeLast(epoll: epolls.Epoll, listener: linux.fd_t) void {
    for (&slots, 0..) |*slot, i| {
        if (slot.fd < 0 and !acceptOne(epoll, listener, i)) break;
    }
    const deadline_ms = clock.monotonicMs() + last_ms;
    for (&slots, 0..) |*slot, i| {
        if (slot.fd < 0 or slot.waits != null) continue;
        var poll = [1]linux.pollfd{.{ .fd = slot.fd, .events = linux.POLL.IN, .revents = 0 }};
        _ = linux.poll(&poll, 1, @intCast(deadline_ms -| clock.monotonicMs()));
        const request = read(epoll, i) orelse {
            close(epoll, i);
            continue;
        };
        switch (request.op) {
            .wait => wait(i, request.condition),
            .stop => wait(i, .ended),
            else => refuse(epoll, i, .SRCH),
        }
    }
}

pub fn answerOk(epoll: epolls.Epoll, index: usize, pid: linux.pid_t) void {
    answer(epoll, index, "{{\"ok\":true,\"pid\":{d}}}\n", .{pid});
}

pub fn refuse(epoll: epolls.Epoll, index: usize, errno: linux.E) void {
    var name: [32]u8 = undefined;
    answer(epoll, index, "{{\"ok\":false,\"errno\":\"{s}\"}}\n", .{sys.errnoName(errno, &name)});
}

/// What has failed, with its sentence.
pub fn refuseFailed(epoll: epolls.Epoll, index: usize) void {
    const failure = sys.failure orelse sys.Failure{ .call = "", .errno = .INVAL };
    var name: [32]u8 = undefined;
    const errno = if (failure.errno == .SUCCESS) "" else sys.errnoName(failure.errno, &name);
    answer(epoll, index, "{{\"ok\":false,\"errno\":\"{s}\",\"detail\":{f}}}\n", .{ errno, event.quoted(failure.detail) });
}

fn answer(epoll: epolls.Epoll, index: usize, comptime format: []const u8, args: anytype) void {
    var buffer: [128 + event.line_bytes_max]u8 = undefined;
    const line = std.fmt.bufPrint(&buffer, format, args) catch unreachable;
    _ = linux.sendto(slots[index].fd, line.ptr, line.len, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    close(epoll, index);
}

test "parse() takes the contract's requests and nothing else" {
    try std.testing.expectEqual(Op.ping, parse("{\"op\":\"ping\"}").?.op);
    const stop = parse("{\"op\":\"stop\",\"signal\":15,\"timeoutMs\":10000,\"new\":{}}").?;
    try std.testing.expectEqual(@as(u32, 10000), stop.timeoutMs);
    const check = parse("{\"op\":\"check\",\"check\":{\"intervalMs\":5,\"onFailure\":\"stop\",\"new\":1},\"isNew\":true}").?;
    try std.testing.expectEqual(contract.Health{ .intervalMs = 5, .onFailure = .stop }, check.check.?);
    for ([_][]const u8{ "", "{}", "{\"op\":\"fly\"}", "{\"op\":\"signal\",\"signal\":-1}", "[]" }) |bad| {
        if (parse(bad)) |_| return error.TestUnexpectedResult;
    }
}

test "takeLast() answers whoever has connected before the end" {
    const epoll: epolls.Epoll = try .open();
    defer _ = linux.close(epoll.fd);
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const listener: linux.fd_t = @intCast(linux.socket(linux.AF.UNIX, kind, 0));
    defer _ = linux.close(listener);
    var name: linux.sockaddr.un = .{ .path = @splat(0) };
    _ = std.fmt.bufPrint(&name.path, "\x00tspod last words {d}", .{linux.getpid()}) catch unreachable;
    try std.testing.expectEqual(.SUCCESS, linux.errno(linux.bind(listener, @ptrCast(&name), @sizeOf(linux.sockaddr.un))));
    try std.testing.expectEqual(.SUCCESS, linux.errno(linux.listen(listener, 4)));
    const requests = [_][]const u8{ "{\"op\":\"wait\"}\n", "{\"op\":\"resize\"}\n", "" };
    const answers = [_][]const u8{ "{\"ok\":true,\"exitCode\":7}\n", "{\"ok\":false,\"errno\":\"ESRCH\"}\n", "" };
    var callers: [requests.len]linux.fd_t = undefined;
    for (&callers, requests) |*fd, text| {
        fd.* = @intCast(linux.socket(linux.AF.UNIX, kind, 0));
        const rc = linux.connect(fd.*, @ptrCast(&name), @sizeOf(linux.sockaddr.un));
        try std.testing.expectEqual(.SUCCESS, linux.errno(rc));
        try std.testing.expectEqual(text.len, linux.write(fd.*, text.ptr, text.len));
    }
    takeLast(epoll, listener);
    answerWaiting(epoll, 7);
    for (callers, answers) |fd, expected| {
        var buffer: [128]u8 = undefined;
        const n = linux.read(fd, &buffer, buffer.len);
        try std.testing.expectEqual(.SUCCESS, linux.errno(n));
        try std.testing.expectEqualStrings(expected, buffer[0..n]);
        _ = linux.close(fd);
    }
}

test "fuzz: no request crashes" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var line: [line_bytes_max]u8 = undefined;
            _ = parse(line[0..smith.slice(&line)]);
        }
    }.one, .{ .corpus = &.{"{\"op\":\"stop\",\"signal\":15,\"timeoutMs\":10000}"} });
}
