//! A classic BPF assembler for seccomp(2): a fixed buffer of instructions, the few opcodes filters need, and the
//! binary search over system call numbers. Knows nothing of rules or names.
const std = @import("std");
const linux = std.os.linux;
const BPF = linux.BPF;

/// struct sock_filter.
pub const Instruction = extern struct {
    code: u16,
    jt: u8 = 0,
    jf: u8 = 0,
    k: u32,
    comptime {
        std.debug.assert(@sizeOf(Instruction) == 8);
    }
};

/// BPF_MAXINSNS: the kernel takes no longer program.
pub const instructions_max = 4096;

pub const Overflow = error{FilterTooLong};

pub const ld_abs = BPF.LD | BPF.W | BPF.ABS;
pub const alu_and = BPF.ALU | BPF.AND | BPF.K;
pub const jump_always = BPF.JMP | BPF.JA;
pub const jump_equal = BPF.JMP | BPF.JEQ | BPF.K;
pub const jump_greater = BPF.JMP | BPF.JGT | BPF.K;
pub const jump_at_least = BPF.JMP | BPF.JGE | BPF.K;
pub const ret = BPF.RET | BPF.K;

pub const Program = struct {
    code: [instructions_max]Instruction = undefined,
    length: usize = 0,

    pub fn instructions(program: *const Program) []const Instruction {
        return program.code[0..program.length];
    }

    pub fn add(program: *Program, code: u16, k: u32) Overflow!void {
        return program.addJump(code, k, 0, 0);
    }

    pub fn addJump(program: *Program, code: u16, k: u32, jt: u8, jf: u8) Overflow!void {
        if (program.length == instructions_max) return error.FilterTooLong;
        program.code[program.length] = .{ .code = code, .k = k, .jt = jt, .jf = jf };
        program.length += 1;
    }

    /// Room for one instruction at `at`, made by moving what follows; jumps inside that stay right, being relative.
    pub fn insert(program: *Program, at: usize, instruction: Instruction) Overflow!void {
        if (program.length == instructions_max) return error.FilterTooLong;
        const tail = program.code[at..program.length];
        std.mem.copyBackwards(Instruction, program.code[at + 1 .. program.length + 1], tail);
        program.code[at] = instruction;
        program.length += 1;
    }
};

/// The accumulator holds a number; `leaves` are sorted by `start`, the first one starts at 0. Emits a balanced tree
/// that ends in the leaf with the largest start that is not above the number, written by `emitLeaf(context, leaf)`.
pub fn emitSearch(
    program: *Program,
    comptime Leaf: type,
    leaves: []const Leaf,
    context: anytype,
    comptime emitLeaf: fn (@TypeOf(context), *Program, Leaf) Overflow!void,
) Overflow!void {
    if (leaves.len == 1) return emitLeaf(context, program, leaves[0]);
    const middle = leaves.len / 2;
    const branch = program.length;
    try program.add(jump_at_least, leaves[middle].start);
    try emitSearch(program, Leaf, leaves[0..middle], context, emitLeaf);
    const distance = program.length - branch - 1;
    if (distance <= std.math.maxInt(u8)) {
        program.code[branch].jt = @intCast(distance);
    } else { // a conditional jump reaches 255 instructions, an unconditional one all of them
        program.code[branch].jf = 1;
        try program.insert(branch + 1, .{ .code = jump_always, .k = @intCast(distance) });
    }
    try emitSearch(program, Leaf, leaves[middle..], context, emitLeaf);
}

/// What the kernel would answer: an interpreter for tests.
pub fn interpret(program: []const Instruction, data: *const linux.SECCOMP.data) u32 {
    const bytes = std.mem.asBytes(data);
    var accumulator: u32 = 0;
    var at: usize = 0;
    while (true) {
        const i = program[at];
        at += 1;
        switch (i.code) {
            ld_abs => accumulator = std.mem.readInt(u32, bytes[i.k..][0..4], .little),
            alu_and => accumulator &= i.k,
            jump_always => at += i.k,
            jump_equal => at += if (accumulator == i.k) i.jt else i.jf,
            jump_greater => at += if (accumulator > i.k) i.jt else i.jf,
            jump_at_least => at += if (accumulator >= i.k) i.jt else i.jf,
            ret => return i.k,
            else => unreachable,
        }
    }
}

test "emitSearch() finds the right leaf, also across long distances" {
    const Leaf = struct { start: u32 };
    const emit = struct {
        fn leaf(_: void, program: *Program, value: Leaf) Overflow!void {
            for (0..3) |_| try program.add(ld_abs, 0); // fat leaves: the tree must use long jumps
            try program.add(ret, value.start);
        }
    }.leaf;
    var leaves: [300]Leaf = undefined;
    for (&leaves, 0..) |*leaf, i| leaf.start = @intCast(i * 3);
    const static = struct {
        var program: Program = .{};
    };
    static.program.length = 0;
    try static.program.add(ld_abs, 0);
    try emitSearch(&static.program, Leaf, &leaves, {}, emit);
    var data: linux.SECCOMP.data = std.mem.zeroes(linux.SECCOMP.data);
    for (0..1000) |number| {
        data.nr = @intCast(number);
        const expected: u32 = @intCast(@min(number / 3 * 3, 299 * 3));
        try std.testing.expectEqual(expected, interpret(static.program.instructions(), &data));
    }
}
