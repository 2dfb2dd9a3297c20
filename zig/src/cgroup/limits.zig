//! The limits of a plan are written into a group's files. What the host cannot honour becomes a sentence that names
//! the controller and what helps.
const std = @import("std");
const sys = @import("../sys.zig");
const plans = @import("plan.zig");
const files = @import("files.zig");
const groups = @import("group.zig");
const absence = @import("absence.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

const Error = sys.Error;

var last_warning: ?[]const u8 = null;

/// What was asked for and is not as it was asked, though nothing failed: for whoever talks to the user.
pub fn warning() ?[]const u8 {
    return last_warning;
}

/// All but memory.max.
pub fn write(group: groups.Cgroup, plan: *const plans.Plan) Error!void {
    for (plan.writes, 0..) |*one, i| try writeOne(group, plan, one, i);
}

pub fn writeMemoryMax(group: groups.Cgroup, plan: *const plans.Plan) Error!void {
    const text = plan.memory_max orelse return;
    if (plan.memory_at_least) |wanted| {
        const used = files.readNumber(group.path, "memory.current") orelse 0;
        if (wanted < used) return sys.failFormat("cgroup", "memory.max: {d} bytes are asked for and {d} are in use", .{ wanted, used });
    }
    const one: plans.Write = .{
        .name = "memory.max",
        .text = text,
        .when_missing = if (std.mem.eql(u8, text, "max")) .ignore else .fail,
    };
    try writeOne(group, plan, &one, plan.writes.len);
}

fn writeOne(group: groups.Cgroup, plan: *const plans.Plan, one: *const plans.Write, index: usize) Error!void {
    var buffer: [64]u8 = undefined;
    const text = if (one.keeps_first) keepFirst(group, one, &buffer) else one.text;
    const errno = linux.errno(files.write(group.path, one.name, text));
    switch (errno) {
        .SUCCESS => return,
        .NOENT => switch (one.when_missing) {
            .ignore => return,
            .warn_of_swap => {
                if (hasSwap()) last_warning = "this kernel does not account for swap: memory itself is limited, swap is not; " ++
                    "booting the host with swapaccount=1 mends it";
                return;
            },
            .other => |other| return writeOne(group, plan, &.{ .name = other.name, .text = other.text }, plan.writes.len),
            .fail => {},
        },
        // A burst above the new quota: it has to come down first.
        .INVAL => if (burstAfter(plan, one, index)) |burst| {
            _ = files.write(group.path, burst.name, burst.text);
            if (linux.errno(files.write(group.path, one.name, text)) == .SUCCESS) return;
        },
        else => {},
    }
    return explain(group, plan, one.name, text, errno);
}

/// Where there is none no container gets any.
fn hasSwap() bool {
    var info: linux.Sysinfo = undefined;
    return linux.errno(linux.sysinfo(&info)) != .SUCCESS or info.totalswap > 0;
}

/// "max 50000" of the plan where the file has "20000 100000" is "20000 50000".
fn keepFirst(group: groups.Cgroup, one: *const plans.Write, buffer: *[64]u8) []const u8 {
    var current: [64]u8 = undefined;
    const text = files.read(group.path, one.name, &current) orelse return one.text;
    const first = text[0 .. std.mem.indexOfScalar(u8, text, ' ') orelse return one.text];
    const rest = one.text[std.mem.indexOfScalar(u8, one.text, ' ') orelse return one.text ..];
    return std.fmt.bufPrint(buffer, "{s}{s}", .{ first, rest }) catch one.text;
}

fn burstAfter(plan: *const plans.Plan, one: *const plans.Write, index: usize) ?*const plans.Write {
    if (!std.mem.eql(u8, one.name, "cpu.max") or index + 1 >= plan.writes.len) return null;
    const next = &plan.writes[index + 1];
    return if (std.mem.eql(u8, next.name, "cpu.max.burst")) next else null;
}

fn explain(group: groups.Cgroup, plan: *const plans.Plan, name: []const u8, text: []const u8, errno: linux.E) Error {
    const controller = name[0 .. std.mem.indexOfScalar(u8, name, '.') orelse name.len];
    var errno_buffer: [32]u8 = undefined;
    switch (errno) {
        .NOENT => {
            var buffer: [256]u8 = undefined;
            const here = files.read(group.path, "cgroup.controllers", &buffer) orelse "";
            if (files.hasWord(here, controller) or std.mem.eql(u8, controller, "cgroup")) {
                return sys.failFormat("cgroup", "{s}: this kernel's cgroup v2 has no such limit", .{name});
            }
            return absence.explain(plan.arena, name);
        },
        .INVAL, .RANGE => return sys.failFormat("cgroup", "{s}: the kernel does not take \"{s}\"", .{ name, text }),
        .NODEV => return sys.failFormat("cgroup", "{s}: there is no such device: \"{s}\"", .{ name, text }),
        .BUSY => return sys.failFormat("cgroup", "{s}: more than \"{s}\" is in use", .{ name, text }),
        else => return sys.failFormat("cgroup", "{s}: writing \"{s}\" failed with {s}", .{ name, text, sys.errnoName(errno, &errno_buffer) }),
    }
}

test "a kernel that does not account for swap limits memory alone, and says so where there is swap" {
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    try tmp.dir.writeFile(std.testing.io, .{ .sub_path = "memory.max", .data = "" });
    var buffer: [64]u8 = undefined;
    const group: groups.Cgroup = .{ .path = try std.fmt.bufPrintZ(&buffer, "/proc/self/fd/{d}", .{tmp.dir.handle}) };
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const text = "{\"memory\":{\"limit\":1000,\"swap\":1500}}";
    const resources = try contract.parse(contract.Resources, arena_state.allocator(), "r", text);
    const plan = try plans.prepare(arena_state.allocator(), &resources, .{ .manager = .none, .id = "x" });
    last_warning = null;
    try write(group, &plan);
    try writeMemoryMax(group, &plan);
    try std.testing.expectEqual(hasSwap(), warning() != null);
    var content: [16]u8 = undefined;
    try std.testing.expectEqualStrings("1000", files.read(group.path, "memory.max", &content).?);
}
