//! A stream of tar blocks -> entries, with GNU long names and pax records already worked in.
//!
//! Theory of operation: `Source` is one buffer in front of a descriptor (or of plain memory, in tests). `Reader.next`
//! skips what is left of the entry before, reads headers until one that stands for a file, and returns an `Entry`
//! whose slices live in the reader until the next call. The caller takes the file's bytes with `Reader.data`.
//! Memory does not grow with the archive. It knows nothing of paths' safety (path.zig) or of the disk (apply.zig).
//!
//! As in Go's archive/tar, global pax records are checked for form and otherwise ignored, an empty value means
//! "not set", and a GNU long name wins over a pax path.
const std = @import("std");
const linux = std.os.linux;
const pax = @import("pax.zig");
const sys = @import("../sys.zig");
const tar = @import("tar.zig");

/// A long name or one entry's pax records: Go's archive/tar has the same limit (1 MiB).
pub const special_bytes_max = 1 << 20;
const source_bytes = 256 << 10;

pub const Error = tar.Error || pax.Error || sys.Error || error{
    Truncated,
    BadEnd,
    SpecialTooLong,
    Sparse,
    NulInName,
};

pub const Source = struct {
    buffer: []u8,
    start: usize = 0,
    end: usize = 0,
    /// Null: what is in the buffer is all there is.
    fd: ?linux.fd_t,

    pub fn fromDescriptor(fd: linux.fd_t, gpa: std.mem.Allocator) !Source {
        return .{ .buffer = try gpa.alloc(u8, source_bytes), .fd = fd };
    }

    pub fn fromBytes(bytes: []u8) Source {
        return .{ .buffer = bytes, .end = bytes.len, .fd = null };
    }

    /// Get more bytes behind what is there; false at the end of the stream.
    fn fill(self: *Source) sys.Error!bool {
        const fd = self.fd orelse return false;
        if (self.start > 0) {
            std.mem.copyForwards(u8, self.buffer, self.buffer[self.start..self.end]);
            self.end -= self.start;
            self.start = 0;
        }
        std.debug.assert(self.end < self.buffer.len);
        while (true) {
            const rc = linux.read(fd, self.buffer.ptr + self.end, self.buffer.len - self.end);
            if (linux.errno(rc) == .INTR) continue;
            const count = try sys.check("read", "", rc);
            self.end += count;
            return count > 0;
        }
    }

    /// The next block, valid until the next call; null where the stream ends between two blocks.
    fn block(self: *Source) Error!?*const tar.Block {
        while (self.end - self.start < tar.block_size) {
            if (try self.fill()) continue;
            return if (self.end == self.start) null else error.Truncated;
        }
        defer self.start += tar.block_size;
        return self.buffer[self.start..][0..tar.block_size];
    }

    /// Between 1 and `most` bytes, valid until the next call.
    fn chunk(self: *Source, most: u64) Error![]const u8 {
        std.debug.assert(most > 0);
        if (self.start == self.end) {
            self.start = 0;
            self.end = 0;
            if (!try self.fill()) return error.Truncated;
        }
        const count: usize = @intCast(@min(most, self.end - self.start));
        defer self.start += count;
        return self.buffer[self.start..][0..count];
    }

    /// Read to the end of the stream, so that whoever writes it is not cut off.
    pub fn drain(self: *Source) sys.Error!void {
        self.start = self.end;
        while (try self.fill()) self.start = self.end;
    }
};

pub const Entry = struct {
    kind: tar.Kind,
    /// As the archive spells it: any bytes but NUL.
    path: []const u8,
    link: []const u8,
    mode: u32,
    /// Null: no such id can exist on Linux (negative, or 2^32 - 1 and above).
    uid: ?u32,
    gid: ?u32,
    size: u64,
    mtime: pax.Timestamp,
    major: u32,
    minor: u32,
    /// The entry's pax records (already found well-formed); its xattrs are among them.
    records: []const u8,

    pub fn xattrs(self: *const Entry) Xattrs {
        return .{ .records = .{ .rest = self.records } };
    }
};

/// Extended attributes as SCHILY.xattr.NAME records, the form Docker, Podman, GNU tar and bsdtar all write.
pub const Xattrs = struct {
    records: pax.Records,

    const prefix = "SCHILY.xattr.";

    pub fn next(self: *Xattrs) ?pax.Record {
        while (self.records.next() catch unreachable) |record| {
            if (!std.mem.startsWith(u8, record.key, prefix)) continue;
            return .{ .key = record.key[prefix.len..], .value = record.value };
        }
        return null;
    }
};

pub const Reader = struct {
    source: *Source,
    /// What is left of the current entry's bytes, and the padding behind them.
    remaining: u64 = 0,
    padding: u64 = 0,
    name_buffer: [tar.name_bytes_max]u8 = undefined,
    link_buffer: [100]u8 = undefined,
    specials: *Specials,
    /// The name in the header being read, for a sentence about it when it is refused.
    current: []const u8 = "",

    /// Buffers that headers may fill before an entry; pages nobody writes to cost nothing.
    const Specials = struct {
        records: [special_bytes_max]u8,
        name: [special_bytes_max]u8,
        link: [special_bytes_max]u8,
        global: [special_bytes_max]u8,
    };

    pub fn init(source: *Source, gpa: std.mem.Allocator) !Reader {
        return .{ .source = source, .specials = try gpa.create(Specials) };
    }

    /// The next entry; null at the end of the archive.
    pub fn next(self: *Reader) Error!?Entry {
        try self.skip();
        var records: []const u8 = "";
        var long_name: ?[]const u8 = null;
        var long_link: ?[]const u8 = null;
        while (try self.readHeader()) |header| {
            self.current = header.name;
            switch (header.kind) {
                .pax => {
                    records = try self.special(&self.specials.records);
                    try checkRecords(records);
                },
                .pax_global => try checkRecords(try self.special(&self.specials.global)),
                .long_name => long_name = text(try self.special(&self.specials.name)),
                .long_link => long_link = text(try self.special(&self.specials.link)),
                .label => try self.skip(),
                else => return try self.makeEntry(header, records, long_name, long_link),
            }
        }
        const is_dangling = records.len > 0 or long_name != null or long_link != null;
        return if (is_dangling) error.Truncated else null;
    }

    /// Some of the current entry's bytes, valid until the next call; null when they have all been taken.
    pub fn data(self: *Reader) Error!?[]const u8 {
        if (self.remaining == 0) return null;
        const bytes = try self.source.chunk(self.remaining);
        self.remaining -= bytes.len;
        return bytes;
    }

    fn skip(self: *Reader) Error!void {
        while (try self.data()) |_| {}
        while (self.padding > 0) self.padding -= (try self.source.chunk(self.padding)).len;
    }

    fn readHeader(self: *Reader) Error!?tar.Header {
        const block = try self.source.block() orelse return null;
        if (tar.isZero(block)) {
            const second = try self.source.block() orelse return null;
            return if (tar.isZero(second)) null else error.BadEnd;
        }
        var parsed = try tar.parse(block, &self.name_buffer);
        @memcpy(self.link_buffer[0..parsed.link.len], parsed.link);
        parsed.link = self.link_buffer[0..parsed.link.len];
        self.expect(if (hasData(parsed.kind)) parsed.size else 0);
        return parsed;
    }

    fn expect(self: *Reader, size: u64) void {
        self.remaining = size;
        self.padding = (tar.block_size - size % tar.block_size) % tar.block_size;
    }

    /// The whole payload of a header about the next entry.
    fn special(self: *Reader, buffer: *[special_bytes_max]u8) Error![]const u8 {
        if (self.remaining > buffer.len) return error.SpecialTooLong;
        var length: usize = 0;
        while (try self.data()) |bytes| {
            @memcpy(buffer[length..][0..bytes.len], bytes);
            length += bytes.len;
        }
        try self.skip();
        return buffer[0..length];
    }

    fn makeEntry(
        self: *Reader,
        header: tar.Header,
        records: []const u8,
        long_name: ?[]const u8,
        long_link: ?[]const u8,
    ) Error!Entry {
        var result: Entry = .{
            .kind = header.kind,
            .path = header.name,
            .link = header.link,
            .mode = header.mode & 0o7777,
            .uid = idOf(header.uid),
            .gid = idOf(header.gid),
            .size = header.size,
            .mtime = .{ .seconds = header.mtime },
            .major = header.major,
            .minor = header.minor,
            .records = records,
        };
        self.current = long_name orelse pathIn(records) orelse header.name;
        try applyRecords(&result);
        if (long_name) |name| result.path = name;
        if (long_link) |link| result.link = link;
        self.current = result.path;
        if (result.kind == .old_file) {
            result.kind = if (std.mem.endsWith(u8, result.path, "/")) .directory else .file;
        }
        self.expect(if (hasData(result.kind)) result.size else 0);
        return result;
    }
};

/// A link, a directory or a device has no bytes in the stream, whatever size its header claims (Go's reading).
fn hasData(kind: tar.Kind) bool {
    return switch (kind) {
        .hard_link, .symlink, .char_device, .block_device, .directory, .fifo => false,
        else => true,
    };
}

fn text(bytes: []const u8) []const u8 {
    return std.mem.sliceTo(bytes, 0);
}

/// -1 means "leave as it is" to chown(2): no file can have it.
fn idOf(number: i64) ?u32 {
    if (number == std.math.maxInt(u32)) return null;
    return std.math.cast(u32, number);
}

fn checkRecords(bytes: []const u8) Error!void {
    var records: pax.Records = .{ .rest = bytes };
    while (try records.next()) |_| {}
}

fn pathIn(bytes: []const u8) ?[]const u8 {
    var found: ?[]const u8 = null;
    var records: pax.Records = .{ .rest = bytes };
    while (records.next() catch null) |record| {
        if (std.mem.eql(u8, record.key, "path") and record.value.len > 0) found = record.value;
    }
    return found;
}

fn applyRecords(entry: *Entry) Error!void {
    var records: pax.Records = .{ .rest = entry.records };
    while (try records.next()) |record| {
        if (record.value.len == 0) continue;
        if (std.mem.startsWith(u8, record.key, "GNU.sparse.")) return error.Sparse;
        const known = std.meta.stringToEnum(enum { path, linkpath, size, uid, gid, mtime }, record.key) orelse continue;
        switch (known) {
            .path => entry.path = try withoutNul(record.value),
            .linkpath => entry.link = try withoutNul(record.value),
            .size => entry.size = try pax.unsigned(record.value),
            .uid => entry.uid = idOf(@intCast(try pax.unsigned(record.value))),
            .gid => entry.gid = idOf(@intCast(try pax.unsigned(record.value))),
            .mtime => entry.mtime = try pax.time(record.value),
        }
    }
}

fn withoutNul(value: []const u8) Error![]const u8 {
    return if (std.mem.findScalar(u8, value, 0) == null) value else error.NulInName;
}

const testing = std.testing;

/// Reads an archive in memory and prints one line an entry: what a table of tests compares.
fn summary(bytes: []u8, out: *std.Io.Writer) !void {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var source: Source = .fromBytes(bytes);
    var reader: Reader = try .init(&source, arena.allocator());
    while (try reader.next()) |entry| {
        try out.print("{t} {s}", .{ entry.kind, entry.path });
        if (entry.link.len > 0) try out.print(" -> {s}", .{entry.link});
        var size: u64 = 0;
        while (try reader.data()) |data| size += data.len;
        try testing.expectEqual(if (hasData(entry.kind)) entry.size else 0, size);
        try out.print(" {d} {?d}:{?d} {d}.{d}", .{
            size, entry.uid, entry.gid, entry.mtime.seconds, entry.mtime.nanoseconds,
        });
        var xattrs = entry.xattrs();
        while (xattrs.next()) |xattr| try out.print(" {s}={s}", .{ xattr.key, xattr.value });
        try out.writeByte('\n');
    }
}

fn expectSummary(wanted: []const u8, blocks: []const tar.Block) !void {
    const bytes = try testing.allocator.dupe(u8, std.mem.sliceAsBytes(blocks));
    defer testing.allocator.free(bytes);
    var out: [4096]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&out);
    try summary(bytes, &writer);
    try testing.expectEqualStrings(wanted, writer.buffered());
}

fn expectRefused(wanted: anyerror, blocks: []const tar.Block) !void {
    const bytes = try testing.allocator.dupe(u8, std.mem.sliceAsBytes(blocks));
    defer testing.allocator.free(bytes);
    var unread: [256]u8 = undefined;
    var discard: std.Io.Writer.Discarding = .init(&unread);
    try testing.expectError(wanted, summary(bytes, &discard.writer));
}

fn payload(comptime bytes: []const u8) tar.Block {
    var block = std.mem.zeroes(tar.Block);
    @memcpy(block[0..bytes.len], bytes);
    return block;
}

const zero = std.mem.zeroes(tar.Block);

test "next() reads plain entries up to the two zero blocks" {
    const blocks = [_]tar.Block{
        tar.testHeader("a", '0', 3),     payload("abc"), tar.testHeader("d/", 0, 5), tar.testHeader("l", '2', 9), zero, zero,
        tar.testHeader("after", '0', 0),
    };
    const wanted = "file a 3 0:0 0.0\ndirectory d/ 0 0:0 0.0\nsymlink l 0 0:0 0.0\n";
    try expectSummary(wanted, &blocks);
    try expectSummary(wanted, blocks[0..4]);
    try expectSummary(wanted, blocks[0..5]);
    try expectSummary("", &.{});
}

test "next() puts pax records in, empty values and global records aside" {
    const records = "12 path=p/q\n13 uid=70000\n19 mtime=-1.250000\n22 SCHILY.xattr.u.k=\n\n9 size=4\n7 gid=\n";
    const blocks = [_]tar.Block{
        tar.testHeader("global", 'g', 12),               payload("12 path=bad\n"),
        tar.testHeader("PaxHeader/a", 'x', records.len), payload(records),
        tar.testHeader("a", '0', 1),                     payload("wxyz"),
        tar.testHeader("b", '0', 0),
    };
    try expectSummary("file p/q 4 70000:0 -2.750000000 u.k=\n\nfile b 0 0:0 0.0\n", &blocks);
}

test "next() puts GNU long names in, even before pax paths" {
    const blocks = [_]tar.Block{
        tar.testHeader("././@LongLink", 'K', 5), payload("link\x00"),
        tar.testHeader("././@LongLink", 'L', 6), payload("name/\x00"),
        tar.testHeader("x", 'x', 12),            payload("12 path=bad\n"),
        tar.testHeader("cut", 0, 0),
    };
    try expectSummary("directory name/ -> link 0 0:0 0.0\n", &blocks);
}

test "next() gives ids that cannot exist as null" {
    const records = "18 uid=4294967295\n18 gid=4294967294\n";
    const blocks = [_]tar.Block{ tar.testHeader("x", 'x', records.len), payload(records), tar.testHeader("a", '0', 0) };
    try expectSummary("file a 0 null:4294967294 0.0\n", &blocks);
}

test "next() refuses what is cut off, too long or not understood" {
    try expectRefused(error.Truncated, &.{tar.testHeader("a", '0', 1)});
    try expectRefused(error.Truncated, &.{ tar.testHeader("a", '0', 1 << 32), zero });
    try expectRefused(error.Truncated, &.{ tar.testHeader("x", 'x', 12), payload("12 path=a/b\n") });
    try expectRefused(error.Truncated, &.{ tar.testHeader("x", 'L', 5), payload("name\x00"), zero, zero });
    try expectRefused(error.BadEnd, &.{ zero, tar.testHeader("a", '0', 0) });
    try expectRefused(error.BadChecksum, &.{payload("not a tar at all")});
    try expectRefused(error.SpecialTooLong, &.{tar.testHeader("x", 'x', special_bytes_max + 1)});
    try expectRefused(error.SpecialTooLong, &.{tar.testHeader("x", 'L', 1 << 32)});
    try expectRefused(error.BadPaxRecord, &.{ tar.testHeader("x", 'x', 5), payload("junk\n") });
    try expectRefused(error.BadPaxRecord, &.{ tar.testHeader("x", 'g', 5), payload("junk\n") });
    const nul = [_]tar.Block{ tar.testHeader("x", 'x', 12), payload("12 path=a\x00b\n"), tar.testHeader("a", '0', 0) };
    try expectRefused(error.NulInName, &nul);
    const sparse = "22 GNU.sparse.major=1\n";
    try expectRefused(error.Sparse, &.{ tar.testHeader("x", 'x', sparse.len), payload(sparse), tar.testHeader("a", '0', 0) });
}

test "fuzz next(): any mix of headers and bytes ends in entries or an error" {
    const fuzzed = struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var blocks: [16]tar.Block = undefined;
            anyBlocks(&blocks, smith);
            var unread: [256]u8 = undefined;
            var discard: std.Io.Writer.Discarding = .init(&unread);
            summary(std.mem.sliceAsBytes(&blocks), &discard.writer) catch |err| switch (err) {
                error.TestExpectedEqual => return err,
                else => {},
            };
        }
    };
    try testing.fuzz({}, fuzzed.one, .{});
    // A run that is not told to fuzz tries no more than an empty input. Each choice takes a word; one that is too large
    // for it counts as its least, "no".
    var prng: std.Random.DefaultPrng = .init(testing.random_seed);
    const random = prng.random();
    var words: [256]u64 = undefined;
    for (0..4000) |_| {
        for (&words) |*word| {
            const limits = [_]u64{ 2, 6, 10, 22, 256, 2000 };
            word.* = random.uintLessThan(u64, limits[random.uintLessThan(usize, limits.len)]);
        }
        var smith: testing.Smith = .{ .in = std.mem.sliceAsBytes(&words) };
        try fuzzed.one({}, &smith);
    }
}

/// Mere bytes get no further than a checksum: these are headers that mean something, and what may follow them, some of it
/// damaged, some of it of another length than was said.
fn anyBlocks(blocks: []tar.Block, smith: *testing.Smith) void {
    const names = [_][]const u8{ "a", "d/", "../x", "/etc/passwd", ".wh.a", "" };
    const bodies = [_][]const u8{
        "",                              "12 path=a/b\n",
        "19 linkpath=../a/b\n",          "11 size=33\n",
        "21 mtime=1.000000001\n",        "12 uid=1000\n",
        "27 SCHILY.xattr.user.x=abc\n",  "22 GNU.sparse.major=1\n",
        "12 path=a/b\n11 size=33\njunk", "long/name\x00",
    };
    const kinds = "0012345567xxxxgLKSZ\x00";
    var at: usize = 0;
    while (at < blocks.len) : (at += 1) {
        const kind = kinds[smith.index(kinds.len)];
        const has_body = std.mem.findScalar(u8, "123456", kind) == null;
        const body = if (has_body) bodies[smith.index(bodies.len)] else "";
        const is_true = !smith.boolWeighted(7, 1);
        const size = if (is_true) body.len else smith.valueRangeAtMost(u16, 0, 2000);
        blocks[at] = tar.testHeader(names[smith.index(names.len)], kind, size);
        if (smith.boolWeighted(7, 1)) blocks[at][smith.index(@sizeOf(tar.Block))] = smith.value(u8);
        if (!smith.boolWeighted(15, 1)) blocks[at] = tar.seal(blocks[at]);
        if (!is_true or body.len == 0 or at + 1 == blocks.len) continue;
        at += 1;
        blocks[at] = zero;
        @memcpy(blocks[at][0..body.len], body);
        if (smith.boolWeighted(7, 1)) blocks[at][smith.index(body.len)] = smith.value(u8);
    }
}
