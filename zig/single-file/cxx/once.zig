//! Things done once: guards of function-local statics (Itanium C++ ABI, section 3.3.3) and std::call_once.
const std = @import("std");
const builtin = @import("builtin");
const config = @import("config");
const linux = std.os.linux;

/// The compiler's inline check looks at the lowest byte only: 1 means initialised.
const done: u32 = 1;
const running: u32 = 1 << 8;
const awaited: u32 = 1 << 16;

/// 1: the caller initialises and then calls release. 0: somebody has.
export fn __cxa_guard_acquire(guard: *u32) c_int {
    while (true) {
        const seen = @atomicLoad(u32, guard, .acquire);
        if (seen & done != 0) return 0;
        if (seen & running == 0) {
            if (@cmpxchgWeak(u32, guard, seen, seen | running, .acq_rel, .acquire) == null) return 1;
            continue;
        }
        if (seen & awaited == 0) {
            if (@cmpxchgWeak(u32, guard, seen, seen | awaited, .acq_rel, .acquire) != null) continue;
        }
        _ = linux.futex_4arg(guard, .{ .cmd = .WAIT, .private = true }, seen | awaited, null);
    }
}

export fn __cxa_guard_release(guard: *u32) void {
    const seen = @atomicRmw(u32, guard, .Xchg, done, .acq_rel);
    if (seen & awaited != 0) {
        _ = linux.futex_3arg(guard, .{ .cmd = .WAKE, .private = true }, std.math.maxInt(u31));
    }
}

/// std::call_once leaves the function to call in the thread-local std::__once_call and hands us to pthread_once.
/// The build gave that variable its place in Bun's thread-local block: an offset from the thread pointer.
export fn __once_proxy() void {
    const thread_pointer = switch (builtin.cpu.arch) {
        .x86_64 => asm volatile ("movq %%fs:0, %[result]"
            : [result] "=r" (-> usize),
        ),
        .aarch64 => asm volatile ("mrs %[result], tpidr_el0"
            : [result] "=r" (-> usize),
        ),
        else => @compileError("no thread pointer known for this architecture"),
    };
    const offset: isize = config.once_call_offset;
    const slot: *const *const fn () callconv(.c) void =
        @ptrFromInt(thread_pointer +% @as(usize, @bitCast(offset)));
    slot.*();
}
