//! Who the container's files say a user is, found out before (or beside) the runtime that starts the program: the keeper
//! steps into the container's root, looks, and steps back. Nothing is executed there.
const std = @import("std");
const sys = @import("../sys.zig");
const users = @import("../process/user.zig");
const bundle = @import("bundle.zig");
const linux = sys.linux;

/// The container's root: a directory that nothing is mounted in yet, or the mount namespace of its first process.
pub const Place = union(enum) { root: linux.fd_t, program: linux.fd_t };

/// What a program is in beyond what /etc/group says of its user: by number, and by name in that file.
pub const Groups = struct { numbers: []const u32, names: []const [:0]const u8 = &.{} };

var found: users.User = .{ .groups = &.{} };

/// `text` and `groups` as process/user.zig understands them. The answer lies in `arena` and a static buffer.
pub fn find(
    arena: std.mem.Allocator,
    place: Place,
    text: []const u8,
    groups: Groups,
) (sys.Error || error{OutOfMemory})!bundle.Person {
    found.groups = try arena.alloc(u32, groups.numbers.len + users.memberships_max);
    const looked = switch (place) {
        .root => |root| inRoot(root, text, groups),
        .program => |pidfd| inNamespace(pidfd, text, groups),
    };
    try looked;
    return .{ .uid = found.uid, .gid = found.gid, .groups = found.groupList(), .home = found.home() };
}

fn inRoot(root: linux.fd_t, text: []const u8, groups: Groups) sys.Error!void {
    const path_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const before = try sys.checkFd("open", "/", linux.open("/", path_flags, 0));
    defer _ = linux.close(before);
    _ = try sys.check("fchdir", "the container's root", linux.fchdir(root));
    _ = try sys.check("chroot", "the container's root", linux.chroot("."));
    const looked = look(text, groups);
    _ = try sys.check("fchdir", "/", linux.fchdir(before));
    _ = try sys.check("chroot", "/", linux.chroot("."));
    return looked;
}

/// The root and the working directory are the namespace's afterwards, and "/" of ours at the end (setns(2)).
fn inNamespace(pidfd: linux.fd_t, text: []const u8, groups: Groups) sys.Error!void {
    const name = "/proc/self/ns/mnt";
    const before = try sys.checkFd("open", name, linux.open(name, .{ .CLOEXEC = true }, 0));
    defer _ = linux.close(before);
    _ = try sys.check("setns", "the container's mounts", linux.setns(pidfd, linux.CLONE.NEWNS));
    const looked = look(text, groups);
    _ = try sys.check("setns", name, linux.setns(before, linux.CLONE.NEWNS));
    return looked;
}

fn look(text: []const u8, groups: Groups) sys.Error!void {
    try users.lookup(&found, text, groups.numbers);
    for (groups.names) |name| try users.addNamed(&found, name);
}
