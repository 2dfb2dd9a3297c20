//! Datagrams of one flow on their way out, several in a call: frames are read one behind the other, so that the datagrams
//! lie where they were read until they go (sendmmsg(2)); those of one length that follow each other are one message, which
//! the kernel takes apart (udp(7), UDP_SEGMENT), as late as the way allows. Whose they are and what an error means is
//! somebody else's to know (udp.zig).
const std = @import("std");
const linux = std.os.linux;
const frame = @import("frame.zig");
const SocketAddress = @import("address.zig").SocketAddress;

/// As many as the kernel takes apart of one message.
pub const count_max = 64;
const frame_bytes_max = @sizeOf(frame.Offload) + 65536 + 64;
/// Room for a full message of datagrams as an Ethernet has them, and for a frame of any length behind them.
const buffer_bytes = frame_bytes_max + (128 << 10);
/// What fits into one packet of either version, whose header counts.
const message_bytes_max = 65535 - 48;

var buffer: [buffer_bytes]u8 align(64) = undefined;
var used: usize = 0;

const Waiting = struct { data: []const u8, whole: []const u8 };
var waiting: [count_max]Waiting = undefined;
pub var count: usize = 0;

var vectors: [count_max]std.posix.iovec_const = undefined;
var messages: [count_max]Message = undefined;
/// Which datagram each message begins with; behind the last one's the end.
var firsts: [count_max + 1]usize = undefined;
var controls: [count_max]Control = undefined;

/// struct mmsghdr
const Message = extern struct { header: linux.msghdr_const, sent_bytes: c_uint = 0 };

const Control = extern struct {
    header: linux.cmsghdr = .{ .len = @sizeOf(linux.cmsghdr) + 2, .level = linux.IPPROTO.UDP, .type = udp_segment },
    segment_bytes: u16,
    padding: [6]u8 = @splat(0),

    const udp_segment = 103;
};

/// Where the next frame is read to.
pub fn place() []u8 {
    return buffer[used..][0..frame_bytes_max];
}

/// Whether it lies in the frame that was read last.
pub fn isIn(data: []const u8) bool {
    const start = @intFromPtr(&buffer) + used;
    return @intFromPtr(data.ptr) >= start and @intFromPtr(data.ptr) + data.len <= start + frame_bytes_max;
}

/// `data` of the packet `whole` stays until clear(): both are in the frame that was read last. There is a place for it.
pub fn add(data: []const u8, whole: []const u8) void {
    waiting[count] = .{ .data = data, .whole = whole };
    count += 1;
    used = std.mem.alignForward(usize, @intFromPtr(whole.ptr) + whole.len - @intFromPtr(&buffer), 64);
}

/// There is no room for another frame.
pub fn isFull() bool {
    return count == count_max or buffer.len - used < frame_bytes_max;
}

pub fn clear() void {
    count = 0;
    used = 0;
}

pub fn at(index: usize) Waiting {
    return waiting[index];
}

/// Those that left, as far as `end`; the next one is whose message met the error.
pub const Outcome = struct { end: usize, e: linux.E = .SUCCESS };

/// All from `first` on, to `to` or where the socket is connected to; no two in one message if they are to go `singly`.
pub fn send(fd: linux.fd_t, to: ?*const SocketAddress, first: usize, singly: bool) Outcome {
    const length = arrange(to, first, singly);
    const flags = linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL;
    const rc = linux.syscall4(.sendmmsg, @intCast(fd), @intFromPtr(&messages), length, flags);
    return if (linux.errno(rc) == .SUCCESS) .{ .end = firsts[rc] } else .{ .end = first, .e = linux.errno(rc) };
}

/// How many messages they are.
fn arrange(to: ?*const SocketAddress, first: usize, singly: bool) usize {
    var length: usize = 0;
    var next = first;
    while (next < count) : (length += 1) {
        const end = if (singly) next + 1 else messageEnd(next);
        const is_train = end - next > 1;
        if (is_train) controls[length] = .{ .segment_bytes = @intCast(waiting[next].data.len) };
        for (vectors[next..end], waiting[next..end]) |*vector, *one| vector.* = .{ .base = one.data.ptr, .len = one.data.len };
        messages[length] = .{ .header = .{
            .name = if (to) |address| &address.any else null,
            .namelen = if (to) |address| address.length() else 0,
            .iov = vectors[next..].ptr,
            .iovlen = end - next,
            .control = if (is_train) &controls[length] else null,
            .controllen = if (is_train) @sizeOf(Control) else 0,
            .flags = 0,
        } };
        firsts[length] = next;
        next = end;
    }
    firsts[length] = count;
    return length;
}

/// Before which one the message ends that `first` begins: all are as long, the last may be shorter.
pub fn messageEnd(first: usize) usize {
    const each = waiting[first].data.len;
    if (each == 0) return first + 1;
    var total = each;
    for (waiting[first + 1 .. count], first + 1..) |*one, i| {
        const bytes = one.data.len;
        if (bytes == 0 or bytes > each or total + bytes > message_bytes_max) return i;
        total += bytes;
        if (bytes < each) return i + 1;
    }
    return count;
}

test "datagrams go in the order and the lengths they came in, together or singly" {
    const host = @import("host.zig");
    const Address = @import("address.zig").Address;
    const own: Address = .ofV4(.{ 127, 0, 0, 1 });
    const receiver = host.socket(own, linux.SOCK.DGRAM, 0) orelse return error.SkipZigTest;
    defer _ = linux.close(receiver);
    const any: SocketAddress = .of(.{ .address = own });
    try std.testing.expectEqual(.SUCCESS, linux.errno(linux.bind(receiver, &any.any, any.length())));
    const to: SocketAddress = .of(host.nameOf(receiver).?);
    const sender = host.socket(own, linux.SOCK.DGRAM, 0).?;
    defer _ = linux.close(sender);
    const lengths = [_]usize{ 64, 64, 64, 10, 64, 2000, 0, 5 };
    for ([_]bool{ false, true }) |singly| {
        defer clear();
        for (lengths, 0..) |length, i| {
            const bytes = place()[14..][0 .. 28 + length];
            @memset(bytes, @intCast('a' + i));
            try std.testing.expect(isIn(bytes));
            add(bytes[28..], bytes);
            try std.testing.expect(!isFull());
            try std.testing.expect(!isIn(bytes));
        }
        try std.testing.expectEqual(@as(usize, if (singly) 8 else 5), arrange(null, 0, singly));
        try std.testing.expectEqual(Outcome{ .end = 8 }, send(sender, &to, 0, singly));
        for (lengths, 0..) |length, i| {
            var got: [4096]u8 = undefined;
            try std.testing.expectEqual(length, linux.read(receiver, &got, got.len));
            for (got[0..length]) |byte| try std.testing.expectEqual('a' + i, byte);
        }
    }
}

test "it is full with as many as a message takes, or when another frame might not fit" {
    defer clear();
    for ([_][2]usize{ .{ 92, count_max }, .{ 65535, 2 } }) |case| {
        clear();
        const bytes, const most = case;
        for (1..most + 1) |i| {
            const whole = place()[24..][0..bytes];
            add(whole[28..], whole);
            try std.testing.expectEqual(i == most, isFull());
        }
    }
}
