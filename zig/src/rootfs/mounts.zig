//! Theory of operation: the mounts of config.json, in order, as data (`Operation`), then one interpreter.
//!
//! Every mount is first made detached (fsopen/fsmount or open_tree, Linux 5.2; mount_setattr, 5.12) with all its
//! flags, and only then moved onto a descriptor of its mount point, which was resolved inside the root
//! (path.zig). No path of the container is resolved twice, so there is nothing to race, and there is no moment in
//! which a mount is visible without its flags.
//!
//! What an unprivileged user namespace may not mount is replaced the way the field does it: proc and sysfs by the
//! host's (the kernel allows new ones only where a fully visible one exists, user_namespaces(7)), mqueue by the
//! host's, cgroup by an empty read-only directory.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const path = @import("path.zig");
const procfs = @import("../procfs.zig");
const options_of = @import("options.zig");
const superblock = @import("superblock.zig");
const attributes = @import("attributes.zig");
const idmap = @import("idmap.zig");
const labels = @import("../process/labels.zig");
const copy = @import("copy.zig");
const overlay = @import("overlay.zig");
const shared_memory = @import("shared_memory.zig");
const linux = sys.linux;
const attr = sys.attr;
const Parameter = superblock.Parameter;

const Kind = enum { bind, proc, sysfs, cgroup, tmpfs, devpts, mqueue, other, remount };

pub const Operation = struct {
    kind: Kind,
    type: [:0]const u8,
    source: [:0]const u8,
    destination: [:0]const u8,
    options: options_of.Options,
    parameters: []const Parameter,
    idmap: ?idmap.Plan,
    /// Of an overlay: its directories.
    overlay: ?overlay.Parts = null,
    /// Only this of the source or the file system is mounted: relative, found without a link out of there.
    subpath: ?[:0]const u8 = null,
};

/// What later steps need of what was mounted, whatever its place is called by then: who shares the root file system may
/// rename the directory below a mount.
pub const Mounted = struct {
    /// The container's own devpts: its terminals come from here and from nowhere else.
    devpts: ?linux.fd_t = null,
    /// What is masked there, is masked there (masks.zig).
    proc: ?linux.fd_t = null,
    sys: ?linux.fd_t = null,

    fn keep(mounted: *Mounted, operation: *const Operation, mount_fd: linux.fd_t) void {
        const name = std.mem.trim(u8, operation.destination, "/");
        const slot = if (operation.kind == .devpts)
            &mounted.devpts
        else if (std.mem.eql(u8, name, "proc"))
            &mounted.proc
        else if (std.mem.eql(u8, name, "sys"))
            &mounted.sys
        else {
            _ = linux.close(mount_fd);
            return;
        };
        if (slot.*) |covered| _ = linux.close(covered);
        slot.* = mount_fd;
    }

    pub fn close(mounted: *const Mounted) void {
        for ([_]?linux.fd_t{ mounted.devpts, mounted.proc, mounted.sys }) |slot| {
            if (slot) |fd| _ = linux.close(fd);
        }
    }
};

/// What holds for all of them.
pub const Settings = struct {
    /// SELinux context of new file systems.
    label: ?[:0]const u8 = null,
    /// There is a user namespace whose map is the one for mounts that name none.
    has_userns: bool = false,
};

/// Turn config.json's mounts into operations. Refuses what cannot be honoured, so that nothing is silently ignored.
pub fn prepare(arena: std.mem.Allocator, mounts: []const contract.Mount, settings: Settings) sys.Error![]Operation {
    const operations = arena.alloc(Operation, mounts.len) catch return sys.fail("mount", "out of memory");
    for (mounts, operations) |*mount, *operation| {
        operation.* = prepareOne(arena, mount, settings) catch |err| switch (err) {
            error.OutOfMemory => return sys.fail("mount", "out of memory"),
            error.Syscall => return error.Syscall,
        };
    }
    return operations;
}

fn prepareOne(arena: std.mem.Allocator, mount: *const contract.Mount, settings: Settings) !Operation {
    const options = try options_of.parse(arena, mount.options);
    const fs_type = mount.type orelse "none";
    const kind: Kind = if (options.is_remount) .remount else if (options.is_bind) .bind else kindOf(fs_type);
    const destination = try absolute(arena, mount.destination);
    const is_bind = kind == .bind or (kind == .remount and options.is_bind);
    // A bind mount has no file system of its own: what is meant for one (mode=755) the kernel passes over, and so do we.
    if (is_bind) for (options.data) |word| if (std.mem.indexOfScalar(u8, word, '=') == null) {
        return sys.failFormat("mount", "option \"{s}\" of {s} is unknown", .{ word, destination });
    };
    if (kind == .bind and mount.source == null) return sys.failFormat("mount", "{s} names no source to bind", .{destination});
    if (options.copies_up and kind != .tmpfs) {
        return sys.failFormat("mount", "tmpcopyup of {s}: only a tmpfs can be filled", .{destination});
    }
    const operation: Operation = .{
        .kind = kind,
        .type = fs_type,
        .source = mount.source orelse fs_type,
        .destination = destination,
        .options = options,
        .parameters = try superblock.parse(arena, options.data),
        .idmap = try idmap.prepare(arena, mount, options.maps_ids, settings.has_userns),
    };
    if (operation.idmap != null and kind != .bind) {
        return sys.failFormat("mount", "idmap of {s}: only bind mounts can be mapped", .{destination});
    }
    const result = if (settings.label) |label| try labelled(arena, operation, label) else operation;
    if (kind != .other or !std.mem.eql(u8, fs_type, "overlay")) return result;
    var layered = result;
    layered.overlay = try overlay.parse(arena, result.parameters);
    return layered;
}

/// By destination.
pub fn addSubpaths(operations: []Operation, destinations: []const []const u8, subpaths: []const [:0]const u8) void {
    for (operations) |*operation| {
        for (destinations, subpaths) |destination, subpath| {
            if (std.mem.eql(u8, operation.destination, destination)) operation.subpath = subpath;
        }
    }
}

/// A relative one is relative to "/" (config.md "Mounts").
fn absolute(arena: std.mem.Allocator, destination: [:0]const u8) ![:0]const u8 {
    if (std.mem.trim(u8, destination, "/").len == 0) {
        return sys.failFormat("mount", "destination \"{s}\" is the root itself", .{destination});
    }
    if (destination[0] == '/') return destination;
    return std.fmt.allocPrintSentinel(arena, "/{s}", .{destination}, 0);
}

fn labelled(arena: std.mem.Allocator, operation: Operation, label: [:0]const u8) !Operation {
    switch (operation.kind) {
        .tmpfs, .devpts, .other => {},
        .bind, .remount, .proc, .sysfs, .cgroup, .mqueue => return operation,
    }
    var result = operation;
    result.parameters = try std.mem.concat(arena, Parameter, &.{
        operation.parameters, &.{.{ .key = "context", .value = label }},
    });
    return result;
}

fn kindOf(fs_type: []const u8) Kind {
    if (std.mem.eql(u8, fs_type, "cgroup2")) return .cgroup;
    const kind = std.meta.stringToEnum(Kind, fs_type) orelse .other;
    return if (kind == .remount) .other else kind; // no file system is called that
}

/// Whether somebody wants mounts of the host to keep arriving.
pub fn wantsPropagation(operations: []const Operation) bool {
    for (operations) |operation| switch (operation.options.propagation orelse 0) {
        linux.MS.SLAVE, linux.MS.SHARED => return true,
        else => {},
    };
    return false;
}

/// `is_private`: the mounts of this namespace have nothing to do with the host's.
pub fn mountAll(root: linux.fd_t, operations: []const Operation, is_private: bool) sys.Error!Mounted {
    var mounted: Mounted = .{};
    for (operations) |*operation| {
        if (operation.kind == .remount) {
            try remount(root, operation);
        } else {
            mounted.keep(operation, try mountOne(root, operation, is_private));
        }
    }
    return mounted;
}

/// A descriptor of what is mounted now.
fn mountOne(root: linux.fd_t, operation: *const Operation, is_private: bool) sys.Error!linux.fd_t {
    switch (operation.kind) {
        .bind => return bind(root, operation, is_private),
        .remount => unreachable,
        .proc, .sysfs => return systemMount(root, operation),
        .cgroup => return cgroup(root, operation),
        .mqueue => return mqueue(root, operation),
        .tmpfs => return temporary(root, operation),
        .devpts, .other => {
            const target = try path.ensureDirectory(root, operation.destination);
            defer _ = linux.close(target.fd);
            if (operation.overlay) |*parts| return overlaid(operation, parts, target.fd);
            const mount_fd = if (operation.kind == .devpts) try devpts(operation) else try fresh(operation, operation.type, &.{});
            return attach(operation, mount_fd, target.fd);
        },
    }
}

/// With a subpath that is mounted once more, over all of it: only what is attached can be copied (Linux before 6.15).
fn overlaid(operation: *const Operation, parts: *const overlay.Parts, target: linux.fd_t) sys.Error!linux.fd_t {
    const options = &operation.options;
    const whole = try overlay.make(parts, options.own.set | options.all.set, operation.destination);
    errdefer _ = linux.close(whole);
    if (options.propagation != null) try change(operation, .{ .fd = whole, .is_deep = false }, true);
    const attached = try attach(operation, whole, target);
    const subpath = operation.subpath orelse return attached;
    defer _ = linux.close(attached);
    const part = try sys.checkFd("subpath", subpath, path.find(attached, subpath));
    defer _ = linux.close(part);
    const tree = try sys.checkFd("open_tree", subpath, sys.cloneTree(part, "", sys.at_empty_path));
    errdefer _ = linux.close(tree);
    return attach(operation, tree, target);
}

/// A bind mount: of a directory onto a directory, of anything else onto a file.
fn bind(root: linux.fd_t, operation: *const Operation, is_private: bool) sys.Error!linux.fd_t {
    const source: Source = if (operation.idmap) |plan|
        .{ .fd = plan.fd, .is_deep = true } // copied and mapped where that is allowed
    else if (try shared_memory.clone(operation.source)) |fd|
        .{ .fd = fd, .is_deep = false }
    else if (operation.subpath) |subpath|
        try clonePart(operation, subpath)
    else
        try cloneHost(operation.source, operation.options.is_recursive);
    errdefer _ = linux.close(source.fd);
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", operation.source, sys.statFd(source.fd, &stat));
    const target = if (linux.S.ISDIR(stat.mode))
        try path.ensureDirectory(root, operation.destination)
    else
        try path.ensureFile(root, operation.destination);
    defer _ = linux.close(target.fd);
    try change(operation, source, is_private);
    return attach(operation, source.fd, target.fd);
}

/// What is mounted at the destination already: its flags, and unless it is a bind mount, its file system's parameters.
fn remount(root: linux.fd_t, operation: *const Operation) sys.Error!void {
    const target = try sys.checkFd("openat2", operation.destination, path.find(root, operation.destination));
    defer _ = linux.close(target);
    try expectOutsideProc(operation, target);
    if (operation.parameters.len > 0) try superblock.reconfigure(target, operation.parameters, operation.destination);
    try change(operation, .{ .fd = target, .is_deep = true }, true);
}

fn change(operation: *const Operation, source: Source, is_private: bool) sys.Error!void {
    return attributes.apply(.{
        .fd = source.fd,
        .is_deep = source.is_deep,
        .is_private = is_private,
        .detail = operation.destination,
    }, &operation.options);
}

/// Files of /proc that lxcfs and its kind replace. Nothing else below /proc may be covered, whatever symlink of the
/// image led there: programs, our own exec among them, believe what it says (CVE-2019-19921).
const replaceable = [_][]const u8{
    "/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo",
    "/proc/stat",    "/proc/swaps",     "/proc/uptime",  "/proc/slabinfo",
};

fn expectOutsideProc(operation: *const Operation, target: linux.fd_t) sys.Error!void {
    if (!procfs.isProc(target)) return;
    for (replaceable) |name| if (std.mem.eql(u8, operation.destination, name)) return;
    return sys.failFormat("mount", "destination {s} lies inside /proc", .{operation.destination});
}

const Source = struct { fd: linux.fd_t, is_deep: bool };

/// A detached copy of the host's mount at `source`. Where mounts below it are locked (they are for us, unless we are
/// real root) the kernel refuses to copy the top alone: then all of it is taken, which shows nothing new.
fn cloneHost(source: [:0]const u8, is_recursive: bool) sys.Error!Source {
    if (!is_recursive) {
        const rc = sys.cloneTree(linux.AT.FDCWD, source, 0);
        if (linux.errno(rc) != .INVAL) return .{ .fd = try sys.checkFd("open_tree", source, rc), .is_deep = false };
    }
    const rc = sys.cloneTree(linux.AT.FDCWD, source, sys.at_recursive);
    return .{ .fd = try sys.checkFd("open_tree", source, rc), .is_deep = true };
}

/// What is at `subpath` in the source, which is somebody else's data: no link in it leads out of it.
fn clonePart(operation: *const Operation, subpath: [:0]const u8) sys.Error!Source {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const whole = try sys.checkFd("open", operation.source, linux.open(operation.source, flags, 0));
    defer _ = linux.close(whole);
    const rc = sys.openat2(whole, subpath, .{ .PATH = true, .CLOEXEC = true }, 0, beneath);
    const part = try sys.checkFd("subpath", subpath, rc);
    defer _ = linux.close(part);
    const flat = sys.at_empty_path;
    if (!operation.options.is_recursive) {
        const tree = sys.cloneTree(part, "", flat);
        if (linux.errno(tree) != .INVAL) return .{ .fd = try sys.checkFd("open_tree", subpath, tree), .is_deep = false };
    }
    const tree = sys.cloneTree(part, "", flat | sys.at_recursive);
    return .{ .fd = try sys.checkFd("open_tree", subpath, tree), .is_deep = true };
}

const beneath = sys.resolve.beneath | sys.resolve.no_magiclinks;

/// /proc and /sys must be real directories of the image: programs trust those paths, so no symlink is followed.
fn systemMount(root: linux.fd_t, operation: *const Operation) sys.Error!linux.fd_t {
    var rc = path.findPlain(root, operation.destination);
    if (linux.errno(rc) == .NOENT) {
        const made = try path.ensureDirectory(root, operation.destination);
        _ = linux.close(made.fd);
        rc = path.findPlain(root, operation.destination);
    }
    const target = try sys.checkFd("openat2", operation.destination, rc);
    defer _ = linux.close(target);
    const source: [:0]const u8 = if (operation.kind == .proc) "/proc" else "/sys";
    return attach(operation, try freshOrHost(operation, operation.type, source), target);
}

/// Only a view of the ipc namespace's message queues: where the kernel gives none and the host has none, an empty
/// directory is in its place, and the calls still work.
fn mqueue(root: linux.fd_t, operation: *const Operation) sys.Error!linux.fd_t {
    const target = try path.ensureDirectory(root, operation.destination);
    defer _ = linux.close(target.fd);
    const mount_fd = freshOrHost(operation, "mqueue", "/dev/mqueue") catch |err| switch (sys.failure.?.errno) {
        .NOENT, .PERM => try nothing(operation),
        else => return err,
    };
    return attach(operation, mount_fd, target.fd);
}

/// An empty directory that stays so.
fn nothing(operation: *const Operation) sys.Error!linux.fd_t {
    const flags = attr.rdonly | attr.nosuid | attr.nodev | attr.noexec;
    return superblock.make(.{
        .type = "tmpfs",
        .source = "tmpfs",
        .parameters = &.{.{ .key = "mode", .value = "0555" }},
        .flags = flags,
        .detail = operation.destination,
    });
}

/// A new file system of that type, or where the kernel forbids one, the host's with the same flags.
fn freshOrHost(operation: *const Operation, fs_type: [:0]const u8, host: [:0]const u8) sys.Error!linux.fd_t {
    return fresh(operation, fs_type, &.{}) catch |err| {
        if (sys.failure.?.errno != .PERM) return err;
        return hostCopy(operation, host);
    };
}

/// With all that the host has mounted in it, which is no more writable than a new file system would be: some of that
/// belongs to the caller (cgroups, FUSE connections), and to real root everything.
fn hostCopy(operation: *const Operation, host: [:0]const u8) sys.Error!linux.fd_t {
    const source = try cloneHost(host, true);
    errdefer _ = linux.close(source.fd);
    var whole = operation.*;
    whole.options.all.set |= operation.options.own.set & (attr.rdonly | attr.nosuid | attr.nodev | attr.noexec);
    try change(&whole, source, false);
    return source.fd;
}

/// cgroup v2 as the container's cgroup namespace sees it. Without a namespace of its own the host's is shown; where
/// neither is possible an empty read-only directory stands in its place.
fn cgroup(root: linux.fd_t, operation: *const Operation) sys.Error!linux.fd_t {
    const target = try path.ensureDirectory(root, operation.destination);
    defer _ = linux.close(target.fd);
    const mount_fd = freshOrHost(operation, "cgroup2", "/sys/fs/cgroup") catch try nothing(operation);
    return attach(operation, mount_fd, target.fd);
}

/// A tmpfs takes the permissions of the directory it hides unless `mode=` says otherwise.
fn temporary(root: linux.fd_t, operation: *const Operation) sys.Error!linux.fd_t {
    const target = try path.ensureDirectory(root, operation.destination);
    defer _ = linux.close(target.fd);
    try expectOutsideProc(operation, target.fd); // before anything is copied from there
    var text: [8]u8 = undefined;
    const mode = std.fmt.bufPrintZ(&text, "{o}", .{target.mode & 0o7777}) catch unreachable;
    const inherited = [_]Parameter{.{ .key = "mode", .value = mode }};
    const inherits = !target.is_new and !superblock.has(operation.parameters, "mode");
    if (!operation.options.copies_up) {
        const mount_fd = try fresh(operation, "tmpfs", if (inherits) &inherited else &.{});
        return attach(operation, mount_fd, target.fd);
    }
    var writable = operation.*;
    writable.options.own.set &= ~@as(u32, attr.rdonly);
    writable.options.all.set &= ~@as(u32, attr.rdonly);
    const mount_fd = try fresh(&writable, "tmpfs", if (inherits) &inherited else &.{});
    try copy.directory(target.fd, mount_fd, operation.destination);
    try change(operation, .{ .fd = mount_fd, .is_deep = false }, true);
    return attach(operation, mount_fd, target.fd);
}

/// `gid=5` (tty) is refused when that group is not mapped: then terminals belong to the group of their process.
fn devpts(operation: *const Operation) sys.Error!linux.fd_t {
    return fresh(operation, "devpts", &.{}) catch |err| {
        if (sys.failure.?.errno != .INVAL) return err;
        var without = operation.*;
        var kept: [8]Parameter = undefined;
        var count: usize = 0;
        for (operation.parameters) |parameter| {
            if (std.mem.eql(u8, parameter.key, "gid") or count == kept.len) continue;
            kept[count] = parameter;
            count += 1;
        }
        without.parameters = kept[0..count];
        return fresh(&without, "devpts", &.{});
    };
}

/// A detached mount of a new superblock with the operation's flags and parameters, plus `extra` before them.
fn fresh(operation: *const Operation, fs_type: [:0]const u8, extra: []const Parameter) sys.Error!linux.fd_t {
    const options = &operation.options;
    const mount_fd = try superblock.make(.{
        .type = fs_type,
        .source = operation.source,
        .extra = extra,
        .parameters = operation.parameters,
        .flags = options.own.set | options.all.set,
        .detail = operation.destination,
    });
    if (options.propagation == null) return mount_fd;
    errdefer _ = linux.close(mount_fd);
    try change(operation, .{ .fd = mount_fd, .is_deep = false }, true);
    return mount_fd;
}

/// Nothing but a proc, which follows no symlink, and sysfs get past the check, wherever the image leads.
fn attach(operation: *const Operation, mount_fd: linux.fd_t, target: linux.fd_t) sys.Error!linux.fd_t {
    if (operation.kind != .proc and operation.kind != .sysfs) try expectOutsideProc(operation, target);
    const rc = sys.moveMount(mount_fd, target);
    const is_unbindable = operation.options.propagation == linux.MS.UNBINDABLE;
    if (linux.errno(rc) != .INVAL or !is_unbindable) {
        _ = try sys.check("mount", operation.destination, rc);
        return mount_fd;
    }
    // On a shared mount it would have to be copied (mount_namespaces(7)): then it becomes unbindable later.
    const deep = sys.at_empty_path | if (operation.options.propagation_recursive) @as(u32, sys.at_recursive) else 0;
    for ([_]u32{ linux.MS.PRIVATE, linux.MS.UNBINDABLE }) |kind| {
        const propagation: sys.MountAttr = .{ .propagation = kind };
        _ = try sys.check("mount_setattr", operation.destination, sys.changeMount(mount_fd, deep, &propagation));
        if (kind == linux.MS.PRIVATE) _ = try sys.check("mount", operation.destination, sys.moveMount(mount_fd, target));
    }
    return mount_fd;
}

test "prepare() refuses what it cannot honour" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    for ([_]contract.Mount{
        .{ .destination = "", .type = "proc" },
        .{ .destination = "//", .type = "tmpfs" },
        .{ .destination = "/x", .source = "/y", .options = &.{ "bind", "no-such-option" } },
        .{ .destination = "/x", .options = &.{"rbind"} },
        .{ .destination = "/x", .source = "/y", .options = &.{ "bind", "tmpcopyup" } },
        .{ .destination = "/x", .source = "/y", .options = &.{ "bind", "idmap" } }, // no map, and no user namespace
        .{ .destination = "/x", .type = "tmpfs", .options = &.{"idmap"}, .uidMappings = &one_id, .gidMappings = &one_id },
        .{ .destination = "/x", .source = "/y", .options = &.{ "bind", "idmap" }, .uidMappings = &one_id },
    }) |bad| try std.testing.expectError(error.Syscall, prepare(arena, &.{bad}, .{}));
}

const one_id = [_]@import("../userns.zig").Mapping{.{ .containerID = 0, .hostID = 1, .size = 1 }};

test "prepare() tells options from parameters" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const operations = try prepare(arena_state.allocator(), &.{
        .{ .destination = "dev/shm", .type = "tmpfs", .options = &.{ "nosuid", "size=1k" } },
        .{ .destination = "/sys", .type = "sysfs", .options = &.{ "remount", "ro" } },
        .{ .destination = "/d", .type = "none", .source = "/s", .options = &.{ "rbind", "ridmap" } },
    }, .{ .label = "a:b:c", .has_userns = true });
    try std.testing.expectEqualStrings("/dev/shm", operations[0].destination);
    try std.testing.expectEqualStrings("size", operations[0].parameters[0].key);
    try std.testing.expectEqualStrings("1k", operations[0].parameters[0].value.?);
    try std.testing.expectEqualStrings("context", operations[0].parameters[1].key);
    try std.testing.expectEqual(Kind.remount, operations[1].kind);
    try std.testing.expectEqual(@as(usize, 0), operations[1].parameters.len);
    try std.testing.expect(operations[2].idmap.?.is_recursive);
}
