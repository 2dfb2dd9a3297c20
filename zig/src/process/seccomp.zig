//! Theory of operation: config.json's linux.seccomp compiled to the BPF program that seccomp(2) takes.
//!
//! Per architecture, the rules of each system call become one verdict: an action, or conditions on arguments tried in
//! order and then the default. Neighbouring numbers with the same action are one range, and a binary search over the
//! ranges decides in about seven comparisons; the kernel remembers calls whose verdict is constant (Linux 5.11).
//! An unconditional rule beats conditional ones of the same call, and the first beats later ones, as in libseccomp.
//!
//! Where the default refuses with an errno, calls with numbers above all that the profile names get ENOSYS: its author
//! cannot have meant them, and a libc that is newer falls back to an older call only when it is told that there is no
//! such one (runc does the same since 1.0.0-rc93).
//!
//! Compiling allocates nothing and touches no global but the buffers given to it, so that a program may be kept and
//! installed many times. Names that no table knows are passed over: profiles name calls of many kernels.
//! A profile that notifies compiles like any other; whoever installs it has a descriptor to hand over (listener.zig).
const std = @import("std");
const builtin = @import("builtin");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const bpf = @import("bpf.zig");
const linux = sys.linux;
const syscalls = linux.syscalls;
const RET = linux.SECCOMP.RET;

const Architecture = struct { name: []const u8, audit: u32, table: Table, has_64_bits: bool = true };
const Table = enum { x64, x86, x32, arm64, arm };

/// AUDIT_ARCH_* of linux/audit.h.
const audit_x86_64 = 0xC000003E;
const audit_i386 = 0x40000003;
const audit_aarch64 = 0xC00000B7;
const audit_arm = 0x40000028;

/// What one kernel can run. The native one first; x32 shares x86_64's audit number and is told apart by this bit.
const x32_bit = 0x40000000;
const x32: Architecture = .{ .name = "SCMP_ARCH_X32", .audit = audit_x86_64, .table = .x32 };
const native: Architecture = switch (builtin.cpu.arch) {
    .x86_64 => .{ .name = "SCMP_ARCH_X86_64", .audit = audit_x86_64, .table = .x64 },
    .aarch64 => .{ .name = "SCMP_ARCH_AARCH64", .audit = audit_aarch64, .table = .arm64 },
    else => @compileError("unsupported architecture"),
};
const compatible: Architecture = switch (builtin.cpu.arch) {
    .x86_64 => .{ .name = "SCMP_ARCH_X86", .audit = audit_i386, .table = .x86, .has_64_bits = false },
    .aarch64 => .{ .name = "SCMP_ARCH_ARM", .audit = audit_arm, .table = .arm, .has_64_bits = false },
    else => unreachable,
};

/// Every name that means something on this machine.
pub const architecture_names = [_][]const u8{ native.name, compatible.name } ++ if (native.table == .x64) .{x32.name} else .{};

/// All that the specification knows; those of other machines do no harm.
const architectures = std.StaticStringMap(void).initComptime(names: {
    var pairs: [architecture_words.len]struct { []const u8 } = undefined;
    for (architecture_words, &pairs) |word, *pair| pair.* = .{"SCMP_ARCH_" ++ word};
    break :names pairs;
});
const architecture_words = [_][]const u8{
    "NATIVE",    "X86",    "X86_64",   "X32",         "ARM",    "AARCH64",  "LOONGARCH64", "M68K",  "MIPS",    "MIPS64",
    "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PARISC", "PARISC64", "PPC",         "PPC64", "PPC64LE", "RISCV64",
    "S390",      "S390X",  "SH",       "SHEB",
};

/// Filter flags of the profile and its code.
pub const Filter = struct {
    flags: u32,
    instructions: []const bpf.Instruction,
    /// It asks an agent about some calls.
    notifies: bool = false,
};

/// Rule uses of one architecture: a profile of every call with a dozen variants each stays below.
const uses_max = 8192;

/// Where compiling works: about 130 KiB, so it belongs in static memory or an arena.
pub const Workspace = struct {
    program: bpf.Program = .{},
    /// System call number (upper half) and index of a rule (lower half).
    uses: [uses_max]u64 = undefined,
    leaves: [2 * uses_max]Leaf = undefined,
};

/// From number `start` on: one action, or the rules that `uses[first..][0..count]` point to.
const Leaf = struct { start: u32, action: u32 = 0, first: u32 = 0, count: u32 = 0 };

const no_such_call = RET.ERRNO | @as(u32, @intFromEnum(linux.E.NOSYS));

const Error = sys.Error || bpf.Overflow;

pub fn compile(work: *Workspace, profile: *const contract.SeccompProfile) sys.Error!Filter {
    return compileAll(work, profile) catch |err| switch (err) {
        error.FilterTooLong => sys.failFormat("seccomp", "the profile needs more than {d} instructions", .{bpf.instructions_max}),
        error.Syscall => error.Syscall,
    };
}

fn compileAll(work: *Workspace, profile: *const contract.SeccompProfile) Error!Filter {
    work.program.length = 0;
    const default = try actionOf(profile.defaultAction, profile.defaultErrnoRet);
    for (profile.syscalls) |rule| _ = try actionOf(rule.action, rule.errnoRet);
    const program = &work.program;
    try program.add(bpf.ld_abs, @offsetOf(linux.SECCOMP.data, "arch"));
    if (lists(profile, compatible.name)) try emitArchitecture(work, profile, compatible, default);
    try emitArchitecture(work, profile, native, default);
    try program.add(bpf.ret, RET.KILL_PROCESS); // an architecture the profile does not name
    const notifying = notifies(profile);
    return .{
        .flags = try flagsOf(profile.flags, notifying),
        .instructions = program.instructions(),
        .notifies = notifying,
    };
}

fn notifies(profile: *const contract.SeccompProfile) bool {
    if (std.mem.eql(u8, profile.defaultAction, notify)) return true;
    for (profile.syscalls) |rule| if (std.mem.eql(u8, rule.action, notify)) return true;
    return false;
}

const notify = "SCMP_ACT_NOTIFY";

/// An empty list means the native architecture.
fn lists(profile: *const contract.SeccompProfile, name: []const u8) bool {
    for (profile.architectures) |listed| if (std.mem.eql(u8, listed, name)) return true;
    return false;
}

/// "If the architecture is this one": the search over its calls; else fall through with the accumulator kept.
fn emitArchitecture(
    work: *Workspace,
    profile: *const contract.SeccompProfile,
    architecture: Architecture,
    default: u32,
) Error!void {
    const program = &work.program;
    try program.addJump(bpf.jump_equal, architecture.audit, 1, 0);
    const skip = program.length;
    try program.add(bpf.jump_always, 0);
    try program.add(bpf.ld_abs, @offsetOf(linux.SECCOMP.data, "nr"));
    if (architecture.table == .x64) try emitX32(work, profile, default);
    try emitCalls(work, profile, architecture, default);
    program.code[skip].k = @intCast(program.length - skip - 1);
}

/// Numbers with the x32 bit: their own table when the profile names x32, otherwise they do not exist.
fn emitX32(work: *Workspace, profile: *const contract.SeccompProfile, default: u32) Error!void {
    const program = &work.program;
    try program.addJump(bpf.jump_at_least, x32_bit, 0, 1);
    const branch = program.length - 1;
    if (!lists(profile, x32.name)) return program.add(bpf.ret, no_such_call);
    program.code[branch].jt = 1; // over the jump that the native numbers take
    program.code[branch].jf = 0;
    try program.add(bpf.jump_always, 0);
    try emitCalls(work, profile, x32, default);
    program.code[branch + 1].k = @intCast(program.length - branch - 2);
}

fn emitCalls(work: *Workspace, profile: *const contract.SeccompProfile, architecture: Architecture, default: u32) Error!void {
    const uses = try collect(work, profile, architecture.table);
    const leaves = try leavesOf(work, profile, uses, default);
    const context: Context = .{ .work = work, .profile = profile, .architecture = architecture, .default = default };
    try bpf.emitSearch(&work.program, Leaf, leaves, &context, emitLeaf);
}

/// Every (call, rule) pair of this architecture, by number and then in the profile's order.
fn collect(work: *Workspace, profile: *const contract.SeccompProfile, table: Table) Error![]const u64 {
    var count: usize = 0;
    for (profile.syscalls, 0..) |rule, index| {
        for (rule.names) |name| {
            const number = numberOf(table, name) orelse continue;
            if (count == uses_max) return error.FilterTooLong;
            work.uses[count] = @as(u64, number) << 32 | index;
            count += 1;
        }
    }
    std.mem.sortUnstable(u64, work.uses[0..count], {}, std.sort.asc(u64));
    return work.uses[0..count];
}

fn leavesOf(work: *Workspace, profile: *const contract.SeccompProfile, uses: []const u64, default: u32) Error![]const Leaf {
    var count: usize = 0;
    appendLeaf(work, &count, .{ .start = 0, .action = default });
    var i: usize = 0;
    while (i < uses.len) {
        const number: u32 = @intCast(uses[i] >> 32);
        var end = i;
        while (end < uses.len and uses[end] >> 32 == number) end += 1;
        appendLeaf(work, &count, try verdict(profile, uses, number, i, end));
        appendLeaf(work, &count, .{ .start = number + 1, .action = default });
        i = end;
    }
    const is_errno = default & ~@as(u32, RET.DATA) == RET.ERRNO;
    if (is_errno and uses.len > 0) {
        const last: u32 = @intCast(uses[uses.len - 1] >> 32);
        appendLeaf(work, &count, .{ .start = last + 1, .action = no_such_call });
    }
    return work.leaves[0..count];
}

fn verdict(profile: *const contract.SeccompProfile, uses: []const u64, number: u32, first: usize, end: usize) Error!Leaf {
    for (uses[first..end]) |use| {
        const rule = &profile.syscalls[@as(u32, @truncate(use))];
        if (rule.args.len == 0) return .{ .start = number, .action = try actionOf(rule.action, rule.errnoRet) };
    }
    return .{ .start = number, .first = @intCast(first), .count = @intCast(end - first) };
}

/// Leaves that say the same as their neighbour are one with it; one that begins where the last did replaces it.
fn appendLeaf(work: *Workspace, count: *usize, leaf: Leaf) void {
    if (count.* > 0 and work.leaves[count.* - 1].start == leaf.start) count.* -= 1;
    if (count.* > 0) {
        const last = work.leaves[count.* - 1];
        if (last.count == 0 and leaf.count == 0 and last.action == leaf.action) return;
    }
    work.leaves[count.*] = leaf;
    count.* += 1;
}

const Context = struct {
    work: *Workspace,
    profile: *const contract.SeccompProfile,
    architecture: Architecture,
    default: u32,
};

fn emitLeaf(context: *const Context, program: *bpf.Program, leaf: Leaf) bpf.Overflow!void {
    if (leaf.count == 0) return program.add(bpf.ret, leaf.action);
    for (context.work.uses[leaf.first..][0..leaf.count]) |use| {
        const rule = &context.profile.syscalls[@as(u32, @truncate(use))];
        const action = actionOf(rule.action, rule.errnoRet) catch unreachable; // looked at before
        if (repeatsIndex(rule.args)) { // conditions on one argument twice are alternatives
            for (rule.args) |argument| try emitRule(context, program, &.{argument}, action);
        } else {
            try emitRule(context, program, rule.args, action);
        }
    }
    try program.add(bpf.ret, context.default);
}

fn repeatsIndex(args: []const contract.SeccompProfile.Argument) bool {
    for (args, 0..) |a, i| for (args[i + 1 ..]) |b| if (a.index == b.index) return true;
    return false;
}

/// "If all conditions hold, return": every failing comparison jumps behind the return.
fn emitRule(
    context: *const Context,
    program: *bpf.Program,
    args: []const contract.SeccompProfile.Argument,
    action: u32,
) bpf.Overflow!void {
    const start = program.length;
    for (args) |argument| try emitCondition(program, argument, context.architecture.has_64_bits);
    try program.add(bpf.ret, action);
    for (program.code[start..program.length], start..) |*instruction, at| {
        const behind: u8 = @intCast(program.length - at - 1);
        if (instruction.jt == fails) instruction.jt = behind;
        if (instruction.jf == fails) instruction.jf = behind;
    }
}

/// A jump target to be filled in: the end of the rule. Rules of 6 conditions are shorter than this.
const fails = 255;

fn emitCondition(program: *bpf.Program, argument: contract.SeccompProfile.Argument, has_64_bits: bool) bpf.Overflow!void {
    const low_offset: u32 = @offsetOf(linux.SECCOMP.data, "arg0") + 8 * @as(u32, argument.index);
    const compare = comparisons.get(argument.op).?;
    const is_masked = compare == .masked;
    const value = if (is_masked) argument.valueTwo & argument.value else argument.value;
    if (has_64_bits) {
        const high: u32 = @intCast(value >> 32);
        try program.add(bpf.ld_abs, low_offset + 4);
        if (is_masked) try program.add(bpf.alu_and, @intCast(argument.value >> 32));
        const rest: u8 = if (is_masked) 3 else 2; // the instructions that look at the lower half
        switch (compare) {
            .equal, .masked => try program.addJump(bpf.jump_equal, high, 0, fails),
            .not_equal => try program.addJump(bpf.jump_equal, high, 0, rest),
            .greater, .at_least => {
                try program.addJump(bpf.jump_greater, high, rest + 1, 0);
                try program.addJump(bpf.jump_equal, high, 0, fails);
            },
            .less, .at_most => {
                try program.addJump(bpf.jump_greater, high, fails, 0);
                try program.addJump(bpf.jump_equal, high, 0, rest);
            },
        }
    }
    const low: u32 = @truncate(value);
    try program.add(bpf.ld_abs, low_offset);
    if (is_masked) try program.add(bpf.alu_and, @truncate(argument.value));
    switch (compare) {
        .equal, .masked => try program.addJump(bpf.jump_equal, low, 0, fails),
        .not_equal => try program.addJump(bpf.jump_equal, low, fails, 0),
        .greater => try program.addJump(bpf.jump_greater, low, 0, fails),
        .at_least => try program.addJump(bpf.jump_at_least, low, 0, fails),
        .less => try program.addJump(bpf.jump_at_least, low, fails, 0),
        .at_most => try program.addJump(bpf.jump_greater, low, fails, 0),
    }
}

const Comparison = enum { not_equal, less, at_most, equal, at_least, greater, masked };

/// By name, as config.json has them; `features` lists them.
pub const comparisons = std.StaticStringMap(Comparison).initComptime(.{
    .{ "SCMP_CMP_NE", .not_equal },     .{ "SCMP_CMP_LT", .less },     .{ "SCMP_CMP_LE", .at_most },
    .{ "SCMP_CMP_EQ", .equal },         .{ "SCMP_CMP_GE", .at_least }, .{ "SCMP_CMP_GT", .greater },
    .{ "SCMP_CMP_MASKED_EQ", .masked },
});

pub const actions = std.StaticStringMap(u32).initComptime(.{
    .{ "SCMP_ACT_ALLOW", RET.ALLOW },      .{ "SCMP_ACT_LOG", RET.LOG },
    .{ "SCMP_ACT_KILL", RET.KILL_THREAD }, .{ "SCMP_ACT_KILL_THREAD", RET.KILL_THREAD },
    .{ "SCMP_ACT_TRAP", RET.TRAP },        .{ "SCMP_ACT_KILL_PROCESS", RET.KILL_PROCESS },
    .{ "SCMP_ACT_ERRNO", RET.ERRNO },      .{ "SCMP_ACT_TRACE", RET.TRACE },
    .{ notify, RET.USER_NOTIF },
});

/// Bits of seccomp(2). TSYNC means nothing to a process with one thread, and how an agent is waited for nothing
/// without an agent.
pub const filter_flags = std.StaticStringMap(u32).initComptime(.{
    .{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
    .{ "SECCOMP_FILTER_FLAG_LOG", 2 },
    .{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4 },
    .{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", wait_killable },
});
const wait_killable = 32;

fn actionOf(name: []const u8, errno: ?u32) sys.Error!u32 {
    const action = actions.get(name) orelse return sys.failFormat("seccomp", "action \"{s}\" is not supported", .{name});
    if (action != RET.ERRNO and action != RET.TRACE) {
        if (errno) |number| return sys.failFormat("seccomp", "action \"{s}\" returns no errno, and {d} is asked for", .{ name, number });
        return action;
    }
    if ((errno orelse 0) > RET.DATA) return sys.failFormat("seccomp", "errno {d} is too large", .{errno.?});
    return action | (errno orelse @intFromEnum(linux.E.PERM));
}

fn flagsOf(names: []const []const u8, notifying: bool) sys.Error!u32 {
    var flags: u32 = 0;
    for (names) |name| {
        flags |= filter_flags.get(name) orelse return sys.failFormat("seccomp", "flag \"{s}\" is not supported", .{name});
    }
    return if (notifying) flags else flags & ~@as(u32, wait_killable);
}

/// What must hold of a profile before compiling; config.json is not to be trusted.
pub fn validate(profile: *const contract.SeccompProfile) sys.Error!void {
    for (profile.architectures) |name| if (!architectures.has(name)) {
        return sys.failFormat("seccomp", "there is no architecture \"{s}\"", .{name});
    };
    for (profile.syscalls) |rule| {
        if (rule.names.len == 0) return sys.failFormat("seccomp", "a rule with action \"{s}\" names no calls", .{rule.action});
        for (rule.args) |argument| {
            if (argument.index > 5) return sys.failFormat("seccomp", "a call has no argument {d}", .{argument.index});
            if (comparisons.get(argument.op) == null) {
                return sys.failFormat("seccomp", "comparison \"{s}\" is unknown", .{argument.op});
            }
        }
    }
    const listens = profile.listenerPath orelse "";
    if (listens.len > 0 and listens[0] != '/') return sys.fail("seccomp", "listenerPath is not absolute");
    if (listens.len == 0 and profile.listenerMetadata != null) {
        return sys.fail("seccomp", "listenerMetadata without a listenerPath: nobody would get it");
    }
    if (listens.len == 0 and notifies(profile)) {
        return sys.fail("seccomp", notify ++ " needs a listenerPath, where somebody answers");
    }
}

/// The kernel's number of a call by the name that libseccomp uses; a few differ from the tables' names.
fn numberOf(table: Table, name: []const u8) ?u32 {
    return switch (builtin.cpu.arch) {
        .x86_64 => switch (table) {
            .x64 => search(syscalls.X64, name),
            .x86 => search(syscalls.X86, name),
            .x32 => search(syscalls.X32, name),
            else => unreachable,
        },
        .aarch64 => switch (table) {
            .arm64 => search(syscalls.Arm64, name),
            .arm => search(syscalls.Arm, name),
            else => unreachable,
        },
        else => unreachable,
    };
}

const Call = struct { name: []const u8, number: u32 };

/// The kernel's name, which profiles use, and that of Zig's tables.
const synonyms = .{
    .{ "newfstatat", "fstatat64" }, .{ "umount", "oldumount" }, .{ "_llseek", "llseek" },
    .{ "_newselect", "newselect" }, .{ "_sysctl", "sysctl" },
};

/// A profile names hundreds of calls, and a container waits for it: the tables are sorted at compile time.
fn search(comptime Calls: type, name: []const u8) ?u32 {
    const calls = comptime sorted(Calls);
    if (find(&calls, name)) |number| return number;
    const of_arm = .{
        .{ "arm_fadvise64_64", "fadvise64_64" },
        .{ "arm_sync_file_range", "sync_file_range" },
        .{ "sync_file_range2", "sync_file_range" },
    };
    inline for (synonyms ++ if (Calls == syscalls.Arm) of_arm else .{}) |pair| {
        if (@hasField(Calls, pair[1]) and std.mem.eql(u8, name, pair[0])) return @intFromEnum(@field(Calls, pair[1]));
    }
    return null;
}

fn sorted(comptime Calls: type) [std.enums.values(Calls).len]Call {
    @setEvalBranchQuota(1_000_000);
    var calls: [std.enums.values(Calls).len]Call = undefined;
    for (std.enums.values(Calls), &calls) |call, *slot| {
        slot.* = .{ .name = @tagName(call), .number = @intCast(@intFromEnum(call)) };
    }
    std.mem.sortUnstable(Call, &calls, {}, struct {
        fn lessThan(_: void, one: Call, other: Call) bool {
            return std.mem.lessThan(u8, one.name, other.name);
        }
    }.lessThan);
    return calls;
}

fn find(calls: []const Call, name: []const u8) ?u32 {
    const index = std.sort.binarySearch(Call, calls, name, struct {
        fn compare(wanted: []const u8, call: Call) std.math.Order {
            return std.mem.order(u8, wanted, call.name);
        }
    }.compare) orelse return null;
    return calls[index].number;
}

const FilterProgram = extern struct { length: u16, filter: [*]const bpf.Instruction };

/// seccomp(2); needs no_new_privs or CAP_SYS_ADMIN.
pub fn install(filter: Filter) sys.Error!void {
    _ = try sys.check("seccomp", "", load(filter, 0));
}

pub const flag_new_listener = 8;

pub fn load(filter: Filter, more_flags: u32) usize {
    const program: FilterProgram = .{ .length = @intCast(filter.instructions.len), .filter = filter.instructions.ptr };
    return linux.seccomp(linux.SECCOMP.SET_MODE_FILTER, filter.flags | more_flags, &program);
}
