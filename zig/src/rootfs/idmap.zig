//! Id-mapped bind mounts (config.json's `idmap`, `ridmap`, `uidMappings` and `gidMappings` of a mount): files appear with
//! other owners, and nothing on the disk changes (mount_setattr(2), Linux 5.12).
//!
//! Only who has rights over the file system itself may map its ids: not the container's process, which is in a user
//! namespace, but the one that makes it. So that one copies the mount, maps it (`make`), and hands it over by
//! descriptor before the container's process goes on; that attaches it like any other.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const userns = @import("../userns.zig");
const options_of = @import("options.zig");
const linux = sys.linux;

pub const Plan = struct {
    is_recursive: bool,
    /// Null: as the container's own user namespace maps.
    maps: ?userns.Plan,
    /// The mapped mount, once it is there.
    fd: linux.fd_t = -1,
};

pub fn prepare(
    arena: std.mem.Allocator,
    mount: *const contract.Mount,
    wanted: options_of.MapsIds,
    has_userns: bool,
) !?Plan {
    const has_maps = mount.uidMappings.len > 0 or mount.gidMappings.len > 0;
    if (wanted == .no and !has_maps) return null;
    const is_recursive = wanted == .all;
    if (has_maps) {
        try userns.expectMaps("mount", mount.uidMappings, mount.gidMappings);
        const plan = try userns.Plan.prepare(arena, .{ .uid = mount.uidMappings, .gid = mount.gidMappings });
        return .{ .is_recursive = is_recursive, .maps = plan };
    }
    if (!has_userns) {
        return sys.failFormat("mount", "idmap of {s}: it names no mappings, and the container has no user namespace", .{
            mount.destination,
        });
    }
    return .{ .is_recursive = is_recursive, .maps = null };
}

const attr_idmap = 0x00100000; // MOUNT_ATTR_IDMAP

/// A detached copy of the tree at `source`, mapped. `container` is the user namespace of the container, if it has one.
pub fn make(plan: *const Plan, source: [:0]const u8, is_deep: bool, container: ?linux.fd_t) sys.Error!linux.fd_t {
    const own = if (plan.maps) |*maps| try userns.make(maps) else null;
    defer if (own) |fd| {
        _ = linux.close(fd);
    };
    const space = own orelse container orelse return sys.failFormat("mount", "idmap of {s}: whose ids?", .{source});
    const tree_flags: u32 = if (is_deep) sys.at_recursive else 0;
    const cloned = sys.cloneTree(linux.AT.FDCWD, source, tree_flags);
    if (linux.errno(cloned) == .PERM) return refuse(source);
    const tree = try sys.checkFd("open_tree", source, cloned);
    errdefer _ = linux.close(tree);
    const reach: u32 = if (plan.is_recursive) sys.at_recursive else 0;
    const map: sys.MountAttr = .{ .set = attr_idmap, .userns_fd = @intCast(space) };
    const rc = sys.mountSetattr(tree, sys.at_empty_path | reach, &map);
    switch (linux.errno(rc)) {
        .PERM => return refuse(source),
        .INVAL => return sys.failFormat("mount", "the file system of {s} cannot be id-mapped", .{source}),
        else => _ = try sys.check("mount_setattr", source, rc),
    }
    return tree;
}

fn refuse(source: []const u8) sys.Error {
    return sys.failFormat("mount", "idmap of {s}: only who mounted that file system, mostly real root, may map its ids", .{source});
}
