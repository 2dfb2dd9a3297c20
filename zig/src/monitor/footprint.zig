//! Gives back memory before a long rest: the pages of the program's own code and constants that only starting needed, and
//! of its stack. The former are the file's, so the kernel still has them, and what is needed again is mapped again when it
//! is touched.
//! It knows nothing of what the program has allocated.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;
const elf = std.elf;

/// Unmap every read-only segment's pages (madvise(2), MADV_DONTNEED). What cannot be given back stays.
pub fn shrink() void {
    const address = linux.getauxval(elf.AT_PHDR);
    if (address == 0) return;
    const headers: [*]const elf.Elf64.Phdr = @ptrFromInt(address);
    // Programs are linked at fixed addresses, but a test may not be: the headers know where they wanted to be.
    const segments = headers[0..linux.getauxval(elf.AT_PHNUM)];
    const base = for (segments) |segment| {
        if (segment.type == .PHDR) break address -% segment.vaddr;
    } else 0;
    const page = std.heap.pageSize();
    for (segments) |segment| {
        if (segment.type != .LOAD or segment.flags.W) continue;
        const start = std.mem.alignBackward(usize, base +% segment.vaddr, page);
        const end = std.mem.alignForward(usize, base +% segment.vaddr + segment.memsz, page);
        _ = linux.madvise(@ptrFromInt(start), end - start, linux.MADV.DONTNEED);
    }
}

/// The stack's pages below the caller's frame, of the first thread: starting went much deeper than a rest does. Nothing
/// else is mapped that near below it (stack_guard_gap, 1 MiB).
pub noinline fn shrinkStack() void {
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
