//! One cgroup that exists, by its directory: what can be done with the processes in it and what the kernel says about
//! them. It does not know who made it.
const std = @import("std");
const sys = @import("../sys.zig");
const plans = @import("plan.zig");
const linux = sys.linux;

pub const Cgroup = struct {
    /// Absolute, below the cgroup2 mount; "" is no cgroup at all: then every method does nothing.
    path: [:0]const u8 = "",

    pub fn isNone(group: Cgroup) bool {
        return group.path.len == 0;
    }

    /// Move a process in.
    pub fn enter(group: Cgroup, pid: linux.pid_t) sys.Error!void {
        _ = .{ group, pid };
    }

    /// Stop all of it, and wait until it stands still.
    pub fn freeze(group: Cgroup) sys.Error!void {
        _ = group;
    }

    pub fn thaw(group: Cgroup) sys.Error!void {
        _ = group;
    }

    pub fn isFrozen(group: Cgroup) bool {
        _ = group;
        return false;
    }

    /// SIGKILL for everything in it and below.
    pub fn killAll(group: Cgroup) sys.Error!void {
        _ = group;
    }

    /// Everything in it and below; what does not fit into `buffer` is left out.
    pub fn pids(group: Cgroup, buffer: []linux.pid_t) sys.Error![]linux.pid_t {
        _ = group;
        return buffer[0..0];
    }

    /// With everything below. Waits until the processes in it are gone; kills none.
    pub fn remove(group: Cgroup) sys.Error!void {
        _ = group;
    }

    /// Write the limits of `plan`.
    pub fn update(group: Cgroup, plan: *const plans.Plan) sys.Error!void {
        _ = .{ group, plan };
    }

    /// One JSON object as `runc events --stats` has it in "data".
    pub fn stats(group: Cgroup, w: *std.Io.Writer) sys.Error!void {
        _ = group;
        w.writeAll("{}") catch return sys.fail("write", "the statistics");
    }

    /// How many of its processes the kernel has killed for want of memory.
    pub fn oomKills(group: Cgroup) u64 {
        _ = group;
        return 0;
    }

    /// A descriptor that epoll reports with EPOLLPRI when `oomKills` may have changed. Null: no memory controller.
    pub fn watchOom(group: Cgroup) ?linux.fd_t {
        _ = group;
        return null;
    }
};
