//! What a monitor does and sees, written down where the commands write what they do (src/store/events.ts): one JSON
//! object a line, appended with one write. The file is opened each time: it may have been put aside meanwhile.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const clock = @import("clock.zig");
const record = @import("record.zig");
const journal = @import("journal.zig");
const linux = sys.linux;

const name_bytes_max = 256;
const image_bytes_max = 512;

/// Lines stay below it, so they are written whole.
const line_bytes_max = 4096;

pub const Attribute = struct { name: []const u8, value: []const u8 };

pub const Events = struct {
    /// Empty: nobody keeps a list.
    path: record.Path = .{},
    name_buffer: [name_bytes_max]u8 = undefined,
    name_bytes: usize = 0,
    image_buffer: [image_bytes_max]u8 = undefined,
    image_bytes: usize = 0,

    pub fn set(events: *Events, path: []const u8, name_text: []const u8, image: []const u8) sys.Error!void {
        try events.path.set(path);
        events.rename(name_text);
        events.image_bytes = @min(image.len, image_bytes_max);
        @memcpy(events.image_buffer[0..events.image_bytes], image[0..events.image_bytes]);
    }

    /// For the journal.
    pub fn who(events: *const Events, id: []const u8) journal.Who {
        return .{
            .id = id,
            .name = events.name_buffer[0..events.name_bytes],
            .image = events.image_buffer[0..events.image_bytes],
            .tag = "",
        };
    }

    /// What comes later has the new name.
    pub fn rename(events: *Events, name_text: []const u8) void {
        events.name_bytes = @min(name_text.len, name_bytes_max);
        @memcpy(events.name_buffer[0..events.name_bytes], name_text[0..events.name_bytes]);
    }

    /// A full disk loses what is told of a container, never the container.
    pub fn write(events: *const Events, id: []const u8, status: []const u8, attributes: []const Attribute) void {
        if (events.path.length == 0) return;
        var buffer: [line_bytes_max]u8 = undefined;
        const line = events.format(&buffer, &clock.now(), id, status, attributes) orelse return;
        const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .APPEND = true, .CLOEXEC = true };
        const rc = linux.open(events.path.get(), flags, 0o600);
        if (linux.errno(rc) != .SUCCESS) return;
        defer _ = linux.close(@intCast(rc));
        _ = linux.write(@intCast(rc), line.ptr, line.len);
    }

    fn format(
        events: *const Events,
        buffer: []u8,
        time: []const u8,
        id: []const u8,
        status: []const u8,
        attributes: []const Attribute,
    ) ?[]const u8 {
        var w: std.Io.Writer = .fixed(buffer);
        w.print("{{\"time\":\"{s}\",\"type\":\"container\",\"status\":{f},\"id\":{f},\"name\":{f},\"image\":{f},\"attributes\":{{", .{
            time,
            event.quoted(status),
            event.quoted(id),
            event.quoted(events.name_buffer[0..events.name_bytes]),
            event.quoted(events.image_buffer[0..events.image_bytes]),
        }) catch return null;
        for (attributes, 0..) |attribute, i| {
            const comma = if (i == 0) "" else ",";
            w.print("{s}{f}:{f}", .{ comma, event.quoted(attribute.name), event.quoted(attribute.value) }) catch return null;
        }
        w.writeAll("}}\n") catch return null;
        return w.buffered();
    }
};

test "a line is one JSON object" {
    var events: Events = .{};
    try events.set("/x", "na\"me", "image");
    var buffer: [line_bytes_max]u8 = undefined;
    const attributes = [_]Attribute{ .{ .name = "exitCode", .value = "1" }, .{ .name = "a", .value = "b" } };
    try std.testing.expectEqualStrings(
        "{\"time\":\"T\",\"type\":\"container\",\"status\":\"died\",\"id\":\"1f\",\"name\":\"na\\\"me\"," ++
            "\"image\":\"image\",\"attributes\":{\"exitCode\":\"1\",\"a\":\"b\"}}\n",
        events.format(&buffer, "T", "1f", "died", &attributes).?,
    );
    events.rename("n" ** 400);
    try std.testing.expect(events.format(&buffer, "T", "1f", "start", &.{}) != null);
}
