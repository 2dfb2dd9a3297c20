//! What the options of one config.json mount mean (runtime-spec "Mounts", mount(8)): pure, nothing is mounted here.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;
const attr = sys.attr;

/// `recursive_*` reach the whole tree under a bind mount (mount_setattr(2) with AT_RECURSIVE).
pub const Options = struct {
    is_bind: bool = false,
    is_recursive: bool = false,
    set: u32 = 0,
    recursive_set: u32 = 0,
    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE.
    propagation: u32 = linux.MS.PRIVATE,
    propagation_recursive: bool = true,
    /// Fill a tmpfs with what the directory below it held.
    copies_up: bool = false,
    /// What is left belongs to the file system: "size=64k", "gid=5".
    data: []const [:0]const u8 = &.{},
};

const Effect = union(enum) {
    nothing,
    bind,
    rbind,
    copies_up,
    set: u32,
    clear: u32,
    recursive_set: u32,
    recursive_clear: u32,
    propagation: u32,
    recursive_propagation: u32,
    /// A flag of the superblock, handed to the file system.
    superblock,
};

const table = std.StaticStringMap(Effect).initComptime(.{
    .{ "defaults", Effect.nothing },
    .{ "bind", Effect.bind },
    .{ "rbind", Effect.rbind },
    .{ "tmpcopyup", Effect.copies_up },
    .{ "ro", Effect{ .set = attr.rdonly } },
    .{ "rw", Effect{ .clear = attr.rdonly } },
    .{ "nosuid", Effect{ .set = attr.nosuid } },
    .{ "suid", Effect{ .clear = attr.nosuid } },
    .{ "nodev", Effect{ .set = attr.nodev } },
    .{ "dev", Effect{ .clear = attr.nodev } },
    .{ "noexec", Effect{ .set = attr.noexec } },
    .{ "exec", Effect{ .clear = attr.noexec } },
    .{ "noatime", Effect{ .set = attr.noatime } },
    .{ "atime", Effect{ .clear = attr.noatime } },
    .{ "strictatime", Effect{ .set = attr.strictatime } },
    .{ "nostrictatime", Effect{ .clear = attr.strictatime } },
    .{ "relatime", Effect{ .clear = attr.atime_mask } }, // the kernel's default
    .{ "norelatime", Effect.nothing },
    .{ "nodiratime", Effect{ .set = attr.nodiratime } },
    .{ "diratime", Effect{ .clear = attr.nodiratime } },
    .{ "nosymfollow", Effect{ .set = attr.nosymfollow } },
    .{ "symfollow", Effect{ .clear = attr.nosymfollow } },
    .{ "rro", Effect{ .recursive_set = attr.rdonly } },
    .{ "rrw", Effect{ .recursive_clear = attr.rdonly } },
    .{ "rnosuid", Effect{ .recursive_set = attr.nosuid } },
    .{ "rsuid", Effect{ .recursive_clear = attr.nosuid } },
    .{ "rnodev", Effect{ .recursive_set = attr.nodev } },
    .{ "rdev", Effect{ .recursive_clear = attr.nodev } },
    .{ "rnoexec", Effect{ .recursive_set = attr.noexec } },
    .{ "rexec", Effect{ .recursive_clear = attr.noexec } },
    .{ "rnoatime", Effect{ .recursive_set = attr.noatime } },
    .{ "rstrictatime", Effect{ .recursive_set = attr.strictatime } },
    .{ "rnodiratime", Effect{ .recursive_set = attr.nodiratime } },
    .{ "rnosymfollow", Effect{ .recursive_set = attr.nosymfollow } },
    .{ "private", Effect{ .propagation = linux.MS.PRIVATE } },
    .{ "rprivate", Effect{ .recursive_propagation = linux.MS.PRIVATE } },
    .{ "slave", Effect{ .propagation = linux.MS.SLAVE } },
    .{ "rslave", Effect{ .recursive_propagation = linux.MS.SLAVE } },
    .{ "shared", Effect{ .propagation = linux.MS.SHARED } },
    .{ "rshared", Effect{ .recursive_propagation = linux.MS.SHARED } },
    .{ "unbindable", Effect{ .propagation = linux.MS.UNBINDABLE } },
    .{ "runbindable", Effect{ .recursive_propagation = linux.MS.UNBINDABLE } },
    .{ "sync", Effect.superblock },
    .{ "dirsync", Effect.superblock },
    .{ "lazytime", Effect.superblock },
    .{ "async", Effect.nothing },
    .{ "mand", Effect.nothing }, // gone since Linux 5.15
    .{ "nomand", Effect.nothing },
    .{ "iversion", Effect.nothing },
    .{ "noiversion", Effect.nothing },
    .{ "silent", Effect.nothing },
    .{ "loud", Effect.nothing },
});

/// Later options win over earlier ones. Words that are no flag become data of the file system.
pub fn parse(arena: std.mem.Allocator, options: []const [:0]const u8) error{OutOfMemory}!Options {
    var result: Options = .{};
    var data: std.ArrayList([:0]const u8) = .empty;
    for (options) |option| {
        const effect = table.get(option) orelse {
            try data.append(arena, option);
            continue;
        };
        switch (effect) {
            .nothing => {},
            .bind => result.is_bind = true,
            .rbind => {
                result.is_bind = true;
                result.is_recursive = true;
            },
            .copies_up => result.copies_up = true,
            .set => |bits| result.set = add(result.set, bits),
            .clear => |bits| result.set &= ~bits,
            .recursive_set => |bits| result.recursive_set = add(result.recursive_set, bits),
            .recursive_clear => |bits| result.recursive_set &= ~bits,
            .propagation, .recursive_propagation => |kind| {
                result.propagation = kind;
                result.propagation_recursive = effect == .recursive_propagation;
            },
            .superblock => try data.append(arena, option),
        }
    }
    result.data = data.items;
    return result;
}

/// The access time bits are one number, not flags: a new one replaces the old.
fn add(set: u32, bits: u32) u32 {
    const kept = if (bits & attr.atime_mask != 0) set & ~@as(u32, attr.atime_mask) else set;
    return kept | bits;
}

test "later options win, the rest is data" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const options = try parse(arena_state.allocator(), &.{
        "nosuid", "ro", "rw", "noatime", "strictatime", "size=64k", "rbind", "rslave", "rro", "noexec", "sync",
    });
    try std.testing.expectEqual(@as(u32, attr.nosuid | attr.strictatime | attr.noexec), options.set);
    try std.testing.expectEqual(@as(u32, attr.rdonly), options.recursive_set);
    try std.testing.expect(options.is_bind and options.is_recursive and options.propagation_recursive);
    try std.testing.expectEqual(@as(u32, linux.MS.SLAVE), options.propagation);
    try std.testing.expectEqual(@as(usize, 2), options.data.len);
    try std.testing.expectEqualStrings("size=64k", options.data[0]);
}
