//! `native give [map options] UID:GID DIR...`: give whole trees to somebody of the map (`-v ...:U`). Links are given
//! themselves, not what they lead to; what is mounted in a tree stays as it is. A single file is a tree too.
//!
//! Theory of operation: directories wait in a list by their paths, each opened from the top again without following any
//! link (openat2), so nothing outside is reached, whoever renames what meanwhile. Done again it finds nothing to do.
const std = @import("std");
const kernel = @import("kernel.zig");
const names = @import("names.zig");
const paths = @import("path.zig");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const userns = @import("../userns.zig");
const linux = sys.linux;

/// Paths that wait, all together.
const pending_bytes_max = 256 << 20;

const Work = struct { arena: std.mem.Allocator, uid: u32, gid: u32, trees: []const [*:0]const u8 };

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("give");
    if (options.rest.len < 2) return reply.usage("give");
    const owner = std.mem.span(options.rest[0]);
    const colon = std.mem.indexOfScalar(u8, owner, ':') orelse return reply.usage("give");
    return reply.inside(arena.allocator(), options.maps, Work{
        .arena = arena.allocator(),
        .uid = std.fmt.parseInt(u32, owner[0..colon], 10) catch return reply.usage("give"),
        .gid = std.fmt.parseInt(u32, owner[colon + 1 ..], 10) catch return reply.usage("give"),
        .trees = options.rest[1..],
    }, giveAll);
}

fn giveAll(work: Work) u8 {
    var giver: Giver = .{ .work = &work };
    for (work.trees) |tree| giver.give(tree) catch |err| return reply.refused(giver.current, err);
    return reply.done(.{ .entries = giver.changed });
}

const Giver = struct {
    work: *const Work,
    changed: u64 = 0,
    pending: std.ArrayList([:0]const u8) = .empty,
    pending_bytes: usize = 0,
    buffer: names.Buffer = .{},
    current: []const u8 = "",

    fn give(self: *Giver, tree: [*:0]const u8) !void {
        self.current = std.mem.span(tree);
        const top = try sys.checkFd("open", "", linux.open(tree, .{ .PATH = true, .CLOEXEC = true }, 0));
        defer _ = linux.close(top);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(top, "", &stat));
        try self.change(top, "", stat);
        if (!kernel.isDirectory(stat)) return;
        try self.pending.append(self.work.arena, "");
        while (self.pending.pop()) |path| {
            const rc = kernel.openat2(top, if (path.len == 0) "." else path, open_directory, resolve_below);
            switch (linux.errno(rc)) {
                .NOENT, .NOTDIR, .LOOP, .XDEV => continue, // replaced since, or a mount
                else => _ = try sys.check("openat2", "", rc),
            }
            const directory: linux.fd_t = @intCast(rc);
            defer _ = linux.close(directory);
            try self.giveNames(directory, path);
        }
    }

    fn giveNames(self: *Giver, directory: linux.fd_t, path: []const u8) !void {
        var iterator: names.Iterator = .{ .fd = directory, .buffer = &self.buffer };
        while (try iterator.next()) |entry| {
            self.current = try self.joined(path, entry.name);
            var stat: linux.Statx = undefined;
            const rc = kernel.lookAt(directory, entry.name, &stat);
            if (linux.errno(rc) == .NOENT) continue;
            _ = try sys.check("statx", "", rc);
            if (kernel.isMountRoot(stat)) continue;
            try self.change(directory, entry.name, stat);
            if (!kernel.isDirectory(stat)) continue;
            self.pending_bytes += self.current.len;
            if (self.pending_bytes > pending_bytes_max) return error.TooManyDirectories;
            try self.pending.append(self.work.arena, self.current[0..self.current.len :0]);
        }
    }

    fn change(self: *Giver, fd: linux.fd_t, name: [:0]const u8, stat: linux.Statx) sys.Error!void {
        const work = self.work;
        if (stat.uid == work.uid and stat.gid == work.gid) return;
        const flags = linux.AT.SYMLINK_NOFOLLOW | linux.AT.EMPTY_PATH;
        const rc = linux.fchownat(fd, name, work.uid, work.gid, flags);
        if (linux.errno(rc) == .NOENT) return;
        _ = try sys.check("fchownat", "", rc);
        self.changed += 1;
    }

    fn joined(self: *Giver, path: []const u8, name: []const u8) ![:0]const u8 {
        if (path.len + 1 + name.len >= paths.path_bytes_max) return error.PathTooLong;
        const slash = if (path.len == 0) "" else "/";
        return std.fmt.allocPrintSentinel(self.work.arena, "{s}{s}{s}", .{ path, slash, name }, 0);
    }
};

const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const resolve_below = kernel.Resolve.beneath | kernel.Resolve.no_symlinks | kernel.Resolve.no_xdev;
