//! Owners as a container will see them. A container may map ids otherwise than the namespace its layers are unpacked
//! in, which has a word for every id we may use: so what the archive calls an id becomes what that one is called here.
//! Pure, but for reading options.
const std = @import("std");
const userns = @import("../userns.zig");

/// Null: there is no such id.
pub const Owner = struct { uid: ?u32, gid: ?u32 };

/// A file capability with the user namespace it is valid in (struct vfs_ns_cap_data).
pub const BoundCapability = [24]u8;

const revision_2 = 0x02000000;
const revision_3 = 0x03000000;
const revision_mask = 0xff000000;
const revision_2_bytes = 20;

/// Lines of the two maps, `hostID` being an id of the namespace we work in. Without any, ids are what they are.
pub const Translation = struct {
    uid: []const userns.Mapping = &.{},
    gid: []const userns.Mapping = &.{},

    pub fn isNeeded(translation: *const Translation) bool {
        return translation.uid.len > 0;
    }

    pub fn of(translation: *const Translation, owner: Owner) Owner {
        if (!translation.isNeeded()) return owner;
        return .{ .uid = translate(translation.uid, owner.uid), .gid = translate(translation.gid, owner.gid) };
    }

    /// Who what has no owner here belongs to: container root. Null: nothing is translated, or there is none.
    pub fn root(translation: *const Translation) ?Owner {
        if (!translation.isNeeded()) return null;
        const owner = translation.of(.{ .uid = 0, .gid = 0 });
        return if (owner.uid != null and owner.gid != null) owner else null;
    }

    /// The value of security.capability for programs that container root may run with it. Null: it cannot be said.
    pub fn bindCapability(translation: *const Translation, value: []const u8, buffer: *BoundCapability) ?[]const u8 {
        if (value.len < revision_2_bytes or value.len > buffer.len) return null;
        const magic = std.mem.readInt(u32, value[0..4], .little);
        if (magic & revision_mask != revision_2 and magic & revision_mask != revision_3) return null;
        const id = translate(translation.uid, 0) orelse return null;
        @memcpy(buffer[0..revision_2_bytes], value[0..revision_2_bytes]);
        std.mem.writeInt(u32, buffer[0..4], magic & ~@as(u32, revision_mask) | revision_3, .little);
        std.mem.writeInt(u32, buffer[revision_2_bytes..][0..4], id, .little);
        return buffer;
    }
};

fn translate(lines: []const userns.Mapping, id: ?u32) ?u32 {
    const wanted = id orelse return null;
    for (lines) |line| {
        if (wanted >= line.containerID and wanted - line.containerID < line.size) {
            return line.hostID + (wanted - line.containerID);
        }
    }
    return null;
}

pub const Options = struct { translation: Translation, rest: []const [*:0]const u8 };

/// Parse leading `--owner-uid C:H:N --owner-gid C:H:N` (repeated), as userns.parseOptions does. Both or neither.
pub fn parseOptions(arena: std.mem.Allocator, args: []const [*:0]const u8) userns.ParseError!Options {
    var uid: std.ArrayList(userns.Mapping) = .empty;
    var gid: std.ArrayList(userns.Mapping) = .empty;
    var i: usize = 0;
    while (i + 1 < args.len) : (i += 2) {
        const option = std.mem.span(args[i]);
        const list = if (std.mem.eql(u8, option, "--owner-uid"))
            &uid
        else if (std.mem.eql(u8, option, "--owner-gid"))
            &gid
        else
            break;
        if (list.items.len == userns.mappings_max) return error.InvalidMapping;
        try list.append(arena, try userns.parseMapping(std.mem.span(args[i + 1])));
    }
    if ((uid.items.len == 0) != (gid.items.len == 0)) return error.InvalidMapping;
    return .{ .translation = .{ .uid = uid.items, .gid = gid.items }, .rest = args[i..] };
}

const keep_id: Translation = .{
    .uid = &.{
        .{ .containerID = 0, .hostID = 1, .size = 1000 },
        .{ .containerID = 1000, .hostID = 0, .size = 1 },
        .{ .containerID = 1001, .hostID = 1001, .size = 10 },
    },
    .gid = &.{.{ .containerID = 0, .hostID = 5, .size = 2 }},
};

test "ids become those of the namespace we work in" {
    const expect = std.testing.expectEqual;
    try expect(Owner{ .uid = 1, .gid = 5 }, keep_id.of(.{ .uid = 0, .gid = 0 }));
    try expect(Owner{ .uid = 0, .gid = 6 }, keep_id.of(.{ .uid = 1000, .gid = 1 }));
    try expect(Owner{ .uid = 1010, .gid = null }, keep_id.of(.{ .uid = 1010, .gid = 2 }));
    try expect(Owner{ .uid = null, .gid = null }, keep_id.of(.{ .uid = 1011, .gid = null }));
    try expect(Owner{ .uid = 1, .gid = 5 }, keep_id.root().?);
    const none: Translation = .{};
    try expect(Owner{ .uid = 7, .gid = null }, none.of(.{ .uid = 7, .gid = null }));
    try expect(@as(?Owner, null), none.root());
}

test "a file capability is bound to container root" {
    var value: [20]u8 = @splat(0);
    std.mem.writeInt(u32, value[0..4], revision_2 | 1, .little);
    value[4] = 0x20;
    var buffer: BoundCapability = undefined;
    const bound = keep_id.bindCapability(&value, &buffer).?;
    try std.testing.expectEqual(@as(usize, 24), bound.len);
    try std.testing.expectEqual(@as(u32, revision_3 | 1), std.mem.readInt(u32, bound[0..4], .little));
    try std.testing.expectEqual(@as(u8, 0x20), bound[4]);
    try std.testing.expectEqual(@as(u32, 1), std.mem.readInt(u32, bound[20..24], .little));
    for ([_][]const u8{ "", value[0..12], &(value ++ value) }) |bad| {
        try std.testing.expect(keep_id.bindCapability(bad, &buffer) == null);
    }
    value[3] = 0x01; // revision 1 has 32 capabilities and no namespaces
    try std.testing.expect(keep_id.bindCapability(&value, &buffer) == null);
}

test "parseOptions() stops at the first other word, and takes both maps or none" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const args = [_][*:0]const u8{ "--owner-uid", "0:1:9", "--owner-gid", "0:2:9", "--dir", "/x" };
    const options = try parseOptions(arena, &args);
    try std.testing.expectEqual(@as(u32, 1), options.translation.uid[0].hostID);
    try std.testing.expectEqual(@as(usize, 2), options.rest.len);
    try std.testing.expectError(error.InvalidMapping, parseOptions(arena, args[0..2]));
    try std.testing.expect(!(try parseOptions(arena, args[4..])).translation.isNeeded());
}
