//! IP addresses of both versions as one type, and the kernel's socket addresses made of them. Pure.
const std = @import("std");
const linux = std.os.linux;

const mapped_prefix = [_]u8{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/// Sixteen bytes; one of version 4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2).
pub const Address = extern struct {
    bytes: [16]u8 = @splat(0),

    pub fn ofV4(bytes: [4]u8) Address {
        return .{ .bytes = mapped_prefix ++ bytes };
    }

    pub fn isV4(a: Address) bool {
        return std.mem.eql(u8, a.bytes[0..12], &mapped_prefix);
    }

    pub fn v4(a: Address) [4]u8 {
        return a.bytes[12..16].*;
    }

    pub fn eql(a: Address, b: Address) bool {
        return @as(u128, @bitCast(a.bytes)) == @as(u128, @bitCast(b.bytes));
    }

    pub fn isLoopback(a: Address) bool {
        if (a.isV4()) return a.bytes[12] == 127;
        return a.eql(.{ .bytes = .{0} ** 15 ++ .{1} });
    }

    /// "This host": Linux takes it for the loopback when it is connected to, and so does all of 0.0.0.0/8 mean nothing.
    pub fn isUnspecified(a: Address) bool {
        if (a.isV4()) return a.bytes[12] == 0;
        return a.eql(.{});
    }

    pub fn isMulticast(a: Address) bool {
        return if (a.isV4()) a.bytes[12] & 0xf0 == 0xe0 else a.bytes[0] == 0xff;
    }

    pub fn isLinkLocal(a: Address) bool {
        if (a.isV4()) return a.bytes[12] == 169 and a.bytes[13] == 254;
        return a.bytes[0] == 0xfe and a.bytes[1] & 0xc0 == 0x80;
    }

    /// Other ways to write an address of version 4 in one of version 6: nobody has to check those twice.
    pub fn isEmbedded(a: Address) bool {
        if (a.isV4()) return false;
        return std.mem.allEqual(u8, a.bytes[0..12], 0);
    }

    pub fn parse(text: []const u8) ?Address {
        return if (std.mem.indexOfScalar(u8, text, ':') == null) parseV4(text) else parseV6(text);
    }

    /// As it is usually written; version 6 without the zeros left out.
    pub fn format(a: Address, w: *std.Io.Writer) std.Io.Writer.Error!void {
        if (a.isV4()) return w.print("{d}.{d}.{d}.{d}", .{ a.bytes[12], a.bytes[13], a.bytes[14], a.bytes[15] });
        for (0..8) |i| {
            if (i > 0) try w.writeByte(':');
            try w.print("{x}", .{std.mem.readInt(u16, a.bytes[2 * i ..][0..2], .big)});
        }
    }
};

fn parseV4(text: []const u8) ?Address {
    var bytes: [4]u8 = undefined;
    var words = std.mem.splitScalar(u8, text, '.');
    for (&bytes) |*byte| {
        const word = words.next() orelse return null;
        if (word.len == 0 or word.len > 3 or (word.len > 1 and word[0] == '0')) return null;
        for (word) |c| if (!std.ascii.isDigit(c)) return null;
        byte.* = std.fmt.parseInt(u8, word, 10) catch return null;
    }
    return if (words.next() == null) Address.ofV4(bytes) else null;
}

fn parseV6(text: []const u8) ?Address {
    var a: Address = .{};
    const gap = std.mem.indexOf(u8, text, "::") orelse {
        return if (parseGroups(text, &a.bytes) == 16) a else null;
    };
    var tail: [16]u8 = undefined;
    const before = parseGroups(text[0..gap], &a.bytes) orelse return null;
    const after = parseGroups(text[gap + 2 ..], &tail) orelse return null;
    if (before + after > 14) return null;
    @memcpy(a.bytes[16 - after ..], tail[0..after]);
    return a;
}

/// Groups of hexadecimal digits, the last may be an address of version 4: how many bytes they are.
fn parseGroups(text: []const u8, out: *[16]u8) ?usize {
    if (text.len == 0) return 0;
    var used: usize = 0;
    var words = std.mem.splitScalar(u8, text, ':');
    while (words.next()) |word| {
        if (std.mem.indexOfScalar(u8, word, '.') != null) {
            const last = parseV4(word) orelse return null;
            if (used > 12 or words.next() != null) return null;
            out[used..][0..4].* = last.v4();
            return used + 4;
        }
        if (word.len == 0 or word.len > 4 or used > 14) return null;
        for (word) |c| if (!std.ascii.isHex(c)) return null;
        std.mem.writeInt(u16, out[used..][0..2], std.fmt.parseInt(u16, word, 16) catch return null, .big);
        used += 2;
    }
    return used;
}

/// An address and how many of its bits count: "10.0.2.100/24".
pub const Prefix = struct {
    address: Address,
    /// Of the sixteen bytes.
    bits: u8,

    pub fn parse(text: []const u8) ?Prefix {
        const slash = std.mem.indexOfScalar(u8, text, '/');
        const address = Address.parse(text[0 .. slash orelse text.len]) orelse return null;
        const longest: u8 = if (address.isV4()) 32 else 128;
        const bits = if (slash) |at| std.fmt.parseInt(u8, text[at + 1 ..], 10) catch return null else longest;
        if (bits > longest) return null;
        return .{ .address = address, .bits = bits + 128 - longest };
    }

    /// As its own version counts.
    pub fn length(prefix: Prefix) u8 {
        return if (prefix.address.isV4()) prefix.bits - 96 else prefix.bits;
    }

    pub fn contains(prefix: Prefix, a: Address) bool {
        if (prefix.bits == 0) return !a.isV4();
        const shift: u7 = @intCast(128 - @as(u8, prefix.bits));
        const one = std.mem.readInt(u128, &prefix.address.bytes, .big);
        const other = std.mem.readInt(u128, &a.bytes, .big);
        return one >> shift == other >> shift;
    }
};

pub const Endpoint = extern struct {
    address: Address = .{},
    port: u16 = 0,

    pub fn eql(a: Endpoint, b: Endpoint) bool {
        return a.port == b.port and a.address.eql(b.address);
    }

    /// "10.0.2.2:80", "[fd00:0:0:0:0:0:0:2]:80".
    pub fn format(e: Endpoint, w: *std.Io.Writer) std.Io.Writer.Error!void {
        if (e.address.isV4()) return w.print("{f}:{d}", .{ e.address, e.port });
        return w.print("[{f}]:{d}", .{ e.address, e.port });
    }
};

/// What bind(2), connect(2) and accept(2) take and give.
pub const SocketAddress = extern union {
    any: linux.sockaddr,
    in: linux.sockaddr.in,
    in6: linux.sockaddr.in6,

    pub const size: linux.socklen_t = @sizeOf(SocketAddress);

    pub fn of(e: Endpoint) SocketAddress {
        const port = std.mem.nativeToBig(u16, e.port);
        if (e.address.isV4()) return .{ .in = .{ .port = port, .addr = @bitCast(e.address.v4()) } };
        return .{ .in6 = .{ .port = port, .flowinfo = 0, .addr = e.address.bytes, .scope_id = 0 } };
    }

    pub fn length(s: *const SocketAddress) linux.socklen_t {
        return if (s.any.family == linux.AF.INET) @sizeOf(linux.sockaddr.in) else @sizeOf(linux.sockaddr.in6);
    }

    pub fn endpoint(s: *const SocketAddress) Endpoint {
        return switch (s.any.family) {
            linux.AF.INET => .{ .address = .ofV4(@bitCast(s.in.addr)), .port = std.mem.bigToNative(u16, s.in.port) },
            linux.AF.INET6 => .{ .address = .{ .bytes = s.in6.addr }, .port = std.mem.bigToNative(u16, s.in6.port) },
            else => .{},
        };
    }
};

test "parse() takes what people write and nothing else" {
    const good = [_][2][]const u8{
        .{ "10.0.2.100", "10.0.2.100" },
        .{ "::", "0:0:0:0:0:0:0:0" },
        .{ "fd00::2", "fd00:0:0:0:0:0:0:2" },
        .{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
        .{ "::ffff:1.2.3.4", "1.2.3.4" },
        .{ "1::", "1:0:0:0:0:0:0:0" },
    };
    for (good) |case| {
        var buffer: [64]u8 = undefined;
        const text = try std.fmt.bufPrint(&buffer, "{f}", .{Address.parse(case[0]).?});
        try std.testing.expectEqualStrings(case[1], text);
    }
    for ([_][]const u8{
        "",        "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
        "::12345", "g::",   "1.2.3.4:1", ":1",        "1:",       "::1%lo",
    }) |text| {
        try std.testing.expectEqual(null, Address.parse(text));
    }
}

test "contains() counts bits of the right version" {
    const four = Prefix.parse("10.0.0.0/8").?;
    try std.testing.expect(four.contains(Address.parse("10.255.0.1").?));
    try std.testing.expect(!four.contains(Address.parse("11.0.0.1").?));
    try std.testing.expect(Prefix.parse("0.0.0.0/0").?.contains(Address.parse("8.8.8.8").?));
    try std.testing.expect(!Prefix.parse("::/0").?.contains(Address.parse("8.8.8.8").?));
    try std.testing.expectEqual(null, Prefix.parse("10.0.0.0/33"));
}
