//! `native seed [map options] [--sync] [--data DIR]... HOME PATH LOWER...`: a volume that is empty gets what the image (its layers, topmost
//! first) has at PATH, the owner and mode of that directory among it.
//!
//! Theory of operation: HOME is the volume's directory, `_data` in it is what containers see, and may be mounted by
//! some already. So the copy is made beside it, as `seed.tmp`; renamed to `seed` it is whole, and from then on it will be
//! taken over name by name, whoever is killed meanwhile: who comes next goes on with it before all else. One at a time
//! works at a volume: the lock is on HOME and goes with its owner.
const std = @import("std");
const copy = @import("copy.zig");
const kernel = @import("kernel.zig");
const merged = @import("merged.zig");
const metadata = @import("metadata.zig");
const names = @import("names.zig");
const remove = @import("remove.zig");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const userns = @import("../userns.zig");
const linux = sys.linux;

const lowers_max = 500;
const half_made = "seed.tmp";
const whole = "seed";
const data_name = "_data";

const Work = struct {
    arena: std.mem.Allocator,
    home: [*:0]const u8,
    path: [*:0]const u8,
    lowers: []const [*:0]const u8,
    syncs: bool,
    /// Where files that only say where their content is have it, topmost first.
    data: []const [*:0]const u8,
};

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("seed");
    const syncs = options.rest.len > 0 and std.mem.eql(u8, std.mem.span(options.rest[0]), "--sync");
    var rest = options.rest[@intFromBool(syncs)..];
    var data: std.ArrayList([*:0]const u8) = .empty;
    while (rest.len > 1 and std.mem.eql(u8, std.mem.span(rest[0]), "--data")) : (rest = rest[2..]) {
        data.append(arena.allocator(), rest[1]) catch return reply.usage("seed");
    }
    if (rest.len < 2 or rest.len - 2 > lowers_max) return reply.usage("seed");
    const work: Work = .{
        .arena = arena.allocator(),
        .home = rest[0],
        .path = rest[1],
        .lowers = rest[2..],
        .syncs = syncs,
        .data = data.items,
    };
    return reply.inside(arena.allocator(), options.maps, work, seedOne);
}

fn seedOne(work: Work) u8 {
    var current: []const u8 = std.mem.span(work.path);
    const result = seed(&work, &current) catch |err| return reply.refused(current, err);
    return reply.done(result);
}

fn seed(work: *const Work, current: *[]const u8) !reply.Done {
    const home = try sys.checkFd("open", "", linux.open(work.home, open_directory, 0));
    while (true) switch (linux.errno(linux.flock(home, lock_exclusive))) {
        .SUCCESS => break,
        .INTR => continue,
        else => |e| _ = try sys.check("flock", "", @bitCast(-@as(isize, @intFromEnum(e)))),
    };
    const data = try sys.checkFd("openat", "", linux.openat(home, data_name, open_directory, 0));
    var remover: remove.Remover = try .init(work.arena);
    if (linux.errno(linux.faccessat(home, whole, linux.F_OK, linux.AT.SYMLINK_NOFOLLOW)) == .SUCCESS) {
        try takeOver(work.arena, home, data, &remover);
        return .{};
    }
    if (!try names.isEmpty(data)) return .{};
    var lowers: [lowers_max]linux.fd_t = undefined;
    for (work.lowers, 0..) |path, index| {
        const rc = linux.open(path, .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0);
        lowers[index] = try sys.checkFd("open", "", rc);
    }
    const shown = try merged.openDirectory(work.arena, lowers[0..work.lowers.len], std.mem.span(work.path));
    if (shown.len == 0) return .{};
    try remover.remove(home, half_made);
    _ = try sys.check("mkdirat", "", linux.mkdirat(home, half_made, 0o700));
    const to = try sys.checkFd("openat", "", linux.openat(home, half_made, open_directory, 0));
    var copier: copy.Copier = try .init(work.arena, to, shown);
    const content = try work.arena.alloc(linux.fd_t, work.data.len);
    for (work.data, content) |path, *fd| fd.* = try sys.checkFd("open", "", linux.open(path, open_directory, 0));
    copier.data = content;
    copier.copyAll() catch |err| {
        current.* = copier.current;
        const failure = sys.failure;
        remover.remove(home, half_made) catch {}; // a full disk should not stay full for it
        sys.failure = failure;
        return err;
    };
    if (work.syncs) _ = try sys.check("syncfs", "", linux.syscall1(.syncfs, @bitCast(@as(isize, to))));
    _ = try sys.check("renameat", "", linux.renameat(home, half_made, home, whole));
    if (work.syncs) _ = try sys.check("fsync", "", linux.fsync(home));
    try takeOver(work.arena, home, data, &remover);
    return copier.result;
}

/// From `seed` to the volume: what has a name there already, somebody wanted more.
fn takeOver(arena: std.mem.Allocator, home: linux.fd_t, data: linux.fd_t, remover: *remove.Remover) !void {
    const from = try sys.checkFd("openat", "", linux.openat(home, whole, open_directory, 0));
    const buffer = try arena.create(names.Buffer);
    var iterator: names.Iterator = .{ .fd = from, .buffer = buffer };
    while (try iterator.next()) |entry| {
        const rc = linux.renameat2(from, entry.name, data, entry.name, .{ .NOREPLACE = true });
        if (linux.errno(rc) == .EXIST or linux.errno(rc) == .NOENT) continue;
        _ = try sys.check("renameat2", "", rc);
    }
    try describe(from, data);
    try remover.remove(home, whole);
}

/// Owner, mode, time and attributes of the directory itself.
fn describe(from: linux.fd_t, to: linux.fd_t) sys.Error!void {
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", "", kernel.lookAt(from, "", &stat));
    var writer: metadata.Writer = .init(.{});
    try writer.setOwnerAndMode(to, .{ .uid = stat.uid, .gid = stat.gid }, stat.mode & 0o7777, false);
    try metadata.setTimes(to, .{ .seconds = stat.mtime.sec, .nanoseconds = stat.mtime.nsec });
}

/// LOCK_EX (sys/file.h).
const lock_exclusive = 2;

const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
