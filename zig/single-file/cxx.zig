//! Stands in for libstdc++: the three dozen functions that Bun's musl build takes from it, and no more.
//! A Bun that takes another one does not link, and then it is added here.
comptime {
    _ = @import("cxx/containers.zig");
    _ = @import("cxx/once.zig");
    _ = @import("cxx/rtti.zig");
    _ = @import("cxx/throw.zig");
    _ = @import("cxx/tree.zig");
}
