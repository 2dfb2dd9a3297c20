//! What the options of one config.json mount mean (runtime-spec "Mounts", mount(8)): pure, nothing is mounted here.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;
const attr = sys.attr;

/// Which attributes are set and which are cleared, both because somebody said so.
pub const Change = struct {
    set: u32 = 0,
    clear: u32 = 0,

    fn add(change: *Change, bits: u32) void {
        if (bits & attr.atime_mask != 0) change.takeAtime();
        change.clear &= ~bits;
        change.set |= bits;
        if (bits & attr.atime_mask != 0) change.clear |= attr.atime_mask;
    }

    fn remove(change: *Change, bits: u32) void {
        change.set &= ~bits;
        change.clear |= if (bits & attr.atime_mask != 0) bits | attr.atime_mask else bits;
    }

    /// The access time bits are one number, not flags: a new one replaces the old, and the kernel wants all of them
    /// cleared for that (mount_setattr(2)).
    fn takeAtime(change: *Change) void {
        change.set &= ~@as(u32, attr.atime_mask);
    }

    pub fn isEmpty(change: Change) bool {
        return change.set == 0 and change.clear == 0;
    }
};

pub const Options = struct {
    is_bind: bool = false,
    is_recursive: bool = false,
    /// What is mounted there already gets other flags.
    is_remount: bool = false,
    own: Change = .{},
    /// Reaches the whole tree under a bind mount (mount_setattr(2) with AT_RECURSIVE).
    all: Change = .{},
    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE; null: nobody said so, private then.
    propagation: ?u32 = null,
    propagation_recursive: bool = true,
    /// Fill a tmpfs with what the directory below it held.
    copies_up: bool = false,
    maps_ids: MapsIds = .no,
    /// What is left belongs to the file system: "size=64k", "gid=5".
    data: []const [:0]const u8 = &.{},
};

/// Only the mount itself, or all of the tree under it.
pub const MapsIds = enum { no, own, all };

const Effect = union(enum) {
    nothing,
    bind,
    rbind,
    remount,
    copies_up,
    map_ids: MapsIds,
    set: u32,
    clear: u32,
    recursive_set: u32,
    recursive_clear: u32,
    propagation: u32,
    recursive_propagation: u32,
    /// A flag of the superblock, handed to the file system.
    superblock,
};

pub const table = std.StaticStringMap(Effect).initComptime(.{
    .{ "defaults", Effect.nothing },
    .{ "bind", Effect.bind },
    .{ "rbind", Effect.rbind },
    .{ "remount", Effect.remount },
    .{ "tmpcopyup", Effect.copies_up },
    .{ "idmap", Effect{ .map_ids = .own } },
    .{ "ridmap", Effect{ .map_ids = .all } },
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
    .{ "ratime", Effect{ .recursive_clear = attr.noatime } },
    .{ "rstrictatime", Effect{ .recursive_set = attr.strictatime } },
    .{ "rnostrictatime", Effect{ .recursive_clear = attr.strictatime } },
    .{ "rrelatime", Effect{ .recursive_clear = attr.atime_mask } },
    .{ "rnorelatime", Effect.nothing },
    .{ "rnodiratime", Effect{ .recursive_set = attr.nodiratime } },
    .{ "rdiratime", Effect{ .recursive_clear = attr.nodiratime } },
    .{ "rnosymfollow", Effect{ .recursive_set = attr.nosymfollow } },
    .{ "rsymfollow", Effect{ .recursive_clear = attr.nosymfollow } },
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
    .{ "nolazytime", Effect.nothing },
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
            .remount => result.is_remount = true,
            .copies_up => result.copies_up = true,
            .map_ids => |reach| result.maps_ids = reach,
            .set => |bits| result.own.add(bits),
            .clear => |bits| result.own.remove(bits),
            .recursive_set => |bits| result.all.add(bits),
            .recursive_clear => |bits| result.all.remove(bits),
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

test "later options win, the rest is data" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const options = try parse(arena_state.allocator(), &.{
        "nosuid", "ro", "rw", "noatime", "strictatime", "size=64k", "rbind", "rslave", "rro", "noexec", "sync",
    });
    const own: Change = .{ .set = attr.nosuid | attr.strictatime | attr.noexec, .clear = attr.rdonly | attr.atime_mask };
    try std.testing.expectEqual(own, options.own);
    try std.testing.expectEqual(Change{ .set = attr.rdonly }, options.all);
    try std.testing.expect(options.is_bind and options.is_recursive and options.propagation_recursive);
    try std.testing.expectEqual(@as(u32, linux.MS.SLAVE), options.propagation.?);
    try std.testing.expectEqual(@as(usize, 2), options.data.len);
    try std.testing.expectEqualStrings("size=64k", options.data[0]);
}

test "every word of the specification's table is known" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const words = [_][:0]const u8{
        "async",         "atime",      "bind",        "defaults",       "dev",        "diratime",     "dirsync",
        "exec",          "idmap",      "iversion",    "lazytime",       "loud",       "mand",         "noatime",
        "nodev",         "nodiratime", "noexec",      "noiversion",     "nolazytime", "nomand",       "norelatime",
        "nostrictatime", "nosuid",     "nosymfollow", "private",        "ratime",     "rbind",        "rdev",
        "rdiratime",     "relatime",   "remount",     "rexec",          "ridmap",     "rnoatime",     "rnodev",
        "rnodiratime",   "rnoexec",    "rnorelatime", "rnostrictatime", "rnosuid",    "rnosymfollow", "ro",
        "rprivate",      "rrelatime",  "rro",         "rrw",            "rshared",    "rslave",       "rstrictatime",
        "rsuid",         "rsymfollow", "runbindable", "rw",             "shared",     "silent",       "slave",
        "strictatime",   "suid",       "symfollow",   "sync",           "tmpcopyup",  "unbindable",
    };
    const options = try parse(arena_state.allocator(), &words);
    for (options.data) |word| {
        const for_the_file_system = [_][]const u8{ "dirsync", "lazytime", "sync" };
        for (for_the_file_system) |known| {
            if (std.mem.eql(u8, word, known)) break;
        } else return error.TestUnexpectedResult;
    }
}
