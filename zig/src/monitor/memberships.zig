//! The networks that a container is on with others, from the side of its monitor: joined before the program may start,
//! joined again when a network's process is lost, left with the container. While it runs networks are added and taken away.
//! What helper.json says counts each time.
//!
//! On several networks a container resolves the names of all of them, whichever it asks: each network's process tells its
//! names, and we pass them on to the others, and to the container's own (network.zig), when it has one besides.
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("../net/config.zig");
const contract = @import("../contract.zig");
const maker = @import("../net/maker.zig");
const names = @import("../net/names.zig");
const clock = @import("clock.zig");
const epolls = @import("epoll.zig");
const inside = @import("inside.zig");
const record = @import("record.zig");
const rendezvous = @import("rendezvous.zig");
const Membership = @import("membership.zig").Membership;
const linux = sys.linux;

pub const networks_max = config.entries_max;

/// A place keeps its number as long as it is used: the others know a network's names by that.
var all: [networks_max]Membership = @splat(.{});

/// The host's resolv.conf(5).
var resolv: record.Path = .{};

/// The end of the process of the container's own network. -1: it has none, or nobody to hear names.
var own: linux.fd_t = -1;

/// Lives shorter than `life_least_ms`, and joins that failed, one after the other.
pub var failures: u8 = 0;
const life_least_ms = 10_000;
const pause_ms = 100;
/// Not longer: others may have brought it back long ago.
const pause_ms_max = 2_000;

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
    if (index + 1 < entries.len) return false;
    exchangeNames();
    return true;
}

/// A network that takes longer to tell its names has them told later. It has just answered, so it is there: what it waits
/// for is a machine that is busy.
const names_patience_ms = 1_000;

/// Before the program may ask: what each network tells has been sent to the others, and to the container's own.
fn exchangeNames() void {
    if (!subscribe()) return;
    const until_ms = clock.monotonicMs() + names_patience_ms;
    for (&all, 0..) |*m, index| {
        if (m.connection < 0) continue;
        var said: Said = .nothing;
        while (said != .names and said != .end) {
            var poll = [1]linux.pollfd{.{ .fd = m.connection, .events = linux.POLL.IN, .revents = 0 }};
            if (linux.poll(&poll, 1, @intCast(until_ms -| clock.monotonicMs())) != 1) return;
            said = take(index);
        }
    }
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
    rendezvous.hurry();
    for (&all, 0..) |*m, index| if (m.connection >= 0) watchOne(epoll, m, index);
}

/// The container's own network is that process now: it has yet to hear names.
pub fn adoptOwn(control: linux.fd_t) void {
    own = control;
    _ = subscribe();
}

fn watchOne(epoll: epolls.Epoll, m: *const Membership, index: usize) void {
    epoll.add(.{ .kind = .membership, .index = @intCast(index), .fd = m.connection }, epolls.in) catch {};
}

/// Names are of interest to whoever is on several networks. They come again, whole. False: it is not on several.
fn subscribe() bool {
    var count: usize = @intFromBool(own >= 0);
    for (&all) |*m| count += @intFromBool(m.connection >= 0);
    if (count < 2) return false;
    for (&all) |*m| if (m.connection >= 0) {
        _ = linux.sendto(m.connection, "N", 1, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    };
    return true;
}

pub const Heard = enum { nothing, lost };

var packet: [2 + 64 * 1024]u8 = undefined;

/// Something of the network at that place.
pub fn hear(epoll: epolls.Epoll, index: usize) Heard {
    const m = &all[index];
    if (m.connection < 0 or take(index) != .end) return .nothing;
    epoll.remove(m.connection);
    m.leave();
    return .lost;
}

const Said = enum { nothing, names, other, end };

/// What it says next is done.
fn take(index: usize) Said {
    const m = &all[index];
    // its first byte stays in its place when a number is put between
    const n = linux.recvfrom(m.connection, packet[1..].ptr, packet.len - 1, linux.MSG.DONTWAIT, null, null);
    switch (linux.errno(n)) {
        .AGAIN, .INTR => return .nothing,
        .SUCCESS => if (n == 0) return .end,
        else => return .end,
    }
    switch (packet[1]) {
        'r' => tellServers(m),
        'n' => {
            passNames(index, n - 1);
            return .names;
        },
        maker.word => m.provideMaker(),
        else => {},
    }
    return .other;
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
fn passNames(from: usize, length: usize) void {
    const flags = linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT;
    packet[1] = @intCast(from);
    packet[0] = names.to_own;
    if (own >= 0) _ = linux.sendto(own, &packet, 2 + length, flags, null, 0);
    packet[0] = 'n';
    for (&all, 0..) |*m, index| {
        if (index == from or m.connection < 0) continue;
        _ = linux.sendto(m.connection, &packet, 2 + length, flags, null, 0);
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
    _ = subscribe();
    return is_whole;
}

// While it runs -----------------------------------------------------------------------------------------------

/// The container comes to a network that helper.json has. `pidfd` is its first process.
pub fn connect(epoll: epolls.Epoll, container_dir: [:0]const u8, id: []const u8, pidfd: linux.fd_t) sys.Error!void {
    if (find(id) != null) return refuse(.EXIST, "the container is on that network already");
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    const helper = try contract.load(contract.Helper, arena.allocator(), container_dir, "helper.json");
    const entry = entryOf(helper.networks orelse &.{}, id) orelse return refuse(.NOENT, "helper.json has no such network");
    const link = try config.linkOfEntry(entry);
    _ = try config.tapOfEntry(entry);
    const m = for (&all) |*m| {
        if (!isUsed(m)) break m;
    } else return sys.failFormat("network", "a container can be on {d} networks", .{networks_max});
    try m.name(id);
    m.tap = try inside.makeTap(pidfd, &link);
    join(m, entry, helper.runtimeDir) catch |err| {
        discard(m);
        return err;
    };
    watchOne(epoll, m, indexOf(m));
    exchangeNames(); // who is told that it has come may ask
}

/// It leaves one, which helper.json has no more; another may be its way out from now on.
pub fn disconnect(epoll: epolls.Epoll, container_dir: [:0]const u8, id: []const u8, pidfd: linux.fd_t) sys.Error!void {
    const m = find(id) orelse return refuse(.NOENT, "the container is not on that network");
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    const helper = try contract.load(contract.Helper, arena.allocator(), container_dir, "helper.json");
    if (m.connection >= 0) epoll.remove(m.connection);
    m.takeLeave(clock.monotonicMs() + farewell_ms);
    discard(m);
    passNames(indexOf(m), 0);
    for (&all) |*other| {
        const entry = entryOf(helper.networks orelse &.{}, other.id()) orelse continue;
        if (!isUsed(other) or !entry.isDefaultRoute or other.is_default) continue;
        try inside.setRoutes(pidfd, &try config.linkOfEntry(entry));
        if (other.connection >= 0) epoll.remove(other.connection);
        other.takeLeave(clock.monotonicMs() + farewell_ms);
        try join(other, entry, helper.runtimeDir);
        watchOne(epoll, other, indexOf(other));
    }
    _ = subscribe();
}

/// Its names are those that helper.json has now.
pub fn rename(container_dir: [:0]const u8) void {
    tellOwn(container_dir, &Membership.tellOwnNames);
}

/// Whom its networks ask for it is what helper.json says now.
pub fn refresh(container_dir: [:0]const u8) void {
    tellOwn(container_dir, &Membership.tellOwnServers);
}

fn tellOwn(container_dir: [:0]const u8, tell: *const fn (*const Membership, *const config.Entry) void) void {
    if (!isAny()) return;
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena.deinit();
    const helper = contract.load(contract.Helper, arena.allocator(), container_dir, "helper.json") catch return;
    for (&all) |*m| {
        if (m.connection < 0) continue;
        tell(m, entryOf(helper.networks orelse &.{}, m.id()) orelse continue);
    }
}

fn refuse(e: linux.E, detail: []const u8) sys.Error {
    sys.failure = .{ .call = "network", .detail = detail, .errno = e };
    return error.Syscall;
}

fn discard(m: *Membership) void {
    _ = linux.close(m.tap);
    m.* = .{};
}

fn indexOf(m: *const Membership) usize {
    return (@intFromPtr(m) - @intFromPtr(&all)) / @sizeOf(Membership);
}

fn isAny() bool {
    for (&all) |*m| if (isUsed(m)) return true;
    return false;
}

pub fn isLost() bool {
    for (&all) |*m| if (isUsed(m) and m.connection < 0) return true;
    return false;
}

/// When those that were lost are to be joined again: as network.zig has it, at once, and then later and later.
pub fn pauseMs() u64 {
    const now = clock.monotonicMs();
    const is_old = for (&all) |*m| {
        if (isUsed(m) and m.connection < 0 and now -| m.joined_ms < life_least_ms) break false;
    } else true;
    if (is_old) failures = 0;
    defer failures +|= 1;
    if (failures == 0) return 0;
    return @min(pause_ms_max, @as(u64, pause_ms) << @min(failures - 1, 10));
}

/// The process of the container's own network is gone, or will be.
pub fn forgetOwn() void {
    own = -1;
}

/// The container has ended: its ports are free when this returns, and what it has sent is on its way.
pub fn stop() void {
    for (&all) |*m| if (m.connection >= 0) {
        _ = linux.shutdown(m.connection, linux.SHUT.WR);
    };
    const until_ms = clock.monotonicMs() + farewell_ms;
    for (&all) |*m| m.takeLeave(until_ms);
    closeTaps();
}

/// Whoever closes a TAP last waits for the kernel to take it down, for tens of milliseconds: neither we, for whom others
/// wait, nor the network, whose frames would.
fn closeTaps() void {
    var pair: [2]linux.fd_t = undefined;
    if (!isAny()) return;
    const has_pipe = linux.errno(linux.pipe2(&pair, .{ .CLOEXEC = true })) == .SUCCESS;
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
