//! The layer room's door: its verbs, and what the root file system's room needs of them. The rest is its own business.
pub const apply = @import("apply.zig");
pub const copy = @import("copy.zig");
pub const give = @import("give.zig");
pub const names = @import("names.zig");
pub const own = @import("own.zig");
pub const remove = @import("remove.zig");
pub const reply = @import("reply.zig");
pub const seed = @import("seed.zig");

test {
    _ = apply;
    _ = copy;
    _ = remove;
    _ = @import("archive.zig");
    _ = @import("directories.zig");
    _ = give;
    _ = @import("kernel.zig");
    _ = @import("merged.zig");
    _ = @import("metadata.zig");
    _ = names;
    _ = own;
    _ = @import("owners.zig");
    _ = @import("path.zig");
    _ = @import("pax.zig");
    _ = reply;
    _ = seed;
    _ = @import("tar.zig");
    _ = @import("tree.zig");
}
