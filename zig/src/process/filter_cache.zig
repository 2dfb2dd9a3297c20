//! Theory of operation: seccomp filters that were compiled once, kept in a directory of the user's own. A profile is
//! hundreds of names, and the program made of it takes longer to compile than a container to start.
//!
//! One file a profile, named by a hash of the profile's text as config.json has it. It holds that text as well, and only
//! the very same bytes are a hit: nobody who can hand us profiles can make one stand for another. Files are published by
//! rename and checked before use (owner, size, checksum); whatever is wrong is a miss, and a miss compiles. Each version of
//! the compiler has a directory of its own. Nothing that fails here fails a container.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const bpf = @import("bpf.zig");
const seccomp = @import("seccomp.zig");
const linux = sys.linux;

/// What a filter depends on besides the profile: how it is compiled, here and in std's tables of system calls.
const compiler = version: {
    @setEvalBranchQuota(10_000_000);
    const sources = @embedFile("seccomp.zig") ++ @embedFile("bpf.zig") ++ @import("builtin").zig_version_string;
    break :version std.hash.Fnv1a_32.hash(sources);
};

const Header = extern struct {
    magic: u64 = magic_number,
    text_bytes: u32,
    instructions: u32,
    flags: u32,
    notifies: u32,
    /// XXH64 of the instructions; the text is compared.
    checksum: u64,

    const magic_number = 0x7265746c69662d74; // "t-filter"
    comptime {
        std.debug.assert(@sizeOf(Header) == 32);
    }
};

const file_bytes_max = 1024 * 1024;
/// More profiles than anybody uses at a time; then the cache begins anew.
const entries_max = 256;
const private_mode = 0o700;
const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };

const Name = struct {
    buffer: [16]u8,

    fn of(text: []const u8) Name {
        var name: Name = undefined;
        _ = std.fmt.bufPrint(&name.buffer, "{x:0>16}", .{std.hash.Wyhash.hash(0, text)}) catch unreachable;
        return name;
    }
};

/// The filter of exactly this profile, in `arena`; null: it has to be compiled.
pub fn find(arena: std.mem.Allocator, directory: []const u8, text: []const u8) ?seccomp.Filter {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const name = Name.of(text);
    const path = std.fmt.bufPrintZ(&buffer, "{s}/{x:0>8}/{s}", .{ directory, compiler, name.buffer }) catch return null;
    const flags: linux.O = .{ .NOFOLLOW = true, .NONBLOCK = true, .CLOEXEC = true };
    const rc = linux.open(path, flags, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS or !isOurs(&stat)) return null;
    if (stat.size < @sizeOf(Header) or stat.size > file_bytes_max) return null;
    const bytes = arena.alignedAlloc(u8, .of(Header), @intCast(stat.size)) catch return null;
    return read(fd, bytes, text);
}

/// Written by nobody else: neither another user nor whoever may write here by the mode.
fn isOurs(stat: *const linux.Statx) bool {
    return linux.S.ISREG(stat.mode) and stat.uid == linux.geteuid() and stat.mode & 0o022 == 0;
}

fn read(fd: linux.fd_t, bytes: []align(@alignOf(Header)) u8, text: []const u8) ?seccomp.Filter {
    var used: usize = 0;
    while (used < bytes.len) {
        const n = linux.read(fd, bytes.ptr + used, bytes.len - used);
        if (linux.errno(n) != .SUCCESS or n == 0) return null;
        used += n;
    }
    return parse(bytes, text);
}

fn parse(bytes: []align(@alignOf(Header)) const u8, text: []const u8) ?seccomp.Filter {
    if (bytes.len < @sizeOf(Header)) return null;
    const header: *const Header = @ptrCast(bytes.ptr);
    if (header.magic != Header.magic_number or header.text_bytes != text.len) return null;
    if (header.instructions == 0 or header.instructions > bpf.instructions_max) return null;
    const code_bytes = header.instructions * @sizeOf(bpf.Instruction);
    if (bytes.len != @sizeOf(Header) + code_bytes + text.len) return null;
    const body = bytes[@sizeOf(Header)..];
    if (!std.mem.eql(u8, body[code_bytes..], text)) return null;
    if (std.hash.XxHash64.hash(0, body[0..code_bytes]) != header.checksum) return null;
    return .{
        .flags = header.flags,
        .notifies = header.notifies != 0,
        .instructions = @alignCast(std.mem.bytesAsSlice(bpf.Instruction, body[0..code_bytes])),
    };
}

/// Keep `filter` for the next who has this profile. Done by the container's process, which is still alone and the
/// caller's then.
pub fn publish(directory: []const u8, text: []const u8, filter: seccomp.Filter) void {
    publishIn(directory, text, filter) catch {};
}

fn publishIn(directory: []const u8, text: []const u8, filter: seccomp.Filter) sys.Error!void {
    const code = std.mem.sliceAsBytes(filter.instructions);
    if (@sizeOf(Header) + code.len + text.len > file_bytes_max) return;
    const place = try makeDirectories(directory);
    defer _ = linux.close(place);
    empty(place);
    const header: Header = .{
        .text_bytes = @intCast(text.len),
        .instructions = @intCast(filter.instructions.len),
        .flags = filter.flags,
        .notifies = @intFromBool(filter.notifies),
        .checksum = std.hash.XxHash64.hash(0, code),
    };
    const name = Name.of(text);
    var random: u64 = undefined;
    _ = try sys.check("getrandom", "", linux.getrandom(std.mem.asBytes(&random).ptr, @sizeOf(u64), 0));
    var temporary_buffer: [48]u8 = undefined;
    const temporary = std.fmt.bufPrintZ(&temporary_buffer, "{s}.{x}", .{ name.buffer, random }) catch unreachable;
    var final_buffer: [17]u8 = undefined;
    const final = std.fmt.bufPrintZ(&final_buffer, "{s}", .{name.buffer}) catch unreachable;
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .CLOEXEC = true };
    const fd = try sys.checkFd("open", "", linux.openat(place, temporary, flags, 0o600));
    errdefer _ = linux.unlinkat(place, temporary, 0);
    {
        defer _ = linux.close(fd);
        for ([_][]const u8{ std.mem.asBytes(&header), code, text }) |part| try sys.writeAll(fd, part);
    }
    _ = try sys.check("rename", "", linux.renameat(place, temporary, place, final));
}

/// The directory of this compiler's filters, made with the parents it lacks. What others could write to is not ours.
fn makeDirectories(directory: []const u8) sys.Error!linux.fd_t {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "{s}/{x:0>8}", .{ directory, compiler }) catch return sys.fail("open", "too long");
    var rc = linux.open(path, open_directory, 0);
    if (linux.errno(rc) == .NOENT) {
        const parents_max = 4; // XDG_CACHE_HOME, tspod, seccomp, the version
        var ends: [parents_max]usize = undefined;
        var count: usize = 0;
        var end = path.len;
        while (count < parents_max and end > 1) : (count += 1) {
            ends[count] = end;
            end = std.mem.lastIndexOfScalar(u8, path[0..end], '/') orelse 0;
        }
        while (count > 0) : (count -= 1) {
            const at = ends[count - 1];
            const byte = buffer[at];
            buffer[at] = 0;
            _ = linux.mkdir(buffer[0..at :0], private_mode);
            buffer[at] = byte;
        }
        rc = linux.open(path, open_directory, 0);
    }
    return sys.checkFd("open", "", rc);
}

/// Begin anew when there are too many.
fn empty(directory: linux.fd_t) void {
    var names: [entries_max + 1][48]u8 = undefined;
    var count: usize = 0;
    var buffer: [4096]u8 align(8) = undefined;
    while (count < names.len) {
        const n = linux.getdents64(directory, &buffer, buffer.len);
        if (linux.errno(n) != .SUCCESS or n == 0) break;
        var at: usize = 0;
        while (at < n and count < names.len) {
            const entry: *align(1) linux.dirent64 = @ptrCast(&buffer[at]);
            at += entry.reclen;
            const name = std.mem.sliceTo(@as([*:0]const u8, @ptrCast(&entry.name)), 0);
            if (name[0] == '.' or name.len >= names[0].len) continue;
            @memcpy(names[count][0..name.len], name);
            names[count][name.len] = 0;
            count += 1;
        }
    }
    if (count <= entries_max) return;
    for (names[0..count]) |*name| _ = linux.unlinkat(directory, @ptrCast(name), 0);
}

test "what was published is found, and only that" {
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    var buffer: [64]u8 = undefined;
    const directory = try std.fmt.bufPrint(&buffer, "/proc/self/fd/{d}/a/b", .{tmp.dir.handle});
    const text = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    try std.testing.expect(find(arena, directory, text) == null);
    const code = [_]bpf.Instruction{ .{ .code = bpf.ld_abs, .k = 0 }, .{ .code = bpf.ret, .k = 7 } };
    publish(directory, text, .{ .flags = 2, .notifies = true, .instructions = &code });
    const found = find(arena, directory, text).?;
    try std.testing.expectEqualSlices(bpf.Instruction, &code, found.instructions);
    try std.testing.expect(found.flags == 2 and found.notifies);
    try std.testing.expect(find(arena, directory, text[1..]) == null);
}

test "parse() trusts no file" {
    const text = "x";
    const body = "\x06\x00\x00\x00\x07\x00\x00\x00" ++ text; // return 7
    const good: Header = .{
        .text_bytes = 1,
        .instructions = 1,
        .flags = 0,
        .notifies = 0,
        .checksum = std.hash.XxHash64.hash(0, body[0..8]),
    };
    var bytes: [@sizeOf(Header) + body.len]u8 align(@alignOf(Header)) = undefined;
    @memcpy(bytes[0..@sizeOf(Header)], std.mem.asBytes(&good));
    @memcpy(bytes[@sizeOf(Header)..], body);
    try std.testing.expect(parse(&bytes, text) != null);
    try std.testing.expect(parse(&bytes, "y") == null);
    for (0..@sizeOf(Header)) |length| try std.testing.expect(parse(bytes[0..length], text) == null);
    for (0..bytes.len) |i| { // the flags and what they mean are the kernel's to judge
        const is_plain = i >= @offsetOf(Header, "flags") and i < @offsetOf(Header, "checksum");
        bytes[i] ^= 0x40;
        try std.testing.expect(is_plain or parse(&bytes, text) == null);
        bytes[i] ^= 0x40;
    }
}

test "fuzz: parse()" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [256]u8 align(@alignOf(Header)) = undefined;
            const filter = parse(buffer[0..smith.slice(&buffer)], "x") orelse return;
            try std.testing.expect(filter.instructions.len <= bpf.instructions_max);
        }
    }.one, .{});
}
