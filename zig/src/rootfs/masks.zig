//! config.json's maskedPaths and readonlyPaths: what of /proc and /sys the container shall not read or not write.
//! Paths that do not exist are passed over: hosts differ.
const std = @import("std");
const sys = @import("../sys.zig");
const path = @import("path.zig");
const superblock = @import("superblock.zig");
const linux = sys.linux;
const attr = sys.attr;

/// Where paths begin. What lies below /proc and /sys is looked for in what was mounted there and not by its name: who
/// shares the root file system may have renamed the directory, and a path that is not there is passed over.
pub const Places = struct {
    root: linux.fd_t,
    proc: ?linux.fd_t = null,
    sys: ?linux.fd_t = null,

    fn find(places: Places, name: [:0]const u8) usize {
        const is_plain = std.mem.indexOf(u8, name, "..") == null; // "/proc/../etc" is not in /proc
        if (is_plain) for ([_]?linux.fd_t{ places.proc, places.sys }, [_][]const u8{ "/proc/", "/sys/" }) |mounted, prefix| {
            const fd = mounted orelse continue;
            if (std.mem.startsWith(u8, name, prefix)) return path.find(fd, name[prefix.len - 1 ..]);
        };
        return path.find(places.root, name);
    }
};

/// Files are hidden by the host's /dev/null, never by the container's, which it could have replaced
/// (CVE-2025-31133); directories by one empty read-only tmpfs.
pub fn mask(places: Places, paths: []const [:0]const u8) sys.Error!void {
    var empty: ?linux.fd_t = null;
    defer if (empty) |fd| {
        _ = linux.close(fd);
    };
    for (paths) |name| {
        const target = try findOrSkip(places, name) orelse continue;
        defer _ = linux.close(target);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", name, sys.statFd(target, &stat));
        if (!linux.S.ISDIR(stat.mode)) {
            try cover(target, try sys.checkFd("open_tree", "/dev/null", sys.cloneTree(linux.AT.FDCWD, "/dev/null", 0)), name);
        } else if (empty) |fd| {
            try cover(target, try sys.checkFd("open_tree", name, sys.cloneTree(fd, "", sys.at_empty_path)), name);
        } else {
            const flags = attr.rdonly | attr.nosuid | attr.nodev | attr.noexec;
            empty = try superblock.make(.{ .type = "tmpfs", .source = "tmpfs", .flags = flags, .detail = name });
            _ = try sys.check("mount", name, sys.moveMount(empty.?, target));
        }
    }
}

/// Each path becomes a read-only mount of itself.
pub fn makeReadOnly(places: Places, paths: []const [:0]const u8) sys.Error!void {
    for (paths) |name| {
        const target = try findOrSkip(places, name) orelse continue;
        defer _ = linux.close(target);
        const tree = try sys.checkFd("open_tree", name, sys.cloneTree(target, "", sys.at_empty_path | sys.at_recursive));
        const change: sys.MountAttr = .{ .set = attr.rdonly };
        const rc = sys.changeMount(tree, sys.at_empty_path | sys.at_recursive, &change);
        _ = sys.check("mount_setattr", name, rc) catch |err| {
            _ = linux.close(tree);
            return err;
        };
        try cover(target, tree, name);
    }
}

fn findOrSkip(places: Places, name: [:0]const u8) sys.Error!?linux.fd_t {
    const rc = places.find(name);
    return switch (linux.errno(rc)) {
        .NOENT, .NOTDIR => null,
        else => try sys.checkFd("openat2", name, rc),
    };
}

fn cover(target: linux.fd_t, mount_fd: linux.fd_t, name: []const u8) sys.Error!void {
    defer _ = linux.close(mount_fd);
    _ = try sys.check("mount", name, sys.moveMount(mount_fd, target));
}
