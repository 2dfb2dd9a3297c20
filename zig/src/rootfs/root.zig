//! The root file system from beginning to end: what helper.json says becomes a mount at config.json's `root.path`,
//! the mounts, devices and masks go into it, and it becomes "/". Runs in the container's new mount namespace.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const mounts = @import("mounts.zig");
const masks = @import("masks.zig");
const moved = @import("moved.zig");
const devices = @import("devices.zig");
const overlay = @import("overlay.zig");
const early = @import("early.zig");
const memory = @import("memory.zig");
const copy = @import("copy.zig");
const path = @import("path.zig");
const namespaces = @import("../process/namespaces.zig");
const labels = @import("../process/labels.zig");
const linux = sys.linux;

/// All of it as data, made before the container's process exists.
pub const Plan = struct {
    root_path: [:0]const u8,
    rootfs: contract.Rootfs,
    /// The upper layer is thrown away with the container: its overlay need not be synchronised to disk.
    is_volatile: bool,
    read_only: bool,
    propagation: u32,
    /// Mounts of the host shall keep arriving.
    listens: bool,
    /// Nothing in this mount namespace has to do with the host's mounts.
    is_private: bool,
    /// SELinux context of new file systems.
    label: ?[:0]const u8,
    operations: []mounts.Operation,
    devices: devices.Plan,
    /// /dev is a file system of its own, read-only once everything is in it.
    dev_read_only: bool,
    masked: []const [:0]const u8,
    read_only_paths: []const [:0]const u8,
    /// Root of the container's user namespace may not go where the caller may.
    early: ?early.Room = null,
    /// The host's root cannot be let go of: it is a ramdisk.
    no_pivot: bool = false,
};

pub fn prepare(
    arena: std.mem.Allocator,
    spec: *const contract.Spec,
    rootfs: contract.Rootfs,
    spaces: *const namespaces.Plan,
) sys.Error!Plan {
    const label = if (spec.linux.mountLabel) |text| if (text.len > 0) text else null else null;
    const operations = try mounts.prepare(arena, spec.mounts, .{ .label = label, .has_userns = spaces.has(.user) });
    try expectAbsolute("maskedPaths", spec.linux.maskedPaths);
    try expectAbsolute("readonlyPaths", spec.linux.readonlyPaths);
    const propagation = try propagationOf(spec.linux.rootfsPropagation);
    const listens = mounts.wantsPropagation(operations) or propagation & linux.MS.PRIVATE == 0;
    const dev_read_only = delayReadOnly(operations);
    return .{
        .dev_read_only = dev_read_only,
        .root_path = spec.root.path,
        .rootfs = rootfs,
        .is_volatile = false,
        .read_only = spec.root.readonly,
        .propagation = propagation,
        .listens = listens,
        .is_private = spaces.makes(linux.CLONE.NEWNS) and !listens,
        .label = label,
        .operations = operations,
        .devices = try devices.prepare(arena, spec, !spaces.makes(linux.CLONE.NEWUSER)),
        .masked = spec.linux.maskedPaths,
        .read_only_paths = spec.linux.readonlyPaths,
    };
}

fn expectAbsolute(what: []const u8, paths: []const [:0]const u8) sys.Error!void {
    for (paths) |text| if (text.len == 0 or text[0] != '/') {
        return sys.failFormat("mount", "{s}: \"{s}\" is not absolute", .{ what, text });
    };
}

fn delayReadOnly(operations: []mounts.Operation) bool {
    for (operations) |*operation| {
        if (operation.kind == .bind or !std.mem.eql(u8, std.mem.trim(u8, operation.destination, "/"), "dev")) continue;
        if (operation.options.own.set & sys.attr.rdonly == 0) continue;
        operation.options.own.set &= ~@as(u32, sys.attr.rdonly);
        return true;
    }
    return false;
}

fn propagationOf(name: ?[]const u8) sys.Error!u32 {
    const text = name orelse return linux.MS.PRIVATE | linux.MS.REC;
    const known = .{
        .{ "private", linux.MS.PRIVATE },         .{ "rprivate", linux.MS.PRIVATE | linux.MS.REC },
        .{ "slave", linux.MS.SLAVE },             .{ "rslave", linux.MS.SLAVE | linux.MS.REC },
        .{ "shared", linux.MS.SHARED },           .{ "rshared", linux.MS.SHARED | linux.MS.REC },
        .{ "unbindable", linux.MS.UNBINDABLE },   .{ "runbindable", linux.MS.UNBINDABLE | linux.MS.REC },
        .{ "", linux.MS.PRIVATE | linux.MS.REC },
    };
    inline for (known) |pair| if (std.mem.eql(u8, text, pair[0])) return pair[1];
    return sys.failFormat("mount", "rootfsPropagation \"{s}\" is unknown", .{text});
}

/// Cut the mount namespace off from the host's: nothing we mount may show there. Possible before the id maps exist.
pub fn separate(plan: *const Plan) sys.Error!void {
    const kind: u32 = if (plan.listens) linux.MS.SLAVE else linux.MS.PRIVATE;
    _ = try sys.check("mount", "/", linux.mount(null, "/", null, kind | linux.MS.REC, 0));
}

/// Make room for what only the caller may open (early.zig).
pub fn prepareEarly(arena: std.mem.Allocator, plan: *Plan) sys.Error!void {
    plan.early = early.prepare(arena, plan) catch return sys.fail("mount", "out of memory");
}

/// The caller may still go everywhere: call in the new mount namespace, before this process becomes root of its user
/// namespace. `is_joined`: that one is somebody's, and may have a word for the caller after all.
pub fn openAsCaller(plan: *Plan, is_joined: bool) sys.Error!void {
    if (plan.early == null) return;
    if (is_joined and !early.isNobody()) {
        plan.early = null;
        return;
    }
    switch (plan.rootfs.kind) {
        .overlay, .directory => return early.open(plan),
        .copy, .@"fuse-overlayfs" => return sys.fail("mount", "a user namespace without the caller's own ids needs the " ++
            "kernel's overlay, which this host refuses"),
    }
}

/// What the rest of the start needs: descriptors of the new root and of what is mounted in it.
pub const Assembled = struct {
    root: linux.fd_t,
    mounted: mounts.Mounted,

    pub fn close(assembled: *const Assembled) void {
        _ = linux.close(assembled.root);
        assembled.mounted.close();
    }
};

/// Mount everything. The process still sees the host's root afterwards.
pub fn assemble(plan: *const Plan) sys.Error!Assembled {
    if (plan.label != null) try labels.expectSelinux("linux.mountLabel");
    const root = try mountRoot(plan);
    const mounted = try mounts.mountAll(root, plan.operations, plan.is_private);
    try devices.populate(root, &plan.devices, mounted.devpts != null);
    return .{ .root = root, .mounted = mounted };
}

/// What must come after the console and the kernel parameters are set.
pub fn seal(plan: *const Plan, assembled: *const Assembled) sys.Error!void {
    const root = assembled.root;
    const places: masks.Places = .{ .root = root, .proc = assembled.mounted.proc, .sys = assembled.mounted.sys };
    try masks.makeReadOnly(places, plan.read_only_paths);
    try masks.mask(places, plan.masked);
    const change: sys.MountAttr = .{ .set = sys.attr.rdonly };
    if (plan.dev_read_only) {
        const dev = try sys.checkFd("openat2", "/dev", path.find(root, "/dev"));
        defer _ = linux.close(dev);
        _ = try sys.check("mount_setattr", "/dev", sys.changeMount(dev, sys.at_empty_path, &change));
    }
    if (!plan.read_only) return;
    _ = try sys.check("mount_setattr", "/", sys.changeMount(root, sys.at_empty_path, &change));
}

/// Only the layers, at `root_path`. A descriptor of what is mounted there now.
pub fn mountRoot(plan: *const Plan) sys.Error!linux.fd_t {
    switch (plan.rootfs.kind) {
        .overlay => {
            if (plan.rootfs.inMemory) return memory.mount(plan.root_path, plan.rootfs.lower[0], plan.rootfs.work);
            if (plan.early != null) return overlay.mountAt(plan.root_path, plan.rootfs, plan.is_volatile);
            try overlay.mount(plan.root_path, plan.rootfs, plan.is_volatile);
            return openRoot(plan.root_path);
        },
        .copy => try copy.fillOnce(plan.root_path, plan.rootfs.lower),
        .directory => {},
        .@"fuse-overlayfs" => return openRoot(plan.root_path), // mounted already (fuse.zig)
    }
    const target = try openRoot(plan.root_path);
    defer _ = linux.close(target);
    const tree = try sys.checkFd("open_tree", plan.root_path, sys.cloneTree(target, "", sys.at_empty_path | sys.at_recursive));
    errdefer _ = linux.close(tree);
    const follows_host = plan.propagation & linux.MS.SLAVE != 0; // it is the host's slave by now
    if (!plan.is_private and !follows_host) {
        const private: sys.MountAttr = .{ .propagation = linux.MS.PRIVATE };
        const rc = sys.changeMount(tree, sys.at_empty_path | sys.at_recursive, &private);
        _ = try sys.check("mount_setattr", plan.root_path, rc);
    }
    _ = try sys.check("mount", plan.root_path, sys.moveMount(tree, target));
    return tree;
}

fn openRoot(root_path: [:0]const u8) sys.Error!linux.fd_t {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    return sys.checkFd("open", root_path, linux.open(root_path, flags, 0));
}

pub const MountNamespace = enum { own, joined };

/// Make `root` the "/" of this process. In a mount namespace of its own the host's is let go of: pivot_root(2),
/// "pivot_root(".", ".")". In one that was joined, that would move the root of everybody in there.
pub fn enter(plan: *const Plan, root: linux.fd_t, namespace: MountNamespace) sys.Error!void {
    _ = try sys.check("fchdir", plan.root_path, linux.fchdir(root));
    if (namespace == .joined) {
        _ = try sys.check("chroot", plan.root_path, linux.chroot("."));
        return;
    }
    if (plan.no_pivot) try moved.enter(plan.root_path) else try pivot(plan.root_path);
    if (plan.propagation == linux.MS.PRIVATE | linux.MS.REC) return; // it is that already
    _ = try sys.check("mount", "/", linux.mount(null, "/", null, plan.propagation, 0));
}

fn pivot(root_path: [:0]const u8) sys.Error!void {
    _ = try sys.check("pivot_root", root_path, linux.pivot_root(".", "."));
    _ = try sys.check("umount2", "the host's root", linux.umount2(".", linux.MNT.DETACH));
    _ = try sys.check("chdir", "/", linux.chdir("/"));
}
