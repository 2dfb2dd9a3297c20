//! plan.zig, by what comes out of config.json's text.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const plans = @import("plan.zig");

fn planOf(arena: std.mem.Allocator, json: []const u8) !plans.Plan {
    const resources = try contract.parse(contract.Resources, arena, "r", json);
    return plans.prepare(arena, &resources, .{ .manager = .none, .id = "x" });
}

/// "cpu.weight=100 pids.max=5", memory.max last.
fn expectWrites(expected: []const u8, json: []const u8) !void {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const plan = try planOf(arena, json);
    var text: std.Io.Writer.Allocating = .init(arena);
    for (plan.writes) |one| try text.writer.print("{s}={s};", .{ one.name, one.text });
    if (plan.memory_max) |max| try text.writer.print("memory.max={s};", .{max});
    try std.testing.expectEqualStrings(expected, text.written());
}

fn expectRefused(part: []const u8, json: []const u8) !void {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    try std.testing.expectError(error.Syscall, planOf(arena_state.allocator(), json));
    const detail = sys.failure.?.detail;
    if (std.mem.indexOf(u8, detail, part) == null) {
        std.debug.print("\"{s}\" does not say \"{s}\"\n", .{ detail, part });
        return error.TestUnexpectedResult;
    }
}

test "memory: swap is counted apart, and the limit comes last" {
    try expectWrites("memory.max=1048576;", "{\"memory\":{\"limit\":1048576}}");
    try expectWrites("memory.swap.max=1000;memory.max=1000;", "{\"memory\":{\"limit\":1000,\"swap\":2000}}");
    try expectWrites("memory.swap.max=0;memory.max=1000;", "{\"memory\":{\"limit\":1000,\"swap\":1000}}");
    try expectWrites("memory.swap.max=max;memory.max=1000;", "{\"memory\":{\"limit\":1000,\"swap\":-1}}");
    try expectWrites("memory.swap.max=max;memory.max=max;", "{\"memory\":{\"limit\":-1}}");
    try expectWrites("memory.low=5;", "{\"memory\":{\"reservation\":5}}");
    try expectWrites("", "{\"memory\":{\"limit\":0,\"swap\":0,\"kernel\":-1,\"disableOOMKiller\":false}}");
    try expectRefused("memory.limit", "{\"memory\":{\"limit\":-5}}");
    try expectRefused("memory.swap", "{\"memory\":{\"swap\":5}}");
    try expectRefused("not less", "{\"memory\":{\"limit\":1000,\"swap\":999}}");
    try expectRefused("kernel", "{\"memory\":{\"kernel\":5}}");
    try expectRefused("TCP", "{\"memory\":{\"kernelTCP\":5}}");
    try expectRefused("swappiness", "{\"memory\":{\"swappiness\":5}}");
    try expectRefused("disableOOMKiller", "{\"memory\":{\"disableOOMKiller\":true}}");
}

test "cpu: shares, quota and period, sets" {
    try expectWrites("cpu.weight=100;", "{\"cpu\":{\"shares\":1024}}");
    try expectWrites("cpu.max=50000 100000;", "{\"cpu\":{\"quota\":50000}}");
    try expectWrites("cpu.max=max 5000;", "{\"cpu\":{\"period\":5000}}");
    try expectWrites("cpu.max=max 5000;", "{\"cpu\":{\"quota\":-1,\"period\":5000}}");
    try expectWrites("cpu.max=2000 5000;cpu.max.burst=9;", "{\"cpu\":{\"quota\":2000,\"period\":5000,\"burst\":9}}");
    try expectWrites("cpu.weight=100;cpu.idle=1;", "{\"cpu\":{\"shares\":1024,\"idle\":1}}");
    try expectWrites("cpu.idle=0;cpu.weight=100;", "{\"cpu\":{\"shares\":1024,\"idle\":0}}");
    try expectWrites("cpuset.cpus=0-1,3;cpuset.mems=0;", "{\"cpu\":{\"cpus\":\"0-1,3\",\"mems\":\"0\"}}");
    try expectWrites("", "{\"cpu\":{\"shares\":0,\"quota\":0,\"cpus\":\"\",\"realtimePeriod\":0}}");
    try expectRefused("cpu.period", "{\"cpu\":{\"period\":999}}");
    try expectRefused("cpu.quota", "{\"cpu\":{\"quota\":999}}");
    try expectRefused("cpu.cpus", "{\"cpu\":{\"cpus\":\"0\\n1\"}}");
    try expectRefused("cpu.idle", "{\"cpu\":{\"idle\":2}}");
    try expectRefused("realtime", "{\"cpu\":{\"realtimeRuntime\":5}}");
    try expectRefused("realtime", "{\"cpu\":{\"realtimePeriod\":5}}");
}

test "pids, io, hugetlb, rdma" {
    try expectWrites("pids.max=5;", "{\"pids\":{\"limit\":5}}");
    try expectWrites("pids.max=max;", "{\"pids\":{\"limit\":-1}}");
    try expectWrites("", "{\"pids\":{\"limit\":0}}");
    try expectWrites("io.bfq.weight=500;io.bfq.weight=8:0 100;", "{\"blockIO\":{\"weight\":500,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":100}]}}");
    try expectWrites("io.max=8:0 rbps=5;io.max=8:0 wiops=max;", "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":5}]," ++
        "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}]}}");
    try expectWrites("hugetlb.2MB.max=5;hugetlb.2MB.rsvd.max=5;", "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":5}]}");
    try expectWrites("rdma.max=mlx5_0 hca_handle=2 hca_object=max;", "{\"rdma\":{\"mlx5_0\":{\"hcaHandles\":2}}}");
    try expectRefused("weight", "{\"blockIO\":{\"weight\":9}}");
    try expectRefused("leaves", "{\"blockIO\":{\"leafWeight\":100}}");
    try expectRefused("number", "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":-1,\"minor\":0,\"rate\":5}]}}");
    for ([_][]const u8{ "2M", "MB", "x", "2TB", "../2MB", "2MBMB" }) |page| {
        var buffer: [128]u8 = undefined;
        const text = try std.fmt.bufPrint(&buffer, "{{\"hugepageLimits\":[{{\"pageSize\":\"{s}\",\"limit\":5}}]}}", .{page});
        try expectRefused("page size", text);
    }
    try expectRefused("name", "{\"rdma\":{\"a b\":{\"hcaHandles\":2}}}");
    try expectRefused("packets", "{\"network\":{\"classID\":5}}");
    try expectRefused("priorities", "{\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":1}]}}");
}

test "unified: files of a group that limit something, line by line" {
    try expectWrites("io.max=8:0 rbps=1;io.max=8:16 rbps=2;", "{\"unified\":{\"io.max\":\"8:0 rbps=1\\n8:16 rbps=2\\n\"}}");
    try expectWrites("cgroup.max.depth=3;", "{\"unified\":{\"cgroup.max.depth\":\"3\"}}");
    for ([_][]const u8{ "", "../x.y", "a/b.c", ".x", "nodot" }) |name| {
        var buffer: [128]u8 = undefined;
        try expectRefused("not the name", try std.fmt.bufPrint(&buffer, "{{\"unified\":{{\"{s}\":\"1\"}}}}", .{name}));
    }
    for ([_][]const u8{ "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.type", "cgroup.freeze", "cgroup.kill" }) |name| {
        var buffer: [128]u8 = undefined;
        try expectRefused("not a limit", try std.fmt.bufPrint(&buffer, "{{\"unified\":{{\"{s}\":\"1\"}}}}", .{name}));
    }
}

test "hasLimits() counts only what limits something" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    for ([_][]const u8{ "{}", "{\"pids\":{\"limit\":-1}}", "{\"memory\":{\"limit\":-1}}", "{\"devices\":[{\"allow\":false}]}", "{\"cpu\":{\"quota\":-1}}" }) |json| {
        try std.testing.expect(!(try planOf(arena, json)).hasLimits());
    }
    for ([_][]const u8{ "{\"pids\":{\"limit\":1}}", "{\"memory\":{\"limit\":1}}", "{\"unified\":{\"pids.max\":\"max\"}}" }) |json| {
        try std.testing.expect((try planOf(arena, json)).hasLimits());
    }
}

test "fuzz: no resources crash the plan" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [2048]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            _ = planOf(arena_state.allocator(), buffer[0..smith.slice(&buffer)]) catch return;
        }
    }.one, .{ .corpus = &.{
        "{\"memory\":{\"limit\":1,\"swap\":2},\"cpu\":{\"shares\":3,\"cpus\":\"0\"},\"pids\":{\"limit\":4}}",
        "{\"unified\":{\"a.b\":\"c\"},\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]}",
    } });
}
