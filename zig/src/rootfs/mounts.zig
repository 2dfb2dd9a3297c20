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
const options_of = @import("options.zig");
const copy = @import("copy.zig");
const linux = sys.linux;
const attr = sys.attr;

const Kind = enum { bind, proc, sysfs, cgroup, tmpfs, devpts, mqueue, other };

/// One `key=value` (or bare flag) for the file system.
const Parameter = struct { key: [:0]const u8, value: ?[:0]const u8 };

pub const Operation = struct {
    kind: Kind,
    type: [:0]const u8,
    source: [:0]const u8,
    destination: [:0]const u8,
    options: options_of.Options,
    parameters: []const Parameter,
};

/// What later steps need of what was mounted.
pub const Mounted = struct {
    /// The container's own devpts: its terminals come from here and from nowhere else.
    devpts: ?linux.fd_t = null,
};

/// Turn config.json's mounts into operations. Refuses what cannot be honoured, so that nothing is silently ignored.
pub fn prepare(arena: std.mem.Allocator, mounts: []const contract.Mount) sys.Error![]Operation {
    const operations = arena.alloc(Operation, mounts.len) catch return sys.fail("mount", "out of memory");
    for (mounts, operations) |mount, *operation| {
        operation.* = prepareOne(arena, mount) catch |err| switch (err) {
            error.OutOfMemory => return sys.fail("mount", "out of memory"),
            error.Syscall => return error.Syscall,
        };
    }
    return operations;
}

fn prepareOne(arena: std.mem.Allocator, mount: contract.Mount) !Operation {
    const options = try options_of.parse(arena, mount.options);
    const fs_type = mount.type orelse "none";
    const kind: Kind = if (options.is_bind) .bind else kindOf(fs_type);
    if (mount.destination.len == 0 or mount.destination[0] != '/') {
        return sys.failFormat("mount", "destination \"{s}\" is not absolute", .{mount.destination});
    }
    if (kind == .bind and options.data.len > 0) {
        return sys.failFormat("mount", "option \"{s}\" of {s} is unknown", .{ options.data[0], mount.destination });
    }
    return .{
        .kind = kind,
        .type = fs_type,
        .source = mount.source orelse fs_type,
        .destination = mount.destination,
        .options = options,
        .parameters = try parametersOf(arena, options.data),
    };
}

fn kindOf(fs_type: []const u8) Kind {
    if (std.mem.eql(u8, fs_type, "cgroup2")) return .cgroup;
    return std.meta.stringToEnum(Kind, fs_type) orelse .other;
}

fn parametersOf(arena: std.mem.Allocator, data: []const [:0]const u8) ![]const Parameter {
    const parameters = try arena.alloc(Parameter, data.len);
    for (data, parameters) |text, *parameter| {
        const equals = std.mem.indexOfScalar(u8, text, '=');
        parameter.* = if (equals) |i|
            .{ .key = try arena.dupeZ(u8, text[0..i]), .value = text[i + 1 ..] }
        else
            .{ .key = text, .value = null };
    }
    return parameters;
}

/// Whether somebody wants mounts of the host to keep arriving.
pub fn wantsPropagation(operations: []const Operation) bool {
    for (operations) |operation| switch (operation.options.propagation) {
        linux.MS.SLAVE, linux.MS.SHARED => return true,
        else => {},
    };
    return false;
}

pub fn mountAll(root: linux.fd_t, operations: []const Operation) sys.Error!Mounted {
    var mounted: Mounted = .{};
    for (operations) |*operation| try mountOne(root, operation, &mounted);
    return mounted;
}

fn mountOne(root: linux.fd_t, operation: *const Operation, mounted: *Mounted) sys.Error!void {
    switch (operation.kind) {
        .bind => return bind(root, operation),
        .proc, .sysfs => try systemMount(root, operation),
        .cgroup => try cgroup(root, operation),
        .mqueue => try mqueue(root, operation),
        .tmpfs => try temporary(root, operation),
        .devpts => {
            const target = try path.ensureDirectory(root, operation.destination);
            defer _ = linux.close(target.fd);
            const mount_fd = try devpts(operation);
            try attach(operation, mount_fd, target.fd);
            mounted.devpts = mount_fd; // stays open: the console is made from it
        },
        .other => {
            const target = try path.ensureDirectory(root, operation.destination);
            defer _ = linux.close(target.fd);
            try expectOutsideProc(operation, target.fd);
            try attachAndClose(operation, try fresh(operation, operation.type, &.{}), target.fd);
        },
    }
}

/// A bind mount: of a directory onto a directory, of anything else onto a file.
fn bind(root: linux.fd_t, operation: *const Operation) sys.Error!void {
    const tree = try cloneHost(operation.source, operation.options.is_recursive);
    defer _ = linux.close(tree);
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", operation.source, sys.statFd(tree, &stat));
    const target = if (linux.S.ISDIR(stat.mode))
        try path.ensureDirectory(root, operation.destination)
    else
        try path.ensureFile(root, operation.destination);
    defer _ = linux.close(target.fd);
    try expectOutsideProc(operation, target.fd);
    try applyFlags(operation, tree);
    try attach(operation, tree, target.fd);
}

/// Files of /proc that lxcfs and its kind replace. Nothing else below /proc may be covered, whatever symlink of the
/// image led there: programs, our own exec among them, believe what it says (CVE-2019-19921).
const replaceable = [_][]const u8{
    "/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo",
    "/proc/stat",    "/proc/swaps",     "/proc/uptime",  "/proc/slabinfo",
};

fn expectOutsideProc(operation: *const Operation, target: linux.fd_t) sys.Error!void {
    const proc_magic = 0x9fa0;
    if (sys.fileSystemType(target) != proc_magic) return;
    for (replaceable) |name| if (std.mem.eql(u8, operation.destination, name)) return;
    return sys.failFormat("mount", "destination {s} lies inside /proc", .{operation.destination});
}

/// A detached copy of the host's mount at `source`. Where mounts below it are locked (they are for us, unless we are
/// real root) the kernel refuses to copy the top alone: then all of it is taken, which shows nothing new.
fn cloneHost(source: [:0]const u8, is_recursive: bool) sys.Error!linux.fd_t {
    if (!is_recursive) {
        const rc = sys.cloneTree(linux.AT.FDCWD, source, 0);
        if (linux.errno(rc) != .INVAL) return sys.checkFd("open_tree", source, rc);
    }
    return sys.checkFd("open_tree", source, sys.cloneTree(linux.AT.FDCWD, source, sys.at_recursive));
}

/// Flags that the host set stay set; only more are added. The access time cannot be changed on a mount whose setting
/// is locked (EPERM): it is a wish about speed, so it is left out then.
fn applyFlags(operation: *const Operation, tree: linux.fd_t) sys.Error!void {
    const options = &operation.options;
    if (options.set != 0) try setFlags(operation, tree, 0, options.set);
    if (options.recursive_set != 0) try setFlags(operation, tree, sys.at_recursive, options.recursive_set);
    const reach: u32 = if (options.propagation_recursive) sys.at_recursive else 0;
    const change: sys.MountAttr = .{ .propagation = options.propagation };
    const rc = sys.changeMount(tree, sys.at_empty_path | reach, &change);
    _ = try sys.check("mount_setattr", operation.destination, rc);
}

fn setFlags(operation: *const Operation, tree: linux.fd_t, reach: u32, set: u32) sys.Error!void {
    const atime_bits: u32 = attr.atime_mask | attr.nodiratime;
    const clear: u64 = if (set & attr.atime_mask != 0) attr.atime_mask else 0;
    const all: sys.MountAttr = .{ .set = set, .clear = clear };
    const rc = sys.changeMount(tree, sys.at_empty_path | reach, &all);
    if (linux.errno(rc) == .PERM and set & atime_bits != 0) {
        const without: sys.MountAttr = .{ .set = set & ~atime_bits };
        const again = sys.changeMount(tree, sys.at_empty_path | reach, &without);
        _ = try sys.check("mount_setattr", operation.destination, again);
        return;
    }
    _ = try sys.check("mount_setattr", operation.destination, rc);
}

/// /proc and /sys must be real directories of the image: programs trust those paths, so no symlink is followed.
fn systemMount(root: linux.fd_t, operation: *const Operation) sys.Error!void {
    var rc = path.findPlain(root, operation.destination);
    if (linux.errno(rc) == .NOENT) {
        const made = try path.ensureDirectory(root, operation.destination);
        _ = linux.close(made.fd);
        rc = path.findPlain(root, operation.destination);
    }
    const target = try sys.checkFd("openat2", operation.destination, rc);
    defer _ = linux.close(target);
    const source: [:0]const u8 = if (operation.kind == .proc) "/proc" else "/sys";
    try attachAndClose(operation, try freshOrHost(operation, operation.type, source), target);
}

/// Only a view of the ipc namespace's message queues: where the kernel gives none and the host has none, an empty
/// directory is in its place, and the calls still work.
fn mqueue(root: linux.fd_t, operation: *const Operation) sys.Error!void {
    const target = try path.ensureDirectory(root, operation.destination);
    defer _ = linux.close(target.fd);
    const mount_fd = freshOrHost(operation, "mqueue", "/dev/mqueue") catch |err| switch (sys.failure.?.errno) {
        .NOENT, .PERM => try nothing(operation),
        else => return err,
    };
    try attachAndClose(operation, mount_fd, target.fd);
}

/// An empty directory that stays so.
fn nothing(operation: *const Operation) sys.Error!linux.fd_t {
    const flags = attr.rdonly | attr.nosuid | attr.nodev | attr.noexec;
    return newMount("tmpfs", "tmpfs", &.{.{ .key = "mode", .value = "0555" }}, flags, operation.destination);
}

/// A new file system of that type, or where the kernel forbids one, the host's with the same flags.
fn freshOrHost(operation: *const Operation, fs_type: [:0]const u8, host: [:0]const u8) sys.Error!linux.fd_t {
    return fresh(operation, fs_type, &.{}) catch |err| {
        if (sys.failure.?.errno != .PERM) return err;
        return hostCopy(operation, host);
    };
}

fn hostCopy(operation: *const Operation, host: [:0]const u8) sys.Error!linux.fd_t {
    const tree = try cloneHost(host, true);
    errdefer _ = linux.close(tree);
    try applyFlags(operation, tree);
    return tree;
}

/// cgroup v2 as the container's cgroup namespace sees it. Without a namespace of its own the host's is shown; where
/// neither is possible an empty read-only directory stands in its place.
fn cgroup(root: linux.fd_t, operation: *const Operation) sys.Error!void {
    const target = try path.ensureDirectory(root, operation.destination);
    defer _ = linux.close(target.fd);
    const mount_fd = freshOrHost(operation, "cgroup2", "/sys/fs/cgroup") catch try nothing(operation);
    try attachAndClose(operation, mount_fd, target.fd);
}

/// A tmpfs takes the permissions of the directory it hides unless `mode=` says otherwise.
fn temporary(root: linux.fd_t, operation: *const Operation) sys.Error!void {
    const target = try path.ensureDirectory(root, operation.destination);
    defer _ = linux.close(target.fd);
    try expectOutsideProc(operation, target.fd);
    var text: [8]u8 = undefined;
    const mode = std.fmt.bufPrintZ(&text, "{o}", .{target.mode & 0o7777}) catch unreachable;
    const inherited = [_]Parameter{.{ .key = "mode", .value = mode }};
    const inherits = !target.is_new and !has(operation.parameters, "mode");
    if (!operation.options.copies_up) {
        const mount_fd = try fresh(operation, "tmpfs", if (inherits) &inherited else &.{});
        return attachAndClose(operation, mount_fd, target.fd);
    }
    var writable = operation.*;
    writable.options.set &= ~@as(u32, attr.rdonly);
    const mount_fd = try fresh(&writable, "tmpfs", if (inherits) &inherited else &.{});
    defer _ = linux.close(mount_fd);
    try copy.directory(target.fd, mount_fd, operation.destination);
    if (operation.options.set & attr.rdonly != 0) try setFlags(operation, mount_fd, 0, attr.rdonly);
    try attach(operation, mount_fd, target.fd);
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

fn has(parameters: []const Parameter, key: []const u8) bool {
    for (parameters) |parameter| if (std.mem.eql(u8, parameter.key, key)) return true;
    return false;
}

/// A detached mount of a new superblock with the operation's flags and parameters, plus `extra` before them.
fn fresh(operation: *const Operation, fs_type: [:0]const u8, extra: []const Parameter) sys.Error!linux.fd_t {
    const options = &operation.options;
    const fs = try open(fs_type, operation.source, operation.destination);
    defer _ = linux.close(fs);
    for (extra) |parameter| try configure(fs, parameter, operation.destination);
    for (operation.parameters) |parameter| try configure(fs, parameter, operation.destination);
    return create(fs, options.set | options.recursive_set, operation.destination);
}

/// The same without an operation.
pub fn newMount(
    fs_type: [:0]const u8,
    source: [:0]const u8,
    parameters: []const Parameter,
    flags: u32,
    detail: []const u8,
) sys.Error!linux.fd_t {
    const fs = try open(fs_type, source, detail);
    defer _ = linux.close(fs);
    for (parameters) |parameter| try configure(fs, parameter, detail);
    return create(fs, flags, detail);
}

fn open(fs_type: [:0]const u8, source: [:0]const u8, detail: []const u8) sys.Error!linux.fd_t {
    const fs = try sys.checkFd("mount", detail, linux.fsopen(fs_type, .{ .CLOEXEC = true }));
    _ = linux.fsconfig(fs, .SET_STRING, "source", source, 0); // only what /proc/mounts shows
    return fs;
}

fn configure(fs: linux.fd_t, parameter: Parameter, detail: []const u8) sys.Error!void {
    const rc = if (parameter.value) |value|
        linux.fsconfig(fs, .SET_STRING, parameter.key, value, 0)
    else
        linux.fsconfig(fs, .SET_FLAG, parameter.key, null, 0);
    _ = try sys.check("mount", detail, rc);
}

fn create(fs: linux.fd_t, flags: u32, detail: []const u8) sys.Error!linux.fd_t {
    _ = try sys.check("mount", detail, linux.fsconfig(fs, .CREATE, null, null, 0));
    return sys.checkFd("mount", detail, linux.fsmount(fs, .{ .CLOEXEC = true }, @bitCast(flags)));
}

fn attachAndClose(operation: *const Operation, mount_fd: linux.fd_t, target: linux.fd_t) sys.Error!void {
    defer _ = linux.close(mount_fd);
    try attach(operation, mount_fd, target);
}

fn attach(operation: *const Operation, mount_fd: linux.fd_t, target: linux.fd_t) sys.Error!void {
    _ = try sys.check("mount", operation.destination, sys.moveMount(mount_fd, target));
}

test "prepare() refuses what it cannot honour" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const relative = [_]contract.Mount{.{ .destination = "proc", .type = "proc" }};
    try std.testing.expectError(error.Syscall, prepare(arena, &relative));
    const idmap = [_]contract.Mount{.{ .destination = "/x", .source = "/y", .options = &.{ "bind", "idmap" } }};
    try std.testing.expectError(error.Syscall, prepare(arena, &idmap));
    try std.testing.expectEqualStrings("option \"idmap\" of /x is unknown", sys.failure.?.detail);
    const shm = [_]contract.Mount{.{ .destination = "/dev/shm", .type = "tmpfs", .options = &.{ "nosuid", "size=1k" } }};
    const operations = try prepare(arena, &shm);
    try std.testing.expectEqualStrings("size", operations[0].parameters[0].key);
    try std.testing.expectEqualStrings("1k", operations[0].parameters[0].value.?);
}
