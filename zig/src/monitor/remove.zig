//! Deleting a container's directory (`--rm`): first renamed into the trash, so that it is gone at once for everybody,
//! then deleted. A tree is flattened while it is deleted: a directory inside that is not empty is moved up to the
//! top, so neither depth nor the length of a path ever matters and memory is fixed.
const std = @import("std");
const sys = @import("../sys.zig");
const record = @import("record.zig");
const linux = sys.linux;

const directory_flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };

/// A container directory on its way out.
pub const Removal = struct {
    path: record.Path = .{},

    /// Move `container_dir` to `trash_dir`/`id`: from now on nobody sees it, and what is not deleted any more the next
    /// recovery finds there.
    pub fn begin(removal: *Removal, container_dir: [:0]const u8, trash_dir: [:0]const u8, id: []const u8) void {
        var buffer: [linux.PATH_MAX]u8 = undefined;
        const target = std.fmt.bufPrintZ(&buffer, "{s}/{s}", .{ trash_dir, id }) catch return;
        var rc = linux.rename(container_dir, target);
        if (linux.errno(rc) == .NOENT) {
            _ = linux.mkdir(trash_dir, 0o700);
            rc = linux.rename(container_dir, target);
        }
        if (linux.errno(rc) == .SUCCESS) removal.path.set(target) catch {};
    }

    /// Delete it; what belongs to other ids of the map is deleted by a child inside `userns`.
    pub fn finish(removal: *const Removal, userns: ?linux.fd_t) void {
        if (removal.path.length == 0) return;
        const target = removal.path.get();
        if (deleteTree(target)) return;
        const namespace = userns orelse return;
        const child = linux.fork();
        if (linux.errno(child) != .SUCCESS) return;
        if (child == 0) {
            if (linux.errno(linux.setns(namespace, linux.CLONE.NEWUSER)) != .SUCCESS) linux.exit_group(1);
            _ = linux.setresgid(0, 0, 0);
            _ = linux.setresuid(0, 0, 0);
            linux.exit_group(@intFromBool(!deleteTree(target)));
        }
        _ = sys.waitExit(@intCast(child)) catch {};
    }
};

/// Delete `path` and all below it; false when something is left.
pub fn deleteTree(path: [:0]const u8) bool {
    const rc = linux.open(path, directory_flags, 0);
    if (linux.errno(rc) != .SUCCESS) return linux.errno(rc) == .NOENT;
    const top: linux.fd_t = @intCast(rc);
    defer _ = linux.close(top);
    var tree: Tree = .{ .top = top };
    while (true) {
        tree.changed = false;
        _ = linux.lseek(top, 0, linux.SEEK.SET);
        tree.empty(top, true);
        if (!tree.changed or tree.failed) break; // every pass deletes or moves something, or it is over
    }
    return linux.errno(linux.rmdir(path)) == .SUCCESS;
}

const Tree = struct {
    top: linux.fd_t,
    moved: u64 = 0,
    changed: bool = false,
    failed: bool = false,

    /// Delete the entries of `directory`. Directories that are not empty are emptied when it is the top, and moved to
    /// the top otherwise.
    fn empty(tree: *Tree, directory: linux.fd_t, is_top: bool) void {
        var buffer: [8192]u8 align(8) = undefined;
        while (true) {
            const n = linux.getdents64(directory, &buffer, buffer.len);
            if (linux.errno(n) != .SUCCESS or n == 0) return;
            var at: usize = 0;
            while (at < n) {
                const entry: *align(1) linux.dirent64 = @ptrCast(&buffer[at]);
                at += entry.reclen;
                const name: [*:0]const u8 = @ptrCast(&entry.name);
                const text = std.mem.span(name);
                if (std.mem.eql(u8, text, ".") or std.mem.eql(u8, text, "..")) continue;
                tree.delete(directory, name, entry.type == linux.DT.DIR, is_top);
            }
        }
    }

    fn delete(tree: *Tree, directory: linux.fd_t, name: [*:0]const u8, is_directory: bool, is_top: bool) void {
        const flags: u32 = if (is_directory) linux.AT.REMOVEDIR else 0;
        switch (linux.errno(linux.unlinkat(directory, name, flags))) {
            .SUCCESS, .NOENT => tree.changed = true,
            .ISDIR => tree.delete(directory, name, true, is_top), // a file system without entry types
            .NOTEMPTY, .EXIST => if (is_top) tree.descend(name) else tree.moveUp(directory, name),
            else => tree.failed = true,
        }
    }

    fn descend(tree: *Tree, name: [*:0]const u8) void {
        var rc = linux.openat(tree.top, name, directory_flags, 0);
        if (linux.errno(rc) == .ACCES) { // overlayfs makes its work directory with mode 0
            _ = linux.fchmodat(tree.top, name, 0o700);
            rc = linux.openat(tree.top, name, directory_flags, 0);
        }
        if (linux.errno(rc) != .SUCCESS) {
            tree.failed = true;
            return;
        }
        const fd: linux.fd_t = @intCast(rc);
        defer _ = linux.close(fd);
        // A directory one may not write to cannot be emptied; the owner may change that.
        _ = linux.fchmod(fd, 0o700);
        tree.empty(fd, false);
        tree.delete(tree.top, name, true, true_but_once);
    }

    /// After a directory was emptied a second refusal means a new entry or a failure: the next pass sees to it.
    const true_but_once = false;

    fn moveUp(tree: *Tree, directory: linux.fd_t, name: [*:0]const u8) void {
        var rc = tree.rename(directory, name);
        if (linux.errno(rc) == .ACCES) { // moving a directory writes to it: its ".." changes
            _ = linux.fchmodat(directory, name, 0o700);
            rc = tree.rename(directory, name);
        }
        if (linux.errno(rc) == .SUCCESS) tree.changed = true else tree.failed = true;
    }

    /// To a name of the top that is free: an earlier attempt may have left some.
    fn rename(tree: *Tree, directory: linux.fd_t, name: [*:0]const u8) usize {
        while (true) {
            var buffer: [32]u8 = undefined;
            const target = std.fmt.bufPrintZ(&buffer, ".deleted-{d}", .{tree.moved}) catch unreachable;
            tree.moved += 1;
            const rc = linux.renameat2(directory, name, tree.top, target, .{ .NOREPLACE = true });
            if (linux.errno(rc) != .EXIST) return rc;
        }
    }
};

test "deleteTree() deletes deep, forbidden and wide trees and follows no symlink" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    try tmp.dir.createDirPath(io, "keep");
    try tmp.dir.writeFile(io, .{ .sub_path = "keep/file", .data = "x" });
    try tmp.dir.createDirPath(io, "t/a/b/c/d/e/f");
    try tmp.dir.writeFile(io, .{ .sub_path = "t/a/b/c/file", .data = "x" });
    try tmp.dir.symLink(io, "../../keep", "t/a/link", .{});
    var name: [32]u8 = undefined;
    for (0..300) |i| {
        const path = try std.fmt.bufPrint(&name, "t/a/b/file-{d}", .{i});
        try tmp.dir.writeFile(io, .{ .sub_path = path, .data = "" });
    }
    _ = linux.fchmodat(tmp.dir.handle, "t/a/b/c", 0);
    var deep = tmp.dir.handle;
    for (0..2000) |i| { // 22,000 bytes of path: far beyond PATH_MAX
        _ = linux.mkdirat(deep, "0123456789", 0o755);
        const next: linux.fd_t = @intCast(linux.openat(deep, "0123456789", .{ .DIRECTORY = true }, 0));
        if (i > 0) _ = linux.close(deep);
        deep = next;
    }
    _ = linux.close(deep);
    _ = linux.renameat(tmp.dir.handle, "0123456789", tmp.dir.handle, "t/deep");
    var text: [64]u8 = undefined;
    const path = try std.fmt.bufPrintZ(&text, "/proc/self/fd/{d}/t", .{tmp.dir.handle});
    try std.testing.expect(deleteTree(path));
    try std.testing.expectError(error.FileNotFound, tmp.dir.access(io, "t", .{}));
    try tmp.dir.access(io, "keep/file", .{});
}
