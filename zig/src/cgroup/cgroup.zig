//! cgroup v2: the door. A container's limits as data (`prepare`), its group from birth to removal (`Birth`, `create`,
//! `open`). Everybody outside this room uses only what is named here.
const sys = @import("../sys.zig");
const plans = @import("plan.zig");
const places = @import("place.zig");
const groups = @import("group.zig");
const births = @import("birth.zig");
const limits = @import("limits.zig");
const statistics = @import("stats.zig");
const linux = sys.linux;

pub const Manager = places.Manager;
pub const Request = places.Request;
pub const Plan = plans.Plan;
pub const Cgroup = groups.Cgroup;
pub const Birth = births.Birth;
pub const prepare = plans.prepare;
pub const open = groups.open;
pub const join = births.join;
/// The environment of this process: where the user's systemd listens is said there.
pub const environ = &@import("scope.zig").environ;
/// One JSON object of a group, as `runc events --stats` has it in "data".
pub const writeStats = statistics.write;

/// Make the group that `plan` asks for, with `pid` as its first process, and write the limits. Without limits it is no
/// failure that none can be had: then it is `.{}`.
pub fn create(plan: *const Plan, pid: linux.pid_t) sys.Error!Cgroup {
    var birth: Birth = try .begin(plan);
    errdefer birth.abandon();
    try birth.adopt(pid, false);
    const group = try birth.finish();
    try limits.writeMemoryMax(group, plan);
    return group;
}

pub const limitMemory = limits.writeMemoryMax;
pub const warning = limits.warning;

/// Change the limits of a group that is there.
pub fn update(group: Cgroup, plan: *const Plan) sys.Error!void {
    try limits.write(group, plan);
    try limits.writeMemoryMax(group, plan);
}

test {
    _ = @import("convert.zig");
    _ = @import("plan_test.zig");
    _ = @import("hierarchy.zig");
    _ = @import("files.zig");
    _ = @import("walk.zig");
    _ = @import("resources.zig");
    _ = @import("dbus/wire.zig");
    _ = @import("dbus/connection.zig");
    _ = @import("dbus/address.zig");
    _ = places;
    _ = groups;
    _ = births;
    _ = limits;
    _ = @import("absence.zig");
    _ = @import("owner.zig");
    _ = statistics;
    _ = @import("devices.zig");
    _ = @import("scope.zig");
    _ = @import("directory.zig");
}
