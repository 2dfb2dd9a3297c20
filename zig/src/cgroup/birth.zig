//! From a plan to a group with the container's first process in it, in step with the start: what can be done before
//! that process exists, what is asked for as soon as it does, and what is waited for before it goes on.
//!
//! A directory is made first and the process is born into it (CLONE_INTO_CGROUP, Linux 5.7), which saves moving it;
//! a scope of systemd needs the process. Where nothing was asked for nothing fails: then there is no group.
const std = @import("std");
const sys = @import("../sys.zig");
const plans = @import("plan.zig");
const files = @import("files.zig");
const groups = @import("group.zig");
const limits = @import("limits.zig");
const directory = @import("directory.zig");
const scopes = @import("scope.zig");
const devices = @import("devices.zig");
const connections = @import("dbus/connection.zig");
const linux = sys.linux;

const Error = sys.Error;

pub const Birth = struct {
    plan: *const plans.Plan,
    group: groups.Cgroup = .{},
    /// To be born into: the `cgroup` of clone3.
    into: ?linux.fd_t = null,
    is_born_inside: bool = false,
    bus: ?*connections.Connection = null,
    pid: linux.pid_t = 0,

    pub fn begin(plan: *const plans.Plan) Error!Birth {
        var birth: Birth = .{ .plan = plan };
        switch (plan.place) {
            .none => if (plan.firstLimit()) |name| return sys.failFormat("cgroup", "{s}: without a cgroup nothing can be limited; to fix it: choose another cgroup manager than \"disabled\"", .{name}),
            .directory => |place| {
                birth.group = directory.make(plan.arena, place, plan.hasLimits()) catch |err| return birth.without(err);
                try birth.refuseFrozen();
                birth.into = birth.group.openDirectory() catch null;
            },
            .scope => |*scope| {
                birth.bus = scopes.connect(plan.arena) catch |err| return birth.without(err);
                errdefer birth.closeBus();
                try scopes.refuseFrozen(plan.arena, birth.bus.?, scope);
            },
        }
        return birth;
    }

    /// The process exists, and waits. `is_inside`: it was born into the group.
    pub fn adopt(birth: *Birth, pid: linux.pid_t, is_inside: bool) Error!void {
        birth.pid = pid;
        birth.is_born_inside = is_inside;
        const bus = birth.bus orelse return;
        scopes.request(bus, &birth.plan.place.scope, pid, birth.plan.has_monitor) catch |err| {
            birth.closeBus();
            birth.* = try birth.without(err);
        };
    }

    /// The group, with the process in it and all limits written but memory.max.
    pub fn finish(birth: *Birth) Error!groups.Cgroup {
        if (birth.bus) |bus| {
            defer birth.closeBus();
            birth.group = scopes.settle(birth.plan, bus, birth.pid) catch |err| {
                birth.* = try birth.without(err);
                return birth.group;
            };
            try birth.refuseFrozen();
        } else if (!birth.group.isNone() and !birth.is_born_inside) {
            birth.group.enter(birth.pid) catch |err| {
                birth.abandon();
                birth.* = try birth.without(err);
            };
        }
        birth.closeDirectory();
        if (birth.group.isNone()) return birth.group;
        if (!birth.plan.limits_come_later) try limits.write(birth.group, birth.plan);
        try devices.restrict(birth.group, birth.plan.devices);
        return birth.group;
    }

    /// What is made below a group that is frozen stands still from the beginning: nobody would ever hear of it again.
    fn refuseFrozen(birth: *Birth) Error!void {
        if (!birth.group.isFrozen()) return;
        const above = std.fs.path.dirname(birth.group.path) orelse birth.group.path;
        sys.failFormat("cgroup", "{s} is frozen, so nothing that is put there starts; to fix it: let it go on (its own or a cgroup.freeze above it), or choose another place", .{above}) catch {};
        birth.abandon();
        return error.Syscall;
    }

    /// Nothing of it stays. The process must be gone.
    pub fn abandon(birth: *Birth) void {
        const reason = sys.failure;
        defer sys.failure = reason;
        birth.closeBus();
        birth.closeDirectory();
        if (!birth.group.isNone()) birth.group.remove() catch {};
        birth.group = .{};
    }

    /// No group: the failure counts only when something was to be limited.
    fn without(birth: *const Birth, err: Error) Error!Birth {
        if (birth.plan.hasLimits()) return err;
        return .{ .plan = birth.plan, .pid = birth.pid };
    }

    fn closeBus(birth: *Birth) void {
        if (birth.bus) |bus| bus.close();
        birth.bus = null;
    }

    fn closeDirectory(birth: *Birth) void {
        if (birth.into) |fd| _ = linux.close(fd);
        birth.into = null;
    }
};

/// A further process joins a container's group (exec), from wherever it was started. Where the container has made
/// groups of its own, the group itself may hold no process: then it goes where the container's first one is.
pub fn join(arena: std.mem.Allocator, group: groups.Cgroup, pid: linux.pid_t, first: linux.pid_t) Error!void {
    group.enter(pid) catch |err| switch (sys.failure.?.errno) {
        .ACCES, .PERM => return scopes.attach(arena, group, pid),
        .BUSY, .OPNOTSUPP => {
            const inner = try groups.ofProcess(arena, first) orelse return err;
            try inner.enter(pid);
        },
        else => return err,
    };
}
