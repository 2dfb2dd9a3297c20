//! The outer namespaces of a container of another runtime: what a runtime needs to find, and nothing that is left when
//! the last process is gone. Runs in the keeper, as root of the new user namespace.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const report = @import("../process/report.zig");
const rootfs = @import("../rootfs/root.zig");
const fuse = @import("../rootfs/fuse.zig");
const linux = sys.linux;

const quiet = linux.MS.NOSUID | linux.MS.NODEV | linux.MS.NOEXEC;

/// Possible before the id maps are written.
pub fn separate(own: *const child.Plan) sys.Error!void {
    const own_group: usize = own.namespaces.new & linux.CLONE.NEWCGROUP;
    _ = try sys.check("unshare", "new namespaces", linux.unshare(linux.CLONE.NEWNS | own_group));
    try rootfs.separate(&own.root);
}

/// Mount it all. Returns a descriptor of the container's root.
pub fn build(own: *const child.Plan, place: [:0]const u8, channel: linux.fd_t) sys.Error!linux.fd_t {
    if (own.root.rootfs.kind == .@"fuse-overlayfs") {
        const device = try fuse.mount(own.root.root_path);
        try report.sendDescriptor(channel, .fuse, device);
        _ = linux.close(device);
    }
    const root = try rootfs.mountRoot(&own.root);
    errdefer _ = linux.close(root);
    // Runtimes look for their processes by the numbers that these have here.
    if (own.namespaces.makes(linux.CLONE.NEWPID)) {
        _ = try sys.check("mount", "/proc", linux.mount("proc", "/proc", "proc", quiet, 0));
    }
    try mountCgroups(own.namespaces.makes(linux.CLONE.NEWCGROUP));
    const nosuid = linux.MS.NOSUID | linux.MS.NODEV;
    const options = "mode=700";
    _ = try sys.check("mount", place, linux.mount("tmpfs", place, "tmpfs", nosuid, @intFromPtr(options)));
    return root;
}

/// The same for one process and its children, whose group is another one by now. Where the container sees the host's
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
