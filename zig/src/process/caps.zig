//! The five capability sets (capabilities(7)): their names, and putting a process into them.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

/// One bit a capability, by number.
pub const Set = u64;

pub const Sets = struct {
    bounding: Set = 0,
    effective: Set = 0,
    inheritable: Set = 0,
    permitted: Set = 0,
    ambient: Set = 0,
};

/// Numbered as in linux/capability.h, from 0. Only ever appended to.
pub const names = [_][]const u8{
    "CHOWN",         "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER",          "FSETID",             "KILL",
    "SETGID",        "SETUID",       "SETPCAP",         "LINUX_IMMUTABLE", "NET_BIND_SERVICE",   "NET_BROADCAST",
    "NET_ADMIN",     "NET_RAW",      "IPC_LOCK",        "IPC_OWNER",       "SYS_MODULE",         "SYS_RAWIO",
    "SYS_CHROOT",    "SYS_PTRACE",   "SYS_PACCT",       "SYS_ADMIN",       "SYS_BOOT",           "SYS_NICE",
    "SYS_RESOURCE",  "SYS_TIME",     "SYS_TTY_CONFIG",  "MKNOD",           "LEASE",              "AUDIT_WRITE",
    "AUDIT_CONTROL", "SETFCAP",      "MAC_OVERRIDE",    "MAC_ADMIN",       "SYSLOG",             "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ",   "PERFMON",         "BPF",             "CHECKPOINT_RESTORE",
};
const last = names.len - 1;
pub const sys_ptrace = 19;
pub const sys_admin = 21;

const header_version = 0x20080522; // _LINUX_CAPABILITY_VERSION_3
const Header = extern struct {
    version: u32 = header_version,
    pid: i32 = 0,
    comptime {
        std.debug.assert(@sizeOf(Header) == 8);
    }
};
const Data = extern struct { effective: u32, permitted: u32, inheritable: u32 };

/// Names that nobody knows are left out with a warning, so that a newer config.json still runs (runtime-spec 1.2: "MUST be
/// logged as a warning").
pub fn parse(
    arena: std.mem.Allocator,
    all: contract.Process.Capabilities,
    warnings: *std.ArrayList([]const u8),
) error{OutOfMemory}!Sets {
    var sets: Sets = .{};
    var unknown: std.ArrayList([]const u8) = .empty;
    inline for (std.meta.fields(Sets)) |field| {
        @field(sets, field.name) = try parseSet(arena, @field(all, field.name), &unknown);
    }
    for (unknown.items) |name| {
        try warnings.append(arena, try std.fmt.allocPrint(arena, "\"{s}\" is no capability that is known here: left out", .{name}));
    }
    return sets;
}

/// A name is told once, however many sets it is in.
fn parseSet(
    arena: std.mem.Allocator,
    list: []const []const u8,
    unknown: *std.ArrayList([]const u8),
) error{OutOfMemory}!Set {
    const unknown_max = 16;
    var set: Set = 0;
    for (list) |name| {
        if (find(name)) |number| {
            set |= @as(Set, 1) << number;
            continue;
        }
        for (unknown.items) |known| {
            if (std.mem.eql(u8, known, name)) break;
        } else if (unknown.items.len < unknown_max) try unknown.append(arena, name);
    }
    return set;
}

/// "CAP_KILL" in any case.
fn find(name: []const u8) ?u6 {
    if (!std.ascii.startsWithIgnoreCase(name, "CAP_")) return null;
    for (names, 0..) |known, number| {
        if (std.ascii.eqlIgnoreCase(known, name[4..])) return @intCast(number);
    }
    return null;
}

/// Needs CAP_SETPCAP. A number the kernel does not know ends the list.
pub fn limitBounding(bounding: Set) sys.Error!void {
    for (0..last + 1) |number| {
        if (bounding >> @intCast(number) & 1 != 0) continue;
        const rc = linux.prctl(@intFromEnum(linux.PR.CAPBSET_DROP), number, 0, 0, 0);
        if (linux.errno(rc) == .INVAL) return;
        _ = try sys.check("capbset_drop", names[number], rc);
    }
}

/// Permitted survives the change from uid 0 to another until the next execve.
pub fn keepAcrossSetuid(keep: bool) sys.Error!void {
    _ = try sys.check("keepcaps", "", linux.prctl(@intFromEnum(linux.PR.SET_KEEPCAPS), @intFromBool(keep), 0, 0, 0));
}

/// Whether it is in effect.
pub fn has(number: u6) sys.Error!bool {
    var data: [2]Data = undefined;
    const header: Header = .{};
    _ = try sys.check("capget", "", linux.syscall2(.capget, @intFromPtr(&header), @intFromPtr(&data)));
    return data[number / 32].effective >> @intCast(number % 32) & 1 != 0;
}

/// All that is permitted also in effect again, as the setup after a change of uid needs it.
pub fn raiseAll() sys.Error!void {
    var data: [2]Data = undefined;
    const header: Header = .{};
    _ = try sys.check("capget", "", linux.syscall2(.capget, @intFromPtr(&header), @intFromPtr(&data)));
    for (&data) |*word| word.effective = word.permitted;
    _ = try sys.check("capset", "", linux.syscall2(.capset, @intFromPtr(&header), @intFromPtr(&data)));
}

/// The final sets: only capset and prctl are called, so this works under a seccomp filter. What the caller does not
/// hold itself is left out (runtime-spec 1.1: "MUST NOT fail").
pub fn apply(sets: Sets) sys.Error!void {
    var data: [2]Data = undefined;
    const header: Header = .{};
    _ = try sys.check("capget", "", linux.syscall2(.capget, @intFromPtr(&header), @intFromPtr(&data)));
    for (&data, 0..) |*word, i| {
        const held = word.permitted;
        word.* = .{
            .effective = half(sets.effective, i) & half(sets.permitted, i) & held,
            .permitted = half(sets.permitted, i) & held,
            .inheritable = half(sets.inheritable, i) & held,
        };
    }
    _ = try sys.check("capset", "", linux.syscall2(.capset, @intFromPtr(&header), @intFromPtr(&data)));
    const option = @intFromEnum(linux.PR.CAP_AMBIENT);
    _ = linux.prctl(option, linux.PR.CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); // Linux 4.3
    for (0..last + 1) |number| {
        if (sets.ambient >> @intCast(number) & 1 == 0) continue;
        const rc = linux.prctl(option, linux.PR.CAP_AMBIENT_RAISE, number, 0, 0);
        // Not permitted or not inheritable: it cannot be ambient, and having less is safe.
        if (linux.errno(rc) != .PERM) _ = try sys.check("ambient", names[number], rc);
    }
}

fn half(set: Set, index: usize) u32 {
    return @truncate(set >> @intCast(index * 32));
}

test "names have the kernel's numbers" {
    try std.testing.expectEqual(@as(?u6, linux.CAP.CHOWN), find("CAP_CHOWN"));
    try std.testing.expectEqual(@as(?u6, linux.CAP.KILL), find("cap_kill"));
    try std.testing.expectEqual(@as(?u6, linux.CAP.SYS_ADMIN), find("CAP_SYS_ADMIN"));
    try std.testing.expectEqual(@as(?u6, linux.CAP.SETFCAP), find("CAP_SETFCAP"));
    try std.testing.expectEqual(@as(?u6, 40), find("CAP_CHECKPOINT_RESTORE"));
    try std.testing.expectEqual(@as(?u6, null), find("KILL"));
    try std.testing.expectEqual(sys_admin, linux.CAP.SYS_ADMIN);
}

test "parse() leaves out what it does not know, and says so once" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    var warnings: std.ArrayList([]const u8) = .empty;
    const names_given: []const []const u8 = &.{ "CAP_KILL", "CAP_FLYING", "KILL" };
    const sets = try parse(arena_state.allocator(), .{ .bounding = names_given, .ambient = names_given }, &warnings);
    try std.testing.expectEqual(Sets{ .bounding = 1 << 5, .ambient = 1 << 5 }, sets);
    try std.testing.expectEqual(@as(usize, 2), warnings.items.len);
    try std.testing.expectStringStartsWith(warnings.items[0], "\"CAP_FLYING\"");
}
