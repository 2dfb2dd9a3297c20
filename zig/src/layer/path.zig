//! Names as an archive gives them -> paths relative to the layer's root, and what whiteout names mean. Pure.
//! It proves that a name cannot climb out by its spelling; symbolic links are tree.zig's subject.
const std = @import("std");

/// Linux PATH_MAX with its NUL (limits.h): a longer path could not be opened inside the container either.
pub const path_bytes_max = 4096;
/// NAME_MAX.
pub const name_bytes_max = 255;

pub const Buffer = [path_bytes_max]u8;

pub const Error = error{ EscapesRoot, PathTooLong, NameTooLong, NulInName };

/// "/a/./b//c/" -> "a/b/c", "" for the root itself. A leading "/" means the layer's root; ".." takes back what
/// stands before it and is refused where nothing does.
pub fn clean(raw: []const u8, buffer: *Buffer) Error![:0]const u8 {
    return cleanUp(raw, buffer, .refused);
}

/// The same for the text of a symbolic link: at the root ".." stays at the root, as the kernel has it.
pub fn cleanClamped(raw: []const u8, buffer: *Buffer) Error![:0]const u8 {
    return cleanUp(raw, buffer, .stays);
}

fn cleanUp(raw: []const u8, buffer: *Buffer, above_root: enum { refused, stays }) Error![:0]const u8 {
    if (std.mem.findScalar(u8, raw, 0) != null) return error.NulInName;
    var length: usize = 0;
    var components = std.mem.splitScalar(u8, raw, '/');
    while (components.next()) |component| {
        if (component.len == 0 or std.mem.eql(u8, component, ".")) continue;
        if (std.mem.eql(u8, component, "..")) {
            if (length == 0 and above_root == .refused) return error.EscapesRoot;
            length = parentOf(buffer[0..length]).len;
            continue;
        }
        if (component.len > name_bytes_max) return error.NameTooLong;
        const slash: usize = if (length > 0) 1 else 0;
        if (length + slash + component.len >= path_bytes_max) return error.PathTooLong;
        if (slash == 1) buffer[length] = '/';
        @memcpy(buffer[length + slash ..][0..component.len], component);
        length += slash + component.len;
    }
    buffer[length] = 0;
    return buffer[0..length :0];
}

/// "a/b/c" -> "a/b", "a" -> "".
pub fn parentOf(path: []const u8) []const u8 {
    return path[0 .. std.mem.findScalarLast(u8, path, '/') orelse return ""];
}

/// "a/b/c" -> "c". Keeps the terminating NUL.
pub fn nameOf(path: [:0]const u8) [:0]const u8 {
    return path[if (std.mem.findScalarLast(u8, path, '/')) |slash| slash + 1 else 0..];
}

pub const Meaning = union(enum) {
    /// An entry like any other.
    ordinary,
    /// aufs' own bookkeeping (".wh..wh.plnk", ".wh..wh.aufs", ...).
    ignored,
    /// ".wh..wh..opq": the directory it stands in hides what lower layers have there.
    opaque_marker,
    /// ".wh.NAME": lower layers' NAME is gone. The name without the prefix, NUL-terminated in the path.
    whiteout: [:0]const u8,
    malformed,
};

const whiteout_prefix = ".wh.";
const aufs_prefix = ".wh..wh.";

/// What a cleaned path says by its name (OCI image-spec layer.md, "Representing Changes").
pub fn meaningOf(path: [:0]const u8) Meaning {
    if (std.mem.find(u8, path, whiteout_prefix) == null) return .ordinary;
    const name = nameOf(path);
    var parents = std.mem.splitScalar(u8, parentOf(path), '/');
    while (parents.next()) |parent| {
        if (std.mem.startsWith(u8, parent, aufs_prefix)) return .ignored;
        if (std.mem.startsWith(u8, parent, whiteout_prefix)) return .malformed;
    }
    if (!std.mem.startsWith(u8, name, whiteout_prefix)) return .ordinary;
    if (std.mem.eql(u8, name, ".wh..wh..opq")) return .opaque_marker;
    if (std.mem.startsWith(u8, name, aufs_prefix)) return .ignored;
    const hidden = name[whiteout_prefix.len..];
    const is_special = hidden.len == 0 or std.mem.eql(u8, hidden, ".") or std.mem.eql(u8, hidden, "..");
    return if (is_special) .malformed else .{ .whiteout = hidden };
}

const testing = std.testing;

test clean {
    const Case = struct { raw: []const u8, path: Error![]const u8 };
    const cases = [_]Case{
        .{ .raw = "etc/passwd", .path = "etc/passwd" },
        .{ .raw = "./", .path = "" },
        .{ .raw = "", .path = "" },
        .{ .raw = "/", .path = "" },
        .{ .raw = "///etc//./passwd/", .path = "etc/passwd" },
        .{ .raw = "a/../b", .path = "b" },
        .{ .raw = "a/b/../../c", .path = "c" },
        .{ .raw = "...", .path = "..." },
        .{ .raw = "..a/b..", .path = "..a/b.." },
        .{ .raw = "..", .path = error.EscapesRoot },
        .{ .raw = "/..", .path = error.EscapesRoot },
        .{ .raw = "a/../../b", .path = error.EscapesRoot },
        .{ .raw = "./../b", .path = error.EscapesRoot },
        .{ .raw = "a\x00b", .path = error.NulInName },
        .{ .raw = "n" ** 255, .path = "n" ** 255 },
        .{ .raw = "n" ** 256, .path = error.NameTooLong },
        .{ .raw = "d/" ** 2048, .path = ("d/" ** 2047) ++ "d" },
        .{ .raw = "d/" ** 2049, .path = error.PathTooLong },
        .{ .raw = "d/" ** 10_000, .path = error.PathTooLong },
    };
    for (cases) |case| {
        var buffer: Buffer = undefined;
        if (case.path) |wanted| {
            const got = try clean(case.raw, &buffer);
            try testing.expectEqualStrings(wanted, got);
        } else |wanted| try testing.expectError(wanted, clean(case.raw, &buffer));
    }
    var buffer: Buffer = undefined;
    try testing.expectEqualStrings("b", try cleanClamped("/../a/../../b", &buffer));
}

test meaningOf {
    const Case = struct { path: [:0]const u8, meaning: std.meta.Tag(Meaning), hidden: []const u8 = "" };
    const cases = [_]Case{
        .{ .path = "a/b", .meaning = .ordinary },
        .{ .path = "a.wh.b", .meaning = .ordinary },
        .{ .path = "a/.wh.b", .meaning = .whiteout, .hidden = "b" },
        .{ .path = ".wh.b", .meaning = .whiteout, .hidden = "b" },
        .{ .path = ".wh..b", .meaning = .whiteout, .hidden = ".b" },
        .{ .path = ".wh....", .meaning = .whiteout, .hidden = "..." },
        .{ .path = "a/.wh..wh..opq", .meaning = .opaque_marker },
        .{ .path = ".wh..wh.plnk", .meaning = .ignored },
        .{ .path = ".wh..wh.plnk/1.2", .meaning = .ignored },
        .{ .path = ".wh..wh..opq/x", .meaning = .ignored },
        .{ .path = ".wh.", .meaning = .malformed },
        .{ .path = ".wh..", .meaning = .malformed },
        .{ .path = "a/.wh...", .meaning = .malformed },
        .{ .path = ".wh.a/b", .meaning = .malformed },
    };
    for (cases) |case| {
        const got = meaningOf(case.path);
        try testing.expectEqual(case.meaning, std.meta.activeTag(got));
        if (got == .whiteout) try testing.expectEqualStrings(case.hidden, got.whiteout);
    }
}

test "fuzz clean() and meaningOf(): nothing points outside" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var raw: [512]u8 = undefined;
            var buffer: Buffer = undefined;
            const path = clean(raw[0..smith.slice(&raw)], &buffer) catch return;
            try testing.expect(!std.mem.startsWith(u8, path, "/") and !std.mem.endsWith(u8, path, "/"));
            var components = std.mem.splitScalar(u8, path, '/');
            while (components.next()) |component| {
                try testing.expect(!std.mem.eql(u8, component, "..") and !std.mem.eql(u8, component, "."));
                try testing.expect(path.len == 0 or component.len > 0);
            }
            switch (meaningOf(path)) {
                .whiteout => |hidden| try testing.expect(hidden.len > 0 and !std.mem.eql(u8, hidden, "..")),
                else => {},
            }
        }
    }.one, .{ .corpus = &.{ "a/../b", "../x", "a/.wh..wh..opq", ".wh...", "/./a//" } });
}
