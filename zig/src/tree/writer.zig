//! Entries -> a tar stream on a descriptor: ustar headers, and pax records for what does not fit into one (POSIX pax(1),
//! "ustar Interchange Format"). The same tree always gives the same bytes.
//!
//! One buffer in front of the descriptor; the bytes of a large file go past it, in the kernel where that is possible.
//! It knows nothing of trees (send.zig).
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const tar = layer.tar;
const linux = sys.linux;

const buffer_bytes = 256 << 10;
/// Below this a file is read into the buffer: one call less.
const direct_bytes_min = 128 << 10;

pub const Header = struct {
    kind: u8,
    name: []const u8,
    link: []const u8 = "",
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64 = 0,
    mtime: layer.pax.Timestamp,
    major: u32 = 0,
    minor: u32 = 0,
};

pub const Error = sys.Error || error{OutOfMemory};

pub const Writer = struct {
    fd: linux.fd_t,
    gpa: std.mem.Allocator,
    buffer: []u8,
    used: usize = 0,
    /// Records of the next entry.
    records: std.ArrayList(u8) = .empty,
    can_send: bool = true,
    /// File content written.
    bytes: u64 = 0,
    entries: u64 = 0,

    pub fn init(gpa: std.mem.Allocator, fd: linux.fd_t) error{OutOfMemory}!Writer {
        return .{ .fd = fd, .gpa = gpa, .buffer = try gpa.alloc(u8, buffer_bytes) };
    }

    /// `LENGTH KEY=VALUE\n`; the length counts itself.
    pub fn addRecord(self: *Writer, key: []const u8, value: []const u8) error{OutOfMemory}!void {
        const rest = key.len + value.len + " =\n".len;
        var length = rest + 1;
        while (rest + digitsOf(length) != length) length = rest + digitsOf(length);
        try self.records.print(self.gpa, "{d} {s}=", .{ length, key });
        try self.records.appendSlice(self.gpa, value);
        try self.records.append(self.gpa, '\n');
    }

    /// What `addRecord` was given goes with it.
    pub fn begin(self: *Writer, header: Header) Error!void {
        try self.addMissing(&header);
        self.entries += 1;
        if (self.records.items.len > 0) {
            var name: [100]u8 = undefined;
            const base = std.fs.path.basenamePosix(header.name);
            const pax_name = std.fmt.bufPrint(&name, "PaxHeaders/{s}", .{base[0..@min(base.len, 80)]}) catch unreachable;
            try self.block(&blockOf(.{
                .kind = 'x',
                .name = pax_name,
                .mode = 0o644,
                .uid = 0,
                .gid = 0,
                .size = self.records.items.len,
                .mtime = .{ .seconds = 0 },
            }));
            try self.write(self.records.items);
            try self.pad(self.records.items.len);
            self.records.clearRetainingCapacity();
        }
        try self.block(&blockOf(header));
    }

    /// What an ustar header has no room for.
    fn addMissing(self: *Writer, header: *const Header) Error!void {
        var number: [48]u8 = undefined;
        if (header.name.len > name_bytes_max) try self.addRecord("path", header.name);
        if (header.link.len > name_bytes_max) try self.addRecord("linkpath", header.link);
        if (header.size > size_max) try self.addRecord("size", text(&number, "{d}", .{header.size}));
        if (header.uid > id_max) try self.addRecord("uid", text(&number, "{d}", .{header.uid}));
        if (header.gid > id_max) try self.addRecord("gid", text(&number, "{d}", .{header.gid}));
        const time = header.mtime;
        if (time.nanoseconds != 0 or time.seconds < 0 or time.seconds > size_max) {
            try self.addRecord("mtime", timeText(&number, time));
        }
    }

    /// `size` bytes of an open file, from its position. One that has become shorter is filled up with zeros.
    pub fn content(self: *Writer, fd: linux.fd_t, size: u64) sys.Error!void {
        self.bytes += size;
        var left = size;
        if (size >= direct_bytes_min) {
            try self.flush();
            left = try self.sendDirectly(fd, size);
        }
        while (left > 0) {
            if (self.used == self.buffer.len) try self.flush();
            const most: usize = @intCast(@min(left, self.buffer.len - self.used));
            const rc = linux.read(fd, self.buffer.ptr + self.used, most);
            if (linux.errno(rc) == .INTR) continue;
            const count = try sys.check("read", "", rc);
            if (count == 0) break;
            self.used += count;
            left -= count;
        }
        try self.zeros(left);
        try self.pad(size);
    }

    /// What is left.
    fn sendDirectly(self: *Writer, fd: linux.fd_t, size: u64) sys.Error!u64 {
        var left = size;
        while (left > 0 and self.can_send) {
            const rc = linux.sendfile(self.fd, fd, null, @intCast(@min(left, 1 << 30)));
            switch (linux.errno(rc)) {
                .SUCCESS => {},
                .INTR, .AGAIN => continue,
                .INVAL, .NOSYS, .OPNOTSUPP => {
                    self.can_send = false;
                    break;
                },
                else => _ = try sys.check("write", "", rc),
            }
            if (rc == 0) break;
            left -= rc;
        }
        return left;
    }

    pub fn contentBytes(self: *Writer, bytes: []const u8) sys.Error!void {
        self.bytes += bytes.len;
        try self.write(bytes);
        try self.pad(bytes.len);
    }

    pub fn end(self: *Writer) sys.Error!void {
        try self.zeros(2 * tar.block_size);
        try self.flush();
    }

    fn block(self: *Writer, bytes: *const tar.Block) sys.Error!void {
        try self.write(bytes);
    }

    fn pad(self: *Writer, size: u64) sys.Error!void {
        try self.zeros((tar.block_size - size % tar.block_size) % tar.block_size);
    }

    fn zeros(self: *Writer, count: u64) sys.Error!void {
        var left = count;
        while (left > 0) {
            if (self.used == self.buffer.len) try self.flush();
            const some: usize = @intCast(@min(left, self.buffer.len - self.used));
            @memset(self.buffer[self.used..][0..some], 0);
            self.used += some;
            left -= some;
        }
    }

    fn write(self: *Writer, bytes: []const u8) sys.Error!void {
        var rest = bytes;
        while (rest.len > 0) {
            if (self.used == self.buffer.len) try self.flush();
            const some = @min(rest.len, self.buffer.len - self.used);
            @memcpy(self.buffer[self.used..][0..some], rest[0..some]);
            self.used += some;
            rest = rest[some..];
        }
    }

    fn flush(self: *Writer) sys.Error!void {
        try sys.writeAll(self.fd, self.buffer[0..self.used]);
        self.used = 0;
    }
};

const name_bytes_max = 100;
/// Seven and eleven octal digits.
const id_max = 0o7777777;
const size_max = 0o77777777777;

fn blockOf(header: Header) tar.Block {
    var fields = std.mem.zeroes(tar.Fields);
    copyInto(&fields.name, header.name);
    copyInto(&fields.link, header.link);
    fields.kind = header.kind;
    octal(&fields.mode, header.mode & 0o7777);
    octal(&fields.uid, @min(header.uid, id_max));
    octal(&fields.gid, @min(header.gid, id_max));
    octal(&fields.size, @min(header.size, size_max));
    octal(&fields.mtime, std.math.clamp(header.mtime.seconds, 0, size_max));
    octal(&fields.major, header.major);
    octal(&fields.minor, @min(header.minor, id_max));
    @memcpy(&fields.magic, "ustar\x00");
    @memcpy(&fields.version, "00");
    return tar.seal(@bitCast(fields));
}

fn copyInto(field: []u8, bytes: []const u8) void {
    const length = @min(field.len, bytes.len);
    @memcpy(field[0..length], bytes[0..length]);
}

fn octal(field: []u8, number: anytype) void {
    var left: u64 = @intCast(number);
    var i = field.len - 1; // the last is NUL
    while (i > 0) : (left >>= 3) {
        i -= 1;
        field[i] = '0' + @as(u8, @intCast(left & 7));
    }
}

fn digitsOf(number: usize) usize {
    var count: usize = 1;
    var left = number;
    while (left >= 10) : (left /= 10) count += 1;
    return count;
}

fn text(buffer: *[48]u8, comptime format: []const u8, args: anytype) []const u8 {
    return std.fmt.bufPrint(buffer, format, args) catch unreachable;
}

/// pax times count from 1970 in both directions: -1.5 is half a second before -1.
fn timeText(buffer: *[48]u8, time: layer.pax.Timestamp) []const u8 {
    if (time.seconds >= 0 or time.nanoseconds == 0) {
        const length = text(buffer, "{d}.{d:0>9}", .{ time.seconds, time.nanoseconds }).len;
        const digits = std.mem.trimEnd(u8, buffer[0..length], "0");
        return std.mem.trimEnd(u8, digits, ".");
    }
    const whole = -(time.seconds + 1);
    const digits = text(buffer, "-{d}.{d:0>9}", .{ @as(u64, @intCast(whole)), 1_000_000_000 - time.nanoseconds });
    return std.mem.trimEnd(u8, digits, "0");
}

const testing = std.testing;

test "what is written is what archive.zig reads" {
    var arena_state: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var writer: Writer = try .init(arena, -1); // nothing is flushed
    const long = "d/" ** 60 ++ "n" ** 90;
    try writer.addRecord("SCHILY.xattr.user.x", "a\n=\x00b");
    try writer.begin(.{
        .kind = '0',
        .name = long,
        .mode = 0o4755,
        .uid = 3_000_000,
        .gid = 5,
        .size = 3,
        .mtime = .{ .seconds = -2, .nanoseconds = 750_000_000 },
    });
    try writer.contentBytes("abc");
    try writer.begin(.{ .kind = '2', .name = "l", .link = long, .mode = 0o777, .uid = 0, .gid = 0, .mtime = .{ .seconds = 7 } });
    try writer.zeros(2 * tar.block_size);
    var source: layer.archive.Source = .fromBytes(writer.buffer[0..writer.used]);
    var reader: layer.archive.Reader = try .init(&source, arena);
    const file = (try reader.next()).?;
    try testing.expectEqualStrings(long, file.path);
    try testing.expectEqual(@as(?u32, 3_000_000), file.uid);
    try testing.expectEqual(@as(u32, 0o4755), file.mode);
    try testing.expectEqual(layer.pax.Timestamp{ .seconds = -2, .nanoseconds = 750_000_000 }, file.mtime);
    var xattrs = file.xattrs();
    try testing.expectEqualStrings("a\n=\x00b", xattrs.next().?.value);
    try testing.expectEqualStrings("abc", (try reader.data()).?);
    const link = (try reader.next()).?;
    try testing.expectEqualStrings(long, link.link);
    try testing.expectEqual(@as(i64, 7), link.mtime.seconds);
    try testing.expectEqual(null, try reader.next());
}

test timeText {
    var buffer: [48]u8 = undefined;
    const cases = [_]struct { seconds: i64, nanoseconds: u32, text: []const u8 }{
        .{ .seconds = 1, .nanoseconds = 500_000_000, .text = "1.5" },
        .{ .seconds = 10, .nanoseconds = 0, .text = "10" },
        .{ .seconds = -1, .nanoseconds = 0, .text = "-1" },
        .{ .seconds = -2, .nanoseconds = 500_000_000, .text = "-1.5" },
        .{ .seconds = 0, .nanoseconds = 1, .text = "0.000000001" },
    };
    for (cases) |case| {
        const time: layer.pax.Timestamp = .{ .seconds = case.seconds, .nanoseconds = case.nanoseconds };
        try testing.expectEqualStrings(case.text, timeText(&buffer, time));
    }
}
