//! When and where a container's program runs: config.json's process.scheduler (sched_setattr(2)), process.ioPriority
//! (ioprio_set(2)), process.execCPUAffinity (sched_setaffinity(2)), linux.memoryPolicy (set_mempolicy(2)) and
//! linux.personality. Words become numbers here, in the parent; `apply` only makes the calls.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

/// A list of CPUs or of NUMA nodes, one bit each.
pub const Set = struct {
    words: [numbers_max / 64]u64 = @splat(0),

    /// The kernel's own limits are 8192 CPUs and 1024 nodes.
    pub const numbers_max = 8192;

    const all: Set = .{ .words = @splat(~@as(u64, 0)) };

    fn add(set: *Set, number: usize) void {
        set.words[number / 64] |= @as(u64, 1) << @intCast(number % 64);
    }
};

/// "0-3,7", as in cpuset(7). Null: it is no such list, or names a number that cannot be.
pub fn parseList(text: []const u8) ?Set {
    var set: Set = .{};
    var parts = std.mem.splitScalar(u8, text, ',');
    while (parts.next()) |part| {
        const range = std.mem.trim(u8, part, " \n");
        const dash = std.mem.indexOfScalar(u8, range, '-') orelse range.len;
        const first = parseNumber(range[0..dash]) orelse return null;
        const last = if (dash < range.len) parseNumber(range[dash + 1 ..]) orelse return null else first;
        if (first > last) return null;
        for (first..last + 1) |number| set.add(number);
    }
    return set;
}

fn parseNumber(text: []const u8) ?usize {
    if (text.len == 0) return null;
    for (text) |byte| if (!std.ascii.isDigit(byte)) return null;
    const number = std.fmt.parseInt(usize, text, 10) catch return null;
    return if (number < Set.numbers_max) number else null;
}

/// struct sched_attr, as long as Linux 5.3 has it.
const Attributes = extern struct {
    size: u32 = @sizeOf(Attributes),
    policy: u32,
    flags: u64 = 0,
    nice: i32 = 0,
    priority: u32 = 0,
    runtime: u64 = 0,
    deadline: u64 = 0,
    period: u64 = 0,
    util_min: u32 = 0,
    util_max: u32 = 0,

    comptime {
        std.debug.assert(@sizeOf(Attributes) == 56); // SCHED_ATTR_SIZE_VER1
    }
};

const MemoryPolicy = struct { mode: u32, nodes: Set, has_nodes: bool };

pub const Plan = struct {
    attributes: ?Attributes = null,
    io_priority: ?u32 = null,
    memory: ?MemoryPolicy = null,
    personality: ?u32 = null,
    /// Only of a process that joins a running container.
    affinity: ?Set = null,
};

pub fn prepare(process: *const contract.Process) sys.Error!Plan {
    return .{
        .attributes = if (process.scheduler) |*scheduler| try attributesOf(scheduler) else null,
        .io_priority = if (process.ioPriority) |priority| try ioPriorityOf(priority) else null,
    };
}

/// What config.json says of the whole container.
pub fn addLinux(plan: *Plan, personality: ?contract.Personality, memory: ?contract.MemoryPolicy) sys.Error!void {
    if (personality) |value| plan.personality = try personalityOf(value);
    if (memory) |value| plan.memory = try memoryPolicyOf(value);
}

const policies = std.StaticStringMap(u32).initComptime(.{
    .{ "SCHED_OTHER", 0 }, .{ "SCHED_FIFO", sched_fifo }, .{ "SCHED_RR", sched_rr },             .{ "SCHED_BATCH", 3 },
    .{ "SCHED_ISO", 4 },   .{ "SCHED_IDLE", 5 },          .{ "SCHED_DEADLINE", sched_deadline },
});
const sched_fifo = 1;
const sched_rr = 2;
const sched_deadline = 6;

const scheduler_flags = std.StaticStringMap(u64).initComptime(.{
    .{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },  .{ "SCHED_FLAG_RECLAIM", 0x02 },     .{ "SCHED_FLAG_DL_OVERRUN", 0x04 },
    .{ "SCHED_FLAG_KEEP_POLICY", 0x08 },    .{ "SCHED_FLAG_KEEP_PARAMS", 0x10 }, .{ "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
    .{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 },
});

fn attributesOf(scheduler: *const contract.Process.Scheduler) sys.Error!Attributes {
    const policy = policies.get(scheduler.policy) orelse
        return sys.failFormat("scheduler", "there is no policy \"{s}\"", .{scheduler.policy});
    var flags: u64 = 0;
    for (scheduler.flags) |name| {
        flags |= scheduler_flags.get(name) orelse return sys.failFormat("scheduler", "there is no flag \"{s}\"", .{name});
    }
    if (scheduler.nice < -20 or scheduler.nice > 19) {
        return sys.failFormat("scheduler", "nice {d} is not between -20 and 19", .{scheduler.nice});
    }
    const is_real_time = policy == sched_fifo or policy == sched_rr;
    if (scheduler.priority != 0 and !is_real_time) {
        return sys.failFormat("scheduler", "{s} knows no priority", .{scheduler.policy});
    }
    if (scheduler.priority < 0 or scheduler.priority > 99) {
        return sys.failFormat("scheduler", "priority {d} is not between 0 and 99", .{scheduler.priority});
    }
    const has_times = scheduler.runtime != 0 or scheduler.deadline != 0 or scheduler.period != 0;
    if (has_times and policy != sched_deadline) {
        return sys.failFormat("scheduler", "{s} knows no runtime, deadline or period", .{scheduler.policy});
    }
    return .{
        .policy = policy,
        .flags = flags,
        .nice = scheduler.nice,
        .priority = @intCast(scheduler.priority),
        .runtime = scheduler.runtime,
        .deadline = scheduler.deadline,
        .period = scheduler.period,
    };
}

fn ioPriorityOf(priority: contract.Process.IoPriority) sys.Error!u32 {
    const classes = std.StaticStringMap(u32).initComptime(.{
        .{ "IOPRIO_CLASS_RT", 1 }, .{ "IOPRIO_CLASS_BE", 2 }, .{ "IOPRIO_CLASS_IDLE", 3 },
    });
    const class = classes.get(priority.class) orelse
        return sys.failFormat("ioprio_set", "there is no class \"{s}\"", .{priority.class});
    if (priority.priority < 0 or priority.priority > 7) {
        return sys.failFormat("ioprio_set", "priority {d} is not between 0 and 7", .{priority.priority});
    }
    const class_shift = 13;
    return class << class_shift | @as(u32, @intCast(priority.priority));
}

fn personalityOf(personality: contract.Personality) sys.Error!u32 {
    const domains = std.StaticStringMap(u32).initComptime(.{ .{ "LINUX", 0x0 }, .{ "LINUX32", 0x8 } });
    if (personality.flags.len > 0) {
        return sys.failFormat("personality", "the flag \"{s}\" is not supported: the specification has none", .{personality.flags[0]});
    }
    return domains.get(personality.domain) orelse
        sys.failFormat("personality", "there is no domain \"{s}\"", .{personality.domain});
}

fn memoryPolicyOf(policy: contract.MemoryPolicy) sys.Error!MemoryPolicy {
    const modes = std.StaticStringMap(u32).initComptime(.{
        .{ "MPOL_DEFAULT", 0 }, .{ "MPOL_PREFERRED", 1 },      .{ "MPOL_BIND", 2 },                .{ "MPOL_INTERLEAVE", 3 },
        .{ "MPOL_LOCAL", 4 },   .{ "MPOL_PREFERRED_MANY", 5 }, .{ "MPOL_WEIGHTED_INTERLEAVE", 6 },
    });
    const flags = std.StaticStringMap(u32).initComptime(.{
        .{ "MPOL_F_STATIC_NODES", 1 << 15 }, .{ "MPOL_F_RELATIVE_NODES", 1 << 14 }, .{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
    });
    var mode = modes.get(policy.mode) orelse
        return sys.failFormat("memory policy", "there is no mode \"{s}\"", .{policy.mode});
    for (policy.flags) |name| {
        mode |= flags.get(name) orelse return sys.failFormat("memory policy", "there is no flag \"{s}\"", .{name});
    }
    const has_nodes = policy.nodes.len > 0;
    const nodes: Set = if (!has_nodes) .{} else parseList(policy.nodes) orelse
        return sys.failFormat("memory policy", "nodes \"{s}\" is no list of nodes", .{policy.nodes});
    return .{ .mode = mode, .nodes = nodes, .has_nodes = has_nodes };
}

/// Both lists of process.execCPUAffinity; "" is null.
pub const Affinity = struct {
    initial: ?Set = null,
    final: ?Set = null,

    pub fn parse(affinity: ?contract.Process.CpuAffinity) sys.Error!Affinity {
        const texts = affinity orelse return .{};
        const initial = try listOf(texts.initial);
        // What was narrowed for the way in is wide again inside: the cgroup's CPUs are the limit then.
        const wide: ?Set = if (initial != null) .all else null;
        return .{ .initial = initial, .final = try listOf(texts.final) orelse wide };
    }

    fn listOf(text: []const u8) sys.Error!?Set {
        if (text.len == 0) return null;
        return parseList(text) orelse sys.failFormat("affinity", "\"{s}\" is no list of CPUs", .{text});
    }
};

pub fn setAffinity(set: *const Set) sys.Error!void {
    const rc = linux.syscall3(.sched_setaffinity, 0, @sizeOf(Set), @intFromPtr(&set.words));
    _ = try sys.check("sched_setaffinity", "execCPUAffinity", rc);
}

/// While the process still has its privileges, and before a filter could forbid the calls.
pub fn apply(plan: *const Plan) sys.Error!void {
    if (plan.affinity) |*set| try setAffinity(set);
    if (plan.memory) |*memory| {
        const nodes: usize = if (memory.has_nodes) @intFromPtr(&memory.nodes.words) else 0;
        // One bit more than there are: the kernel takes one less than it is told.
        const bits: usize = if (memory.has_nodes) nodes_max + 1 else 0;
        const rc = linux.syscall3(.set_mempolicy, memory.mode, nodes, bits);
        _ = try sys.check("set_mempolicy", "linux.memoryPolicy", rc);
    }
    if (plan.io_priority) |priority| {
        const who_process = 1;
        _ = try sys.check("ioprio_set", "process.ioPriority", linux.syscall3(.ioprio_set, who_process, 0, priority));
    }
    if (plan.attributes) |*attributes| {
        const rc = linux.syscall3(.sched_setattr, 0, @intFromPtr(attributes), 0);
        _ = try sys.check("sched_setattr", "process.scheduler", rc);
    }
    if (plan.personality) |personality| {
        _ = try sys.check("personality", "linux.personality", linux.syscall1(.personality, personality));
    }
}

/// More bits are an error when they are set, and a page's worth at most is looked at.
const nodes_max = 1024;

test "parseList()" {
    const set = parseList("0-2, 63-64,8191").?;
    try std.testing.expectEqual(@as(u64, 7 | 1 << 63), set.words[0]);
    try std.testing.expectEqual(@as(u64, 1), set.words[1]);
    try std.testing.expectEqual(@as(u64, 1 << 63), set.words[127]);
    for ([_][]const u8{ "", "a", "1-", "-1", "3-1", "1,,2", "8192", "0-99999999999999999999", "1;2", "+1" }) |bad| {
        try std.testing.expect(parseList(bad) == null);
    }
}

test "fuzz: parseList()" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [64]u8 = undefined;
            _ = parseList(buffer[0..smith.slice(&buffer)]) orelse return;
        }
    }.one, .{ .corpus = &.{ "0-3,7", "8191" } });
}

test "attributesOf() refuses what contradicts itself" {
    const batch = try attributesOf(&.{ .policy = "SCHED_BATCH", .nice = 19, .flags = &.{"SCHED_FLAG_RESET_ON_FORK"} });
    try std.testing.expectEqual(@as(u32, 3), batch.policy);
    try std.testing.expectEqual(@as(u64, 1), batch.flags);
    for ([_]contract.Process.Scheduler{
        .{ .policy = "OTHER" },                         .{ .policy = "SCHED_OTHER", .nice = 20 },
        .{ .policy = "SCHED_OTHER", .priority = 1 },    .{ .policy = "SCHED_FIFO", .priority = 100 },
        .{ .policy = "SCHED_FIFO", .runtime = 1 },      .{ .policy = "SCHED_RR", .priority = -1 },
        .{ .policy = "SCHED_OTHER", .flags = &.{"X"} },
    }) |bad| try std.testing.expectError(error.Syscall, attributesOf(&bad));
}

test "priorities, domains, modes" {
    try std.testing.expectEqual(@as(u32, 2 << 13 | 7), try ioPriorityOf(.{ .class = "IOPRIO_CLASS_BE", .priority = 7 }));
    try std.testing.expectError(error.Syscall, ioPriorityOf(.{ .class = "IOPRIO_CLASS_BE", .priority = 8 }));
    try std.testing.expectError(error.Syscall, ioPriorityOf(.{ .class = "BE" }));
    try std.testing.expectEqual(@as(u32, 8), try personalityOf(.{ .domain = "LINUX32" }));
    try std.testing.expectError(error.Syscall, personalityOf(.{ .domain = "LINUX", .flags = &.{"ADDR_NO_RANDOMIZE"} }));
    const bind = try memoryPolicyOf(.{ .mode = "MPOL_BIND", .nodes = "0", .flags = &.{"MPOL_F_STATIC_NODES"} });
    try std.testing.expectEqual(@as(u32, 2 | 1 << 15), bind.mode);
    try std.testing.expectError(error.Syscall, memoryPolicyOf(.{ .mode = "MPOL_BIND", .nodes = "x" }));
}
