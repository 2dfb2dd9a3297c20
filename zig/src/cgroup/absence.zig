//! Why a controller is missing where a container's limits are to be written, as a sentence with its remedy. What the top
//! of the hierarchy has was not handed down; of what it has not, /proc/cgroups (cgroups(7)) tells whether cgroup v1 uses
//! it or it is switched off. Since Linux 6.15 that file names only what cgroup v1 could use.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const files = @import("files.zig");
const hierarchies = @import("hierarchy.zig");
const owner = @import("owner.zig");

const Reason = enum { unknown, in_v1, switched_off, not_delegated };

/// `name` is the file that was to be written.
pub fn explain(arena: std.mem.Allocator, name: []const u8) sys.Error {
    const controller = name[0 .. std.mem.indexOfScalar(u8, name, '.') orelse name.len];
    switch (reasonHere(arena, controller)) {
        .in_v1 => return sys.failFormat("cgroup", "{s}: the {s} controller is in use by cgroup v1, which tspod does not limit with; " ++
            "to fix it: boot the host with systemd.unified_cgroup_hierarchy=1", .{ name, controller }),
        .switched_off => return sys.failFormat("cgroup", "{s}: the {s} controller is switched off in this kernel; " ++
            "to fix it: boot the host without cgroup_disable={s} (with cgroup_enable={s} where that is the default)", .{ name, controller, controller, controller }),
        .unknown => if (!isKnown(controller)) {
            return sys.failFormat("cgroup", "{s}: this kernel's cgroup v2 has no such limit", .{name});
        } else return sys.failFormat("cgroup", "{s}: this kernel offers no {s} controller; to fix it: boot one that does, with cgroup_enable={s} where that is not the default", .{ name, controller, controller }),
        .not_delegated => {},
    }
    const uid = owner.uid();
    if (uid == 0) return sys.failFormat("cgroup", "{s}: the {s} controller is not handed down to where the container's cgroup is; " ++
        "to fix it: write +{s} into cgroup.subtree_control of each cgroup above it", .{ name, controller, controller });
    if (!isOneOf(&of_systemd, controller)) return sys.failFormat("cgroup", "{s}: the {s} controller is root's alone, for systemd delegates it to nobody; " ++
        "to fix it: leave the limit away, or run the container as root", .{ name, controller });
    return sys.failFormat("cgroup", "{s}: the {s} controller is not delegated to you; to fix it: sudo systemctl edit user@.service, " ++
        "there write [Service] and Delegate=cpu cpuset io memory pids, then sudo systemctl restart user@{d}", .{ name, controller, uid });
}

/// What systemd manages, and delegates (systemd.resource-control(5)).
const of_systemd = [_][]const u8{ "cpu", "cpuset", "io", "memory", "pids" };

fn isKnown(controller: []const u8) bool {
    return isOneOf(&of_systemd, controller) or isOneOf(&.{ "hugetlb", "rdma", "misc", "dmem" }, controller);
}

fn isOneOf(names: []const []const u8, name: []const u8) bool {
    for (names) |each| if (std.mem.eql(u8, each, name)) return true;
    return false;
}

fn reasonHere(arena: std.mem.Allocator, controller: []const u8) Reason {
    if (hierarchies.find(arena)) |hierarchy| {
        var buffer: [256]u8 = undefined;
        const offered = files.read(hierarchy.top, "cgroup.controllers", &buffer) orelse "";
        if (files.hasWord(offered, controller)) return .not_delegated;
    }
    return reasonOf(contract.readFile(arena, "/proc/cgroups") catch "", controller);
}

/// Lines of "NAME HIERARCHY GROUPS ENABLED", a "#" before the first.
fn reasonOf(text: []const u8, controller: []const u8) Reason {
    if (text.len == 0) return .not_delegated; // nobody says anything: the likeliest
    const old_name = if (std.mem.eql(u8, controller, "io")) "blkio" else controller;
    var lines = std.mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        var words = std.mem.tokenizeAny(u8, line, "\t ");
        if (!std.mem.eql(u8, words.next() orelse continue, old_name)) continue;
        const hierarchy = words.next() orelse return .not_delegated;
        _ = words.next();
        if (std.mem.eql(u8, words.next() orelse "1", "0")) return .switched_off;
        return if (std.mem.eql(u8, hierarchy, "0")) .not_delegated else .in_v1;
    }
    return .unknown;
}

test "reasonOf() knows what the kernel says of a controller" {
    const text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t38\t1\nblkio\t5\t1\t1\nmemory\t0\t1\t0\n";
    try std.testing.expectEqual(Reason.not_delegated, reasonOf(text, "cpu"));
    try std.testing.expectEqual(Reason.in_v1, reasonOf(text, "io"));
    try std.testing.expectEqual(Reason.switched_off, reasonOf(text, "memory"));
    try std.testing.expectEqual(Reason.unknown, reasonOf(text, "rdma"));
    try std.testing.expectEqual(Reason.not_delegated, reasonOf("", "cpu"));
    try std.testing.expectEqual(Reason.not_delegated, reasonOf("cpu", "cpu"));
}
