//! An address of this host, from the kernel's list of them (rtnetlink(7)).
const std = @import("std");
const linux = std.os.linux;
const packet = @import("packet.zig");
const Address = @import("address.zig").Address;

const Request = extern struct { head: linux.nlmsghdr, family: u8, padding: [3]u8 = @splat(0) };
const IfAddr = extern struct { family: u8, length: u8, flags: u8, scope: u8, index: u32 };
const scope_global = 0;
const ifa_address = 1;
const ifa_local = 2;

/// The first that others could reach, of version 4 or 6.
pub fn anyAddress(is_v4: bool) ?Address {
    const kind = linux.SOCK.RAW | linux.SOCK.CLOEXEC;
    const rc = linux.socket(linux.AF.NETLINK, kind, linux.NETLINK.ROUTE);
    if (linux.errno(rc) != .SUCCESS) return null;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    const request: Request = .{
        .head = .{
            .len = @sizeOf(Request),
            .type = .RTM_GETADDR,
            .flags = linux.NLM_F_REQUEST | linux.NLM_F_DUMP,
            .seq = 1,
            .pid = 0,
        },
        .family = if (is_v4) linux.AF.INET else linux.AF.INET6,
    };
    if (linux.errno(linux.sendto(fd, std.mem.asBytes(&request), @sizeOf(Request), 0, null, 0)) != .SUCCESS) return null;
    var buffer: [8192]u8 align(4) = undefined;
    const parts_max = 64;
    for (0..parts_max) |_| {
        const n = linux.recvfrom(fd, &buffer, buffer.len, 0, null, null);
        if (linux.errno(n) != .SUCCESS or n == 0) return null;
        switch (search(buffer[0..n])) {
            .found => |address| return address,
            .end => return null,
            .more => {},
        }
    }
    return null;
}

const Answer = union(enum) { found: Address, more, end };

fn search(bytes: []const u8) Answer {
    var rest = bytes;
    while (rest.len >= @sizeOf(linux.nlmsghdr)) {
        const length = read32(rest, 0);
        const kind: u16 = @bitCast(rest[4..6].*);
        if (length < @sizeOf(linux.nlmsghdr) or length > rest.len) return .end;
        const Kind = linux.NetlinkMessageType;
        if (kind == @intFromEnum(Kind.DONE) or kind == @intFromEnum(Kind.ERROR)) return .end;
        if (addressIn(rest[@sizeOf(linux.nlmsghdr)..length])) |address| return .{ .found = address };
        rest = rest[@min(rest.len, std.mem.alignForward(usize, length, 4))..];
    }
    return .more;
}

fn addressIn(message: []const u8) ?Address {
    if (message.len < @sizeOf(IfAddr) or message[3] != scope_global) return null;
    var rest = message[@sizeOf(IfAddr)..];
    var found: ?Address = null;
    while (rest.len >= 4) {
        const length: u16 = @bitCast(rest[0..2].*);
        const kind: u16 = @bitCast(rest[2..4].*);
        if (length < 4 or length > rest.len) break;
        const value = rest[4..length];
        if (kind == ifa_local or (kind == ifa_address and found == null)) {
            if (value.len == 4) found = .ofV4(value[0..4].*);
            if (value.len == 16) found = .{ .bytes = value[0..16].* };
        }
        rest = rest[@min(rest.len, std.mem.alignForward(usize, length, 4))..];
    }
    const address = found orelse return null;
    return if (address.isLoopback()) null else address;
}

fn read32(bytes: []const u8, at: usize) u32 {
    return @bitCast(bytes[at..][0..4].*);
}

test "a list that is cut off gives nothing" {
    try std.testing.expectEqual(Answer.more, search(""));
    try std.testing.expectEqual(Answer.end, search("\xff\xff\x00\x00" ++ "\x14\x00" ++ "\x00" ** 10));
    const loopback = [_]u8{ 2, 8, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 127, 0, 0, 1 };
    try std.testing.expectEqual(null, addressIn(&loopback));
    try std.testing.expect(addressIn(&(loopback[0..12].* ++ [_]u8{ 9, 8, 7, 6 })).?.eql(.ofV4(.{ 9, 8, 7, 6 })));
}
