//! Where libstdc++ would throw: Bun is built without exceptions, so each of these ends the process with a message.
//! Nothing here unwinds or is ever caught.
const std = @import("std");
const linux = std.os.linux;

extern fn abort() noreturn;

pub fn die(message: [*:0]const u8) noreturn {
    const text = std.mem.span(message);
    _ = linux.write(2, text.ptr, text.len);
    _ = linux.write(2, "\n", 1);
    abort();
}

export fn _ZSt20__throw_length_errorPKc(message: [*:0]const u8) noreturn {
    die(message);
}
export fn _ZSt19__throw_logic_errorPKc(message: [*:0]const u8) noreturn {
    die(message);
}
export fn _ZSt24__throw_out_of_range_fmtPKcz(message: [*:0]const u8, ...) callconv(.c) noreturn {
    die(message);
}
export fn _ZSt28__throw_bad_array_new_lengthv() noreturn {
    die("std::bad_array_new_length");
}
export fn _ZSt17__throw_bad_allocv() noreturn {
    die("std::bad_alloc");
}
export fn _ZSt20__throw_system_errori(_: c_int) noreturn {
    die("std::system_error");
}
export fn _ZSt25__throw_bad_function_callv() noreturn {
    die("std::bad_function_call");
}
export fn _ZSt21__glibcxx_assert_failPKciS0_S0_(
    _: ?[*:0]const u8,
    _: c_int,
    _: ?[*:0]const u8,
    condition: ?[*:0]const u8,
) noreturn {
    die(condition orelse "libstdc++ assertion failed");
}
export fn __cxa_bad_typeid() noreturn {
    die("std::bad_typeid");
}
export fn __cxa_pure_virtual() noreturn {
    die("pure virtual method called");
}

const Handler = ?*const fn () callconv(.c) void;
var terminate_handler: Handler = null;

export fn _ZSt9terminatev() noreturn {
    if (@atomicLoad(Handler, &terminate_handler, .acquire)) |handler| handler();
    die("std::terminate");
}
export fn _ZSt13set_terminatePFvvE(handler: Handler) Handler {
    return @atomicRmw(Handler, &terminate_handler, .Xchg, handler, .acq_rel);
}
export fn _ZSt15get_new_handlerv() Handler {
    return null;
}

/// Only used to make stack traces prettier. -2: "not a valid name", after which the raw one is shown.
export fn __cxa_demangle(_: ?[*:0]const u8, _: ?[*]u8, _: ?*usize, status: ?*c_int) ?[*]u8 {
    if (status) |s| s.* = -2;
    return null;
}
