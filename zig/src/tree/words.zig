//! The words of `native files VERB ...` -> options. Pure. TypeScript's side is src/helper/files.ts.
const std = @import("std");
const userns = @import("../userns.zig");

pub const Error = userns.ParseError || error{Usage};

const Text = [:0]const u8;

/// Whose files.
pub const Place = union(enum) {
    /// The caller's, as he sees them.
    host,
    /// A container's, running or not: its directory and its runtime directory.
    container: struct { directory: Text, runtime: Text },
    /// Those below a directory, seen by somebody with these maps.
    tree: struct { maps: userns.Maps, directory: Text },
};

pub const Owners = union(enum) {
    /// As the archive says.
    archive,
    /// Whoever works: nobody is asked.
    nobody,
    fixed: struct { uid: u32, gid: u32 },
};

pub const Options = struct {
    place: Place = .host,
    /// In the place: of what is sent, or of the directory that receives.
    path: Text = "/",
    /// What is sent is called this; "": it is a directory, and what is in it is sent.
    name: Text = "",
    /// A symbolic link at the end of `path` is followed.
    follows: bool = false,
    /// It becomes a layer of an image: whiteouts of an overlay's upper directory are written as those are.
    is_layer: bool = false,
    /// fuse-overlayfs has written it: whiteouts may be files that look like those of a layer, and are.
    has_marks: bool = false,
    /// Only the root file system, nothing that is mounted in it.
    is_bare: bool = false,
    /// Something else than a directory may replace one, and the other way round.
    overwrites: bool = false,
    /// Parents that the archive does not hold may be symbolic links, as they mean for the container.
    follows_parents: bool = false,
    owners: Owners = .archive,
    /// What we have put there ourselves: left out as long as it is empty. Relative to the root, without "/" before it.
    except: []const Text = &.{},
    /// The layers below an upper directory, topmost first.
    lower: []const Text = &.{},
    /// Further words.
    rest: []const [*:0]const u8 = &.{},
};

pub fn parse(arena: std.mem.Allocator, args: []const [*:0]const u8) Error!Options {
    var options: Options = .{};
    var except: std.ArrayList(Text) = .empty;
    var lower: std.ArrayList(Text) = .empty;
    var i: usize = 0;
    while (i < args.len) {
        const word = std.mem.span(args[i]);
        i += 1;
        if (takesFlag(&options, word)) continue;
        if (std.mem.eql(u8, word, "--")) break;
        if (!std.mem.startsWith(u8, word, "--")) return error.Usage;
        const value = try next(args, &i);
        if (std.mem.eql(u8, word, "--container")) {
            options.place = .{ .container = .{ .directory = value, .runtime = try next(args, &i) } };
        } else if (std.mem.eql(u8, word, "--tree")) {
            const inside = try userns.parseOptions(arena, args[i..]);
            options.place = .{ .tree = .{ .directory = value, .maps = inside.maps } };
            i = args.len - inside.rest.len;
        } else if (std.mem.eql(u8, word, "--path")) {
            options.path = value;
        } else if (std.mem.eql(u8, word, "--name")) {
            options.name = value;
        } else if (std.mem.eql(u8, word, "--owners")) {
            options.owners = try parseOwners(value);
        } else if (std.mem.eql(u8, word, "--except")) {
            try except.append(arena, value);
        } else if (std.mem.eql(u8, word, "--lower")) {
            try lower.append(arena, value);
        } else return error.Usage;
    }
    options.except = except.items;
    options.lower = lower.items;
    options.rest = args[i..];
    return options;
}

fn next(args: []const [*:0]const u8, i: *usize) Error!Text {
    if (i.* == args.len) return error.Usage;
    defer i.* += 1;
    return std.mem.span(args[i.*]);
}

fn takesFlag(options: *Options, word: []const u8) bool {
    const flags = .{
        .{ "--follow", "follows" },
        .{ "--layer", "is_layer" },
        .{ "--marks", "has_marks" },
        .{ "--bare", "is_bare" },
        .{ "--overwrite", "overwrites" },
        .{ "--follow-parents", "follows_parents" },
    };
    inline for (flags) |flag| if (std.mem.eql(u8, word, flag[0])) {
        @field(options, flag[1]) = true;
        return true;
    };
    return false;
}

fn parseOwners(text: []const u8) error{Usage}!Owners {
    if (std.mem.eql(u8, text, "archive")) return .archive;
    if (std.mem.eql(u8, text, "nobody")) return .nobody;
    const colon = std.mem.indexOfScalar(u8, text, ':') orelse return error.Usage;
    return .{ .fixed = .{
        .uid = std.fmt.parseInt(u32, text[0..colon], 10) catch return error.Usage,
        .gid = std.fmt.parseInt(u32, text[colon + 1 ..], 10) catch return error.Usage,
    } };
}

test "parse() tells places, flags and what is left" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const args = [_][*:0]const u8{
        "--tree", "/t", "--uid-map", "0:7:1", "--gid-map", "0:8:1", "--layer", "--except", "proc", "--", "a", "--b",
    };
    const options = try parse(arena, &args);
    try std.testing.expectEqualStrings("/t", options.place.tree.directory);
    try std.testing.expectEqual(@as(u32, 7), options.place.tree.maps.uid[0].hostID);
    try std.testing.expect(options.is_layer and !options.follows);
    try std.testing.expectEqual(@as(usize, 1), options.except.len);
    try std.testing.expectEqual(@as(usize, 2), options.rest.len);
    const container = try parse(arena, &.{ "--container", "/c", "/r", "--path", "--layer", "--owners", "5:6" });
    try std.testing.expectEqualStrings("/r", container.place.container.runtime);
    try std.testing.expectEqualStrings("--layer", container.path);
    try std.testing.expectEqual(@as(u32, 6), container.owners.fixed.gid);
    for ([_][]const [*:0]const u8{ &.{"--container"}, &.{ "--container", "/c" }, &.{"x"}, &.{ "--owners", "1" }, &.{"--path"} }) |bad| {
        try std.testing.expectError(error.Usage, parse(arena, bad));
    }
}
