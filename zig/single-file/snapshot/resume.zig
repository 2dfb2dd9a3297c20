//! Goes on where take.zig has written a process into a file: this process becomes what that one was.
//!
//! Theory of operation. Everything that can fail comes first, and leaves this process able to start as always: is the
//! file of this boot, are the descriptors free that the event loop had, is each address free. Then the program's own
//! memory is overwritten with pages of the file (private: only what is written to is copied), the kernel is told what
//! it knew, and the registers are loaded. It runs on the stack the kernel has made, which stays: the arguments and the
//! environment of this process are there.
const std = @import("std");
const clock = @import("../clock.zig");
const format = @import("format.zig");
const linux = std.os.linux;

const exit_failed = 125;

extern fn tspod_use_auxiliary([*]std.elf.Auxv) void; // native.zig

/// What this process has of its own.
pub const Process = struct {
    environ: usize,
    /// Where libc keeps it.
    environ_address: usize,
    auxiliary: [*]std.elf.Auxv,
};

/// Returns when this process has to start as always.
pub fn @"resume"(fd: linux.fd_t, process: Process) void {
    defer _ = linux.close(fd);
    if (fd < 3) return; // a standard stream is closed: Bun opens those
    var header: format.Header = undefined;
    if (linux.pread(fd, @ptrCast(&header), @sizeOf(format.Header), 0) != @sizeOf(format.Header)) return;
    for (0..3) |n| if (linux.errno(linux.fcntl(@intCast(n), linux.F.GETFD, 0)) != .SUCCESS) return;
    const descriptors = header.descriptors[0..header.descriptor_count];
    for (descriptors) |*d| if (linux.errno(linux.fcntl(d.number, linux.F.GETFD, 0)) != .BADF) return;
    for (descriptors, 0..) |*d, i| if (!open(d)) return closeAll(descriptors[0..i]);
    const regions = header.regions[0..header.region_count];
    for (regions, 0..) |*region, i| if (!reserve(region)) {
        for (regions[0..i]) |*made| _ = linux.munmap(@ptrFromInt(made.start), made.end - made.start);
        return closeAll(descriptors);
    };
    become(fd, &header, process);
}

fn closeAll(descriptors: []const format.Descriptor) void {
    for (descriptors) |*d| _ = linux.close(d.number);
}

fn reserve(region: *const format.Region) bool {
    const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true, .FIXED_NOREPLACE = true };
    const rc = linux.mmap(@ptrFromInt(region.start), region.end - region.start, @bitCast(region.protection), flags, -1, 0);
    if (linux.errno(rc) != .SUCCESS) return false;
    if (rc == region.start) return true;
    _ = linux.munmap(@ptrFromInt(rc), region.end - region.start); // a kernel that does not know the flag: before 4.17
    return false;
}

const set_fs = 0x1002; // ARCH_SET_FS: arch_prctl(2)
const close_range_cloexec = 4; // CLOSE_RANGE_CLOEXEC: close_range(2)

fn become(fd: linux.fd_t, header: *const format.Header, process: Process) noreturn {
    for (header.runs[0..header.run_count]) |*run| {
        const flags: linux.MAP = .{ .TYPE = .PRIVATE, .FIXED = true };
        const size = run.end - run.start;
        const rc = linux.mmap(@ptrFromInt(run.start), size, @bitCast(run.protection), flags, fd, @intCast(run.offset));
        if (linux.errno(rc) != .SUCCESS) fail();
    }
    _ = linux.close(fd);
    rememberRuns(header);
    tspod_use_auxiliary(process.auxiliary);
    clock.useVdso();
    clock.skip(clock.monotonicNs() -| header.taken_ns);
    for (header.descriptors[0..header.descriptor_count]) |*d| watch(d);
    for (header.signals[0..header.signal_count]) |*signal| {
        _ = linux.syscall4(.rt_sigaction, signal.number, @intFromPtr(&signal.action), 0, 8);
    }
    _ = linux.sigaltstack(&header.signal_stack, null);
    _ = linux.syscall3(.close_range, 4, std.math.maxInt(u32), close_range_cloexec); // as Bun does
    const tid: c_int = @intCast(linux.syscall1(.set_tid_address, header.clear_address));
    @as(*c_int, @ptrFromInt(header.thread_id_address)).* = tid;
    @as(*usize, @ptrFromInt(process.environ_address)).* = process.environ;
    _ = linux.syscall2(.arch_prctl, set_fs, header.thread_pointer);
    load(header.stack_pointer);
}

/// Neither what it was nor what it was to be.
fn fail() noreturn {
    const text = "tspod: There is no memory left: end another program\n";
    _ = linux.write(2, text, text.len);
    linux.exit_group(exit_failed);
}

/// What is mapped from the file, in order of addresses. Written when this process became what is in there.
var runs: [format.runs_max]format.Range = undefined;
var run_count: usize = 0;

fn rememberRuns(header: *const format.Header) void {
    for (header.runs[0..header.run_count], runs[0..header.run_count]) |*run, *range| {
        range.* = .{ .start = run.start, .end = run.end };
    }
    run_count = header.run_count;
}

/// madvise(2) of allocators, who count on memory that they have given back to be empty: MADV_DONTNEED of a page of the file
/// would bring back what is in there. So it gets a page of nobody's.
pub fn advise(address: usize, size: usize, advice: u32) linux.E {
    const gives_back = advice == linux.MADV.DONTNEED or advice == linux.MADV.FREE;
    if (gives_back) for (runs[0..run_count]) |run| {
        const start = @max(run.start, address);
        const end = @min(run.end, std.mem.alignForward(usize, address +| size, format.page_size));
        if (start >= end) continue;
        const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true, .FIXED = true };
        const rc = linux.mmap(@ptrFromInt(start), end - start, .{ .READ = true, .WRITE = true }, flags, -1, 0);
        if (linux.errno(rc) != .SUCCESS) return linux.errno(rc);
    };
    return linux.errno(linux.madvise(@ptrFromInt(address), size, advice));
}

fn open(descriptor: *const format.Descriptor) bool {
    const rc = switch (descriptor.kind) {
        .epoll => linux.epoll_create1(linux.EPOLL.CLOEXEC),
        .eventfd => linux.eventfd(0, linux.EFD.CLOEXEC | linux.EFD.NONBLOCK),
    };
    if (linux.errno(rc) != .SUCCESS) return false;
    const fd: linux.fd_t = @intCast(rc);
    if (fd == descriptor.number) return true;
    defer _ = linux.close(fd);
    const close_on_exec: u32 = @bitCast(linux.O{ .CLOEXEC = true });
    return linux.errno(linux.dup3(fd, descriptor.number, close_on_exec)) == .SUCCESS;
}

fn watch(descriptor: *const format.Descriptor) void {
    if (descriptor.watched == -1) return;
    var event: linux.epoll_event = .{ .events = descriptor.events, .data = .{ .u64 = descriptor.data } };
    _ = linux.epoll_ctl(descriptor.number, linux.EPOLL.CTL_ADD, descriptor.watched, &event);
}

/// What tspod_save() has saved.
fn load(stack_pointer: usize) noreturn {
    asm volatile (
        \\ movq %[sp], %%rsp
        \\ jmp tspod_resumed
        :
        : [sp] "r" (stack_pointer),
    );
    unreachable;
}

/// Calls tspod_take(stack pointer), which does not return. In a later process this returns 0.
pub extern fn tspod_save() c_int;

comptime {
    if (format.is_supported) asm (
        \\ .globl tspod_save
        \\ tspod_save:
        \\ pushq %rbx
        \\ pushq %rbp
        \\ pushq %r12
        \\ pushq %r13
        \\ pushq %r14
        \\ pushq %r15
        \\ subq $8, %rsp
        \\ movq %rsp, %rdi
        \\ callq tspod_take
        \\ ud2
        \\ .globl tspod_resumed
        \\ tspod_resumed:
        \\ addq $8, %rsp
        \\ popq %r15
        \\ popq %r14
        \\ popq %r13
        \\ popq %r12
        \\ popq %rbp
        \\ popq %rbx
        \\ xorl %eax, %eax
        \\ retq
    );
}
