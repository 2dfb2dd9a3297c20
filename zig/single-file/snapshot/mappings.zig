//! What this process has in memory, as /proc says it: which mappings, and which pages of them have been written to.
const std = @import("std");
const format = @import("format.zig");
const linux = std.os.linux;

const page_size = format.page_size;
/// The program, libc and the stub lie below; what the kernel or Bun chose lies above.
const program_end = 0x2000_0000;

pub const Error = error{
    /// Something that is not known here.
    Unknown,
    TooMany,
    /// A call of the kernel's.
    Failed,
};

pub fn check(rc: usize) Error!usize {
    return if (linux.errno(rc) == .SUCCESS) rc else error.Failed;
}

/// Memory for whoever looks, which is no part of what is seen: shared, so that the kernel joins it with nothing.
pub const Scratch = extern struct {
    header: format.Header,
    text: [1 << 20]u8,
    entries: [1 << 18]Entry,

    pub fn map() Error!*Scratch {
        const flags: linux.MAP = .{ .TYPE = .SHARED, .ANONYMOUS = true };
        return @ptrFromInt(try check(linux.mmap(null, @sizeOf(Scratch), .{ .READ = true, .WRITE = true }, flags, -1, 0)));
    }

    fn holds(scratch: *const Scratch, address: usize) bool {
        return address >= @intFromPtr(scratch) and address < @intFromPtr(scratch) + @sizeOf(Scratch);
    }
};

/// Linux, Documentation/admin-guide/mm/pagemap.rst.
pub const Entry = packed struct(u64) {
    frame: u55,
    soft_dirty: bool,
    /// Nobody else has this page.
    exclusive: bool,
    write_protected: bool,
    reserved: u3,
    /// Of a file, or shared.
    of_file: bool,
    swapped: bool,
    present: bool,

    /// It differs from what a new process has there.
    pub fn isWritten(entry: Entry) bool {
        return (entry.present or entry.swapped) and !entry.of_file;
    }
};

pub const Mapping = struct {
    start: usize,
    end: usize,
    protection: u32,
    is_shared: bool,
    name: []const u8,

    /// It is there before anything of the program runs.
    pub fn isProgram(mapping: *const Mapping) bool {
        return mapping.end <= program_end;
    }

    /// Of this the kernel makes each process its own.
    fn isKernels(mapping: *const Mapping) bool {
        return std.mem.startsWith(u8, mapping.name, "[v") or std.mem.eql(u8, mapping.name, "[stack]");
    }

    pub fn mayRead(mapping: *const Mapping) bool {
        return mapping.protection & 1 != 0;
    }

    pub fn mayExecute(mapping: *const Mapping) bool {
        return mapping.protection & 4 != 0;
    }
};

/// All but the kernel's own and the scratch memory, in order of addresses.
pub fn forEach(scratch: *Scratch, context: anytype, comptime visit: fn (@TypeOf(context), Mapping) Error!void) Error!void {
    var lines = std.mem.tokenizeScalar(u8, try readAll("/proc/self/maps", &scratch.text), '\n');
    while (lines.next()) |line| {
        const mapping = try parse(line);
        if (!mapping.isKernels() and !scratch.holds(mapping.start)) try visit(context, mapping);
    }
}

/// From an address on.
pub fn forEachPage(
    scratch: *Scratch,
    mapping: Mapping,
    from: usize,
    context: anytype,
    comptime visit: fn (@TypeOf(context), usize, Entry) Error!void,
) Error!void {
    const pagemap: linux.fd_t = @intCast(try check(linux.open("/proc/self/pagemap", .{ .CLOEXEC = true }, 0)));
    defer _ = linux.close(pagemap);
    var at = from;
    while (at < mapping.end) {
        const count: usize = @min(scratch.entries.len, (mapping.end - at) / page_size);
        const size = try check(linux.pread(pagemap, @ptrCast(&scratch.entries), count * 8, @intCast(at / page_size * 8)));
        if (size == 0) return error.Failed;
        for (scratch.entries[0 .. size / 8], 0..) |entry, i| try visit(context, at + i * page_size, entry);
        at += size / 8 * page_size;
    }
}

/// A line of /proc/PID/maps: `START-END PERMISSIONS OFFSET DEVICE INODE NAME`, proc_pid_maps(5).
fn parse(line: []const u8) Error!Mapping {
    var words = std.mem.tokenizeScalar(u8, line, ' ');
    const range = words.next() orelse return error.Unknown;
    const permissions = words.next() orelse return error.Unknown;
    for (0..3) |_| _ = words.next();
    const dash = std.mem.indexOfScalar(u8, range, '-') orelse return error.Unknown;
    if (permissions.len != 4) return error.Unknown;
    var protection: u32 = 0;
    for ("rwx", 0..) |letter, bit| {
        if (permissions[bit] == letter) protection |= @as(u32, 1) << @intCast(bit);
    }
    return .{
        .start = std.fmt.parseInt(usize, range[0..dash], 16) catch return error.Unknown,
        .end = std.fmt.parseInt(usize, range[dash + 1 ..], 16) catch return error.Unknown,
        .protection = protection,
        .is_shared = permissions[3] != 'p',
        .name = words.rest(),
    };
}

pub fn readAll(path: [*:0]const u8, buffer: []u8) Error![]u8 {
    const fd: linux.fd_t = @intCast(try check(linux.open(path, .{ .CLOEXEC = true }, 0)));
    defer _ = linux.close(fd);
    var size: usize = 0;
    while (size < buffer.len) {
        const got = try check(linux.read(fd, buffer[size..].ptr, buffer.len - size));
        if (got == 0) return buffer[0..size];
        size += got;
    }
    return error.TooMany;
}

test "a line of /proc/PID/maps" {
    const own = try parse("00400000-00452000 r-xp 00001000 08:02 173521                             /usr/bin/with space");
    try std.testing.expectEqual(0x400000, own.start);
    try std.testing.expectEqual(0x452000, own.end);
    try std.testing.expect(own.mayRead() and own.mayExecute() and own.protection == 5 and !own.is_shared);
    try std.testing.expectEqualStrings("/usr/bin/with space", own.name);
    const anonymous = try parse("7ffe0000-7fff0000 rw-s 00000000 00:00 0 ");
    try std.testing.expect(anonymous.is_shared and anonymous.name.len == 0 and anonymous.protection == 3);
    try std.testing.expect((try parse("7ffd-7fff r--p 0 00:00 0  [vdso]")).isKernels());
    for ([_][]const u8{ "", "0-1", "01 r--p 0 0:0 0", "0-x r--p 0 0:0 0", "0-1 r--pp 0 0:0 0" }) |line| {
        try std.testing.expectError(error.Unknown, parse(line));
    }
}

test "this process's own memory" {
    const scratch: *Scratch = try .map();
    defer _ = linux.munmap(@ptrCast(scratch), @sizeOf(Scratch));
    const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true };
    const pages = try check(linux.mmap(null, 4 * page_size, .{ .READ = true, .WRITE = true }, flags, -1, 0));
    defer _ = linux.munmap(@ptrFromInt(pages), 4 * page_size);
    @as(*volatile u8, @ptrFromInt(pages + 2 * page_size)).* = 1;
    const Seen = struct {
        scratch: *Scratch,
        pages: usize,
        written: usize = 0,

        fn see(seen: *@This(), mapping: Mapping) Error!void {
            if (seen.scratch.holds(mapping.start)) return error.Unknown;
            if (seen.pages < mapping.start or seen.pages >= mapping.end) return;
            var only = mapping;
            only.end = seen.pages + 4 * page_size;
            try forEachPage(seen.scratch, only, seen.pages, seen, seePage);
        }

        fn seePage(seen: *@This(), page: usize, entry: Entry) Error!void {
            if (!entry.isWritten()) return;
            if (page != seen.pages + 2 * page_size or !entry.exclusive) return error.Unknown;
            seen.written += 1;
        }
    };
    var seen: Seen = .{ .scratch = scratch, .pages = pages };
    try forEach(scratch, &seen, Seen.see);
    try std.testing.expectEqual(1, seen.written);
}
