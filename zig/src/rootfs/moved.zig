//! A container's root without pivot_root(2), which a root on a ramdisk refuses: the mount is moved onto "/" and
//! chroot(2) goes there. What the host has mounted stays below, where a program could get to that gets out of a chroot;
//! so the file systems that show more of the host than the container's own do not stay.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// A line of mountinfo that is longer than this is passed over: none of proc or sysfs is.
const line_bytes_max = 8192;

/// The working directory is the new root, which was mounted as `root_path`.
pub fn enter(root_path: [:0]const u8) sys.Error!void {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const length = try sys.check("getcwd", root_path, linux.getcwd(&buffer, buffer.len));
    const proc = try sys.checkFd("open", "/proc", linux.open("/proc", .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(proc);
    try hide(proc, buffer[0 .. length - 1]);
    _ = try sys.check("mount", root_path, linux.mount(".", "/", null, linux.MS.MOVE, 0));
    _ = try sys.check("chroot", root_path, linux.chroot("."));
    _ = try sys.check("chdir", "/", linux.chdir("/"));
}

/// Every proc and sysfs outside of `root_path`. The list is read anew after each: it changes under us, and `proc`, where
/// it is, is soon among those that are gone.
fn hide(proc: linux.fd_t, root_path: []const u8) sys.Error!void {
    var passed: usize = 0;
    while (try nextOf(proc, root_path, passed)) |found| {
        const rc = linux.umount2(found.path(), linux.MNT.DETACH);
        if (linux.errno(rc) == .SUCCESS) continue;
        // In a user namespace the host's mounts are locked (mount_namespaces(7)): covered, then.
        const flags = linux.MS.RDONLY | linux.MS.NOSUID | linux.MS.NODEV | linux.MS.NOEXEC;
        _ = try sys.check("mount", "a host's /proc or /sys", linux.mount("none", found.path(), "tmpfs", flags, 0));
        passed += 1; // it is still in the list
    }
}

const Found = struct {
    buffer: [linux.PATH_MAX]u8 = undefined,
    length: usize = 0,

    fn path(found: *const Found) [:0]const u8 {
        return found.buffer[0..found.length :0];
    }
};

/// The first one but `passed`.
fn nextOf(proc: linux.fd_t, root_path: []const u8, passed: usize) sys.Error!?Found {
    const fd = try sys.checkFd("open", "/proc/self/mountinfo", linux.openat(proc, "self/mountinfo", .{ .CLOEXEC = true }, 0));
    defer _ = linux.close(fd);
    var lines: Lines = .{ .fd = fd };
    var left = passed;
    while (lines.next()) |line| {
        const found = parse(line, root_path) orelse continue;
        if (left == 0) return found;
        left -= 1;
    }
    return null;
}

const Lines = struct {
    fd: linux.fd_t,
    buffer: [line_bytes_max]u8 = undefined,
    start: usize = 0,
    end: usize = 0,

    fn next(lines: *Lines) ?[]const u8 {
        while (true) {
            const rest = lines.buffer[lines.start..lines.end];
            if (std.mem.indexOfScalar(u8, rest, '\n')) |length| {
                lines.start += length + 1;
                return rest[0..length];
            }
            std.mem.copyForwards(u8, &lines.buffer, rest);
            lines.start = 0;
            lines.end = if (rest.len == lines.buffer.len) 0 else rest.len;
            const n = linux.read(lines.fd, lines.buffer[lines.end..].ptr, lines.buffer.len - lines.end);
            if (linux.errno(n) != .SUCCESS or n == 0) return null;
            lines.end += n;
        }
    }
};

/// Where a whole proc or sysfs outside of `root_path` is mounted (proc_pid_mountinfo(5)); null: something else.
fn parse(line: []const u8, root_path: []const u8) ?Found {
    const separator = std.mem.indexOf(u8, line, " - ") orelse return null;
    const kind = std.mem.sliceTo(line[separator + " - ".len ..], ' ');
    if (!std.mem.eql(u8, kind, "proc") and !std.mem.eql(u8, kind, "sysfs")) return null;
    var fields = std.mem.splitScalar(u8, line, ' ');
    for (0..3) |_| _ = fields.next();
    if (!std.mem.eql(u8, fields.next() orelse return null, "/")) return null;
    const found = unescape(fields.next() orelse return null) orelse return null;
    return if (isBelow(found.path(), root_path)) null else found;
}

fn isBelow(path: []const u8, parent: []const u8) bool {
    if (!std.mem.startsWith(u8, path, parent)) return false;
    return path.len == parent.len or path[parent.len] == '/';
}

/// "\040" is a space.
fn unescape(text: []const u8) ?Found {
    var found: Found = .{};
    var i: usize = 0;
    while (i < text.len) : (found.length += 1) {
        if (found.length + 1 == found.buffer.len) return null;
        const is_escape = text[i] == '\\' and i + 4 <= text.len;
        found.buffer[found.length] = if (is_escape) std.fmt.parseInt(u8, text[i + 1 .. i + 4], 8) catch return null else text[i];
        i += if (is_escape) 4 else 1;
    }
    found.buffer[found.length] = 0;
    return found;
}

test "parse() finds the host's proc and sysfs, and nothing of the container's" {
    const root = "/run/c/rootfs";
    const proc = "22 27 0:21 / /proc rw,nosuid shared:5 - proc proc rw";
    try std.testing.expectEqualStrings("/proc", parse(proc, root).?.path());
    try std.testing.expectEqualStrings("/a b/sys", parse("23 27 0:22 / /a\\040b/sys rw - sysfs sysfs rw", root).?.path());
    try std.testing.expectEqualStrings("/run/c/rootfs2/proc", parse("9 9 0:9 / /run/c/rootfs2/proc rw - proc p rw", root).?.path());
    const others = [_][]const u8{
        "22 27 0:21 / /run/c/rootfs/proc rw - proc proc rw", "22 27 0:21 /sys /proc/sys ro - proc proc rw",
        "22 27 0:21 / /tmp rw - tmpfs proc rw",              "22 27 0:21 / /proc rw",
        "22 27 0:21 / /\\9zz rw - proc proc rw",             "",
    };
    for (others) |line| try std.testing.expect(parse(line, root) == null);
}

test "fuzz: no mountinfo crashes parse()" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var text: [512]u8 = undefined;
            if (parse(text[0..smith.slice(&text)], "/r")) |found| try std.testing.expect(found.length < text.len);
        }
    }.one, .{ .corpus = &.{"22 27 0:21 / /proc rw,nosuid shared:5 - proc proc rw"} });
}
