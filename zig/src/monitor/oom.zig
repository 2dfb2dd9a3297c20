//! What the kernel kills in a container for want of memory, told when it happens: its cgroup's memory.events wakes the
//! loop (cgroup v2 only). It counts; what is written down of it is monitor.zig's.
const sys = @import("../sys.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const epolls = @import("epoll.zig");
const linux = sys.linux;

pub const Watch = struct {
    /// None: no memory controller, or nobody can be told; the end of the container still counts.
    fd: ?linux.fd_t = null,
    kills: u64 = 0,

    /// What is killed from now on, or was already, is for `hear`.
    pub fn begin(watch: *Watch, epoll: epolls.Epoll, group: cgroups.Cgroup) void {
        watch.* = .{};
        if (group.isNone()) return;
        const fd = group.watchOom() orelse return;
        epoll.add(.{ .kind = .oom, .fd = fd }, epolls.urgent) catch {
            _ = linux.close(fd);
            return;
        };
        watch.fd = fd;
    }

    /// Whether there were more since it was last asked.
    pub fn hear(watch: *Watch, epoll: epolls.Epoll, group: cgroups.Cgroup) bool {
        // Read again, so that only the next change wakes us. A group that is gone would wake us for ever.
        if (watch.fd) |fd| if (!cgroups.Cgroup.heedOom(fd)) watch.end(epoll);
        const before = watch.kills;
        watch.kills = @max(before, group.oomKills());
        return watch.kills > before;
    }

    pub fn end(watch: *Watch, epoll: epolls.Epoll) void {
        if (watch.fd) |fd| epoll.close(fd);
        watch.fd = null;
    }
};
