//! `native files stat ... -- PATH...`: what is at each path of a place, for the rules of cp. One JSON line a path:
//! `kind` without following a last symbolic link, `leads` what is there when it is followed ("" when nothing is),
//! `target` the link's text, `parent` what the directory of the name is.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const place = @import("place.zig");
const words = @import("words.zig");
const report = @import("report.zig");
const kernel = layer.kernel;
const linux = sys.linux;

const Look = struct { options: *const words.Options };

pub fn run(arena: std.mem.Allocator, options: *const words.Options) u8 {
    return place.visit(arena, options, .read, Look{ .options = options }, lookAtAll);
}

fn lookAtAll(look: Look, root: linux.fd_t) u8 {
    for (look.options.rest) |path| {
        lookAt(root, std.mem.span(path)) catch |err| return layer.reply.refused(std.mem.span(path), err);
    }
    return 0;
}

fn lookAt(root: linux.fd_t, path: [:0]const u8) sys.Error!void {
    var target_buffer: layer.path.Buffer = undefined;
    var target: []const u8 = "";
    const kind = try kindOf(root, path, false);
    if (std.mem.eql(u8, kind, "symlink")) {
        const rc = open(root, path, .{ .PATH = true, .NOFOLLOW = true, .CLOEXEC = true });
        const fd = try sys.checkFd("open", "", rc);
        defer _ = linux.close(fd);
        const length = try sys.check("readlinkat", "", linux.readlinkat(fd, "", &target_buffer, target_buffer.len));
        target = target_buffer[0..length];
    }
    const leads = if (target.len == 0) kind else try kindOf(root, path, true);
    var parent_buffer: layer.path.Buffer = undefined;
    const trimmed = std.mem.trimEnd(u8, path, "/");
    const above = std.fs.path.dirnamePosix(trimmed) orelse "/";
    if (above.len >= parent_buffer.len) return sys.fail("open", "its path is longer than 4095 bytes");
    const parent = try kindOf(root, std.fmt.bufPrintZ(&parent_buffer, "{s}", .{above}) catch unreachable, true);
    var text: [4 * layer.path.path_bytes_max]u8 = undefined;
    var w: std.Io.Writer = .fixed(&text);
    std.json.Stringify.encodeJsonString(target, .{ .escape_unicode = true }, &w) catch
        return sys.fail("readlink", "its target cannot be told");
    const status = report.line(
        "{{\"ok\":true,\"kind\":\"{s}\",\"leads\":\"{s}\",\"parent\":\"{s}\",\"target\":{s}}}\n",
        .{ kind, leads, parent, w.buffered() },
    );
    if (status != 0) return sys.fail("write", "its answer is not wanted");
}

fn open(root: linux.fd_t, path: [:0]const u8, flags: linux.O) usize {
    if (root == linux.AT.FDCWD) return linux.open(path, flags, 0);
    return kernel.openat2(root, place.below(path), flags, place.in_root);
}

fn kindOf(root: linux.fd_t, path: [:0]const u8, follows: bool) sys.Error![]const u8 {
    const rc = open(root, path, .{ .PATH = true, .NOFOLLOW = !follows, .CLOEXEC = true });
    switch (linux.errno(rc)) {
        .NOENT, .NOTDIR, .LOOP => return "",
        else => {},
    }
    const fd = try sys.checkFd("open", "", rc);
    defer _ = linux.close(fd);
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", "", sys.statFd(fd, &stat));
    return switch (stat.mode & linux.S.IFMT) {
        linux.S.IFDIR => "directory",
        linux.S.IFREG => "file",
        linux.S.IFLNK => "symlink",
        else => "other",
    };
}
