//! Content of a new file, without the blocks of it that are all zeros: what was a hole where it came from (an archive
//! does not tell) is one again, and fills no disk.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// What file systems allocate by.
const block_bytes = 4096;

pub const Content = struct {
    fd: linux.fd_t,
    position: u64 = 0,

    /// What comes next.
    pub fn write(content: *Content, bytes: []const u8) sys.Error!void {
        var rest = bytes;
        while (rest.len > 0) {
            const zeros = content.zerosOf(rest);
            content.position += zeros;
            rest = rest[zeros..];
            const others = content.othersOf(rest);
            try content.put(rest[0..others]);
            rest = rest[others..];
        }
    }

    /// No more comes: a hole at the end belongs to the file too.
    pub fn finish(content: *const Content) sys.Error!void {
        _ = try sys.check("ftruncate", "", linux.ftruncate(content.fd, @intCast(content.position)));
    }

    fn put(content: *Content, bytes: []const u8) sys.Error!void {
        var rest = bytes;
        while (rest.len > 0) {
            const n = linux.pwrite(content.fd, rest.ptr, rest.len, @intCast(content.position));
            if (linux.errno(n) == .INTR) continue;
            _ = try sys.check("write", "", n);
            content.position += n;
            rest = rest[n..];
        }
    }

    /// How many bytes at the beginning are parts of blocks without anything else.
    fn zerosOf(content: *const Content, bytes: []const u8) usize {
        var count: usize = 0;
        while (count < bytes.len) {
            const part = content.blockAt(bytes, count);
            if (!isZero(part)) break;
            count += part.len;
        }
        return count;
    }

    fn othersOf(content: *const Content, bytes: []const u8) usize {
        var count: usize = 0;
        while (count < bytes.len) {
            const part = content.blockAt(bytes, count);
            if (isZero(part)) break;
            count += part.len;
        }
        return count;
    }

    /// As far as the block of the file goes that `bytes[from]` is in.
    fn blockAt(content: *const Content, bytes: []const u8, from: usize) []const u8 {
        const into: usize = @intCast((content.position + from) % block_bytes);
        return bytes[from..@min(bytes.len, from + block_bytes - into)];
    }
};

fn isZero(bytes: []const u8) bool {
    const Chunk = @Vector(32, u8);
    const size = @sizeOf(Chunk);
    var done: usize = 0;
    while (done + size <= bytes.len) : (done += size) {
        const chunk: Chunk = bytes[done..][0..size].*;
        if (@reduce(.Or, chunk) != 0) return false;
    }
    for (bytes[done..]) |byte| if (byte != 0) return false;
    return true;
}

test "fuzz: the file is what was written, in whatever pieces" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var seed: [64]u8 = undefined;
            const lengths = seed[0..smith.slice(&seed)];
            const fd: linux.fd_t = @intCast(linux.memfd_create("content", 0));
            defer _ = linux.close(fd);
            var expected: std.ArrayList(u8) = .empty;
            defer expected.deinit(std.testing.allocator);
            var content: Content = .{ .fd = fd };
            for (lengths) |length| {
                const from = expected.items.len;
                try expected.appendNTimes(std.testing.allocator, length & 1, @as(usize, length) * 60);
                try content.write(expected.items[from..]);
            }
            try content.finish();
            const found = try std.testing.allocator.alloc(u8, expected.items.len + 1);
            defer std.testing.allocator.free(found);
            const n = linux.pread(fd, found.ptr, found.len, 0);
            try std.testing.expectEqualSlices(u8, expected.items, found[0..n]);
        }
    }.one, .{ .corpus = &.{ "\x00\xff\xfe\x01", "\xfe\xfe\xfe", "\x00", "\xff\xff\xfe\xfe\xff" } });
}
