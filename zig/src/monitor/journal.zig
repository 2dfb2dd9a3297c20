//! Log lines for systemd's journal by its native protocol: one datagram a line, fields as podman names them
//! (systemd.io/JOURNAL_NATIVE_PROTOCOL). A journal that takes no more loses lines, never the container.
const std = @import("std");
const sys = @import("../sys.zig");
const Stream = @import("log.zig").Stream;
const linux = sys.linux;

const socket_path = "/run/systemd/journal/socket";

/// What a datagram carries for certain; longer lines come in pieces.
pub const text_bytes_max = 48 * 1024;

const priority_info = 6;
const priority_error = 3;

pub const Who = struct { id: []const u8, name: []const u8, image: []const u8, tag: []const u8 };

pub fn connect() sys.Error!linux.fd_t {
    const kind = linux.SOCK.DGRAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const fd = try sys.checkFd("socket", socket_path, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    var where: linux.sockaddr.un = .{ .path = @splat(0) };
    @memcpy(where.path[0..socket_path.len], socket_path);
    if (linux.errno(linux.connect(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un))) != .SUCCESS) {
        return sys.fail("log", "this host has no journal; to fix it: use another --log-driver");
    }
    return fd;
}

pub fn write(fd: linux.fd_t, out: []u8, who: Who, stream: Stream, bytes: []const u8) void {
    var rest = bytes;
    while (rest.len > 0) {
        const newline = std.mem.indexOfScalar(u8, rest, '\n');
        const length = @min(newline orelse rest.len, text_bytes_max);
        const is_full = newline != null and length == newline.?;
        const message = format(out, who, stream, rest[0..length], is_full) orelse return;
        _ = linux.sendto(fd, message.ptr, message.len, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
        rest = rest[length + @intFromBool(is_full) ..];
    }
}

fn format(out: []u8, who: Who, stream: Stream, text: []const u8, is_full: bool) ?[]const u8 {
    var w: std.Io.Writer = .fixed(out);
    w.print("PRIORITY={d}\nCONTAINER_ID={s}\nCONTAINER_ID_FULL={s}\nCONTAINER_NAME={s}\nIMAGE_NAME={s}\n", .{
        @as(u8, if (stream == .stdout) priority_info else priority_error),
        who.id[0..@min(12, who.id.len)],
        who.id,
        who.name,
        who.image,
    }) catch return null;
    w.print("CONTAINER_TAG={s}\nSYSLOG_IDENTIFIER={s}\n", .{ who.tag, if (who.tag.len > 0) who.tag else who.name }) catch return null;
    if (!is_full) w.writeAll("CONTAINER_PARTIAL_MESSAGE=true\n") catch return null;
    w.writeAll("MESSAGE\n") catch return null;
    w.writeInt(u64, text.len, .little) catch return null;
    w.writeAll(text) catch return null;
    w.writeByte('\n') catch return null;
    return w.buffered();
}

test "format() is a message of the journal, whatever the line holds" {
    var out: [512]u8 = undefined;
    const who: Who = .{ .id = "0123456789abcdef", .name = "n", .image = "i", .tag = "" };
    const message = format(&out, who, .stderr, "a\nb", false).?;
    try std.testing.expectStringStartsWith(message, "PRIORITY=3\nCONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\n");
    try std.testing.expect(std.mem.endsWith(u8, message, "CONTAINER_PARTIAL_MESSAGE=true\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n"));
}
