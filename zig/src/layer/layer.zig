//! The layer room's door: its verbs, and what the rooms of root file systems and of containers' files need of them. The
//! rest is its own business.
pub const apply = @import("apply.zig");
pub const archive = @import("archive.zig");
pub const content = @import("content.zig");
pub const copy = @import("copy.zig");
pub const directories = @import("directories.zig");
pub const give = @import("give.zig");
pub const kernel = @import("kernel.zig");
pub const metadata = @import("metadata.zig");
pub const names = @import("names.zig");
pub const own = @import("own.zig");
pub const path = @import("path.zig");
pub const pax = @import("pax.zig");
pub const remap = @import("remap.zig");
pub const remove = @import("remove.zig");
pub const reply = @import("reply.zig");
pub const seed = @import("seed.zig");
pub const spread = @import("spread.zig");
pub const tar = @import("tar.zig");
pub const tree = @import("tree.zig");

test {
    _ = apply;
    _ = archive;
    _ = content;
    _ = copy;
    _ = directories;
    _ = give;
    _ = kernel;
    _ = @import("merged.zig");
    _ = metadata;
    _ = names;
    _ = own;
    _ = @import("owners.zig");
    _ = path;
    _ = pax;
    _ = remap;
    _ = remove;
    _ = reply;
    _ = seed;
    _ = spread;
    _ = tar;
    _ = tree;
}
