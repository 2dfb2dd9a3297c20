//! Theory of operation: which namespaces a container gets, as data; joining those that exist; making the rest.
//!
//! With nothing to join the container's process is born in its new user and pid namespaces and makes the others itself
//! (`makeRest`). With something to join, a helper process goes ahead (`run`): it opens every namespace file once,
//! checks that it is what config.json says (an nsfs file of that kind: whatever the path, a symlink that changes or a
//! FIFO, only that descriptor counts), joins, and makes the real process as its own sibling (CLONE_PARENT), so that the
//! monitor is its parent. Two turns: before the user namespace is changed, what the caller has rights over (a network
//! that podman made belongs to the user namespace we are in); after a user namespace was joined, what was refused
//! before. The mount namespace comes last, because it changes what paths mean.
//!
//! The order in which /proc/self is written to matters as well: only while this process is dumpable and nobody inside
//! can see it. It stops being dumpable before the real one is made in a pid namespace that others live in, unless
//! that one's id maps have to be written first: those make it a stranger to everybody inside.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const caps = @import("caps.zig");
const procfs = @import("../procfs.zig");
const linux = sys.linux;
const CLONE = linux.CLONE;

pub const Plan = struct {
    /// CLONE_NEW* of namespaces that are made.
    new: u64 = 0,
    joined: []Joined = &.{},
    /// What /proc/self/timens_offsets takes.
    time_offsets: []const u8 = "",

    pub fn makes(plan: *const Plan, flag: u64) bool {
        return plan.new & flag != 0;
    }

    pub fn joins(plan: *const Plan, kind: contract.NamespaceKind) bool {
        for (plan.joined) |joined| if (joined.kind == kind) return true;
        return false;
    }

    /// A namespace of its own, or somebody's, but not simply the caller's.
    pub fn has(plan: *const Plan, kind: contract.NamespaceKind) bool {
        return plan.makes(cloneFlag(kind)) or plan.joins(kind);
    }
};

pub const Joined = struct {
    kind: contract.NamespaceKind,
    path: [:0]const u8,
    fd: linux.fd_t = -1,
    is_done: bool = false,
    /// Not what is at `path`, but the user namespace that owns it.
    is_owner: bool = false,
};

/// With these the parent can begin to write the id maps; the others take longer to make.
pub const from_birth: u64 = CLONE.NEWUSER | CLONE.NEWPID;

pub fn cloneFlag(kind: contract.NamespaceKind) u64 {
    return switch (kind) {
        .user => CLONE.NEWUSER,
        .mount => CLONE.NEWNS,
        .pid => CLONE.NEWPID,
        .network => CLONE.NEWNET,
        .ipc => CLONE.NEWIPC,
        .uts => CLONE.NEWUTS,
        .cgroup => CLONE.NEWCGROUP,
        .time => clone_newtime,
    };
}

const clone_newtime = 0x80; // Linux 5.6

// config.json -------------------------------------------------------------------------------------------------

pub fn prepare(arena: std.mem.Allocator, config: *const contract.Linux) sys.Error!Plan {
    return prepareIn(arena, config) catch |err| switch (err) {
        error.OutOfMemory => sys.fail("prepare", "out of memory"),
        error.Syscall => error.Syscall,
    };
}

fn prepareIn(arena: std.mem.Allocator, config: *const contract.Linux) !Plan {
    var plan: Plan = .{};
    var seen: u64 = 0;
    var joined: std.ArrayList(Joined) = .empty;
    for (config.namespaces) |namespace| {
        const flag = cloneFlag(namespace.type);
        if (seen & flag != 0) return sys.failFormat("namespaces", "{t} is named twice", .{namespace.type});
        seen |= flag;
        const path = namespace.path orelse "";
        if (path.len == 0) {
            plan.new |= flag;
        } else if (path[0] != '/') {
            return sys.failFormat("namespaces", "the path \"{s}\" of the {t} namespace is not absolute", .{ path, namespace.type });
        } else {
            try joined.append(arena, .{ .kind = namespace.type, .path = path });
        }
    }
    if (seen & CLONE.NEWNS == 0) return sys.fail("namespaces", "a container without a mount namespace is not supported: " ++
        "its mounts would be the host's");
    plan.joined = joined.items;
    plan.time_offsets = try offsetsOf(arena, config, plan.new);
    return plan;
}

/// Two lines of "CLOCK SECONDS NANOSECONDS" (time_namespaces(7)).
fn offsetsOf(arena: std.mem.Allocator, config: *const contract.Linux, new: u64) ![]const u8 {
    const map = &config.timeOffsets.map;
    if (map.count() == 0) return "";
    if (new & clone_newtime == 0) return sys.fail("namespaces", "timeOffsets need a new time namespace");
    const nanoseconds_max = 999_999_999;
    var text: std.ArrayList(u8) = .empty;
    for (map.keys(), map.values()) |clock, offset| {
        const is_known = std.mem.eql(u8, clock, "monotonic") or std.mem.eql(u8, clock, "boottime");
        if (!is_known) return sys.failFormat("namespaces", "timeOffsets: there is no clock \"{s}\"", .{clock});
        if (offset.nanosecs > nanoseconds_max) {
            return sys.failFormat("namespaces", "timeOffsets: {d} nanoseconds are more than a second", .{offset.nanosecs});
        }
        try text.print(arena, "{s} {d} {d}\n", .{ clock, offset.secs, offset.nanosecs });
    }
    return text.items;
}

// making ------------------------------------------------------------------------------------------------------

/// What the container's process was not born with. The cgroup namespace shows the group its maker is in, so it is
/// made when the process is where it belongs (`makeCgroup`).
pub fn makeRest(plan: *const Plan) sys.Error!void {
    const flags = plan.new & ~(from_birth | CLONE.NEWCGROUP);
    if (flags == 0) return;
    try unshare(flags);
    if (flags & clone_newtime == 0) return;
    try writeOffsets(plan);
    // Made for children only: entered like any other.
    const name = "self/ns/time_for_children";
    const fd = try sys.checkFd("open", name, procfs.open(name, .{}));
    defer _ = linux.close(fd);
    _ = try sys.check("setns", "the new time namespace", linux.setns(fd, clone_newtime));
}

pub fn makeCgroup(plan: *const Plan) sys.Error!void {
    if (plan.makes(CLONE.NEWCGROUP)) try unshare(CLONE.NEWCGROUP);
}

/// The children of this process will be in it.
fn makeTimeForChildren(plan: *Plan) sys.Error!void {
    if (!plan.makes(clone_newtime)) return;
    try unshare(clone_newtime);
    try writeOffsets(plan);
    plan.new &= ~@as(u64, clone_newtime);
}

fn writeOffsets(plan: *const Plan) sys.Error!void {
    if (plan.time_offsets.len == 0) return;
    try procfs.write("time offsets", "self/timens_offsets", plan.time_offsets);
}

fn unshare(flags: u64) sys.Error!void {
    _ = try sys.check("unshare", "new namespaces", linux.unshare(@intCast(flags)));
}

// joining -----------------------------------------------------------------------------------------------------

/// Open all that is to be joined. The first thing to do: paths mean now what they mean to the caller.
pub fn openJoined(plan: *Plan) sys.Error!void {
    try procfs.hold();
    for (plan.joined) |*joined| joined.fd = try open(joined);
}

/// Join what was opened, and leave this process ready to make the real one: whatever is still in `plan.new` is that
/// one's. `writes_maps`: the id maps of the real one will be written.
pub fn enterJoined(plan: *Plan, writes_maps: bool) sys.Error!void {
    const joins_user = plan.joins(.user);
    for (plan.joined) |*joined| {
        if (joined.kind == .user or joined.kind == .mount) continue;
        joined.is_done = try join(joined, joins_user);
    }
    for (plan.joined) |*joined| if (joined.kind == .user) try joinUser(joined);
    if (!writes_maps) {
        try makeTimeForChildren(plan);
        _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    }
    for (plan.joined) |*joined| {
        if (!joined.is_done and joined.kind != .mount) _ = try join(joined, false);
    }
    for (plan.joined) |*joined| if (joined.kind == .mount) {
        _ = try join(joined, false);
    };
    for (plan.joined) |*joined| _ = linux.close(joined.fd);
}

/// A network by its path that only root of the user namespace that owns it may join: then the container is to be there
/// too, with the ids that there are, instead of in a user namespace of its own. Not for whoever may join it as it stands.
pub fn joinOwner(arena: std.mem.Allocator, plan: *Plan) sys.Error!void {
    if (!plan.makes(CLONE.NEWUSER) or plan.joins(.user) or try caps.has(caps.sys_admin)) return;
    for (plan.joined) |joined| {
        if (joined.kind != .network) continue;
        const owner: Joined = .{ .kind = .user, .path = joined.path, .is_owner = true };
        // what cannot be opened, or is ours, is for the joining to tell
        const fd = open(&owner) catch return;
        defer _ = linux.close(fd);
        if (try isOurs(&.{ .kind = .user, .path = joined.path, .fd = fd })) return;
        const all = arena.alloc(Joined, plan.joined.len + 1) catch return sys.fail("prepare", "out of memory");
        @memcpy(all[1..], plan.joined);
        all[0] = owner;
        plan.joined = all;
        plan.new &= ~@as(u64, CLONE.NEWUSER);
        return;
    }
}

const nsfs_magic = 0x6e736673;
const ns_get_userns = 0xb701; // NS_GET_USERNS, Linux 4.9
const ns_get_nstype = 0xb703; // NS_GET_NSTYPE, Linux 4.11

/// The path is resolved once, without opening what is there; only a namespace of the right kind is then opened.
fn open(joined: *const Joined) sys.Error!linux.fd_t {
    const found = try sys.checkFd("setns", joined.path, linux.open(joined.path, .{ .PATH = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(found);
    if (sys.fileSystemType(found) != nsfs_magic) {
        return sys.failFormat("setns", "{s} is no namespace", .{joined.path});
    }
    const opened = try sys.checkFd("setns", joined.path, procfs.reopen(found));
    const fd = if (joined.is_owner) try ownerOf(opened, joined.path) else opened;
    errdefer _ = linux.close(fd);
    const kind = try sys.check("NS_GET_NSTYPE", joined.path, linux.ioctl(fd, ns_get_nstype, 0));
    if (kind == cloneFlag(joined.kind)) return fd;
    return sys.failFormat("setns", "{s} is a namespace, but no {t} namespace", .{ joined.path, joined.kind });
}

/// Closes `fd`.
fn ownerOf(fd: linux.fd_t, path: [:0]const u8) sys.Error!linux.fd_t {
    defer _ = linux.close(fd);
    return sys.checkFd("setns", path, linux.ioctl(fd, ns_get_userns, 0)); // EPERM: of nobody below us
}

/// False: not allowed, and there will be another turn.
fn join(joined: *const Joined, may_wait: bool) sys.Error!bool {
    const rc = linux.setns(joined.fd, @intCast(cloneFlag(joined.kind)));
    if (may_wait and linux.errno(rc) == .PERM) return false;
    _ = try sys.check("setns", joined.path, rc);
    return true;
}

/// Joining the user namespace one is in is an error to the kernel, and nothing to do for us.
fn joinUser(joined: *Joined) sys.Error!void {
    joined.is_done = true;
    if (try isOurs(joined)) return;
    _ = try sys.check("setns", joined.path, linux.setns(joined.fd, CLONE.NEWUSER));
}

/// Whether what is joined by path is what we are in anyway: then nothing in it is the container's to change.
pub fn joinsOurs(plan: *const Plan, kind: contract.NamespaceKind) sys.Error!bool {
    for (plan.joined) |*joined| if (joined.kind == kind) return isOurs(joined);
    return false;
}

fn isOurs(joined: *const Joined) sys.Error!bool {
    const name: [:0]const u8 = switch (joined.kind) {
        .user => "self/ns/user",
        .mount => "self/ns/mnt",
        .pid => "self/ns/pid",
        .network => "self/ns/net",
        .ipc => "self/ns/ipc",
        .uts => "self/ns/uts",
        .cgroup => "self/ns/cgroup",
        .time => "self/ns/time",
    };
    const ours = try sys.checkFd("open", name, procfs.open(name, .{ .PATH = true }));
    defer _ = linux.close(ours);
    return isSame(ours, joined.fd);
}

fn isSame(one: linux.fd_t, other: linux.fd_t) bool {
    var a: linux.Statx = undefined;
    var b: linux.Statx = undefined;
    if (linux.errno(sys.statFd(one, &a)) != .SUCCESS or linux.errno(sys.statFd(other, &b)) != .SUCCESS) return false;
    return a.ino == b.ino and a.dev_major == b.dev_major and a.dev_minor == b.dev_minor;
}

/// Of a user namespace whose maps are somebody else's: when it has no root, we stay who we are.
pub fn becomeRoot() void {
    _ = linux.setresgid(0, 0, 0);
    _ = linux.setresuid(0, 0, 0);
}

test "prepare() tells new from joined, and refuses contradictions" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const plan = try prepare(arena, &.{ .namespaces = &.{
        .{ .type = .mount }, .{ .type = .network, .path = "/run/netns/x" }, .{ .type = .pid, .path = "" },
    } });
    try std.testing.expectEqual(@as(u64, CLONE.NEWNS | CLONE.NEWPID), plan.new);
    try std.testing.expect(plan.has(.network) and plan.has(.pid) and !plan.has(.uts));
    const bad = [_][]const contract.Namespace{
        &.{ .{ .type = .mount }, .{ .type = .mount } },
        &.{ .{ .type = .mount }, .{ .type = .mount, .path = "/x" } },
        &.{ .{ .type = .mount }, .{ .type = .uts, .path = "relative" } },
        &.{.{ .type = .uts }},
    };
    for (bad) |namespaces| {
        try std.testing.expectError(error.Syscall, prepare(arena, &.{ .namespaces = namespaces }));
    }
}

test "prepare(): time offsets" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const Offsets = @FieldType(contract.Linux, "timeOffsets");
    const own = [_]contract.Namespace{ .{ .type = .mount }, .{ .type = .time } };
    var offsets: Offsets = .{};
    try offsets.map.put(arena, "monotonic", .{ .secs = -5, .nanosecs = 7 });
    const plan = try prepare(arena, &.{ .namespaces = &own, .timeOffsets = offsets });
    try std.testing.expectEqualStrings("monotonic -5 7\n", plan.time_offsets);
    try std.testing.expectError(error.Syscall, prepare(arena, &.{ .namespaces = own[0..1], .timeOffsets = offsets }));
    for ([_][]const u8{ "realtime", "monotonic 1 0\nboottime" }) |clock| {
        var wrong: Offsets = .{};
        try wrong.map.put(arena, clock, .{});
        try std.testing.expectError(error.Syscall, prepare(arena, &.{ .namespaces = &own, .timeOffsets = wrong }));
    }
}

test "open() takes only a namespace of the right kind, whatever the path" {
    const right: Joined = .{ .kind = .uts, .path = "/proc/self/ns/uts" };
    _ = linux.close(try open(&right));
    for ([_][:0]const u8{ "/proc/self/ns/net", "/dev/null", "/etc", "/proc/self/ns", "/no/such" }) |path| {
        const wrong: Joined = .{ .kind = .uts, .path = path };
        try std.testing.expectError(error.Syscall, open(&wrong));
    }
}
