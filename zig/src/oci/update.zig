//! `update ID`: other limits for a container that exists. A file (`--resources`, "-" is standard input) has the shape
//! of config.json's linux.resources; the flags are those of runc and crun.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const state = @import("state.zig");
const words = @import("words.zig");

const Text = contexts.Text;

const Options = struct {
    resources: ?Text = null,
    memory: ?Text = null,
    memory_reservation: ?Text = null,
    memory_swap: ?Text = null,
    cpu_shares: ?u64 = null,
    cpu_quota: ?i64 = null,
    cpu_period: ?u64 = null,
    cpu_burst: ?u64 = null,
    cpu_idle: ?i64 = null,
    cpu_rt_runtime: ?i64 = null,
    cpu_rt_period: ?u64 = null,
    cpuset_cpus: ?Text = null,
    cpuset_mems: ?Text = null,
    pids_limit: ?i64 = null,
    blkio_weight: ?u64 = null,
    pub const names = .{ .{ "r", "resources" }, .{ "cpu-share", "cpu_shares" } };
};

const Config = struct { linux: struct { cgroupsPath: ?Text = null } = .{} };

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const id = try words.one(parsed.words, "update [OPTION]... ID");
    const resources = if (parsed.options.resources) |path|
        try fromFile(context.arena, path)
    else
        try fromOptions(&parsed.options);
    const container = try state.load(Config, context, id);
    defer container.close();
    if (container.pidfd == null) return sys.failFormat("update", "container not running: \"{s}\"", .{id});
    const group = try state.groupOf(&container.record);
    if (group.isNone()) return sys.failFormat("update", "container \"{s}\" has no cgroup: nothing of it can be limited", .{id});
    const plan = try cgroups.prepare(context.arena, &resources, .{
        .manager = context.cgroup_manager,
        .path = container.record.config.linux.cgroupsPath,
        .id = id,
    });
    try cgroups.update(group, &plan);
    if (cgroups.warning()) |text| context.log.say(context.arena, .warning, text);
    return 0;
}

fn fromFile(arena: std.mem.Allocator, path: Text) sys.Error!contract.Resources {
    const text = if (std.mem.eql(u8, path, "-"))
        try contract.readAll(arena, 0, "standard input")
    else
        try contract.readFile(arena, path);
    return contract.parse(contract.Resources, arena, path, text);
}

fn fromOptions(options: *const Options) sys.Error!contract.Resources {
    var resources: contract.Resources = .{};
    const memory = .{
        .limit = try sizeOf("memory", options.memory),
        .reservation = try sizeOf("memory-reservation", options.memory_reservation),
        .swap = try sizeOf("memory-swap", options.memory_swap),
    };
    if (memory.limit != null or memory.reservation != null or memory.swap != null) {
        resources.memory = .{ .limit = memory.limit, .reservation = memory.reservation, .swap = memory.swap };
    }
    resources.cpu = .{
        .shares = options.cpu_shares,
        .quota = options.cpu_quota,
        .period = options.cpu_period,
        .burst = options.cpu_burst,
        .idle = options.cpu_idle,
        .realtimeRuntime = options.cpu_rt_runtime,
        .realtimePeriod = options.cpu_rt_period,
        .cpus = options.cpuset_cpus,
        .mems = options.cpuset_mems,
    };
    if (options.pids_limit) |limit| resources.pids = .{ .limit = limit };
    if (options.blkio_weight) |weight| {
        const value = std.math.cast(u16, weight) orelse return sys.fail("usage", "--blkio-weight goes from 10 to 1000");
        resources.blockIO = .{ .weight = value };
    }
    return resources;
}

/// "1048576", "512m" (docker's units, powers of 1024), "-1" for unlimited.
fn sizeOf(comptime option: []const u8, given: ?Text) sys.Error!?i64 {
    const text = given orelse return null;
    return parseBytes(text) orelse sys.failFormat("usage", "--" ++ option ++ " \"{s}\" is no number of bytes", .{text});
}

fn parseBytes(text: []const u8) ?i64 {
    if (text.len == 0) return null;
    const digits = std.mem.trimEnd(u8, text, "bB");
    if (digits.len == 0 or text.len - digits.len > 1) return null;
    const shift: u6 = switch (digits[digits.len - 1]) {
        'k', 'K' => 10,
        'm', 'M' => 20,
        'g', 'G' => 30,
        't', 'T' => 40,
        else => return std.fmt.parseInt(i64, digits, 10) catch null,
    };
    const number = std.fmt.parseInt(i64, digits[0 .. digits.len - 1], 10) catch return null;
    return std.math.mul(i64, number, @as(i64, 1) << shift) catch null;
}

test "parseBytes()" {
    const cases = .{ .{ "1048576", 1048576 }, .{ "512k", 524288 }, .{ "1G", 1 << 30 }, .{ "2mb", 2 << 20 }, .{ "-1", -1 }, .{ "7b", 7 } };
    inline for (cases) |case| try std.testing.expectEqual(@as(?i64, case[1]), parseBytes(case[0]));
    for ([_][]const u8{ "", "m", "b", "1x", "1mm", "9223372036854775807k", "1.5g", "bb" }) |wrong| {
        try std.testing.expectEqual(@as(?i64, null), parseBytes(wrong));
    }
}
