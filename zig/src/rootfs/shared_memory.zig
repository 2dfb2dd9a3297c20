//! /dev/shm of another container, which lies in a mount namespace of its own: `/proc/PID/root/dev/shm`. The kernel copies
//! mounts only for those who are where they are, so a process of ours goes there, copies it, and leaves the copy in
//! the descriptor table that it shares with us. What that container put there is its own doing: it has to be a file system
//! in memory, and no link is followed on the way.
const std = @import("std");
const sys = @import("../sys.zig");
const path = @import("path.zig");
const procfs = @import("../procfs.zig");
const linux = sys.linux;

const tmpfs_magic = 0x01021994;

/// Where to go, and what to copy there.
const Place = struct { pid: u31, path: [:0]const u8 };

fn parse(source: [:0]const u8) ?Place {
    const prefix = "/proc/";
    const middle = "/root" ++ "/";
    if (!std.mem.startsWith(u8, source, prefix)) return null;
    const length = std.mem.indexOfScalar(u8, source[prefix.len..], '/') orelse return null;
    const rest = source[prefix.len + length ..];
    if (!std.mem.startsWith(u8, rest, middle)) return null;
    const pid = std.fmt.parseInt(u31, source[prefix.len..][0..length], 10) catch return null;
    return .{ .pid = pid, .path = rest[middle.len - 1 ..] };
}

/// A detached copy; null when `source` names no such place. Needs rights over that container's user namespace.
pub fn clone(source: [:0]const u8) sys.Error!?linux.fd_t {
    const place = parse(source) orelse return null;
    var buffer: [32]u8 = undefined;
    const name = std.fmt.bufPrintZ(&buffer, "{d}/ns/mnt", .{place.pid}) catch unreachable;
    const namespace = try sys.checkFd("open", name, procfs.open(name, .{}));
    defer _ = linux.close(namespace);
    // Its place in the table is taken before there is anything to put there.
    const reserved = try sys.checkFd("open", "/", linux.open("/", .{ .PATH = true, .CLOEXEC = true }, 0));
    errdefer _ = linux.close(reserved);
    const args: sys.CloneArgs = .{ .flags = linux.CLONE.FILES };
    const pid = try sys.check("clone3", source, sys.clone3(&args));
    if (pid == 0) linux.exit_group(copyTo(reserved, namespace, place.path));
    const code = try sys.waitExit(@intCast(pid));
    if (code != 0) {
        var text: [32]u8 = undefined;
        const errno = sys.errnoName(@enumFromInt(code), &text);
        return sys.failFormat("mount", "{s} cannot be shared ({s})", .{ source, errno });
    }
    if (sys.fileSystemType(reserved) == tmpfs_magic) return reserved;
    return sys.failFormat("mount", "{s} is no memory that can be shared", .{source});
}

/// Whose end is the other process's: its status is 0, or the errno.
fn copyTo(reserved: linux.fd_t, namespace: linux.fd_t, name: [:0]const u8) u8 {
    var rc = linux.setns(namespace, linux.CLONE.NEWNS);
    if (linux.errno(rc) != .SUCCESS) return status(rc);
    const root = linux.open("/", .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(root) != .SUCCESS) return status(root);
    defer _ = linux.close(@intCast(root));
    const found = path.findPlain(@intCast(root), name);
    if (linux.errno(found) != .SUCCESS) return status(found);
    defer _ = linux.close(@intCast(found));
    const tree = sys.cloneTree(@intCast(found), "", sys.at_empty_path);
    if (linux.errno(tree) != .SUCCESS) return status(tree);
    defer _ = linux.close(@intCast(tree));
    rc = linux.dup3(@intCast(tree), reserved, @bitCast(linux.O{ .CLOEXEC = true }));
    return if (linux.errno(rc) == .SUCCESS) 0 else status(rc);
}

fn status(rc: usize) u8 {
    return @truncate(@intFromEnum(linux.errno(rc)));
}

test parse {
    const place = parse("/proc/123/root/dev/shm").?;
    try std.testing.expectEqual(@as(u31, 123), place.pid);
    try std.testing.expectEqualStrings("/dev/shm", place.path);
    for ([_][:0]const u8{ "/dev/shm", "/proc/self/root/x", "/proc/1/cwd/x", "/proc/-1/root/x", "/proc/1/root", "/proc/" }) |bad| {
        try std.testing.expect(parse(bad) == null);
    }
}
