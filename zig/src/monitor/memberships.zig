//! The networks that a container is on with others, from the side of its monitor: joined before the program may start,
//! joined again when a network's process is lost, left with the container. While it runs networks are added and taken away.
//! What helper.json says counts each time.
//!
//! On several networks a container resolves the names of all of them, whichever it asks: each network's process tells its
//! names, and we pass them on to the others.
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("../net/config.zig");
const contract = @import("../contract.zig");
const links = @import("../net/link.zig");
const clock = @import("clock.zig");
const epolls = @import("epoll.zig");
const record = @import("record.zig");
const Membership = @import("membership.zig").Membership;
const linux = sys.linux;

pub const networks_max = config.entries_max;

/// A place keeps its number as long as it is used: the others know a network's names by that.
var all: [networks_max]Membership = @splat(.{});

/// The host's resolv.conf(5).
var resolv: record.Path = .{};

/// How long what the container has sent may take to leave.
const farewell_ms = 1_000;

fn isUsed(m: *const Membership) bool {
    return m.tap >= 0;
}

fn find(id: []const u8) ?*Membership {
    for (&all) |*m| if (isUsed(m) and std.mem.eql(u8, m.id(), id)) return m;
    return null;
}

fn entryOf(entries: []const config.Entry, id: []const u8) ?*const config.Entry {
    for (entries) |*entry| if (std.mem.eql(u8, entry.id, id)) return entry;
    return null;
}

/// The interface of the next network has been made inside: it is ours, also on failure. True: it was the last.
pub fn begin(entries: []const config.Entry, runtime_dir: []const u8, tap: linux.fd_t) sys.Error!bool {
    const index = for (&all, 0..) |*m, i| {
        if (!isUsed(m)) break i;
    } else {
        _ = linux.close(tap);
        return sys.fail("network", "the container is on too many networks");
    };
    all[index].tap = tap;
    try all[index].name(entries[index].id);
    try join(&all[index], &entries[index], runtime_dir);
    return index + 1 == entries.len;
}

fn join(m: *Membership, entry: *const config.Entry, runtime_dir: []const u8) sys.Error!void {
    var path: record.Path = .{};
    const text = std.fmt.bufPrint(&path.buffer, "{s}/net.sock\x00", .{runtime_dir}) catch {
        return sys.fail("network", "a path is too long");
    };
    path.length = text.len - 1;
    try resolv.set(entry.resolv);
    const leads_out = entry.isDefaultRoute or entry.ports.len > 0;
    try m.join(entry, if (leads_out and !entry.internal) path.get() else null);
}

/// What is told of them comes to `hear` from now on.
pub fn watch(epoll: epolls.Epoll) void {
    for (&all, 0..) |*m, index| if (m.connection >= 0) watchOne(epoll, m, index);
    subscribe();
}

fn watchOne(epoll: epolls.Epoll, m: *const Membership, index: usize) void {
    epoll.add(.{ .kind = .membership, .index = @intCast(index), .fd = m.connection }, epolls.in) catch {};
}

/// Names are of interest to whoever is on several networks. They come again, whole.
fn subscribe() void {
    var count: usize = 0;
    for (&all) |*m| count += @intFromBool(m.connection >= 0);
    if (count < 2) return;
    for (&all) |*m| if (m.connection >= 0) {
        _ = linux.sendto(m.connection, "N", 1, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    };
}

pub const Heard = enum { nothing, lost };

var packet: [2 + 64 * 1024]u8 = undefined;

/// Something of the network at that place.
pub fn hear(epoll: epolls.Epoll, index: usize) Heard {
    const m = &all[index];
    if (m.connection < 0) return .nothing;
    // its first byte stays in its place when a number is put between
    const n = linux.recvfrom(m.connection, packet[1..].ptr, packet.len - 1, linux.MSG.DONTWAIT, null, null);
    switch (linux.errno(n)) {
        .AGAIN, .INTR => return .nothing,
        .SUCCESS => if (n > 0) {
            switch (packet[1]) {
                'r' => tellServers(m),
                'n' => passOn(index, n - 1),
                else => {},
            }
            return .nothing;
        },
        else => {},
    }
    epoll.remove(m.connection);
    m.leave();
    return .lost;
}

fn tellServers(m: *const Membership) void {
    var text: [4096]u8 = undefined;
    text[0] = 'r';
    var length: usize = 1;
    const rc = linux.open(resolv.get(), .{ .CLOEXEC = true, .NONBLOCK = true }, 0);
    if (linux.errno(rc) == .SUCCESS) {
        const got = linux.read(@intCast(rc), text[1..].ptr, text.len - 1);
        _ = linux.close(@intCast(rc));
        if (linux.errno(got) == .SUCCESS) length += got;
    }
    _ = linux.sendto(m.connection, &text, length, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
}

/// Names of the network at `from` to the others. One that has no room hears them with the next change.
fn passOn(from: usize, length: usize) void {
    packet[0] = 'n';
    packet[1] = @intCast(from);
    for (&all, 0..) |*m, index| {
        if (index == from or m.connection < 0) continue;
        _ = linux.sendto(m.connection, &packet, 2 + length, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    }
}

/// Those that were lost, from helper.json as it is now. False: not all of them are back.
pub fn revive(epoll: epolls.Epoll, container_dir: [:0]const u8) bool {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    const helper = contract.load(contract.Helper, arena.allocator(), container_dir, "helper.json") catch return false;
    var is_whole = true;
    for (&all, 0..) |*m, index| {
        if (!isUsed(m) or m.connection >= 0) continue;
        const entry = entryOf(helper.networks orelse &.{}, m.id()) orelse continue; // it is being taken away
        join(m, entry, helper.runtimeDir) catch {
            is_whole = false;
            continue;
        };
        watchOne(epoll, m, index);
    }
    subscribe();
    return is_whole;
}

/// Whether the last loss was of a process that had only just begun.
pub fn isRestless(least_ms: u64) bool {
    const now = clock.monotonicMs();
    for (&all) |*m| if (isUsed(m) and m.connection < 0 and now -| m.joined_ms < least_ms) return true;
    return false;
}

/// The container has ended: its ports are free when this returns, and what it has sent is on its way.
pub fn stop() void {
    for (&all) |*m| if (m.connection >= 0) {
        _ = linux.shutdown(m.connection, linux.SHUT.WR);
    };
    const until_ms = clock.monotonicMs() + farewell_ms;
    for (&all) |*m| {
        if (m.connection >= 0) awaitFarewell(m.connection, until_ms);
        m.leave();
    }
    closeTaps();
}

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

/// Whoever closes a TAP last waits for the kernel to take it down, for tens of milliseconds: neither we, for whom others
/// wait, nor the network, whose frames would.
fn closeTaps() void {
    var pair: [2]linux.fd_t = undefined;
    const is_any = for (&all) |*m| {
        if (isUsed(m)) break true;
    } else return;
    const has_pipe = is_any and linux.errno(linux.pipe2(&pair, .{ .CLOEXEC = true })) == .SUCCESS;
    if (has_pipe) {
        const rc = linux.fork();
        if (linux.errno(rc) == .SUCCESS and rc == 0) {
            closeAllBut(pair[0]);
            var byte: [1]u8 = undefined;
            _ = linux.read(pair[0], &byte, 1); // until the other has closed them
            linux.exit_group(0);
        }
    }
    for (&all) |*m| {
        if (isUsed(m)) _ = linux.close(m.tap);
        m.* = .{};
    }
    if (has_pipe) for (pair) |fd| {
        _ = linux.close(fd);
    };
}

/// What else we have must not stay open for us.
fn closeAllBut(pipe: linux.fd_t) void {
    var kept: [networks_max + 1]linux.fd_t = undefined;
    kept[0] = pipe;
    var count: usize = 1;
    for (&all) |*m| if (isUsed(m)) {
        kept[count] = m.tap;
        count += 1;
    };
    std.mem.sort(linux.fd_t, kept[0..count], {}, std.sort.asc(linux.fd_t));
    var from: linux.fd_t = 0;
    for (kept[0..count]) |fd| {
        if (fd > from) sys.closeRange(from, fd - 1);
        from = fd + 1;
    }
    sys.closeFrom(from);
}
