//! The manager "cgroupfs": a container's group is a directory that we make where the caller may make groups.
//!
//! Theory of operation. A group shares its resources out among the groups below it only when it holds no processes
//! itself ("no internal processes", cgroup-v2.rst). Where groups are made is therefore looked for on the way up from
//! our own group: the nearest one that is the caller's and holds no process, as when a shell sits in DELEGATED/session.
//! Where our own group is the only one that is the caller's, containers are made in it. That limits nothing, so it is
//! all right until a limit is asked for: then the processes in it, ours among them, move into a leaf of it (`aside`).
//! Root starts at the top of what is mounted. The top of the whole hierarchy may hold processes.
const std = @import("std");
const sys = @import("../sys.zig");
const places = @import("place.zig");
const files = @import("files.zig");
const walk = @import("walk.zig");
const groups = @import("group.zig");
const hierarchies = @import("hierarchy.zig");
const scopes = @import("scope.zig");
const linux = sys.linux;

const Error = sys.Error;

const aside = "tspod-outside";

/// A process that forks while its group is emptied is found in the next round.
const rounds_max = 16;

/// What containers may be given; the others (perf_event, misc) limit nothing that config.json knows.
const wanted_controllers = [_][]const u8{ "cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma" };

/// Make the group. `needs_controllers`: processes that stand in the way are moved.
pub fn make(arena: std.mem.Allocator, place: places.Directory, needs_controllers: bool) Error!groups.Cgroup {
    const hierarchy = hierarchies.find(arena) orelse return noHierarchy();
    const base = if (place.is_absolute)
        hierarchy.top
    else if (place.is_split)
        try splitOf(arena, hierarchy)
    else
        try baseOf(arena, hierarchy);
    const path = hierarchies.join(arena, base, place.path) orelse return outOfMemory();
    try enable(base, needs_controllers);
    var end = base.len;
    while (std.mem.indexOfScalarPos(u8, path, end + 1, '/')) |slash| : (end = slash) {
        const parent = arena.dupeZ(u8, path[0..slash]) catch return outOfMemory();
        const rc = linux.mkdir(parent, 0o755);
        if (linux.errno(rc) != .EXIST) _ = try sys.check("mkdir", parent, rc);
        try enable(parent, needs_controllers);
    }
    const rc = linux.mkdir(path, 0o755);
    if (linux.errno(rc) == .EXIST) {
        try takeOver(path);
    } else _ = try sys.check("mkdir", path, rc);
    return .{ .path = path };
}

pub fn noHierarchy() Error {
    return sys.fail("cgroup", "cgroup v2 is not mounted, or not where this process is; to fix it: boot the host with systemd.unified_cgroup_hierarchy=1");
}

/// What a killed monitor left is as good as new; a group somebody lives in is not ours to take.
fn takeOver(path: [:0]const u8) Error!void {
    const group: groups.Cgroup = .{ .path = path };
    if (!group.isEmpty()) return sys.failFormat("cgroup", "{s} is in use", .{path});
    try walk.removeBelow(path);
    // Its limits go with it, and that it was frozen.
    const gone = linux.rmdir(path);
    if (linux.errno(gone) != .NOENT) _ = try sys.check("rmdir", path, gone);
    _ = try sys.check("mkdir", path, linux.mkdir(path, 0o755));
}

/// Where the caller may make groups.
fn baseOf(arena: std.mem.Allocator, hierarchy: hierarchies.Hierarchy) Error![:0]const u8 {
    if (linux.geteuid() == 0 and isDelegated(hierarchy.top)) return hierarchy.top;
    var at: []const u8 = hierarchy.own;
    while (at.len > hierarchy.top.len) : (at = std.fs.path.dirname(at) orelse break) {
        const path = arena.dupeZ(u8, at) catch return outOfMemory();
        if (!isDelegated(path)) break;
        if (!hasProcesses(path)) return path;
    }
    if (isDelegated(hierarchy.own)) return hierarchy.own;
    return notDelegated(hierarchy.own, if (scopes.isThere(arena))
        "have your systemd make one (--systemd-cgroup)"
    else
        "log in through systemd (sudo loginctl enable-linger $USER), or have an administrator delegate a cgroup to you");
}

/// The caller's own group, whatever lies above it.
fn splitOf(arena: std.mem.Allocator, hierarchy: hierarchies.Hierarchy) Error![:0]const u8 {
    if (isDelegated(hierarchy.own)) return hierarchy.own;
    return notDelegated(hierarchy.own, if (scopes.isThere(arena))
        "start it by systemd-run --user --scope -p Delegate=yes, or leave away --cgroups=split"
    else
        "leave away --cgroups=split");
}

fn notDelegated(own: []const u8, remedy: []const u8) Error {
    return sys.failFormat("cgroup", "no cgroup is delegated to you: {s} is not yours; to fix it: {s}", .{ own, remedy });
}

/// Ours to make groups in and to move processes to (cgroup-v2.rst, "Delegation").
fn isDelegated(path: [:0]const u8) bool {
    if (linux.errno(linux.access(path, linux.W_OK)) != .SUCCESS) return false;
    const rc = files.open(path, "cgroup.procs", .{ .ACCMODE = .WRONLY, .CLOEXEC = true });
    if (linux.errno(rc) != .SUCCESS) return false;
    _ = linux.close(@intCast(rc));
    return true;
}

fn hasProcesses(path: [:0]const u8) bool {
    var buffer: [16]u8 = undefined;
    const text = files.read(path, "cgroup.procs", &buffer) orelse return false;
    return text.len > 0;
}

/// Let the groups below have all the controllers there are.
fn enable(path: [:0]const u8, is_needed: bool) Error!void {
    enableControllers(path) catch |err| {
        if (sys.failure.?.errno != .BUSY or !is_needed) return if (is_needed) err else {};
        try moveAside(path);
        try enableControllers(path);
    };
}

/// Fails with EBUSY when processes stand in the way. The kernel would take some controllers all the same and make the
/// group's children threads-only (cgroup-v2.rst, "Threads"), which no container can live in.
pub fn enableControllers(path: [:0]const u8) Error!void {
    var offered_buffer: [256]u8 = undefined;
    var enabled_buffer: [256]u8 = undefined;
    const offered = files.read(path, "cgroup.controllers", &offered_buffer) orelse return;
    const enabled = files.read(path, "cgroup.subtree_control", &enabled_buffer) orelse return;
    var may: ?bool = null;
    for (wanted_controllers) |name| {
        if (!files.hasWord(offered, name) or files.hasWord(enabled, name)) continue;
        may = may orelse (isTop(path) or !hasProcesses(path));
        if (!may.?) {
            sys.failure = .{ .call = "cgroup.subtree_control", .detail = path, .errno = .BUSY };
            return error.Syscall;
        }
        var text: [16]u8 = undefined;
        const word = std.fmt.bufPrint(&text, "+{s}", .{name}) catch unreachable;
        const rc = files.write(path, "cgroup.subtree_control", word);
        switch (linux.errno(rc)) {
            .SUCCESS => {},
            .BUSY => _ = try sys.check("cgroup.subtree_control", path, rc),
            else => {}, // this one cannot be had; whoever needs it will miss its file
        }
    }
}

/// Of the whole hierarchy, not only of what we see.
fn isTop(path: [:0]const u8) bool {
    var buffer: [32]u8 = undefined;
    return files.read(path, "cgroup.type", &buffer) == null;
}

/// Every process of the group into a leaf below it.
fn moveAside(path: [:0]const u8) Error!void {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const leaf = std.fmt.bufPrintZ(&buffer, "{s}/{s}", .{ path, aside }) catch return sys.fail("cgroup", "a path is too long");
    const made = linux.mkdir(leaf, 0o755);
    if (linux.errno(made) != .EXIST) _ = try sys.check("mkdir", path, made);
    for (0..rounds_max) |_| {
        var text: [4096]u8 = undefined;
        const all = files.read(path, "cgroup.procs", &text) orelse "";
        if (all.len == 0) return;
        var lines = std.mem.tokenizeScalar(u8, all, '\n');
        while (lines.next()) |line| {
            const rc = files.write(leaf, "cgroup.procs", line);
            if (linux.errno(rc) == .SRCH or linux.errno(rc) == .INVAL) continue; // gone, or the end of what fitted
            _ = try sys.check("cgroup.procs", path, rc);
        }
    }
    return sys.failFormat("cgroup", "{s} does not come to hold no processes", .{path});
}

fn outOfMemory() Error {
    return sys.fail("cgroup", "out of memory");
}
