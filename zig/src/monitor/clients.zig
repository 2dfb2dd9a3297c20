//! Theory of operation: who is attached. Every client gets every byte of output in frames (frame.zig).
//!
//! The client that came with the container (the primary) holds it back when it does not read, as a pipe would: no
//! byte is lost for it. Every other client has `buffer_bytes` of room; one that falls further behind is dropped, so a
//! stuck reader can never block a container. Memory is fixed: `clients_max` slots, their buffers untouched until used.
const std = @import("std");
const sys = @import("../sys.zig");
const epolls = @import("epoll.zig");
const frame = @import("frame.zig");
const terminal = @import("../process/terminal.zig");
const linux = sys.linux;

pub const clients_max = 16;
/// The documented limit for a slow client: one frame and its header fit for certain.
pub const buffer_bytes = 2 * frame.payload_bytes_max;

/// What a client asked for.
pub const Request = union(enum) {
    nothing,
    /// This many bytes of the given space were filled.
    stdin: usize,
    end_of_stdin,
    resize: terminal.Size,
    /// 1 or 2.
    output_closed: u32,
    gone,
};

const Client = struct {
    fd: linux.fd_t = -1,
    is_primary: bool = false,
    reads: bool = true,
    events: u32 = 0,
    header: [frame.header_bytes]u8 = undefined,
    header_have: usize = 0,
    left: usize = 0,
    small: [4]u8 = undefined,
    out_start: usize = 0,
    out_end: usize = 0,

    fn pending(client: *const Client) usize {
        return client.out_end - client.out_start;
    }
};

var slots: [clients_max]Client = @splat(.{});
var buffers: [clients_max][buffer_bytes]u8 = undefined;

pub fn add(epoll: epolls.Epoll, fd: linux.fd_t, is_primary: bool) void {
    for (&slots, 0..) |*slot, i| {
        if (slot.fd >= 0) continue;
        slot.* = .{ .fd = fd, .is_primary = is_primary, .events = epolls.in | epolls.closed };
        epoll.add(.{ .kind = .client, .index = @intCast(i), .fd = fd }, slot.events) catch drop(epoll, i);
        return;
    }
    _ = linux.close(fd); // full: an ordinary condition, the client sees the end at once
}

pub fn drop(epoll: epolls.Epoll, index: usize) void {
    const slot = &slots[index];
    if (slot.fd < 0) return;
    epoll.close(slot.fd);
    slot.* = .{};
    _ = linux.madvise(&buffers[index], buffer_bytes, linux.MADV.DONTNEED);
}

/// Whether somebody who must not lose a byte has not taken the last ones yet.
pub fn holdsBack() bool {
    for (&slots) |*slot| if (slot.fd >= 0 and slot.is_primary and slot.pending() > 0) return true;
    return false;
}

pub fn hasPrimary() bool {
    for (&slots) |*slot| if (slot.fd >= 0 and slot.is_primary) return true;
    return false;
}

pub fn hasOthers() bool {
    for (&slots) |*slot| if (slot.fd >= 0 and !slot.is_primary) return true;
    return false;
}

pub fn anyPending() bool {
    for (&slots) |*slot| if (slot.fd >= 0 and slot.pending() > 0) return true;
    return false;
}

pub fn dropSlow(epoll: epolls.Epoll) void {
    for (&slots, 0..) |*slot, i| if (!slot.is_primary and slot.pending() > 0) drop(epoll, i);
}

/// Stop or go on reading what clients type.
pub fn setReading(epoll: epolls.Epoll, reads: bool) void {
    for (&slots, 0..) |*slot, i| {
        if (slot.fd < 0 or slot.reads == reads) continue;
        slot.reads = reads;
        update(epoll, i);
    }
}

/// `others`: the primary has it already.
pub const Whom = enum { all, others };

/// One frame: header and payload in one call where the socket takes them.
pub fn broadcast(epoll: epolls.Epoll, kind: frame.Type, payload: []const u8, whom: Whom) void {
    const head = frame.header(kind, payload.len);
    for (&slots, 0..) |*slot, i| {
        if (slot.fd < 0 or whom == .others and slot.is_primary) continue;
        var sent: usize = 0;
        if (slot.pending() == 0) sent = sendNow(slot.fd, &head, payload) orelse {
            drop(epoll, i);
            continue;
        };
        if (sent < head.len + payload.len) keep(epoll, i, &head, payload, sent);
    }
}

/// Null: the peer is gone.
fn sendNow(fd: linux.fd_t, head: []const u8, payload: []const u8) ?usize {
    const vectors = [2]std.posix.iovec_const{
        .{ .base = head.ptr, .len = head.len }, .{ .base = payload.ptr, .len = payload.len },
    };
    const message: linux.msghdr_const = .{
        .name = null,
        .namelen = 0,
        .iov = &vectors,
        .iovlen = if (payload.len == 0) 1 else 2,
        .control = null,
        .controllen = 0,
        .flags = 0,
    };
    while (true) {
        const n = linux.sendmsg(fd, &message, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT);
        switch (linux.errno(n)) {
            .SUCCESS => return n,
            .INTR => {},
            .AGAIN => return 0,
            else => return null,
        }
    }
}

fn keep(epoll: epolls.Epoll, index: usize, head: []const u8, payload: []const u8, sent: usize) void {
    const slot = &slots[index];
    const rest = head.len + payload.len - sent;
    if (slot.out_start > 0) { // move what is left to the front
        std.mem.copyForwards(u8, &buffers[index], buffers[index][slot.out_start..slot.out_end]);
        slot.out_end -= slot.out_start;
        slot.out_start = 0;
    }
    if (slot.out_end + rest > buffer_bytes) return drop(epoll, index);
    var skip = sent;
    for ([_][]const u8{ head, payload }) |part| {
        const from = @min(skip, part.len);
        skip -= from;
        @memcpy(buffers[index][slot.out_end..][0 .. part.len - from], part[from..]);
        slot.out_end += part.len - from;
    }
    update(epoll, index);
}

pub fn flush(epoll: epolls.Epoll, index: usize) void {
    const slot = &slots[index];
    while (slot.fd >= 0 and slot.pending() > 0) {
        const rest = buffers[index][slot.out_start..slot.out_end];
        const n = linux.sendto(slot.fd, rest.ptr, rest.len, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
        switch (linux.errno(n)) {
            .SUCCESS => slot.out_start += n,
            .INTR => {},
            .AGAIN => return,
            else => return drop(epoll, index),
        }
    }
    slot.out_start = 0;
    slot.out_end = 0;
    if (slot.fd >= 0) update(epoll, index);
}

fn update(epoll: epolls.Epoll, index: usize) void {
    const slot = &slots[index];
    const reading: u32 = if (slot.reads) epolls.in | epolls.closed else 0;
    const events = reading | if (slot.pending() > 0) @as(u32, epolls.out) else 0;
    const before = slot.events;
    if (events == before) return;
    slot.events = events;
    const ref: epolls.Ref = .{ .kind = .client, .index = @intCast(index), .fd = slot.fd };
    // One that is gone is reported whatever is asked for, over and over: while nobody may read it, it is not watched.
    if (events == 0) return epoll.remove(slot.fd);
    if (before == 0) epoll.add(ref, events) catch drop(epoll, index) else epoll.change(ref, events);
}

/// Read one piece of what a client sent; stdin bytes go to `space`. Untrusted: whoever breaks the framing is dropped.
pub fn read(epoll: epolls.Epoll, index: usize, space: []u8) Request {
    const slot = &slots[index];
    if (slot.fd < 0) return .nothing;
    if (slot.header_have < frame.header_bytes) {
        const n = receive(slot.fd, slot.header[slot.header_have..]) orelse return leave(epoll, index);
        slot.header_have += n;
        if (slot.header_have < frame.header_bytes) return .nothing;
        const head = frame.parse(&slot.header) orelse return leave(epoll, index);
        slot.left = head.length;
        if (head.length > 0) return .nothing; // level-triggered: the payload comes next
        slot.header_have = 0;
        return if (head.kind == .end_of_stdin) .end_of_stdin else .nothing;
    }
    const kind = frame.parse(&slot.header).?.kind;
    const into = if (kind == .stdin) space[0..@min(slot.left, space.len)] else slot.small[4 - @min(slot.left, 4) ..];
    const n = receive(slot.fd, into) orelse return leave(epoll, index);
    slot.left -= n;
    if (slot.left == 0) slot.header_have = 0;
    if (kind == .stdin) return if (n > 0) .{ .stdin = n } else .nothing;
    if (slot.left > 0) return .nothing;
    return switch (kind) {
        .resize => .{ .resize = .{
            .rows = std.mem.readInt(u16, slot.small[0..2], .little),
            .columns = std.mem.readInt(u16, slot.small[2..4], .little),
        } },
        .output_closed => if (slot.is_primary)
            .{ .output_closed = std.mem.readInt(u32, &slot.small, .little) }
        else
            .nothing,
        else => leave(epoll, index), // only the monitor sends the other kinds
    };
}

fn leave(epoll: epolls.Epoll, index: usize) Request {
    drop(epoll, index);
    return .gone;
}

/// Null: end or error. 0: nothing there yet.
fn receive(fd: linux.fd_t, into: []u8) ?usize {
    const n = linux.recvfrom(fd, into.ptr, into.len, linux.MSG.DONTWAIT, null, null);
    return switch (linux.errno(n)) {
        .SUCCESS => if (n == 0) null else n,
        .AGAIN, .INTR => 0,
        else => null,
    };
}
