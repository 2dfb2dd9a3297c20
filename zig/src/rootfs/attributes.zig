//! Flags and propagation of mounts that exist, detached ones and attached ones (mount_setattr(2), Linux 5.12).
const std = @import("std");
const sys = @import("../sys.zig");
const options_of = @import("options.zig");
const linux = sys.linux;
const attr = sys.attr;
const Change = options_of.Change;

pub const Tree = struct {
    fd: linux.fd_t,
    /// Whether there may be mounts below it.
    is_deep: bool,
    /// Nothing of the host's arrives in it or leaves it, as long as nobody asks for that.
    is_private: bool,
    /// Where it will be, for the error.
    detail: []const u8,
};

/// What the host set stays set where it is locked for us: then less is allowed than was asked for, which is safe. A flag
/// for a whole tree is meant in earnest, and must be obeyed.
pub fn apply(tree: Tree, options: *const options_of.Options) sys.Error!void {
    const kind: u32 = options.propagation orelse if (tree.is_private) 0 else @as(u32, linux.MS.PRIVATE);
    const is_deep = tree.is_deep and options.propagation_recursive;
    // All in one call where it can be.
    const together = kind != 0 and !is_deep;
    try change(tree, options.own, if (together) kind else 0, .own);
    if (!options.all.isEmpty()) try change(tree, options.all, 0, .all);
    if (kind != 0 and !together) try change(tree, .{}, kind, .all);
}

const Reach = enum { own, all };

fn change(tree: Tree, wanted: Change, propagation: u32, reach: Reach) sys.Error!void {
    if (wanted.isEmpty() and propagation == 0) return;
    const flags: u32 = sys.at_empty_path | if (reach == .all) @as(u32, sys.at_recursive) else 0;
    const all: sys.MountAttr = .{ .set = wanted.set, .clear = wanted.clear, .propagation = propagation };
    const rc = sys.changeMount(tree.fd, flags, &all);
    const atime_bits: u32 = attr.atime_mask | attr.nodiratime;
    const is_wish = reach == .own and (wanted.clear != 0 or wanted.set & atime_bits != 0);
    if (linux.errno(rc) == .PERM and is_wish) {
        const locked: sys.MountAttr = .{ .set = wanted.set & ~atime_bits, .propagation = propagation };
        _ = try sys.check("mount_setattr", tree.detail, sys.changeMount(tree.fd, flags, &locked));
        return;
    }
    _ = try sys.check("mount_setattr", tree.detail, rc);
}
