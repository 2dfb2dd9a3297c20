//! malloc for libc's own few needs (directory streams, addresses, locales): Bun brings an allocator for everything
//! else. It exists because the one in Zig's libc has a thread-local variable, for which there is no room here.
//!
//! Theory of operation. Under one lock, a free list for every power of two from 32 bytes to 32 KiB; an empty list
//! takes from a slab, and slabs are never given back. What is larger is a mapping of its own. Sixteen bytes in front
//! of each block say how large it is.
const std = @import("std");
const linux = std.os.linux;

extern fn __errno_location() *c_int;

const Header = extern struct { size: usize, reserved: usize = 0 };
const Free = struct { next: ?*Free };

const class_first = 5; // 32 bytes
const class_last = 15;
const slab_size = 256 * 1024;

comptime {
    std.debug.assert(@sizeOf(Header) == 16); // what malloc returns is aligned to 16
    for (.{ .{ &malloc, "malloc" }, .{ &calloc, "calloc" }, .{ &realloc, "realloc" }, .{ &free, "free" } }) |f| {
        @export(f[0], .{ .name = f[1] });
    }
}

var lists: [class_last + 1]?*Free = @splat(null);
var slab: []align(16) u8 = &.{};
var lock: std.atomic.Value(bool) = .init(false);

fn acquire() void {
    while (lock.swap(true, .acquire)) _ = linux.sched_yield();
}

fn release() void {
    lock.store(false, .release);
}

/// The smallest class that holds `size` bytes and a header, or null when it needs a mapping.
fn classOf(size: usize) ?u4 {
    const class = std.math.log2_int_ceil(usize, @max(size +| @sizeOf(Header), 1 << class_first));
    return if (class <= class_last) @intCast(class) else null;
}

fn malloc(size: usize) callconv(.c) ?*anyopaque {
    const block = (if (classOf(size)) |class| take(class) else map(size)) orelse {
        __errno_location().* = @intFromEnum(linux.E.NOMEM);
        return null;
    };
    block.* = .{ .size = size };
    return @ptrFromInt(@intFromPtr(block) + @sizeOf(Header));
}

fn free(pointer: ?*anyopaque) callconv(.c) void {
    const block = headerOf(pointer orelse return);
    const class = classOf(block.size) orelse {
        _ = linux.munmap(@ptrCast(block), block.size + @sizeOf(Header));
        return;
    };
    acquire();
    defer release();
    const freed: *Free = @ptrCast(@alignCast(block));
    freed.next = lists[class];
    lists[class] = freed;
}

fn calloc(count: usize, size: usize) callconv(.c) ?*anyopaque {
    const total = count *| size; // too much is refused below
    const pointer = malloc(total) orelse return null;
    @memset(@as([*]u8, @ptrCast(pointer))[0..total], 0);
    return pointer;
}

fn realloc(pointer: ?*anyopaque, size: usize) callconv(.c) ?*anyopaque {
    const old = pointer orelse return malloc(size);
    const new = malloc(size) orelse return null;
    const kept = @min(size, headerOf(old).size);
    @memcpy(@as([*]u8, @ptrCast(new))[0..kept], @as([*]u8, @ptrCast(old))[0..kept]);
    free(old);
    return new;
}

fn headerOf(pointer: *anyopaque) *Header {
    return @ptrFromInt(@intFromPtr(pointer) - @sizeOf(Header));
}

fn take(class: u4) ?*Header {
    acquire();
    defer release();
    if (lists[class]) |block| {
        lists[class] = block.next;
        return @ptrCast(@alignCast(block));
    }
    const size = @as(usize, 1) << class;
    if (slab.len < size) slab = mapBytes(slab_size) orelse return null; // the rest of the old one is lost
    const block: *Header = @ptrCast(slab.ptr);
    slab = @alignCast(slab[size..]);
    return block;
}

fn map(size: usize) ?*Header {
    const bytes = mapBytes(size +| @sizeOf(Header)) orelse return null;
    return @ptrCast(bytes.ptr);
}

fn mapBytes(size: usize) ?[]align(16) u8 {
    const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true };
    const rc = linux.mmap(null, size, .{ .READ = true, .WRITE = true }, flags, -1, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    return @as([*]align(16) u8, @ptrFromInt(rc))[0..size];
}

test "blocks keep their bytes and are aligned, whatever is allocated and freed" {
    var blocks: [64]?[]u8 = @splat(null);
    var random: std.Random.DefaultPrng = .init(1);
    for (0..20_000) |round| {
        const i = random.random().uintLessThan(usize, blocks.len);
        const fill: u8 = @intCast(i);
        if (blocks[i]) |block| {
            try std.testing.expect(std.mem.allEqual(u8, block, fill));
            if (round % 2 == 0) {
                free(block.ptr);
                blocks[i] = null;
                continue;
            }
        }
        const size = random.random().uintLessThan(usize, @as(usize, 1) << random.random().uintLessThan(u6, 18));
        const old = blocks[i];
        const new = realloc(if (old) |block| block.ptr else null, size).?;
        try std.testing.expectEqual(0, @intFromPtr(new) % 16);
        const bytes = @as([*]u8, @ptrCast(new))[0..size];
        if (old) |block| try std.testing.expect(std.mem.allEqual(u8, bytes[0..@min(size, block.len)], fill));
        @memset(bytes, fill);
        blocks[i] = bytes;
    }
    for (blocks) |block| if (block) |b| free(b.ptr);
}

test "too much is refused" {
    try std.testing.expectEqual(null, malloc(std.math.maxInt(usize)));
    try std.testing.expectEqual(null, calloc(std.math.maxInt(usize), 2));
}
