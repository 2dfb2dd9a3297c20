//! Going to where a container's files are, with the rights of its root: `visit` runs a piece of work there, which gets
//! a descriptor of the place's "/".
//!
//! Theory of operation: a container that runs is joined (its user and mount namespace, by pidfd, so that a reused pid is
//! nobody), and its mounts are what its programs see. One that does not run is put together once more in namespaces of
//! ours: for reading its layers alone, read-only, as an overlay without an upper directory; for writing as it will be
//! when it runs, its volumes mounted. Two overlays must not write to one upper directory: whoever has one mounted for
//! writing, a monitor its whole life long, holds a lock on the container's directory (`hold`).
//!
//! Everything in there is somebody else's data: this process is not to be traced from inside, believes no path of that
//! mount namespace (its /proc is the container's), and opens nothing but below the descriptor it was given.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const exec = @import("../exec.zig");
const prepare = @import("../prepare.zig");
const joined = @import("../process/joined.zig");
const rootfs = @import("../rootfs/root.zig");
const overlay = @import("../rootfs/overlay.zig");
const mounts = @import("../rootfs/mounts.zig");
const fuse = @import("../rootfs/fuse.zig");
const inner = @import("../rootfs/path.zig");
const layer = @import("../layer/layer.zig");
const reply = layer.reply;
const userns = @import("../userns.zig");
const words = @import("words.zig");
const linux = sys.linux;

pub const Access = enum { read, write };

pub const open_directory: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
const open_path: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };

/// flock(2).
const lock_shared = 1;
const lock_exclusive = 2;
const lock_at_once = 4;

/// A lock on the directory of a container for whoever has its upper directory mounted. Waits for what is being copied
/// into it; ends with the last process that has the descriptor.
pub fn hold(directory: [:0]const u8) sys.Error!linux.fd_t {
    const fd = try sys.checkFd("open", directory, linux.open(directory, open_directory, 0));
    while (true) {
        const rc = linux.flock(fd, lock_shared);
        if (linux.errno(rc) == .INTR) continue;
        _ = try sys.check("flock", directory, rc);
        return fd;
    }
}

/// How long to wait until a container that is about to run can be found, or one that is written to is free. Each time is
/// twice as long as the one before.
const pause_ns_min = 2 * std.time.ns_per_ms;
const pause_ns_max = 250 * std.time.ns_per_ms;

/// The work's exit status. What is refused before it begins has been told.
pub fn visit(
    arena: std.mem.Allocator,
    options: *const words.Options,
    access: Access,
    context: anytype,
    comptime work: fn (@TypeOf(context), linux.fd_t) u8,
) u8 {
    return switch (options.place) {
        .host => work(context, linux.AT.FDCWD),
        .tree => |tree| visitTree(arena, tree.maps, tree.directory, context, work),
        .container => |container| visitContainer(options, access, .{
            .directory = container.directory,
            .runtime = container.runtime,
        }, context, work),
    } catch |err| reply.refused("", err);
}

/// Opened by the caller: root of the namespace may not be allowed on the way there.
fn visitTree(
    arena: std.mem.Allocator,
    maps: userns.Maps,
    directory: [:0]const u8,
    context: anytype,
    comptime work: fn (@TypeOf(context), linux.fd_t) u8,
) sys.Error!u8 {
    const root = try sys.checkFd("open", directory, linux.open(directory, open_path, 0));
    const Inside = struct { context: @TypeOf(context), root: linux.fd_t };
    return reply.inside(arena, maps, Inside{ .context = context, .root = root }, struct {
        fn body(inside: Inside) u8 {
            return work(inside.context, inside.root);
        }
    }.body);
}

const Container = struct { directory: [:0]const u8, runtime: [:0]const u8 };

fn visitContainer(
    options: *const words.Options,
    access: Access,
    container: Container,
    context: anytype,
    comptime work: fn (@TypeOf(context), linux.fd_t) u8,
) sys.Error!u8 {
    var pause_ns: isize = pause_ns_min;
    var attempt_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const attempt = attempt_state.allocator();
    while (true) : (_ = attempt_state.reset(.retain_capacity)) {
        if (exec.findContainer(attempt, container.runtime)) |found| {
            if (try join(found)) return work(context, try joinedRoot(options.is_bare));
        } else |err| if (sys.failure.?.errno != .SUCCESS) return err;
        var loaded = try prepare.loadFor(attempt, container.directory, .its_files);
        const needs_lock = access == .write or loaded.helper.rootfs.kind == .copy or
            loaded.helper.rootfs.kind == .@"fuse-overlayfs";
        var visitor: Visitor(@TypeOf(context), work) = .{
            .plan = &loaded.plan.root,
            .context = context,
            .access = if (needs_lock) .write else access,
        };
        visitor.plan.operations = if (options.is_bare) &.{} else try volumesOf(attempt, visitor.plan.operations);
        if (!needs_lock) {
            const status = try visitor.run(&loaded);
            if (!visitor.shared.lacksMountPoint()) return status;
            visitor.access = .write; // a volume has no mount point yet, and where there is none nothing is mounted
        }
        const lock = try lockOrNull(container.directory) orelse {
            const pause: linux.timespec = .{ .sec = 0, .nsec = pause_ns };
            _ = linux.nanosleep(&pause, null);
            pause_ns = @min(2 * pause_ns, pause_ns_max);
            continue; // it runs by now, or soon, or another copy goes into it
        };
        defer _ = linux.close(lock);
        return visitor.run(&loaded);
    }
}

fn lockOrNull(directory: [:0]const u8) sys.Error!?linux.fd_t {
    const fd = try sys.checkFd("open", directory, linux.open(directory, open_directory, 0));
    const rc = linux.flock(fd, lock_exclusive | lock_at_once);
    if (linux.errno(rc) == .SUCCESS) return fd;
    _ = linux.close(fd);
    if (linux.errno(rc) != .AGAIN and linux.errno(rc) != .INTR) _ = try sys.check("flock", directory, rc);
    return null;
}

/// False: it has just ended.
fn join(found: exec.Found) sys.Error!bool {
    defer _ = linux.close(found.pidfd);
    const wanted = linux.CLONE.NEWUSER | linux.CLONE.NEWNS;
    const spaces = joined.namespacesOf(found.pid) catch |err| {
        return if (sys.failure.?.errno == .NOENT) false else err;
    };
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    const rc = linux.setns(found.pidfd, spaces & wanted);
    if (linux.errno(rc) == .SRCH) return false;
    _ = try sys.check("setns", "the container's namespaces", rc);
    _ = linux.setgroups(0, &[_]linux.gid_t{});
    _ = linux.setresgid(0, 0, 0);
    _ = linux.setresuid(0, 0, 0);
    // a change of credentials takes both away (prctl(2))
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
    return true;
}

/// `is_bare`: a copy of the mount of the root alone, where nothing is mounted. Where the kernel refuses that, whoever
/// walks stays on its file system.
fn joinedRoot(is_bare: bool) sys.Error!linux.fd_t {
    _ = try sys.check("chdir", "/", linux.chdir("/"));
    if (is_bare) {
        const rc = sys.cloneTree(linux.AT.FDCWD, "/", 0);
        if (linux.errno(rc) == .SUCCESS) return @intCast(rc);
    }
    return sys.checkFd("open", "/", linux.open("/", open_path, 0));
}

/// Bind mounts of things that are there: volumes, directories of the host, and the small files in /etc.
fn volumesOf(arena: std.mem.Allocator, all: []mounts.Operation) sys.Error![]mounts.Operation {
    const kept = arena.alloc(mounts.Operation, all.len) catch return sys.fail("mount", "out of memory");
    var count: usize = 0;
    for (all) |operation| {
        if (operation.kind != .bind or operation.idmap != null or isSystem(operation.destination)) continue;
        if (linux.errno(linux.faccessat(linux.AT.FDCWD, operation.source, linux.F_OK, 0)) != .SUCCESS) continue;
        kept[count] = operation;
        count += 1;
    }
    return kept[0..count];
}

/// What is always a file system of its own, in which nothing stays.
fn isSystem(destination: []const u8) bool {
    for ([_][]const u8{ "/dev", "/proc", "/sys", "/run/secrets" }) |system| {
        if (!std.mem.startsWith(u8, destination, system)) continue;
        if (destination.len == system.len or destination[system.len] == '/') return true;
    }
    return false;
}

/// The container in namespaces of ours.
fn Visitor(comptime Context: type, comptime work: fn (Context, linux.fd_t) u8) type {
    return struct {
        plan: *rootfs.Plan,
        context: Context,
        access: Access,
        shared: Shared = .{},

        const Self = @This();

        fn run(visitor: *Self, loaded: *prepare.Container) sys.Error!u8 {
            try visitor.shared.open();
            const spaces = &loaded.plan.namespaces;
            if (spaces.joins(.user)) return sys.fail("namespaces", "it shares the ids of another container and does " ++
                "not run: start it first");
            const maps = if (loaded.plan.maps) |*maps| maps else {
                _ = try sys.check("unshare", "a mount namespace", linux.unshare(linux.CLONE.NEWNS));
                if (before(visitor)) |status| return status;
                return inside(visitor);
            };
            const status = try userns.runPrepared(maps, linux.CLONE.NEWNS, visitor, before, inside);
            return @intCast(@min(status, 255));
        }

        fn before(visitor: *Self) ?u8 {
            rootfs.separate(visitor.plan) catch |err| return reply.refused("", err);
            rootfs.openAsCaller(visitor.plan, false) catch |err| return reply.refused("", err);
            return null;
        }

        fn inside(visitor: *Self) u8 {
            _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
            _ = linux.syscall1(.umask, 0o022); // of mount points that are made
            const root = visitor.assemble() catch |err| return reply.refused("", err);
            return work(visitor.context, root orelse {
                visitor.shared.tellLack();
                return 0;
            });
        }

        /// Null: a mount point is missing, and cannot be made in a place that is only read.
        fn assemble(visitor: *Self) sys.Error!?linux.fd_t {
            const plan = visitor.plan;
            const root = if (visitor.access == .read) try mountForReading(plan) else try mountForWriting(plan);
            if (visitor.access == .read) for (plan.operations) |operation| {
                const rc = inner.find(root, operation.destination);
                if (linux.errno(rc) != .SUCCESS) return null;
                _ = linux.close(@intCast(rc));
            };
            const mounted = try mounts.mountAll(root, plan.operations, plan.is_private);
            mounted.close();
            if (visitor.access == .read or !plan.read_only) return root;
            const change: sys.MountAttr = .{ .set = sys.attr.rdonly };
            _ = try sys.check("mount_setattr", "/", sys.changeMount(root, sys.at_empty_path, &change));
            return root;
        }
    };
}

/// How the process inside tells that it has to be done again for writing, having done nothing.
const Shared = struct {
    pipe: [2]linux.fd_t = .{ -1, -1 },

    fn open(shared: *Shared) sys.Error!void {
        if (shared.pipe[0] >= 0) return;
        _ = try sys.check("pipe2", "", linux.pipe2(&shared.pipe, .{ .CLOEXEC = true, .NONBLOCK = true }));
    }

    fn tellLack(shared: *const Shared) void {
        sys.writeAll(shared.pipe[1], "w") catch {};
    }

    fn lacksMountPoint(shared: *const Shared) bool {
        var byte: [1]u8 = undefined;
        return linux.read(shared.pipe[0], &byte, 1) == 1;
    }
};

/// An overlay whose topmost layer nobody writes to through it.
fn mountForReading(plan: *rootfs.Plan) sys.Error!linux.fd_t {
    if (plan.rootfs.inMemory) return rootfs.mountRoot(plan);
    if (plan.rootfs.kind != .overlay) return mountForWriting(plan);
    const given = plan.rootfs;
    if (given.lower.len == 0) return sys.checkFd("open", given.upper, linux.open(given.upper, open_path, 0));
    var lower: [overlay.layers_max + 1][:0]const u8 = undefined;
    if (given.lower.len > overlay.layers_max) return sys.failFormat("mount", "{d} layers are too many", .{given.lower.len});
    lower[0] = given.upper;
    @memcpy(lower[1 .. given.lower.len + 1], given.lower);
    const readable: contract.Rootfs = .{ .kind = .overlay, .lower = lower[0 .. given.lower.len + 1], .data = given.data };
    if (plan.early != null) return overlay.mountAt(plan.root_path, readable, false);
    try overlay.mount(plan.root_path, readable, false);
    return sys.checkFd("open", plan.root_path, linux.open(plan.root_path, open_path, 0));
}

fn mountForWriting(plan: *rootfs.Plan) sys.Error!linux.fd_t {
    if (plan.rootfs.kind == .@"fuse-overlayfs") {
        const device = try fuse.mount(plan.root_path);
        _ = try fuse.serve(null, &plan.rootfs, device);
        _ = linux.close(device);
    }
    if (plan.rootfs.inMemory) return sys.fail("files", "what is written to it is kept in memory, and only while it runs");
    plan.is_volatile = false; // what is thrown away with the container is not thrown away with us
    return rootfs.mountRoot(plan);
}

/// Everything in a container's "/" is looked up so: no symbolic link leads out of it, and none of /proc's anywhere.
pub const in_root = layer.kernel.Resolve.in_root | layer.kernel.Resolve.no_magiclinks;

/// "" and "/" are no names below a root for openat2(2).
pub fn below(path: [:0]const u8) [*:0]const u8 {
    return if (path.len == 0) "." else path.ptr;
}
