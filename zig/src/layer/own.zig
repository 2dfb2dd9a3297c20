//! `native own [map options] UID:GID DIR...`: give directories, and nothing below them, to somebody of the map: what a
//! container mounts as its own has to belong to its root, who need not be the caller. Mode and content stay.
const std = @import("std");
const reply = @import("reply.zig");
const sys = @import("../sys.zig");
const userns = @import("../userns.zig");
const linux = sys.linux;

const Work = struct { uid: u32, gid: u32, directories: []const [*:0]const u8 };

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return reply.usage("own");
    if (options.rest.len < 2) return reply.usage("own");
    const owner = std.mem.span(options.rest[0]);
    const colon = std.mem.indexOfScalar(u8, owner, ':') orelse return reply.usage("own");
    return reply.inside(arena.allocator(), options.maps, Work{
        .uid = std.fmt.parseInt(u32, owner[0..colon], 10) catch return reply.usage("own"),
        .gid = std.fmt.parseInt(u32, owner[colon + 1 ..], 10) catch return reply.usage("own"),
        .directories = options.rest[1..],
    }, ownAll);
}

fn ownAll(work: Work) u8 {
    for (work.directories) |directory| {
        ownOne(directory, work.uid, work.gid) catch |err| return reply.refused(std.mem.span(directory), err);
    }
    return reply.done(.{ .entries = work.directories.len });
}

fn ownOne(directory: [*:0]const u8, uid: u32, gid: u32) sys.Error!void {
    const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
    const fd = try sys.checkFd("open", "", linux.open(directory, flags, 0));
    defer _ = linux.close(fd);
    _ = try sys.check("fchown", "", linux.fchown(fd, uid, gid));
}
