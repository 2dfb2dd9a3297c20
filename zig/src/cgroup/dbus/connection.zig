//! A connection to a D-Bus socket: systemd's own (no broker in between) or a message bus. One call at a time is all
//! that is needed: everything to send is collected and leaves in one piece, then messages are read until the one that
//! is waited for. Fixed buffers, one deadline for all of it; what is longer than a buffer is skipped.
const std = @import("std");
const sys = @import("../../sys.zig");
const wire = @import("wire.zig");
const owner = @import("../owner.zig");
const linux = sys.linux;

pub const Address = struct {
    /// The path, or the abstract name.
    name: []const u8,
    is_abstract: bool = false,
    /// A broker wants Hello and passes on only the signals that somebody asked for.
    is_bus: bool,
};

/// What we send: a unit's name, a few properties.
const send_bytes_max = 4096;
/// Answers and the signals we want are below 1 KiB; a broker's other signals may be longer.
const receive_bytes_max = 4096;

const Error = sys.Error;

pub const Connection = struct {
    fd: linux.fd_t,
    deadline_ms: i64,
    is_bus: bool,
    serial: u32 = 0,
    is_greeted: bool = false,
    send_used: usize = 0,
    have: usize = 0,
    /// Bytes of a message that is too long, still to come.
    skip: usize = 0,
    /// What `next` returned last, to be dropped.
    given: usize = 0,
    send: [send_bytes_max]u8 = undefined,
    receive: [receive_bytes_max]u8 align(8) = undefined,

    /// Null: nobody listens there, or not for us.
    pub fn open(arena: std.mem.Allocator, address: Address, timeout_ms: i64) Error!?*Connection {
        const socket = linux.SOCK.STREAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
        const fd = try sys.checkFd("socket", "D-Bus", linux.socket(linux.AF.UNIX, socket, 0));
        errdefer _ = linux.close(fd);
        var where: linux.sockaddr.un = .{ .path = @splat(0) };
        const start: usize = if (address.is_abstract) 1 else 0;
        const length = @offsetOf(linux.sockaddr.un, "path") + start + address.name.len;
        const rc = if (start + address.name.len >= where.path.len) null else connect: {
            @memcpy(where.path[start..][0..address.name.len], address.name);
            break :connect linux.connect(fd, @ptrCast(&where), @intCast(length));
        };
        if (rc == null or linux.errno(rc.?) != .SUCCESS) {
            _ = linux.close(fd);
            return null;
        }
        const c = arena.create(Connection) catch return sys.fail("cgroup", "out of memory");
        c.* = .{ .fd = fd, .deadline_ms = now() + timeout_ms, .is_bus = address.is_bus };
        c.greet(address.is_bus);
        return c;
    }

    /// The systemd at the other end. Null: it is a broker, or out of our sight.
    pub fn peer(c: *const Connection) ?linux.pid_t {
        if (c.is_bus) return null;
        var credentials: extern struct { pid: linux.pid_t, uid: u32, gid: u32 } = undefined;
        var length: linux.socklen_t = @sizeOf(@TypeOf(credentials));
        const rc = linux.getsockopt(c.fd, linux.SOL.SOCKET, linux.SO.PEERCRED, @ptrCast(&credentials), &length);
        return if (linux.errno(rc) == .SUCCESS and credentials.pid > 0) credentials.pid else null;
    }

    pub fn close(c: *Connection) void {
        _ = linux.close(c.fd);
    }

    /// Authentication by the socket's credentials, and what a broker wants first. Nobody has to answer before more is
    /// sent.
    fn greet(c: *Connection, is_bus: bool) void {
        var number: [16]u8 = undefined;
        const uid = std.fmt.bufPrint(&number, "{d}", .{owner.uid()}) catch unreachable;
        var w: std.Io.Writer = .fixed(&c.send);
        w.print("\x00AUTH EXTERNAL {x}\r\nBEGIN\r\n", .{uid}) catch unreachable;
        c.send_used = w.end;
        if (!is_bus) return;
        var hello = c.beginBus("Hello", "");
        c.endCall(&hello) catch unreachable;
        var match = c.beginBus("AddMatch", "s");
        match.string("type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
        c.endCall(&match) catch unreachable;
    }

    fn beginBus(c: *Connection, member: []const u8, signature: []const u8) wire.Writer {
        return c.beginCall(.{
            .destination = "org.freedesktop.DBus",
            .path = "/org/freedesktop/DBus",
            .interface = "org.freedesktop.DBus",
            .member = member,
            .signature = signature,
        });
    }

    /// The body is the caller's to write; then `endCall`.
    pub fn beginCall(c: *Connection, call: wire.Call) wire.Writer {
        c.serial += 1;
        return .begin(c.send[c.send_used..], c.serial, call);
    }

    pub fn endCall(c: *Connection, w: *wire.Writer) Error!void {
        const bytes = w.finish() catch return sys.fail("cgroup", "a request to systemd is too long");
        c.send_used += bytes.len;
    }

    /// Everything collected so far.
    pub fn flush(c: *Connection) Error!void {
        var done: usize = 0;
        while (done < c.send_used) {
            const rc = linux.sendto(c.fd, c.send[done..].ptr, c.send_used - done, linux.MSG.NOSIGNAL, null, 0);
            switch (linux.errno(rc)) {
                .SUCCESS => done += rc,
                .INTR => {},
                .AGAIN => try c.await(linux.POLL.OUT),
                else => return closed(),
            }
        }
        c.send_used = 0;
    }

    /// The next message that fits. It lies in our buffer until the next call.
    pub fn next(c: *Connection) Error!wire.Message {
        if (!c.is_greeted) try c.readWelcome();
        while (true) {
            c.drop();
            if (c.skip == 0 and c.have >= wire.prologue_bytes) {
                const length = wire.lengthOf(c.receive[0..wire.prologue_bytes]) catch return malformed();
                if (length > c.receive.len) {
                    c.skip = length;
                    continue;
                }
                if (c.have >= length) {
                    c.given = length;
                    return wire.parse(c.receive[0..length]) catch malformed();
                }
            }
            try c.fill();
        }
    }

    /// Let go of the bytes that were given out, or that belong to a message that is too long.
    fn drop(c: *Connection) void {
        const count = if (c.skip > 0) @min(c.skip, c.have) else c.given;
        c.skip -= if (c.skip > 0) count else 0;
        c.given = 0;
        std.mem.copyForwards(u8, c.receive[0 .. c.have - count], c.receive[count..c.have]);
        c.have -= count;
    }

    /// "OK <the server's id>", or a refusal.
    fn readWelcome(c: *Connection) Error!void {
        const end = while (true) {
            if (std.mem.indexOf(u8, c.receive[0..c.have], "\r\n")) |at| break at;
            if (c.have == c.receive.len) return malformed();
            try c.fill();
        };
        if (!std.mem.startsWith(u8, c.receive[0..end], "OK")) return sys.fail("cgroup", "systemd does not let us in");
        c.given = end + 2;
        c.is_greeted = true;
    }

    fn fill(c: *Connection) Error!void {
        while (true) {
            const rest = c.receive[c.have..];
            const rc = linux.recvfrom(c.fd, rest.ptr, rest.len, 0, null, null);
            switch (linux.errno(rc)) {
                .SUCCESS => {
                    if (rc == 0) return closed();
                    c.have += rc;
                    return;
                },
                .INTR => {},
                .AGAIN => try c.await(linux.POLL.IN),
                else => return closed(),
            }
        }
    }

    fn await(c: *Connection, events: i16) Error!void {
        const left = c.deadline_ms - now();
        var poll = [1]linux.pollfd{.{ .fd = c.fd, .events = events, .revents = 0 }};
        const rc = linux.poll(&poll, 1, @intCast(@max(0, left)));
        if (linux.errno(rc) == .INTR) return;
        if (try sys.check("poll", "D-Bus", rc) == 0) return sys.fail("cgroup", "systemd does not answer");
    }
};

fn closed() Error {
    return sys.fail("cgroup", "systemd closed the connection");
}

fn malformed() Error {
    return sys.fail("cgroup", "what systemd answered is not D-Bus");
}

fn now() i64 {
    var time: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &time);
    return time.sec * 1000 + @divTrunc(time.nsec, 1_000_000);
}

/// A connection whose other end the test holds.
fn pairForTest(c: *Connection) linux.fd_t {
    var pair: [2]linux.fd_t = undefined;
    _ = linux.socketpair(linux.AF.UNIX, linux.SOCK.STREAM | linux.SOCK.NONBLOCK, 0, &pair);
    c.* = .{ .fd = pair[0], .deadline_ms = now() + 200, .is_bus = false };
    return pair[1];
}

test "next() waits for whole messages and skips what is too long" {
    var c: Connection = undefined;
    const server = pairForTest(&c);
    defer _ = linux.close(server);
    defer c.close();
    var bytes: [3 * receive_bytes_max]u8 = undefined;
    var long: wire.Writer = .begin(&bytes, 1, .{ .destination = "a", .path = "/", .interface = "i", .member = "Long", .signature = "s" });
    long.string("x" ** (2 * receive_bytes_max));
    try sys.writeAll(server, "OK 1234\r\n");
    try sys.writeAll(server, try long.finish());
    var short: wire.Writer = .begin(&bytes, 2, .{ .destination = "a", .path = "/", .interface = "i", .member = "Short", .signature = "" });
    try sys.writeAll(server, try short.finish());
    try sys.writeAll(server, try short.finish());
    try std.testing.expectEqualStrings("Short", (try c.next()).member);
    try std.testing.expectEqualStrings("Short", (try c.next()).member);
    c.deadline_ms = now();
    try std.testing.expectError(error.Syscall, c.next());
    try std.testing.expectEqualStrings("systemd does not answer", sys.failure.?.detail);
}

test "next() tells a refusal and a connection that was closed" {
    var c: Connection = undefined;
    const server = pairForTest(&c);
    try sys.writeAll(server, "REJECTED EXTERNAL\r\n");
    try std.testing.expectError(error.Syscall, c.next());
    try std.testing.expectEqualStrings("systemd does not let us in", sys.failure.?.detail);
    c.close();
    _ = linux.close(server);
    _ = linux.close(pairForTest(&c));
    defer c.close();
    try std.testing.expectError(error.Syscall, c.next());
    try std.testing.expectEqualStrings("systemd closed the connection", sys.failure.?.detail);
}

test "fuzz: whatever a server says, next() ends" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var c: Connection = undefined;
            const server = pairForTest(&c);
            defer c.close();
            var buffer: [2048]u8 = undefined;
            sys.writeAll(server, "OK\r\n") catch {};
            sys.writeAll(server, buffer[0..smith.slice(&buffer)]) catch {};
            _ = linux.close(server);
            while (c.next()) |_| {} else |_| {}
        }
    }.one, .{});
}
