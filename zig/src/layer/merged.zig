//! Where a path of a container leads in the layers of its image, without mounting them: symbolic links mean what they
//! mean inside, whiteouts and opaque directories hide what lies below them. Nothing outside of a layer is ever looked at.
const std = @import("std");
const kernel = @import("kernel.zig");
const paths = @import("path.zig");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// As the kernel has it (path_resolution(7)).
const links_max = 40;

pub const Error = sys.Error || paths.Error || error{ OutOfMemory, TooManyLinks };

/// The directory in each layer that shows there, topmost first; none: there is no such directory. `lowers` are the
/// layers, topmost first. The caller closes what it gets.
pub fn openDirectory(
    arena: std.mem.Allocator,
    lowers: []const linux.fd_t,
    raw: []const u8,
) Error![]linux.fd_t {
    var text: []const u8 = raw;
    var links: usize = 0;
    resolving: while (true) {
        var buffer: paths.Buffer = undefined;
        var length: usize = 0;
        var components = std.mem.splitScalar(u8, text, '/');
        var visible: usize = lowers.len;
        while (components.next()) |component| {
            if (component.len == 0 or std.mem.eql(u8, component, ".")) continue;
            if (std.mem.eql(u8, component, "..")) {
                length = paths.parentOf(buffer[0..length]).len;
                continue;
            }
            const before = length;
            length = try append(&buffer, length, component);
            const path = buffer[0..length :0];
            switch (try look(lowers, path)) {
                .nothing => return &.{},
                .directory => |count| visible = count,
                .link => |fd| {
                    defer _ = linux.close(fd);
                    links += 1;
                    if (links > links_max) return error.TooManyLinks;
                    text = try retarget(arena, fd, buffer[0..before], components.rest());
                    continue :resolving;
                },
            }
        }
        buffer[length] = 0;
        if (length > 0) switch (try look(lowers, buffer[0..length :0])) { // ".." may have gone back
            .directory => |count| visible = count,
            .nothing => return &.{},
            .link => unreachable, // it was a directory on the way
        };
        return openAll(arena, lowers[0..visible], if (length == 0) "." else buffer[0..length :0]);
    }
}

fn append(buffer: *paths.Buffer, length: usize, component: []const u8) paths.Error!usize {
    if (std.mem.indexOfScalar(u8, component, 0) != null) return error.NulInName;
    if (component.len > paths.name_bytes_max) return error.NameTooLong;
    const slash: usize = if (length > 0) 1 else 0;
    if (length + slash + component.len >= paths.path_bytes_max) return error.PathTooLong;
    if (slash == 1) buffer[length] = '/';
    @memcpy(buffer[length + slash ..][0..component.len], component);
    buffer[length + slash + component.len] = 0;
    return length + slash + component.len;
}

/// What the link says instead of its own name, and what came after it.
fn retarget(arena: std.mem.Allocator, link: linux.fd_t, parent: []const u8, rest: []const u8) Error![]const u8 {
    var target: paths.Buffer = undefined;
    const length = try sys.check("readlinkat", "", linux.readlinkat(link, "", &target, target.len));
    if (length == target.len) return error.PathTooLong;
    const is_absolute = length > 0 and target[0] == '/';
    return std.fmt.allocPrint(arena, "{s}/{s}/{s}", .{ if (is_absolute) "" else parent, target[0..length], rest });
}

const Seen = union(enum) {
    nothing,
    /// How many lowers, from the top, can show something in it.
    directory: usize,
    /// A descriptor of it.
    link: linux.fd_t,
};

/// `path` is made of names only, and all above its last one are directories.
fn look(lowers: []const linux.fd_t, path: [:0]const u8) Error!Seen {
    var visible = lowers.len;
    var end: usize = 0;
    while (true) {
        end = std.mem.indexOfScalarPos(u8, path, end + 1, '/') orelse path.len;
        var prefix: paths.Buffer = undefined;
        @memcpy(prefix[0..end], path[0..end]);
        prefix[end] = 0;
        const seen = try lookOne(lowers[0..visible], prefix[0..end :0]);
        if (end == path.len) return seen;
        switch (seen) {
            .directory => |count| visible = count,
            .nothing => return .nothing,
            .link => |fd| {
                _ = linux.close(fd);
                return .nothing;
            },
        }
    }
}

fn lookOne(lowers: []const linux.fd_t, path: [:0]const u8) Error!Seen {
    var is_directory = false;
    for (lowers, 0..) |lower, index| {
        const rc = kernel.openat2(lower, path, path_only, resolve_below);
        switch (linux.errno(rc)) {
            .NOENT, .XDEV => continue,
            .NOTDIR, .LOOP => return if (is_directory) .{ .directory = index } else .nothing,
            else => _ = try sys.check("openat2", "", rc),
        }
        const fd: linux.fd_t = @intCast(rc);
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(fd, "", &stat));
        if (kernel.isDirectory(stat)) {
            defer _ = linux.close(fd);
            is_directory = true;
            if (isOpaque(lower, path)) return .{ .directory = index + 1 };
            continue;
        }
        if (!is_directory and stat.mode & linux.S.IFMT == linux.S.IFLNK) return .{ .link = fd };
        _ = linux.close(fd); // a whiteout, or a file: it hides what is below
        return if (is_directory) .{ .directory = index } else .nothing;
    }
    return if (is_directory) .{ .directory = lowers.len } else .nothing;
}

fn isOpaque(lower: linux.fd_t, path: [:0]const u8) bool {
    const rc = kernel.openat2(lower, path, open_directory, resolve_below);
    if (linux.errno(rc) != .SUCCESS) return false;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var value: [2]u8 = undefined;
    const size = linux.fgetxattr(fd, "user.overlay.opaque", &value, value.len);
    return linux.errno(size) == .SUCCESS and std.mem.eql(u8, value[0..size], "y");
}

fn openAll(arena: std.mem.Allocator, lowers: []const linux.fd_t, path: [:0]const u8) Error![]linux.fd_t {
    var opened: std.ArrayList(linux.fd_t) = .empty;
    errdefer for (opened.items) |fd| {
        _ = linux.close(fd);
    };
    for (lowers) |lower| {
        const rc = kernel.openat2(lower, path, open_directory, resolve_below);
        switch (linux.errno(rc)) {
            .NOENT, .XDEV => continue,
            .NOTDIR, .LOOP => break,
            else => try opened.append(arena, try sys.checkFd("openat2", "", rc)),
        }
    }
    return opened.items;
}

const path_only: linux.O = .{ .PATH = true, .NOFOLLOW = true, .CLOEXEC = true };
const open_directory: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
const resolve_below = kernel.Resolve.beneath | kernel.Resolve.no_symlinks | kernel.Resolve.no_xdev;

const testing = std.testing;

/// Two layers: what `path` shows is the numbers of those that can show something there.
fn expectShown(dir: std.testing.TmpDir, path: []const u8, wanted: []const u8) !void {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const lowers = [_]linux.fd_t{
        @intCast(linux.openat(dir.dir.handle, "top", flags, 0)),
        @intCast(linux.openat(dir.dir.handle, "base", flags, 0)),
    };
    defer for (lowers) |fd| {
        _ = linux.close(fd);
    };
    const found = try openDirectory(arena.allocator(), &lowers, path);
    defer for (found) |fd| {
        _ = linux.close(fd);
    };
    var shown: [2]u8 = undefined;
    var count: usize = 0;
    for (found) |fd| {
        for ([_][*:0]const u8{ "is-top", "is-base" }, "tb") |name, letter| {
            if (linux.errno(linux.faccessat(fd, name, linux.F_OK, 0)) != .SUCCESS) continue;
            shown[count] = letter;
            count += 1;
        }
    }
    try testing.expectEqualStrings(wanted, shown[0..count]);
}

test "openDirectory() follows links inside, and only there" {
    const io = testing.io;
    var tmp = testing.tmpDir(.{});
    defer tmp.cleanup();
    for ([_][]const u8{ "top/a/b", "base/a/b", "base/only", "top/over", "base/over/b", "outside" }) |path| {
        try tmp.dir.createDirPath(io, path);
    }
    for ([_][]const u8{ "top/a/b/is-top", "base/a/b/is-base", "base/only/is-base", "base/over/b/is-base", "top/file" }) |path| {
        try tmp.dir.writeFile(io, .{ .sub_path = path, .data = "" });
    }
    try tmp.dir.createDirPath(io, "base/file");
    try tmp.dir.writeFile(io, .{ .sub_path = "base/file/is-base", .data = "" });
    try tmp.dir.writeFile(io, .{ .sub_path = "outside/is-top", .data = "" });
    try tmp.dir.symLink(io, "/a", "top/absolute", .{});
    try tmp.dir.symLink(io, "a/./b/../b", "base/relative", .{});
    try tmp.dir.symLink(io, "../../../../outside", "top/escape", .{});
    try tmp.dir.symLink(io, "loop", "top/loop", .{});
    const cases = [_][2][]const u8{
        .{ "/a/b", "tb" },      .{ "/only", "b" },       .{ "/absolute/b", "tb" }, .{ "relative", "tb" },
        .{ "/a/../only", "b" }, .{ "/none", "" },        .{ "/file", "" },         .{ "/escape", "" },
        .{ "/over/b", "b" },    .{ "/../../only", "b" }, .{ "/a/none/../b", "" },  .{ "/absolute/../only", "b" },
    };
    for (cases) |case| try expectShown(tmp, case[0], case[1]);
    try testing.expectError(error.TooManyLinks, expectShown(tmp, "/loop", ""));
}
