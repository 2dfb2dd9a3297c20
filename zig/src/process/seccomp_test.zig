//! Tests of seccomp.zig: the compiled program answers as the profile says, whatever the argument.
const std = @import("std");
const builtin = @import("builtin");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const bpf = @import("bpf.zig");
const seccomp = @import("seccomp.zig");
const linux = sys.linux;
const RET = linux.SECCOMP.RET;
const refused: u32 = RET.ERRNO | @as(u32, @intFromEnum(linux.E.PERM));
const no_such_call: u32 = RET.ERRNO | @as(u32, @intFromEnum(linux.E.NOSYS));

const native_audit: u32 = if (builtin.cpu.arch == .x86_64) 0xC000003E else 0xC00000B7;
var work: seccomp.Workspace = .{};

fn ask(filter: seccomp.Filter, arch: u32, nr: usize, arg0: u64) u32 {
    var data = std.mem.zeroes(linux.SECCOMP.data);
    data.arch = arch;
    data.nr = @intCast(nr);
    data.arg0 = arg0;
    return bpf.interpret(filter.instructions, &data);
}

test "unconditional rules, unknown names, foreign architectures" {
    const profile: contract.SeccompProfile = .{
        .defaultAction = "SCMP_ACT_ERRNO",
        .defaultErrnoRet = 38,
        .syscalls = &.{
            .{ .names = &.{ "read", "write", "no_such_call", "close" }, .action = "SCMP_ACT_ALLOW" },
            .{ .names = &.{"mount"}, .action = "SCMP_ACT_KILL_PROCESS" },
            .{ .names = &.{"mount"}, .action = "SCMP_ACT_ALLOW" }, // the first wins
        },
    };
    const filter = try seccomp.compile(&work, &profile);
    const expect = std.testing.expectEqual;
    try expect(RET.ALLOW, ask(filter, native_audit, @intFromEnum(linux.SYS.read), 0));
    try expect(RET.ALLOW, ask(filter, native_audit, @intFromEnum(linux.SYS.close), 0));
    try expect(RET.KILL_PROCESS, ask(filter, native_audit, @intFromEnum(linux.SYS.mount), 0));
    try expect(RET.ERRNO | 38, ask(filter, native_audit, @intFromEnum(linux.SYS.openat), 0));
    try expect(RET.ERRNO | 38, ask(filter, native_audit, 100_000, 0));
    try expect(RET.KILL_PROCESS, ask(filter, 0x40000003, 3, 0));
}

test "the names that only the 32-bit architecture has" {
    const is_x86 = builtin.cpu.arch == .x86_64;
    const profile: contract.SeccompProfile = .{
        .defaultAction = "SCMP_ACT_ERRNO",
        .architectures = &.{if (is_x86) "SCMP_ARCH_X86" else "SCMP_ARCH_ARM"},
        .syscalls = &.{.{
            .names = &.{ "_llseek", "_newselect", "_sysctl", "arm_fadvise64_64", "sync_file_range2" },
            .action = "SCMP_ACT_ALLOW",
        }},
    };
    const filter = try seccomp.compile(&work, &profile);
    const audit: u32 = if (is_x86) 0x40000003 else 0x40000028;
    for ([_]usize{ 140, 142, 149 }) |number| try std.testing.expectEqual(RET.ALLOW, ask(filter, audit, number, 0));
    const of_arm = if (is_x86) no_such_call else RET.ALLOW;
    for ([_]usize{ 270, 341 }) |number| try std.testing.expectEqual(of_arm, ask(filter, audit, number, 0));
}

test "every comparison agrees with arithmetic, at the edges of both halves" {
    const edges = [_]u64{
        0,           1,           2,                  0x7fffffff,   0xfffffffe,         0xffffffff, 0x100000000, 0x100000001,
        0x1ffffffff, 0x200000000, 0x8000000000000000, ~@as(u64, 0), 0xffffffff00000000, 0x7e020000,
    };
    const ops = [_][]const u8{
        "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
    };
    for (ops, 0..) |op, which| for (edges) |value| for (edges) |actual| {
        const profile: contract.SeccompProfile = .{ .defaultAction = "SCMP_ACT_ERRNO", .syscalls = &.{.{
            .names = &.{"read"},
            .action = "SCMP_ACT_ALLOW",
            .args = &.{.{ .index = 0, .value = value, .valueTwo = 2, .op = op }},
        }} };
        const holds = switch (which) {
            0 => actual != value,
            1 => actual < value,
            2 => actual <= value,
            3 => actual == value,
            4 => actual >= value,
            5 => actual > value,
            else => actual & value == 2 & value,
        };
        const filter = try seccomp.compile(&work, &profile);
        const answer = ask(filter, native_audit, @intFromEnum(linux.SYS.read), actual);
        const expected: u32 = if (holds) RET.ALLOW else refused;
        try std.testing.expectEqual(expected, answer);
    };
}

test "conditions on one argument are alternatives, on several all must hold" {
    const Argument = contract.SeccompProfile.Argument;
    const either = [_]Argument{
        .{ .index = 0, .value = 8, .op = "SCMP_CMP_EQ" }, .{ .index = 0, .value = 9, .op = "SCMP_CMP_EQ" },
    };
    const both = [_]Argument{
        .{ .index = 0, .value = 8, .op = "SCMP_CMP_GE" }, .{ .index = 1, .value = 0, .op = "SCMP_CMP_NE" },
    };
    const profile: contract.SeccompProfile = .{ .defaultAction = "SCMP_ACT_ERRNO", .syscalls = &.{
        .{ .names = &.{"read"}, .action = "SCMP_ACT_ALLOW", .args = &either },
        .{ .names = &.{"write"}, .action = "SCMP_ACT_ALLOW", .args = &both },
    } };
    const filter = try seccomp.compile(&work, &profile);
    const read = @intFromEnum(linux.SYS.read);
    const write = @intFromEnum(linux.SYS.write);
    try std.testing.expectEqual(RET.ALLOW, ask(filter, native_audit, read, 9));
    try std.testing.expectEqual(refused, ask(filter, native_audit, read, 10));
    try std.testing.expectEqual(refused, ask(filter, native_audit, write, 8)); // argument 1 is 0
}

test "x86: the 32-bit table and x32 are their own" {
    if (builtin.cpu.arch != .x86_64) return error.SkipZigTest;
    const profile: contract.SeccompProfile = .{
        .defaultAction = "SCMP_ACT_ERRNO",
        .architectures = &.{ "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" },
        .syscalls = &.{.{ .names = &.{"getpid"}, .action = "SCMP_ACT_ALLOW" }},
    };
    const filter = try seccomp.compile(&work, &profile);
    try std.testing.expectEqual(RET.ALLOW, ask(filter, 0xC000003E, 39, 0));
    try std.testing.expectEqual(RET.ALLOW, ask(filter, 0x40000003, 20, 0));
    try std.testing.expectEqual(refused, ask(filter, 0x40000003, 19, 0));
    try std.testing.expectEqual(no_such_call, ask(filter, 0x40000003, 39, 0));
    try std.testing.expectEqual(RET.ALLOW, ask(filter, 0xC000003E, 0x40000000 | 39, 0));
    try std.testing.expectEqual(refused, ask(filter, 0xC000003E, 0x40000000 | 20, 0));
    try std.testing.expectEqual(no_such_call, ask(filter, 0xC000003E, 0x40000000 | 40, 0));
}

test "calls above all that a profile names do not exist, if its default is an errno" {
    const named: []const contract.SeccompProfile.Rule = &.{
        .{ .names = &.{ "read", "openat2" }, .action = "SCMP_ACT_ALLOW" },
        .{ .names = &.{"clone3"}, .action = "SCMP_ACT_ERRNO", .errnoRet = 1 },
    };
    const cases = [_]struct { profile: contract.SeccompProfile, below: u32, above: u32 }{
        .{ .profile = .{ .defaultAction = "SCMP_ACT_ERRNO", .syscalls = named }, .below = refused, .above = no_such_call },
        .{
            .profile = .{ .defaultAction = "SCMP_ACT_ERRNO", .defaultErrnoRet = 1, .syscalls = named },
            .below = refused,
            .above = no_such_call,
        },
        .{ .profile = .{ .defaultAction = "SCMP_ACT_ERRNO" }, .below = refused, .above = refused }, // it names none
        .{ .profile = .{ .defaultAction = "SCMP_ACT_ALLOW", .syscalls = named }, .below = RET.ALLOW, .above = RET.ALLOW },
        .{
            .profile = .{ .defaultAction = "SCMP_ACT_KILL_PROCESS", .syscalls = named },
            .below = RET.KILL_PROCESS,
            .above = RET.KILL_PROCESS,
        },
    };
    const openat2 = 437;
    for (cases) |case| {
        const filter = try seccomp.compile(&work, &case.profile);
        try std.testing.expectEqual(case.below, ask(filter, native_audit, openat2 - 1, 0)); // close_range
        for ([_]usize{ openat2 + 1, 9999, 0x3fff_ffff }) |number| {
            try std.testing.expectEqual(case.above, ask(filter, native_audit, number, 0));
        }
    }
    const filter = try seccomp.compile(&work, &cases[0].profile);
    try std.testing.expectEqual(RET.ALLOW, ask(filter, native_audit, openat2, 0));
    try std.testing.expectEqual(refused, ask(filter, native_audit, @intFromEnum(linux.SYS.clone3), 0));
}

test "profiles that cannot be honoured are refused with a sentence" {
    const rule: contract.SeccompProfile.Rule = .{ .names = &.{"read"}, .action = "SCMP_ACT_ALLOW" };
    for ([_]contract.SeccompProfile{
        .{ .defaultAction = "SCMP_ACT_NOTIFY" },
        .{ .defaultAction = "SCMP_ACT_ALLOW", .listenerMetadata = "x" },
        .{ .defaultAction = "SCMP_ACT_NOTIFY", .listenerPath = "relative" },
        .{ .defaultAction = "SCMP_ACT_ALLOW", .architectures = &.{"x86"} },
        .{ .defaultAction = "SCMP_ACT_ALLOW", .syscalls = &.{ rule, .{ .names = &.{}, .action = "SCMP_ACT_LOG" } } },
    }) |profile| try std.testing.expectError(error.Syscall, seccomp.validate(&profile));
    for ([_]contract.SeccompProfile{
        .{ .defaultAction = "SCMP_ACT_SHRUG" },
        .{ .defaultAction = "SCMP_ACT_KILL", .defaultErrnoRet = 1 },
        .{ .defaultAction = "SCMP_ACT_ERRNO", .defaultErrnoRet = 70000 },
        .{ .defaultAction = "SCMP_ACT_ALLOW", .flags = &.{"FAST"} },
        .{ .defaultAction = "SCMP_ACT_ERRNO", .syscalls = &.{.{ .names = &.{"read"}, .action = "SCMP_ACT_ALLOW", .errnoRet = 1 }} },
    }) |profile| try std.testing.expectError(error.Syscall, seccomp.compile(&work, &profile));
    const bad: contract.SeccompProfile = .{ .defaultAction = "SCMP_ACT_ALLOW", .syscalls = &.{.{
        .names = &.{"read"},
        .action = "SCMP_ACT_ERRNO",
        .args = &.{.{ .index = 6, .value = 0, .op = "SCMP_CMP_EQ" }},
    }} };
    try std.testing.expectError(error.Syscall, seccomp.validate(&bad));
}

test "a profile that notifies, its flags, architectures of others" {
    const profile: contract.SeccompProfile = .{
        .defaultAction = "SCMP_ACT_ALLOW",
        .architectures = &.{ "SCMP_ARCH_S390X", "SCMP_ARCH_LOONGARCH64" },
        .flags = &.{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_LOG" },
        .listenerPath = "/run/agent",
        .syscalls = &.{.{ .names = &.{"mkdirat"}, .action = "SCMP_ACT_NOTIFY" }},
    };
    try seccomp.validate(&profile);
    const filter = try seccomp.compile(&work, &profile);
    try std.testing.expect(filter.notifies);
    try std.testing.expectEqual(@as(u32, 32 | 2), filter.flags);
    try std.testing.expectEqual(RET.USER_NOTIF, ask(filter, native_audit, @intFromEnum(linux.SYS.mkdirat), 0));
    var silent = profile;
    silent.syscalls = &.{};
    try std.testing.expectEqual(@as(u32, 2), (try seccomp.compile(&work, &silent)).flags);
}
