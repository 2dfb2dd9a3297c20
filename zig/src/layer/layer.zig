//! The layer room's door: its verbs. Everything else in this directory is its own business.
pub const apply = @import("apply.zig");
pub const remove = @import("remove.zig");

test {
    _ = apply;
    _ = remove;
    _ = @import("archive.zig");
    _ = @import("directories.zig");
    _ = @import("kernel.zig");
    _ = @import("metadata.zig");
    _ = @import("path.zig");
    _ = @import("pax.zig");
    _ = @import("reply.zig");
    _ = @import("tar.zig");
    _ = @import("tree.zig");
}
