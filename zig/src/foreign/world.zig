//! The outer namespaces of a container of another runtime: what a runtime needs to find, and nothing that is left when
//! the last process is gone. Runs in the keeper, as root of the new user namespace.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const report = @import("../process/report.zig");
const rootfs = @import("../rootfs/root.zig");
const fuse = @import("../rootfs/fuse.zig");
const early = @import("../rootfs/early.zig");
const contract = @import("../contract.zig");
const bundles = @import("bundle.zig");
const sources = @import("source.zig");
const linux = sys.linux;

const quiet = linux.MS.NOSUID | linux.MS.NODEV | linux.MS.NOEXEC;

/// Possible before the id maps are written.
pub fn separate(own: *const child.Plan) sys.Error!void {
    if (own.root.early != null and (own.maps != null or early.isNobody())) {
        return sys.fail("namespaces", "another runtime needs your own ids in the container's user namespace, as the default " ++
            "and --userns=keep-id have them");
    }
    const own_group: usize = own.namespaces.new & linux.CLONE.NEWCGROUP;
    const network: usize = if (child.makesNetwork(own)) linux.CLONE.NEWNET else 0;
    _ = try sys.check("unshare", "new namespaces", linux.unshare(linux.CLONE.NEWNS | own_group | network));
    try rootfs.separate(&own.root);
}

/// What the rest needs: a descriptor of the container's root, and sources that are found elsewhere.
pub const World = struct { root: linux.fd_t, moved: []const sources.Moved };

/// Mount it all.
pub fn build(
    arena: std.mem.Allocator,
    own: *const child.Plan,
    place: [:0]const u8,
    channel: linux.fd_t,
) (sys.Error || error{OutOfMemory})!World {
    if (own.root.rootfs.kind == .@"fuse-overlayfs") {
        const device = try fuse.mount(own.root.root_path);
        try report.sendDescriptor(channel, .fuse, device);
        _ = linux.close(device);
    }
    const root = try rootfs.mountRoot(&own.root);
    errdefer _ = linux.close(root);
    const nosuid = linux.MS.NOSUID | linux.MS.NODEV;
    const options = "mode=700";
    _ = try sys.check("mount", place, linux.mount("tmpfs", place, "tmpfs", nosuid, @intFromPtr(options)));
    const moved = try sources.keep(arena, own, place);
    // Runtimes look for their processes by the numbers that these have here.
    if (own.namespaces.has(.pid)) {
        _ = try sys.check("mount", "/proc", linux.mount("proc", "/proc", "proc", quiet, 0));
    }
    try mountCgroups(own.namespaces.makes(linux.CLONE.NEWCGROUP));
    return .{ .root = root, .moved = moved };
}

/// What the kernel mounts only for those who own the namespace that is shown: otherwise the host's is taken, as our own
/// runtime does (rootfs/mounts.zig), and podman.
pub fn substitutes(arena: std.mem.Allocator, own: *const child.Plan) error{OutOfMemory}![]const bundles.Substitute {
    const kinds = [_]struct { kind: contract.NamespaceKind, substitute: bundles.Substitute }{
        .{ .kind = .pid, .substitute = .{ .type = "proc", .source = "/proc" } },
        .{ .kind = .network, .substitute = .{ .type = "sysfs", .source = "/sys" } },
        .{ .kind = .ipc, .substitute = .{ .type = "mqueue", .source = "/dev/mqueue" } },
    };
    var list: std.ArrayList(bundles.Substitute) = .empty;
    for (kinds) |each| {
        if (own.namespaces.has(each.kind)) continue;
        var substitute = each.substitute;
        const exists = linux.errno(linux.faccessat(linux.AT.FDCWD, substitute.source.?.ptr, linux.F_OK, 0)) == .SUCCESS;
        if (!exists) substitute.source = null;
        try list.append(arena, substitute);
    }
    return list.items;
}

/// The groups once more, for one process and its children, whose group is another one by now. Where the container sees the host's
/// groups, there is nothing to do.
pub fn enterGroup() sys.Error!void {
    const flags: usize = linux.CLONE.NEWNS | linux.CLONE.NEWCGROUP;
    _ = try sys.check("unshare", "new namespaces", linux.unshare(flags));
    try mountCgroups(true);
}

/// Version 2 and nothing else, whatever the host has: that is what runtimes understand. Read-only: they may not make
/// groups of their own. A host that has none is the runtime's to judge.
fn mountCgroups(is_own: bool) sys.Error!void {
    const target = "/sys/fs/cgroup";
    const mounted = if (is_own)
        linux.mount("cgroup2", target, "cgroup2", quiet, 0)
    else
        linux.mount(if (isCgroup2(target)) target else target ++ "/unified", target, null, linux.MS.BIND, 0);
    if (linux.errno(mounted) != .SUCCESS) return;
    const flags = linux.MS.REMOUNT | linux.MS.BIND | linux.MS.RDONLY | quiet;
    _ = try sys.check("mount", target, linux.mount(null, target, null, flags, 0));
}

fn isCgroup2(path: [:0]const u8) bool {
    const magic = 0x63677270; // statfs(2)
    const fd = linux.open(path, .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(fd) != .SUCCESS) return false;
    defer _ = linux.close(@intCast(fd));
    return sys.fileSystemType(@intCast(fd)) == magic;
}
