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
    const flags: usize = linux.CLONE.NEWNS | linux.CLONE.NEWCGROUP;
    _ = try sys.check("unshare", "new namespaces", linux.unshare(flags));
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
    try mountCgroups();
    const nosuid = linux.MS.NOSUID | linux.MS.NODEV;
    const options = "mode=700";
    _ = try sys.check("mount", place, linux.mount("tmpfs", place, "tmpfs", nosuid, @intFromPtr(options)));
    return root;
}

/// The same for one process and its children, whose group is another one by now.
pub fn enterGroup() sys.Error!void {
    const flags: usize = linux.CLONE.NEWNS | linux.CLONE.NEWCGROUP;
    _ = try sys.check("unshare", "new namespaces", linux.unshare(flags));
    try mountCgroups();
}

/// Version 2 and nothing else, whatever the host has: that is what runtimes understand. Read-only: they may not make
/// groups of their own. A kernel that has none is the runtime's to judge.
fn mountCgroups() sys.Error!void {
    const target = "/sys/fs/cgroup";
    if (linux.errno(linux.mount("cgroup2", target, "cgroup2", quiet, 0)) != .SUCCESS) return;
    const flags = linux.MS.REMOUNT | linux.MS.BIND | linux.MS.RDONLY | quiet;
    _ = try sys.check("mount", target, linux.mount(null, target, null, flags, 0));
}
