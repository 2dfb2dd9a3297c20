//! What is packed into the single file and how it comes out again. pack.ts writes it; where it goes is cache.zig's.
//!
//! Theory of operation. The payload is a segment of its own at a fixed address: a header, a table of chunks, then each
//! chunk as a Zstandard frame. Chunks are decoded by a few child processes, and each is written in one call: the page
//! cache then holds it in pages of 2 MiB (ext4 since Linux 6.16, XFS, Btrfs), of which a start of the program maps
//! twenty instead of four thousand small ones, a seventh of its time. A child that dies is nothing but a failed attempt:
//! only what a child has marked as done, with the right checksum, counts.
const std = @import("std");
const zstd = @import("zstd");
const linux = std.os.linux;

/// Far above everything else in the launcher. pack.ts puts it there.
const address = 0x4000_0000;
const magic = 0x31304b5044505354; // "TSPDPK01"
const workers_max = 4;
const chunks_max = 64;

const Header = extern struct {
    magic: u64,
    /// Of what comes out, in bytes.
    size: u64,
    /// Of every chunk but the last, in bytes.
    chunk_size: u64,
    chunk_count: u64,
    /// The beginning of the SHA-256 of what comes out.
    id: [16]u8,
};
const Chunk = extern struct {
    size_packed: u64,
    /// XXH64 of what comes out, seed 0.
    checksum: u64,
};
comptime {
    std.debug.assert(@sizeOf(Header) == 48 and @sizeOf(Chunk) == 16);
}

pub const Error = error{
    /// What comes out is not what was packed.
    Damaged,
    /// errno of the call that failed: there is no space, or the file cannot be written.
    Unwritable,
};
pub var unwritable_errno: linux.E = .SUCCESS;

fn header() *const Header {
    return @ptrFromInt(address);
}

fn chunks() []const Chunk {
    return @as([*]const Chunk, @ptrFromInt(address + @sizeOf(Header)))[0..header().chunk_count];
}

pub fn size() u64 {
    return header().size;
}

pub fn idHex() [32]u8 {
    return std.fmt.bytesToHex(header().id, .lower);
}

/// Fill an empty file.
pub fn unpack(fd: linux.fd_t) Error!void {
    if (header().magic != magic or header().chunk_count > chunks_max or !isWhole()) return error.Damaged;
    // Without its blocks a full disk would kill a child that writes to the mapping, instead of saying so here.
    const reserved = linux.errno(linux.fallocate(fd, 0, 0, @intCast(size())));
    if (reserved == .OPNOTSUPP or reserved == .NOSYS) {
        try check(linux.ftruncate(fd, @intCast(size())));
    } else if (reserved != .SUCCESS) return unwritable(reserved);

    const done: []Outcome = @ptrCast(@alignCast(try map(chunks_max * @sizeOf(Outcome), .SHARED)));
    defer unmap(@ptrCast(done));
    decodeInChildren(fd, done);
    for (chunks(), done[0..chunks().len]) |_, outcome| switch (outcome.state) {
        .written => {},
        .damaged => return error.Damaged,
        .refused => return unwritable(@enumFromInt(outcome.errno)),
        else => return unwritable(.IO), // its child died, or could not be made
    };
}

/// A file that was cut short is mapped all the same, and reading what is missing would be SIGBUS. The kernel reads
/// the last byte for us, and says EFAULT instead (process_vm_readv(2)).
fn isWhole() bool {
    var last: usize = address + @sizeOf(Header) + @sizeOf(Chunk) * chunks().len + zstd.slack - 1;
    for (chunks()) |chunk| last += chunk.size_packed;
    var byte: u8 = undefined;
    const to = [_]std.posix.iovec{.{ .base = @ptrCast(&byte), .len = 1 }};
    const from = [_]std.posix.iovec_const{.{ .base = @ptrFromInt(last), .len = 1 }};
    return linux.errno(linux.process_vm_readv(linux.getpid(), &to, &from, 0)) != .FAULT;
}

const State = enum(u16) { untouched, written, damaged, refused, _ };

/// What has come of a chunk; a child tells us by shared memory.
const Outcome = extern struct { state: State, errno: u16 };

fn decodeInChildren(fd: linux.fd_t, done: []Outcome) void {
    const count = @min(workers_max, cpuCount(), chunks().len);
    var children: [workers_max]linux.pid_t = undefined;
    var started: usize = 0;
    while (started < count) : (started += 1) {
        const rc = linux.fork();
        if (linux.errno(rc) != .SUCCESS) break;
        if (rc == 0) {
            decodeEvery(count, started, fd, done);
            linux.exit(0);
        }
        children[started] = @intCast(rc);
    }
    for (started..count) |worker| decodeEvery(count, worker, fd, done); // no more processes for us: do it here
    for (children[0..started]) |child| {
        var status: u32 = undefined; // means nothing: SIGCHLD may be ignored
        while (linux.errno(linux.wait4(child, &status, 0, null)) == .INTR) {}
    }
}

/// Chunks number `first`, `first + step` and so on.
fn decodeEvery(step: usize, first: usize, fd: linux.fd_t, done: []Outcome) void {
    const buffer = map(header().chunk_size, .PRIVATE) catch {
        const refused: Outcome = .{ .state = .refused, .errno = @intFromEnum(unwritable_errno) };
        for (done[0..chunks().len], 0..) |*outcome, i| if (i % step == first) {
            outcome.* = refused;
        };
        return;
    };
    defer unmap(buffer);
    var packed_bytes: [*]const u8 = @ptrFromInt(address + @sizeOf(Header) + @sizeOf(Chunk) * chunks().len);
    for (chunks(), 0..) |chunk, i| {
        const in = packed_bytes[0..chunk.size_packed];
        packed_bytes += chunk.size_packed;
        if (i % step != first) continue;
        const start = i * header().chunk_size;
        const content = buffer[0..@min(header().chunk_size, size() -| start)];
        done[i] = decodeInto(content, in, chunk.checksum) orelse write(fd, content, start);
    }
}

/// Null: it is what was packed.
fn decodeInto(content: []u8, in: []const u8, checksum: u64) ?Outcome {
    const damaged: Outcome = .{ .state = .damaged, .errno = 0 };
    zstd.decode(content, in) catch return damaged;
    return if (std.hash.XxHash64.hash(0, content) == checksum) null else damaged;
}

fn write(fd: linux.fd_t, content: []const u8, at: u64) Outcome {
    var have: usize = 0;
    while (have < content.len) {
        const rc = linux.pwrite(fd, content.ptr + have, content.len - have, @intCast(at + have));
        switch (linux.errno(rc)) {
            .SUCCESS => if (rc > 0) {
                have += rc;
            } else return .{ .state = .refused, .errno = @intFromEnum(linux.E.IO) },
            .INTR => {},
            else => |errno| return .{ .state = .refused, .errno = @intFromEnum(errno) },
        }
    }
    return .{ .state = .written, .errno = 0 };
}

fn cpuCount() usize {
    var set: linux.cpu_set_t = @splat(0);
    if (linux.errno(linux.syscall3(.sched_getaffinity, 0, @sizeOf(linux.cpu_set_t), @intFromPtr(&set))) != .SUCCESS) return 1;
    var count: usize = 0;
    for (set) |word| count += @popCount(word);
    return @max(count, 1);
}

fn map(length: usize, kind: linux.MAP_TYPE) Error![]u8 {
    const flags: linux.MAP = .{ .TYPE = kind, .ANONYMOUS = true };
    const rc = linux.mmap(null, length, .{ .READ = true, .WRITE = true }, flags, -1, 0);
    try check(rc);
    return @as([*]u8, @ptrFromInt(rc))[0..length];
}

fn unmap(bytes: []u8) void {
    _ = linux.munmap(bytes.ptr, bytes.len);
}

fn check(rc: usize) Error!void {
    const errno = linux.errno(rc);
    if (errno != .SUCCESS) return unwritable(errno);
}

fn unwritable(errno: linux.E) Error {
    unwritable_errno = errno;
    return error.Unwritable;
}
