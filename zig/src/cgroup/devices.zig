//! Which devices a group may use: config.json's list as an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE, which is
//! what cgroup v2 has in the place of a file. Only real root may attach one; everybody else's containers get no
//! device that they could not open anyway, so for them the list is passed over, as the field does.
const std = @import("std");
const sys = @import("../sys.zig");
const types = @import("resources.zig");
const files = @import("files.zig");
const groups = @import("group.zig");
const linux = sys.linux;
const BPF = linux.BPF;
const Insn = BPF.Insn;

const Error = sys.Error;

/// A list for which the program would become longer is not a real one. Seven instructions a rule at most.
const rules_max = 500;
const instructions_max = 4 + (rules_max + always_allowed.len) * 9 + 2;

// include/uapi/linux/bpf.h: struct bpf_cgroup_dev_ctx, BPF_DEVCG_*.
const kind_block = 1;
const kind_char = 2;
const access_mknod = 1;
const access_read = 2;
const access_write = 4;
const access_all = access_mknod | access_read | access_write;

/// Every container has these, whatever the list says (config-linux.md, "Default Devices"): the node of any device may
/// be made, and what is in every container's /dev may be used.
const always_allowed = [_]types.DeviceRule{
    .{ .allow = true, .type = "c", .access = "m" },
    .{ .allow = true, .type = "b", .access = "m" },
    .{ .allow = true, .type = "c", .major = 1, .minor = 3 }, // null
    .{ .allow = true, .type = "c", .major = 1, .minor = 5 }, // zero
    .{ .allow = true, .type = "c", .major = 1, .minor = 7 }, // full
    .{ .allow = true, .type = "c", .major = 1, .minor = 8 }, // random
    .{ .allow = true, .type = "c", .major = 1, .minor = 9 }, // urandom
    .{ .allow = true, .type = "c", .major = 5, .minor = 0 }, // tty
    .{ .allow = true, .type = "c", .major = 5, .minor = 1 }, // console
    .{ .allow = true, .type = "c", .major = 5, .minor = 2 }, // ptmx
    .{ .allow = true, .type = "c", .major = 136 }, // pts
};

/// Rules are read from the last to the first: the last that fits decides, and without one it is refused.
pub fn restrict(group: groups.Cgroup, rules: []const types.DeviceRule) Error!void {
    if (rules.len == 0 or linux.geteuid() != 0) return;
    var program: Program = .{};
    try program.build(rules);
    const loaded = program.load();
    if (linux.errno(loaded) == .PERM) return; // root of a user namespace
    const fd = try sys.checkFd("bpf", "the devices' program", loaded);
    defer _ = linux.close(fd);
    const directory = try files.openDirectory(group.path);
    defer _ = linux.close(directory);
    const rc = attach(directory, fd);
    if (linux.errno(rc) == .PERM) return;
    _ = try sys.check("bpf", "attaching the devices' program", rc);
}

/// Refuse what is no list of devices; nothing is done with it. For everybody, whether it will be in force or not.
pub fn validate(rules: []const types.DeviceRule) Error!void {
    if (rules.len > rules_max) return sys.failFormat("cgroup", "resources.devices: more than {d} rules", .{rules_max});
    for (rules) |rule| {
        _ = try kindOf(rule);
        _ = try accessOf(rule);
        for ([_]?i64{ rule.major, rule.minor }) |number| {
            const n = number orelse continue;
            if (n < -1 or n > std.math.maxInt(u32)) return sys.failFormat("cgroup", "resources.devices: {d} is not the number of a device", .{n});
        }
    }
}

/// Null: both.
fn kindOf(rule: types.DeviceRule) Error!?i32 {
    const text = rule.type orelse return null;
    if (std.mem.eql(u8, text, "a") or text.len == 0) return null;
    if (std.mem.eql(u8, text, "b")) return kind_block;
    if (std.mem.eql(u8, text, "c") or std.mem.eql(u8, text, "u")) return kind_char;
    return sys.failFormat("cgroup", "resources.devices: \"{s}\" is none of the types a, b and c", .{text});
}

fn accessOf(rule: types.DeviceRule) Error!i32 {
    const text = rule.access orelse return access_all;
    if (text.len == 0) return access_all;
    var access: i32 = 0;
    for (text) |letter| access |= switch (letter) {
        'r' => access_read,
        'w' => access_write,
        'm' => access_mknod,
        else => return sys.failFormat("cgroup", "resources.devices: access \"{s}\" is not made of r, w and m", .{text}),
    };
    return access;
}

const Program = struct {
    code: [instructions_max]Insn = undefined,
    length: usize = 0,

    fn build(program: *Program, rules: []const types.DeviceRule) Error!void {
        try validate(rules);
        program.add(.ldx(.word, .r2, .r1, 0)); // access << 16 | kind
        program.add(.mov(.r3, .r2));
        program.add(.alu_and(.r3, 0xffff));
        program.add(.rsh(.r2, 16));
        program.add(.ldx(.word, .r4, .r1, 4)); // major
        program.add(.ldx(.word, .r5, .r1, 8)); // minor
        var i = always_allowed.len;
        while (i > 0) : (i -= 1) _ = try program.addRule(always_allowed[i - 1]);
        i = rules.len;
        while (i > 0) : (i -= 1) {
            // What comes after a rule for everything is never reached, which the kernel refuses.
            if (!try program.addRule(rules[i - 1])) return;
        }
        program.addVerdict(false);
    }

    fn add(program: *Program, instruction: Insn) void {
        program.code[program.length] = instruction;
        program.length += 1;
    }

    fn addVerdict(program: *Program, allow: bool) void {
        program.add(.mov(.r0, @as(i32, @intFromBool(allow))));
        program.add(.exit());
    }

    /// False: it fits everything, so that the program ends with it.
    fn addRule(program: *Program, rule: types.DeviceRule) Error!bool {
        const start = program.length;
        if (try kindOf(rule)) |kind| program.add(.jne(.r3, kind, 0));
        const access = try accessOf(rule);
        if (access != access_all) {
            // Allowed is what asks for nothing else; refused is what asks for any of it.
            program.add(.mov(.r6, .r2));
            program.add(.alu_and(.r6, if (rule.allow) access_all & ~access else access));
            program.add(if (rule.allow) .jne(.r6, 0, 0) else .jeq(.r6, 0, 0));
        }
        if (numberOf(rule.major)) |major| program.add(.jne(.r4, major, 0));
        if (numberOf(rule.minor)) |minor| program.add(.jne(.r5, minor, 0));
        const is_conditional = program.length > start;
        program.addVerdict(rule.allow);
        // What does not fit goes on behind the verdict.
        for (program.code[start..program.length], start..) |*instruction, at| {
            const is_jump = instruction.code & 7 == BPF.JMP and instruction.code & 0xf0 != exit_code;
            if (is_jump) instruction.off = @intCast(program.length - at - 1);
        }
        return is_conditional;
    }

    const exit_code = 0x90;

    fn load(program: *const Program) usize {
        var attr: BPF.ProgLoadAttr = std.mem.zeroes(BPF.ProgLoadAttr);
        attr.prog_type = @intFromEnum(BPF.ProgType.cgroup_device);
        attr.insn_cnt = @intCast(program.length);
        attr.insns = @intFromPtr(&program.code);
        attr.license = @intFromPtr("MIT"); // it calls nothing that asks for another
        return linux.syscall3(.bpf, @intFromEnum(BPF.Cmd.prog_load), @intFromPtr(&attr), @sizeOf(@TypeOf(attr)));
    }
};

fn numberOf(value: ?i64) ?i32 {
    const number = value orelse return null;
    if (number < 0) return null;
    return @bitCast(@as(u32, @intCast(number)));
}

/// The kernel keeps the program for as long as the group is there.
fn attach(directory: linux.fd_t, program: linux.fd_t) usize {
    const allow_multi = 1 << 1; // those of the groups above (systemd's) stay in force as well
    var attr: BPF.ProgAttachAttr = .{
        .target_fd = directory,
        .attach_bpf_fd = program,
        .attach_type = @intFromEnum(BPF.AttachType.cgroup_device),
        .attach_flags = allow_multi,
        .replace_bpf_fd = 0,
    };
    return linux.syscall3(.bpf, @intFromEnum(BPF.Cmd.prog_attach), @intFromPtr(&attr), @sizeOf(@TypeOf(attr)));
}

/// What the kernel would do with it, as far as our instructions go.
fn decide(program: *const Program, kind: u32, access: u32, major: u32, minor: u32) !bool {
    const context = [3]u32{ access << 16 | kind, major, minor };
    var r: [10]u64 = @splat(0);
    var at: usize = 0;
    while (at < program.length) : (at += 1) {
        const i = program.code[at];
        const value: u64 = if (i.code & 8 != 0) r[i.src] else @bitCast(@as(i64, i.imm));
        switch (i.code & 7) {
            BPF.LDX => r[i.dst] = context[@intCast(@divExact(i.off, 4))],
            7 => switch (i.code & 0xf0) { // BPF_ALU64
                0xb0 => r[i.dst] = value,
                0x50 => r[i.dst] &= value,
                0x70 => r[i.dst] >>= @intCast(value),
                else => return error.Unknown,
            },
            BPF.JMP => switch (i.code & 0xf0) {
                0x90 => return r[0] != 0,
                0x10 => at += if (r[i.dst] == value) @intCast(i.off) else 0,
                0x50 => at += if (r[i.dst] != value) @intCast(i.off) else 0,
                else => return error.Unknown,
            },
            else => return error.Unknown,
        }
    }
    return error.NoVerdict;
}

test "the last rule that fits decides" {
    const rules = [_]types.DeviceRule{
        .{ .allow = false },
        .{ .allow = true, .type = "c", .major = 10, .minor = 229, .access = "rw" },
        .{ .allow = true, .type = "b", .major = 8, .minor = -1, .access = "r" },
        .{ .allow = false, .type = "b", .major = 8, .minor = 1, .access = "w" },
    };
    const program = try std.testing.allocator.create(Program);
    defer std.testing.allocator.destroy(program);
    program.* = .{};
    try program.build(&rules);
    const Case = struct { u32, u32, u32, u32, bool };
    for ([_]Case{
        .{ kind_char, access_read, 1, 3, true }, // null, as always
        .{ kind_char, access_read | access_write, 136, 7, true },
        .{ kind_char, access_read, 1, 1, false }, // mem
        .{ kind_char, access_mknod, 1, 1, true },
        .{ kind_char, access_read | access_write, 10, 229, true },
        .{ kind_char, access_read, 10, 228, false },
        .{ kind_block, access_read, 10, 229, false },
        .{ kind_block, access_read, 8, 0, true },
        .{ kind_block, access_read | access_write, 8, 0, false },
        .{ kind_block, access_read, 8, 1, true },
    }) |case| {
        try std.testing.expectEqual(case[4], try decide(program, case[0], case[1], case[2], case[3]));
    }
}

test "nothing follows a rule that fits everything" {
    const program = try std.testing.allocator.create(Program);
    defer std.testing.allocator.destroy(program);
    program.* = .{};
    try program.build(&.{ .{ .allow = true, .type = "c" }, .{ .allow = false, .access = "rwm" } });
    const last = program.length;
    try std.testing.expect(!try decide(program, kind_char, access_read, 10, 229));
    program.* = .{};
    try program.build(&.{.{ .allow = false, .access = "rwm" }});
    try std.testing.expectEqual(last, program.length);
}

test "validate() refuses what is no device" {
    for ([_]types.DeviceRule{
        .{ .type = "x" },
        .{ .access = "rwx" },
        .{ .major = -2 },
        .{ .minor = 1 << 40 },
    }) |rule| try std.testing.expectError(error.Syscall, validate(&.{rule}));
    try validate(&.{ .{ .type = "a", .access = "" }, .{ .type = "c", .major = -1 } });
}
