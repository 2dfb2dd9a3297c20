//! Gives back memory before a long rest: the pages of the program's own code and constants that only starting needed, and
//! of its stack. The former are the file's, so the kernel still has them, and what is needed again is mapped again when it
//! is touched.
//! It knows nothing of what the program has allocated.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;
const elf = std.elf;

const Range = struct { start: usize = 0, length: usize = 0 };
const ranges_max = 8; // the single file has five

/// The program's read-only segments, in whole pages.
fn readOnly(ranges: *[ranges_max]Range) []const Range {
    const address = linux.getauxval(elf.AT_PHDR);
    if (address == 0) return ranges[0..0];
    const headers: [*]const elf.Elf64.Phdr = @ptrFromInt(address);
    // Programs are linked at fixed addresses, but a test may not be: the headers know where they wanted to be.
    const segments = headers[0..linux.getauxval(elf.AT_PHNUM)];
    const base = for (segments) |segment| {
        if (segment.type == .PHDR) break address -% segment.vaddr;
    } else 0;
    const page = std.heap.pageSize();
    var count: usize = 0;
    for (segments) |segment| {
        if (segment.type != .LOAD or segment.flags.W or count == ranges.len) continue;
        const start = std.mem.alignBackward(usize, base +% segment.vaddr, page);
        const end = std.mem.alignForward(usize, base +% segment.vaddr + segment.memsz, page);
        ranges[count] = .{ .start = start, .length = end - start };
        count += 1;
    }
    return ranges[0..count];
}

/// Unmap every read-only segment's pages (madvise(2), MADV_DONTNEED). What cannot be given back stays.
pub fn shrink() void {
    var ranges: [ranges_max]Range = undefined;
    for (readOnly(&ranges)) |range| {
        _ = linux.syscall3(.madvise, range.start, range.length, linux.MADV.DONTNEED);
    }
}

/// As epoll_wait(2) without end, and before it all of that is given back. In one function that calls no other: of what
/// runs after that, the kernel maps 64 KiB for each place.
pub noinline fn rest(epoll: linux.fd_t, events: []linux.epoll_event) usize {
    var ranges: [ranges_max]Range = undefined;
    const given = readOnly(&ranges);
    shrinkStack();
    for (given) |range| {
        _ = @call(.always_inline, linux.syscall3, .{ .madvise, range.start, range.length, linux.MADV.DONTNEED });
    }
    const forever: usize = @bitCast(@as(isize, -1));
    const signal_set_bytes = 8;
    return @call(.always_inline, linux.syscall6, .{
        .epoll_pwait, @as(usize, @intCast(epoll)), @intFromPtr(events.ptr), events.len, forever, 0, signal_set_bytes,
    });
}

/// The stack's pages below the caller's frame, of the first thread: starting went much deeper than a rest does. Nothing
/// else is mapped that near below it (stack_guard_gap, 1 MiB).
noinline fn shrinkStack() void {
    const reach = 512 * 1024;
    var here: u8 = 0;
    const page = std.heap.pageSize();
    const end = std.mem.alignBackward(usize, @intFromPtr(&here), page) - page; // a leaf may use what is just below it
    _ = linux.madvise(@ptrFromInt(end - reach), reach, linux.MADV.DONTNEED);
}

test "shrink() leaves a program that still works" {
    shrink();
    try std.testing.expect(std.mem.eql(u8, "constants", "constants"));
}
