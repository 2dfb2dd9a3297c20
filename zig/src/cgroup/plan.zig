//! From `linux.resources` to the files of cgroup v2 and what is written into them, in order. Pure: every value is
//! checked and converted here, nothing is looked up. What cgroup v2 has no file for is refused by name; what cannot
//! be had on this host shows when it is written (limits.zig).
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const types = @import("resources.zig");
const convert = @import("convert.zig");
const places = @import("place.zig");
const devices = @import("devices.zig");
const hierarchies = @import("hierarchy.zig");

const Error = sys.Error;

/// One limit: `text` goes into the file `name`.
pub const Write = struct {
    name: [:0]const u8,
    text: []const u8,
    /// The first word stays as it is in the file: only what follows was asked for.
    keeps_first: bool = false,
    when_missing: union(enum) {
        fail,
        /// It says "unlimited", or comes with another: a host without that file does the same.
        ignore,
        /// As docker does it: the limit of memory itself holds, and the user is told.
        warn_of_swap,
        other: struct { name: [:0]const u8, text: []const u8 },
    } = .fail,
};

pub const Plan = struct {
    arena: std.mem.Allocator,
    place: places.Place,
    /// The process that makes it stays with the container: it belongs into the same scope of systemd, beside it. Not when
    /// a service of systemd is to follow it: then the scope lives no longer than what runs in it.
    has_monitor: bool = false,
    writes: []const Write = &.{},
    /// memory.max comes last: what the start of a container takes must not count against a small one's limit.
    memory_max: ?[]const u8 = null,
    /// Refuse a memory limit below what is in use, in bytes (`checkBeforeUpdate`).
    memory_at_least: ?u64 = null,
    /// The limits are for `update`, once what the start takes is over and done with.
    limits_come_later: bool = false,
    /// In force when we may (not in a user namespace): then everything that no rule allows is refused.
    devices: []const types.DeviceRule = &.{},

    /// Once more in the group at `path`, beside a monitor that is in the scope still: systemd makes no second one of that
    /// name while it is.
    pub fn stayIn(plan: *Plan, path: []const u8) void {
        if (plan.place != .scope or !plan.has_monitor) return;
        const hierarchy = hierarchies.find(plan.arena) orelse return;
        if (!std.mem.startsWith(u8, path, hierarchy.top)) return;
        const below = std.mem.trim(u8, path[hierarchy.top.len..], "/");
        plan.place = .{ .directory = .{ .is_absolute = true, .is_split = false, .path = below } };
    }

    /// Whether anything was asked for that needs a cgroup.
    pub fn hasLimits(plan: *const Plan) bool {
        return plan.firstLimit() != null;
    }

    /// The file of one such thing.
    pub fn firstLimit(plan: *const Plan) ?[]const u8 {
        if (plan.memory_max) |text| if (!std.mem.eql(u8, text, "max")) return "memory.max";
        for (plan.writes) |one| if (one.when_missing != .ignore) return one.name;
        return null;
    }
};

pub fn prepare(arena: std.mem.Allocator, resources: ?*const contract.Resources, request: places.Request) Error!Plan {
    var plan: Plan = .{ .arena = arena, .place = try places.of(arena, request) };
    const asked = resources orelse return plan;
    var list: List = .{ .arena = arena };
    if (asked.cpu) |*cpu| try addCpu(&list, cpu);
    if (asked.pids) |pids| try addPids(&list, pids);
    if (asked.blockIO) |*io| try addIo(&list, io);
    for (asked.hugepageLimits) |limit| try addHugepages(&list, limit);
    for (asked.rdma.map.keys(), asked.rdma.map.values()) |device, limit| try addRdma(&list, device, limit);
    if (asked.network) |*network| try refuseNetwork(network);
    if (asked.memory) |*memory| try addMemory(&list, &plan, memory);
    for (asked.unified.map.keys(), asked.unified.map.values()) |name, text| try addUnified(&list, name, text);
    plan.writes = list.items.items;
    try devices.validate(asked.devices);
    plan.devices = asked.devices;
    return plan;
}

const List = struct {
    arena: std.mem.Allocator,
    items: std.ArrayList(Write) = .empty,

    fn add(list: *List, write: Write) Error!void {
        list.items.append(list.arena, write) catch return outOfMemory();
    }

    /// A number, or nothing to limit.
    fn number(list: *List, name: [:0]const u8, value: u64) Error!void {
        try list.add(.{ .name = name, .text = try list.print("{d}", .{value}) });
    }

    fn unlimited(list: *List, name: [:0]const u8) Error!void {
        try list.add(.{ .name = name, .text = "max", .when_missing = .ignore });
    }

    fn print(list: *List, comptime text: []const u8, args: anytype) Error![:0]const u8 {
        return std.fmt.allocPrintSentinel(list.arena, text, args, 0) catch outOfMemory();
    }
};

// memory --------------------------------------------------------------------------------------------------------

fn addMemory(list: *List, plan: *Plan, memory: *const types.Memory) Error!void {
    if (isAsked(memory.kernel)) return refuse("memory.kernel", "cgroup v2 has no limit for the kernel's memory alone");
    if (isAsked(memory.kernelTCP)) return refuse("memory.kernelTCP", "cgroup v2 has no limit for the buffers of TCP");
    if (memory.swappiness != null) return refuse("memory.swappiness", "cgroup v2 has no swappiness of a group");
    if (memory.disableOOMKiller orelse false) return refuse("memory.disableOOMKiller", "cgroup v2 always ends what exceeds its memory");
    const limit = try size("memory.limit", memory.limit);
    const swap = try size("memory.swap", memory.swap);
    switch (try size("memory.reservation", memory.reservation)) {
        .unset => {},
        .unlimited => try list.unlimited("memory.low"),
        .bytes => |bytes| try list.number("memory.low", bytes),
    }
    switch (swap) {
        .unset => if (limit == .unlimited) try list.unlimited("memory.swap.max"),
        .unlimited => try list.unlimited("memory.swap.max"),
        .bytes => |both| switch (limit) {
            .bytes => |bytes| try addSwap(list, bytes, both),
            else => return refuse("memory.swap", "it counts memory and swap together, so it needs memory.limit as well"),
        },
    }
    switch (limit) {
        .unset => return,
        .unlimited => plan.memory_max = "max",
        .bytes => |bytes| plan.memory_max = try list.print("{d}", .{bytes}),
    }
    if (memory.checkBeforeUpdate orelse false) plan.memory_at_least = if (limit == .bytes) limit.bytes else null;
}

/// v1 counts memory and swap together, v2 swap alone.
fn addSwap(list: *List, memory: u64, both: u64) Error!void {
    if (both < memory) return refuse("memory.swap", "it counts memory and swap together, so it is not less than memory.limit");
    const swap = both - memory;
    try list.add(.{
        .name = "memory.swap.max",
        .text = try list.print("{d}", .{swap}),
        .when_missing = .warn_of_swap,
    });
}

const Size = union(enum) { unset, unlimited, bytes: u64 };

fn size(name: []const u8, value: ?i64) Error!Size {
    const number = value orelse return .unset;
    if (number == 0) return .unset;
    if (number == -1) return .unlimited;
    if (number > 0) return .{ .bytes = @intCast(number) };
    return sys.failFormat("cgroup", "resources.{s}: {d} is neither a number of bytes nor -1 (unlimited)", .{ name, number });
}

fn isAsked(value: ?i64) bool {
    return if (value) |number| number > 0 else false;
}

// cpu -----------------------------------------------------------------------------------------------------------

/// The kernel's own bounds of a period (Documentation/scheduler/sched-bwc.rst).
const period_us_min = 1_000;
const period_us_max = 1_000_000;
const quota_us_min = 1_000;
const period_us_usual = 100_000;

fn addCpu(list: *List, cpu: *const types.Cpu) Error!void {
    if (isAsked(cpu.realtimeRuntime) or (cpu.realtimePeriod orelse 0) > 0) {
        return refuse("cpu.realtimeRuntime", "cgroup v2 does not share out realtime");
    }
    // A group that is idle has no weight: in this order both can be written.
    if (cpu.idle) |idle| {
        if (idle != 0 and idle != 1) return refuse("cpu.idle", "it is 0 or 1");
        if (idle == 0) try list.add(.{ .name = "cpu.idle", .text = "0", .when_missing = .ignore });
    }
    if (cpu.shares) |shares| if (shares > 0) try list.number("cpu.weight", convert.cpuWeight(shares));
    if (cpu.idle == 1) try list.add(.{ .name = "cpu.idle", .text = "1" });
    try addQuota(list, cpu);
    if (cpu.burst) |burst| if (burst > 0) try list.number("cpu.max.burst", burst);
    try addSet(list, "cpuset.cpus", "cpu.cpus", cpu.cpus);
    try addSet(list, "cpuset.mems", "cpu.mems", cpu.mems);
}

fn addQuota(list: *List, cpu: *const types.Cpu) Error!void {
    const quota = cpu.quota orelse 0;
    const period = cpu.period orelse 0;
    if (quota == 0 and period == 0) return;
    if (period != 0 and (period < period_us_min or period > period_us_max)) {
        return refuse("cpu.period", "it lies between 1000 and 1000000 microseconds");
    }
    const used = if (period == 0) period_us_usual else period;
    if (quota <= 0) {
        return list.add(.{
            .name = "cpu.max",
            .text = try list.print("max {d}", .{used}),
            .keeps_first = quota == 0,
            .when_missing = .ignore,
        });
    }
    if (quota < quota_us_min) return refuse("cpu.quota", "it is at least 1000 microseconds");
    try list.add(.{ .name = "cpu.max", .text = try list.print("{d} {d}", .{ quota, used }) });
}

fn addSet(list: *List, name: [:0]const u8, field: []const u8, value: ?[:0]const u8) Error!void {
    const text = value orelse return;
    if (text.len == 0) return;
    for (text) |byte| switch (byte) {
        '0'...'9', ',', '-', ' ' => {},
        else => return refuse(field, "it is a list of numbers and ranges, as in 0-3,7"),
    };
    try list.add(.{ .name = name, .text = text });
}

fn addPids(list: *List, pids: types.Pids) Error!void {
    const limit = pids.limit orelse return;
    if (limit > 0) return list.number("pids.max", @intCast(limit));
    if (limit < 0) return list.unlimited("pids.max");
}

// io ------------------------------------------------------------------------------------------------------------

const io_weight_min = 10;
const io_weight_max = 1000;

fn addIo(list: *List, io: *const types.BlockIo) Error!void {
    if ((io.leafWeight orelse 0) > 0) return refuse("blockIO.leafWeight", "cgroup v2 has no weight for leaves");
    if (io.weight) |weight| if (weight > 0) try addWeight(list, "", weight);
    for (io.weightDevice) |device| {
        if ((device.leafWeight orelse 0) > 0) return refuse("blockIO.weightDevice", "cgroup v2 has no weight for leaves");
        const weight = device.weight orelse 0;
        if (weight > 0) try addWeight(list, try deviceNumber(list, device.major, device.minor), weight);
    }
    try addThrottle(list, "rbps", io.throttleReadBpsDevice);
    try addThrottle(list, "wbps", io.throttleWriteBpsDevice);
    try addThrottle(list, "riops", io.throttleReadIOPSDevice);
    try addThrottle(list, "wiops", io.throttleWriteIOPSDevice);
}

/// The scheduler BFQ has a file of its own, in v1's numbers.
fn addWeight(list: *List, device: []const u8, weight: u16) Error!void {
    if (weight < io_weight_min or weight > io_weight_max) return refuse("blockIO.weight", "it lies between 10 and 1000");
    try list.add(.{
        .name = "io.bfq.weight",
        .text = try list.print("{s}{d}", .{ device, weight }),
        .when_missing = .{ .other = .{
            .name = "io.weight",
            .text = try list.print("{s}{d}", .{ device, convert.ioWeight(weight) }),
        } },
    });
}

fn addThrottle(list: *List, key: []const u8, limits: []const types.ThrottleDevice) Error!void {
    for (limits) |device| {
        const number = try deviceNumber(list, device.major, device.minor);
        const text = if (device.rate == 0)
            try list.print("{s}{s}=max", .{ number, key })
        else
            try list.print("{s}{s}={d}", .{ number, key, device.rate });
        try list.add(.{ .name = "io.max", .text = text });
    }
}

/// "8:0 ".
fn deviceNumber(list: *List, major: i64, minor: i64) Error![]const u8 {
    if (major < 0 or minor < 0) return refuse("blockIO", "a device has a major and a minor number");
    return list.print("{d}:{d} ", .{ major, minor });
}

// hugetlb, rdma, network, unified -------------------------------------------------------------------------------

fn addHugepages(list: *List, limit: types.HugepageLimit) Error!void {
    const number = std.mem.trimEnd(u8, limit.pageSize, "KMGB");
    const unit = limit.pageSize[number.len..];
    const is_unit = std.mem.eql(u8, unit, "KB") or std.mem.eql(u8, unit, "MB") or std.mem.eql(u8, unit, "GB");
    _ = std.fmt.parseInt(u32, number, 10) catch return refuse("hugepageLimits", "a page size is written as in 2MB");
    if (!is_unit) return refuse("hugepageLimits", "a page size is written as in 2MB");
    const text = try list.print("{d}", .{limit.limit});
    try list.add(.{ .name = try list.print("hugetlb.{s}.max", .{limit.pageSize}), .text = text });
    // Reservations count since Linux 5.7: without, a page that is reserved and not yet touched escapes the limit.
    const reserved = try list.print("hugetlb.{s}.rsvd.max", .{limit.pageSize});
    try list.add(.{ .name = reserved, .text = text, .when_missing = .ignore });
}

fn addRdma(list: *List, device: []const u8, limit: types.Rdma) Error!void {
    if (device.len == 0 or std.mem.indexOfAny(u8, device, " \n") != null) return refuse("rdma", "a device has a name without spaces");
    if (limit.hcaHandles == null and limit.hcaObjects == null) return;
    const handles = try countOrMax(list, limit.hcaHandles);
    const objects = try countOrMax(list, limit.hcaObjects);
    try list.add(.{
        .name = "rdma.max",
        .text = try list.print("{s} hca_handle={s} hca_object={s}", .{ device, handles, objects }),
    });
}

fn countOrMax(list: *List, count: ?u32) Error![]const u8 {
    return if (count) |number| list.print("{d}", .{number}) else "max";
}

fn refuseNetwork(network: *const types.Network) Error!void {
    if ((network.classID orelse 0) > 0) return refuse("network.classID", "cgroup v2 does not mark packets");
    if (network.priorities.len > 0) return refuse("network.priorities", "cgroup v2 does not know network priorities");
}

/// Files of a group that are no limits: writing them would take the container out of our hands.
const not_limits = [_][]const u8{
    "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.type", "cgroup.freeze", "cgroup.kill",
};

/// Its lines are written one by one, as the kernel takes them.
fn addUnified(list: *List, name: []const u8, text: []const u8) Error!void {
    if (std.mem.indexOfScalar(u8, name, '.') == null or std.mem.indexOfAny(u8, name, "/\x00") != null or
        name[0] == '.' or name.len > std.fs.max_name_bytes)
    {
        return sys.failFormat("cgroup", "resources.unified: \"{s}\" is not the name of a cgroup's file", .{name});
    }
    for (not_limits) |other| if (std.mem.eql(u8, name, other)) {
        return sys.failFormat("cgroup", "resources.unified: {s} is not a limit", .{name});
    };
    const file = list.arena.dupeZ(u8, name) catch return outOfMemory();
    var lines = std.mem.splitScalar(u8, text, '\n');
    while (lines.next()) |line| {
        if (line.len > 0) try list.add(.{ .name = file, .text = line });
    }
}

fn refuse(field: []const u8, reason: []const u8) Error {
    return sys.failFormat("cgroup", "resources.{s}: {s}", .{ field, reason });
}

fn outOfMemory() Error {
    return sys.fail("cgroup", "out of memory");
}
