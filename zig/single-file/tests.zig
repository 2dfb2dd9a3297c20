//! The unit tests of the single file's parts, and stand-ins for what they take from a libc that is not there.
const std = @import("std");

var errno: c_int = 0;
export fn __errno_location() *c_int {
    return &errno;
}
export fn abort() noreturn {
    unreachable;
}
export fn pthread_cond_wait(_: *anyopaque, _: *anyopaque) c_int {
    return 0;
}
export fn pthread_cond_signal(_: *anyopaque) c_int {
    return 0;
}
export fn pthread_cond_broadcast(_: *anyopaque) c_int {
    return 0;
}
export fn pthread_cond_destroy(_: *anyopaque) c_int {
    return 0;
}

test {
    _ = @import("clock.zig");
    _ = @import("cxx/containers.zig");
    _ = @import("cxx/rtti.zig");
    _ = @import("cxx/tree.zig");
    _ = @import("environment.zig");
    _ = @import("memory.zig");
    _ = @import("snapshot/mappings.zig");
}
