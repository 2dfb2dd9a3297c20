//! A container's place on one network that others may be on: the connection to the network's process is the membership,
//! the TAP is ours, so that the network can be lost and come back (net/members.zig is the other side).
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("../net/config.zig");
const guard = @import("../net/guard.zig");
const maker = @import("../net/maker.zig");
const members = @import("../net/members.zig");
const publish = @import("../net/publish.zig");
const rights = @import("../net/rights.zig");
const clock = @import("clock.zig");
const record = @import("record.zig");
const rendezvous = @import("rendezvous.zig");
const linux = sys.linux;

const id_bytes_max = 64;
/// A process that ends just then is followed by another.
const tries_max = 5;

pub const Membership = struct {
    id_buffer: [id_bytes_max]u8 = undefined,
    id_bytes: usize = 0,
    tap: linux.fd_t = -1,
    connection: linux.fd_t = -1,
    joined_ms: u64 = 0,
    /// How many were started for it since (maker.zig).
    makers: u8 = 0,
    /// The way out, with published ports, and where more are asked for.
    is_default: bool = false,

    pub fn id(m: *const Membership) []const u8 {
        return m.id_buffer[0..m.id_bytes];
    }

    pub fn name(m: *Membership, text: []const u8) sys.Error!void {
        if (text.len > id_bytes_max) return sys.fail("network", "its id is too long");
        @memcpy(m.id_buffer[0..text.len], text);
        m.id_bytes = text.len;
    }

    /// The network carries the container's frames, and its ports are bound, when this returns. `ports_path` is where ports
    /// are added later, for the one that has them.
    pub fn join(m: *Membership, entry: *const config.Entry, ports_path: ?[:0]const u8) sys.Error!void {
        const memory = try Memory.make();
        defer memory.free();
        const bound = try publish.bindAll(entry.ports, &memory.sockets);
        defer for (bound) |fd| {
            _ = linux.close(fd);
        };
        var tries: usize = 0;
        while (true) {
            tries += 1;
            const fd = try rendezvous.connect(entry.socket);
            const outcome = m.introduce(fd, entry, ports_path, bound, memory) catch |err| {
                _ = linux.close(fd);
                return err;
            };
            if (outcome == .joined) {
                m.connection = fd;
                m.joined_ms = clock.monotonicMs();
                m.makers = 0;
                m.is_default = entry.isDefaultRoute;
                return;
            }
            _ = linux.close(fd);
            if (tries == tries_max) return sys.fail("network", "its process ends as soon as it is started");
        }
    }

    const Outcome = enum { joined, met_its_end };

    fn introduce(
        m: *const Membership,
        fd: linux.fd_t,
        entry: *const config.Entry,
        ports_path: ?[:0]const u8,
        bound: []const linux.fd_t,
        memory: *Memory,
    ) sys.Error!Outcome {
        var given: Given = .{};
        defer given.close();
        given.fds[0] = m.tap;
        var asked: members.Join = .{ .entry = entry.*, .sockets = bound.len };
        asked.entry.ports = &.{};
        if (ports_path) |path| {
            if (entry.ports.len > 0) if (maker.start(m.tap, .nobody)) |channel| { // as in net.zig
                asked.hasMaker = true;
                given.add(channel);
            };
            given.add(try record.listenForPorts(path));
            asked.hasLive = true;
        }
        if (entry.egress) |*egress| if (egress.log) |path| {
            given.add(try guard.openLog(path));
            asked.hasLog = true;
        };
        var w: std.Io.Writer = .fixed(&memory.text);
        std.json.Stringify.value(asked, .{}, &w) catch {
            return sys.failFormat("network", "what is said of the container on {s} is longer than {d} bytes", .{
                entry.network, memory.text.len,
            });
        };
        if (!try isSent(rights.send(fd, w.buffered(), given.fds[0..given.count]))) return .met_its_end;
        if (!try sendPorts(fd, entry, bound)) return .met_its_end;
        return awaitAnswer(fd, &memory.text);
    }

    /// Ports were added, and the network has nobody who makes sockets for them.
    pub fn provideMaker(m: *Membership) void {
        if (m.makers == maker.starts_max) return;
        m.makers += 1;
        maker.provide(m.connection, m.tap);
    }

    /// It knows the container by other names from now on.
    pub fn tellOwnNames(m: *const Membership, entry: *const config.Entry) void {
        m.tellList('u', entry.names);
    }

    /// Others are asked for it from now on.
    pub fn tellOwnServers(m: *const Membership, entry: *const config.Entry) void {
        m.tellList('s', entry.servers);
    }

    /// The length of each, and it.
    fn tellList(m: *const Membership, word: u8, list: []const [:0]const u8) void {
        var packet: [4096 + 256]u8 = undefined;
        packet[0] = word;
        var used: usize = 1;
        for (list) |text| {
            if (text.len > 255 or packet.len - used < 1 + text.len) break; // as many as it would take
            packet[used] = @intCast(text.len);
            @memcpy(packet[used + 1 ..][0..text.len], text);
            used += 1 + text.len;
        }
        _ = linux.sendto(m.connection, &packet, used, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    }

    /// With a word: nothing of the container is there any more when this returns, if the network answers in time.
    pub fn takeLeave(m: *Membership, until_ms: u64) void {
        if (m.connection < 0) return;
        _ = linux.shutdown(m.connection, linux.SHUT.WR);
        awaitFarewell(m.connection, until_ms);
        m.leave();
    }

    pub fn leave(m: *Membership) void {
        if (m.connection >= 0) _ = linux.close(m.connection);
        m.connection = -1;
    }
};

fn awaitFarewell(connection: linux.fd_t, until_ms: u64) void {
    const words_max = 64; // what it said before comes first
    for (0..words_max) |_| {
        var poll = [1]linux.pollfd{.{ .fd = connection, .events = linux.POLL.IN, .revents = 0 }};
        const left_ms = until_ms -| clock.monotonicMs();
        if (linux.poll(&poll, 1, @intCast(left_ms)) != 1) return;
        var word: [1]u8 = undefined;
        const n = linux.recvfrom(connection, &word, word.len, linux.MSG.DONTWAIT, null, null);
        if (linux.errno(n) != .SUCCESS or n == 0 or word[0] == 'e') return;
    }
}

/// For the time of a join.
const Memory = struct {
    text: [members.join_bytes_max]u8,
    sockets: [publish.sockets_max]linux.fd_t,

    fn make() sys.Error!*Memory {
        const protection: linux.PROT = .{ .READ = true, .WRITE = true };
        const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true };
        const rc = try sys.check("mmap", "network", linux.mmap(null, @sizeOf(Memory), protection, flags, -1, 0));
        return @ptrFromInt(rc);
    }

    fn free(memory: *Memory) void {
        _ = linux.munmap(@ptrCast(memory), @sizeOf(Memory));
    }
};

/// The first is the TAP, which we keep; the others are only passed on.
const Given = struct {
    fds: [4]linux.fd_t = undefined,
    count: usize = 1,

    fn add(given: *Given, fd: linux.fd_t) void {
        given.fds[given.count] = fd;
        given.count += 1;
    }

    fn close(given: *const Given) void {
        for (given.fds[1..given.count]) |fd| _ = linux.close(fd);
    }
};

/// False: nobody is there any more.
fn isSent(rc: usize) sys.Error!bool {
    switch (linux.errno(rc)) {
        .PIPE, .CONNRESET => return false,
        .AGAIN => return sys.fail("network", "its process does not answer"),
        else => _ = try sys.check("sendmsg", "the network's process", rc),
    }
    return true;
}

/// A packet passes no more than that.
const batch = 250;

fn sendPorts(fd: linux.fd_t, entry: *const config.Entry, bound: []const linux.fd_t) sys.Error!bool {
    var packet: [1 + 2 * batch]u8 = undefined;
    packet[0] = 'p';
    var filled: usize = 0;
    var sent: usize = 0;
    for (entry.ports) |*port| for (0..port.count) |i| {
        const inner = port.containerPort +% @as(u16, @intCast(i));
        std.mem.writeInt(u16, packet[1 + 2 * filled ..][0..2], inner, .big);
        filled += 1;
        if (filled < batch and sent + filled < bound.len) continue;
        if (!try isSent(rights.send(fd, packet[0 .. 1 + 2 * filled], bound[sent..][0..filled]))) return false;
        sent += filled;
        filled = 0;
    };
    return true;
}

const Answer = struct { ok: bool, errno: u16 = 0, detail: []const u8 = "" };

fn awaitAnswer(fd: linux.fd_t, buffer: []u8) sys.Error!Membership.Outcome {
    const words_max = 16; // others may come first
    for (0..words_max) |_| {
        const n = linux.recvfrom(fd, buffer.ptr, buffer.len, 0, null, null);
        switch (linux.errno(n)) {
            .SUCCESS => {},
            .INTR => continue,
            .CONNRESET => return .met_its_end,
            .AGAIN => return sys.fail("network", "its process does not answer"),
            else => _ = try sys.check("recv", "the network's process", n),
        }
        if (n == 0) return .met_its_end;
        if (buffer[0] != '{') continue;
        var memory: [4096]u8 = undefined;
        var fixed: std.heap.FixedBufferAllocator = .init(&memory);
        const answer = std.json.parseFromSliceLeaky(Answer, fixed.allocator(), buffer[0..n], .{}) catch break;
        if (answer.ok) return .joined;
        const detail = sys.format("{s}", .{answer.detail});
        sys.failure = .{ .call = "network", .detail = detail, .errno = @enumFromInt(answer.errno) };
        return error.Syscall;
    }
    return sys.fail("network", "its process says what makes no sense");
}
